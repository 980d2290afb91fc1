/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The three views of one memory through the KVM port: three ranges of one table, which the CPU
 * walks as maxleaf wrote it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#define PAGE ((uint64_t)1 << 12)
#define MEMORY_PA ((uint64_t)4 << 30)
#define VIEW_VA(name) ((ml_va)((name) + 1) << 43) /* aligned to every leaf, as MEMORY_PA is */
#define POPULATE_WRITE 23                         /* MADV_POPULATE_WRITE of Linux 5.14 */

static struct ml_kvm machine;
static struct ml_table table;
static bool opened, made;
static uint64_t filled;

/* What may be done about a device that does not open. */
static void hint(int error)
{
	if (error == EACCES || error == EPERM)
		cli_hint("whoever may use it is in the group that owns it, often kvm; "
			 "--port process needs no right");
	else if (error == ENOENT || error == ENXIO || error == ENODEV)
		cli_hint("no KVM here: the CPU lacks virtualisation, or it is off; "
			 "--port process needs none");
	else
		cli_hint("--port process needs no KVM");
}

static int refused(int error)
{
	const struct ml_kvm_refusal *refusal = &machine.refusal;

	if (error != ML_ERR_REFUSED)
		return cli_error("bench: --port kvm", "%s", ml_error_text(error));
	if (!strcmp(refusal->what, "fault"))
		return cli_error("bench: --port kvm",
				 "the guest faulted: vector %u, code 0x%llx, at 0x%llx",
				 (unsigned)refusal->number, (unsigned long long)refusal->code,
				 (unsigned long long)refusal->va);
	if (refusal->error)
		cli_error("bench: --port kvm", "%s: %s", refusal->what, strerror(refusal->error));
	else
		cli_error("bench: --port kvm", "%s is not supported (%llu)", refusal->what,
			  (unsigned long long)refusal->number);
	hint(refusal->error);
	return CLI_TROUBLE;
}

static int map_views(struct bench_views *views, uint64_t bytes)
{
	unsigned name;
	int error = ML_OK;

	for (name = 0; name < BENCH_VIEWS && !error; name++) {
		views->view[name].va = VIEW_VA(name) + (name == BENCH_SHIFTED ? PAGE : 0);
		error = ml_map(&table, views->view[name].va, bytes, MEMORY_PA, ML_USER | ML_RW,
			       NULL);
		if (!error && name == BENCH_SMALL)
			error = ml_split(&table, views->view[name].va, bytes, 0, NULL);
	}
	return error;
}

static int kvm_open(struct bench_views *views, uint64_t bytes)
{
	struct ml_kvm_config config = { .memory_bytes = bytes, .memory_pa = MEMORY_PA };
	struct ml_table_config wish = { .rungs = 0 };
	int error = ml_kvm_init(&machine, &config);

	if (error)
		return refused(error);
	opened = true;
	ml_kvm_configure(&machine, &wish);
	error = ml_table_init(&table, &ml_format_x86_64, &wish);
	made = !error;
	if (!error)
		error = map_views(views, bytes);
	if (!error)
		error = ml_kvm_attach(&machine, &table);
	views->memory = machine.memory;
	views->shadowed = machine.shadowed;
	views->pa = MEMORY_PA;
	return error ? refused(error) : CLI_FINE;
}

static uint64_t kvm_chase(struct bench_views *views, unsigned name, uint64_t offset, uint64_t steps)
{
	if (!views->broken && ml_kvm_chase(&machine, views->view[name].va, &offset, steps)) {
		views->broken = true;
		refused(ML_ERR_REFUSED);
	}
	return offset;
}

static void kvm_copy(struct bench_views *views, unsigned name, uint64_t to, uint64_t from,
		     uint64_t bytes)
{
	ml_va va = views->view[name].va;

	if (!views->broken && ml_kvm_copy(&machine, va + to, va + from, bytes)) {
		views->broken = true;
		refused(ML_ERR_REFUSED);
	}
}

/* The host's memory, in its large leaves; then what KVM keeps of each view, for stores too. */
static void kvm_fill(struct bench_views *views, uint64_t bytes)
{
	uint64_t half = bytes / 2;
	unsigned name;

	if (bytes <= filled)
		return;
	if (madvise(machine.memory + filled, bytes - filled, POPULATE_WRITE))
		memset(machine.memory + filled, 0, bytes - filled);
	filled = bytes;
	for (name = 0; name < BENCH_VIEWS; name++) {
		kvm_copy(views, name, half, 0, half);
		kvm_copy(views, name, 0, half, half);
	}
}

/* Our small leaves are what they are; below large ones the host's may be smaller. */
static void kvm_confirm(const struct bench_views *views, unsigned name, uint64_t bytes,
			struct ml_process_sizes *sizes)
{
	(void)views;
	*sizes = (struct ml_process_sizes){
		.present_known = true, .present = bytes, .huge_known = true, .source = "our table"
	};
	if (name == BENCH_LARGE)
		ml_process_confirm_memory(machine.memory, bytes, sizes);
}

static void kvm_close(struct bench_views *views)
{
	(void)views;
	if (machine.table)
		ml_kvm_detach(&machine, &table);
	if (made)
		ml_table_fini(&table, NULL);
	if (opened)
		ml_kvm_fini(&machine);
}

const struct bench_port bench_port_kvm = {
	.name = "kvm",
	.about = "The same physical pages through leaves of three kinds. A virtual CPU of KVM\n"
		 "walks the tables of maxleaf; the smaller of their leaf and the host's below\n"
		 "them counts.",
	.confirmed = "Leaves in effect, the host's own counted in,",
	.format = ml_process_format,
	.open = kvm_open,
	.fill = kvm_fill,
	.confirm = kvm_confirm,
	.chase = kvm_chase,
	.copy = kvm_copy,
	.close = kvm_close,
};
