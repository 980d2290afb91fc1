/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The three views of one memory through the process port: a window and a table each.
 */
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "bench_chain.h"

#define PAGE ((uint64_t)1 << 12)
#define MEMORY_PA ((uint64_t)4 << 30)

/* A view's own. */
struct window {
	struct ml_process process;
	struct ml_table table;
	char *start;     /* where byte 0 of the memory is seen */
	uint64_t filled; /* bytes synchronised so far */
};

static struct window windows[BENCH_VIEWS];
static unsigned window_count; /* opened so far */

static int refused(const struct ml_process *process, int error)
{
	const struct ml_process_refusal *refusal = &process->refusal;

	if (error != ML_ERR_REFUSED)
		return cli_error("bench", "%s", ml_error_text(error));
	if (!refusal->error) {
		cli_error("bench", "%s is not supported", refusal->what);
		cli_hint("it runs on Linux on x86-64 and arm64, with pages of 4K");
		return CLI_TROUBLE;
	}
	cli_error("bench", "the kernel refused %s of %s: %s", refusal->what,
		  cli_size_human(refusal->length).text, strerror(refusal->error));
	cli_hint("a smaller --max needs less");
	return CLI_TROUBLE;
}

/* Every window is of the memory that the first one creates. */
static int window_open(struct window *window, unsigned name, uint64_t bytes)
{
	uint64_t shift = name == BENCH_SHIFTED ? PAGE : 0;
	struct ml_process_config config = { .window_bytes = bytes, .memory_pa = MEMORY_PA };
	struct ml_table_config table = { .rungs = name == BENCH_SMALL };
	int error;

	if (shift)
		config.window_bytes += ML_PROCESS_HUGE_BYTES;
	if (name == 0)
		config.memory_bytes = bytes;
	else
		config.memory_of = &windows[0].process;
	error = ml_process_init(&window->process, &config);
	if (error)
		return refused(&window->process, error);
	window_count++;
	ml_process_configure(&window->process, &table);
	error = ml_table_init(&window->table, ml_process_format(), &table);
	if (!error)
		error = ml_process_attach(&window->process, &window->table);
	window->start = window->process.window + shift;
	if (!error)
		error = ml_map(&window->table, window->process.window_va + shift, bytes, MEMORY_PA,
			       ML_USER | ML_RW, NULL);
	return error ? cli_error("bench", "%s", ml_error_text(error)) : CLI_FINE;
}

static int process_open(struct bench_views *views, uint64_t bytes)
{
	unsigned name;
	int status = CLI_FINE;

	views->pa = MEMORY_PA;
	for (name = 0; name < BENCH_VIEWS && status == CLI_FINE; name++) {
		status = window_open(&windows[name], name, bytes);
		views->view[name].va = (uintptr_t)windows[name].start;
	}
	views->memory = windows[BENCH_LARGE].start;
	return status;
}

static void window_fill(struct window *window, struct bench_view *view, uint64_t bytes)
{
	if (bytes <= window->filled)
		return;
	if (ml_process_sync(&window->process, view->va + window->filled, bytes - window->filled) &&
	    !view->refused) {
		view->refused = true;
		view->refusal = window->process.refusal;
	}
	window->filled = bytes;
}

/* The largest leaves first: making them takes the memory out of every other mapping. */
static void process_fill(struct bench_views *views, uint64_t bytes)
{
	unsigned name = BENCH_VIEWS;

	while (name--)
		window_fill(&windows[name], &views->view[name], bytes);
}

static void process_confirm(const struct bench_views *views, unsigned name, uint64_t bytes,
			    struct ml_process_sizes *sizes)
{
	if (ml_process_confirm(&windows[name].process, views->view[name].va, bytes, sizes))
		*sizes = (struct ml_process_sizes){ .source = "none" };
}

static uint64_t process_chase(struct bench_views *views, unsigned name, uint64_t offset,
			      uint64_t steps)
{
	(void)views;
	return chain_follow(windows[name].start, offset, steps);
}

static void process_copy(struct bench_views *views, unsigned name, uint64_t to, uint64_t from,
			 uint64_t bytes)
{
	(void)views;
	memcpy(windows[name].start + to, windows[name].start + from, bytes);
}

static void process_close(struct bench_views *views)
{
	(void)views;
	while (window_count--) {
		struct window *window = &windows[window_count];

		ml_process_detach(&window->process, &window->table);
		ml_table_fini(&window->table, NULL);
		ml_process_fini(&window->process);
	}
}

const struct bench_port bench_port_process = {
	.name = "process",
	.about = "The same physical pages through leaves of three kinds. Linux builds the\n"
		 "hardware's tables here, by the tables of maxleaf, and makes leaves of 2M at\n"
		 "most; the sizes it gave are read back below.",
	.confirmed = "Leaves the kernel confirms",
	.format = ml_process_format,
	.open = process_open,
	.fill = process_fill,
	.confirm = process_confirm,
	.chase = process_chase,
	.copy = process_copy,
	.close = process_close,
};
