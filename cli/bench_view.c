/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The three views of one memory: a window and a table each, through the process port.
 */
#include <errno.h>
#include <string.h>

#include "bench.h"

#define PAGE ((uint64_t)1 << 12)
#define MEMORY_PA ((uint64_t)4 << 30)

const char *const bench_view_names[BENCH_VIEWS] = {
	[BENCH_SMALL] = "small",
	[BENCH_SHIFTED] = "shifted",
	[BENCH_LARGE] = "largest",
};

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

/* Every view is of the memory that the first one creates. */
static int view_open(struct bench_views *views, unsigned name, uint64_t bytes)
{
	struct bench_view *view = &views->view[name];
	uint64_t shift = name == BENCH_SHIFTED ? PAGE : 0;
	struct ml_process_config config = { .window_bytes = bytes, .memory_pa = MEMORY_PA };
	struct ml_table_config table = { .rungs = name == BENCH_SMALL };
	int error;

	if (shift)
		config.window_bytes += ML_PROCESS_HUGE_BYTES;
	if (name == 0)
		config.memory_bytes = bytes;
	else
		config.memory_of = &views->view[0].process;
	error = ml_process_init(&view->process, &config);
	if (error)
		return refused(&view->process, error);
	views->count++;
	ml_process_configure(&view->process, &table);
	error = ml_table_init(&view->table, ml_process_format(), &table);
	if (!error)
		error = ml_process_attach(&view->process, &view->table);
	view->va = view->process.window_va + shift;
	view->start = view->process.window + shift;
	if (!error)
		error = ml_map(&view->table, view->va, bytes, view->process.memory_pa,
			       ML_USER | ML_RW, NULL);
	return error ? cli_error("bench", "%s", ml_error_text(error)) : CLI_FINE;
}

int bench_views_open(struct bench_views *views, uint64_t bytes)
{
	unsigned name;
	int status = CLI_FINE;

	memset(views, 0, sizeof(*views));
	for (name = 0; name < BENCH_VIEWS && status == CLI_FINE; name++)
		status = view_open(views, name, bytes);
	return status;
}

static void view_fill(struct bench_view *view, uint64_t bytes)
{
	if (bytes <= view->filled)
		return;
	if (ml_process_sync(&view->process, view->va + view->filled, bytes - view->filled) &&
	    !view->refused) {
		view->refused = true;
		view->refusal = view->process.refusal;
	}
	view->filled = bytes;
}

/* The largest leaves first: making them takes the memory out of every other mapping. */
void bench_views_fill(struct bench_views *views, uint64_t bytes)
{
	unsigned name = BENCH_VIEWS;

	while (name--)
		view_fill(&views->view[name], bytes);
}

void bench_views_confirm(const struct bench_views *views, uint64_t bytes,
			 struct ml_process_sizes sizes[BENCH_VIEWS])
{
	unsigned name;

	for (name = 0; name < BENCH_VIEWS; name++) {
		const struct bench_view *view = &views->view[name];

		if (ml_process_confirm(&view->process, view->va, bytes, &sizes[name]))
			sizes[name] = (struct ml_process_sizes){ .source = "none" };
	}
}

void bench_views_close(struct bench_views *views)
{
	while (views->count--) {
		struct bench_view *view = &views->view[views->count];

		ml_process_detach(&view->process, &view->table);
		ml_table_fini(&view->table, NULL);
		ml_process_fini(&view->process);
	}
}
