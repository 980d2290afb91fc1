/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The life of a piece of memory in spaces of the library: live tables of this machine's format,
 * whose platform counts, and frames that are counted one by one in an array. No memory is behind
 * them: nobody loads or stores.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_space.h"

#define PAGE ((uint64_t)4096)
#define TABLE_BYTES ((size_t)4096)
#define POOL_PA ((ml_pa)1 << 20)
#define RAW_PA ((ml_pa)1 << 36)
#define FRAMES_PA ((ml_pa)1 << 37)
#define FIRST_VA ((ml_va)1 << 40)

static struct library {
	uint64_t bytes;
	char *memory; /* of tables, */
	size_t memory_bytes;
	struct ml_pool pool;
	uint32_t *counts; /* references of each frame */
	uint64_t next;    /* frame that was not given out yet */
	uint64_t used;    /* frames that somebody holds */
	uint64_t invalidations, completions;
} library;

/* --- the platform ------------------------------------------------------------------ */

static void *table_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)cookie;
	return ml_pool_alloc(&library.pool, op, bytes, pa);
}

static void table_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	ml_pool_free(&library.pool, op, table, pa, bytes);
}

static void *table_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	return ml_pool_pointer(&library.pool, pa, bytes);
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie, (void)op, (void)what;
	library.invalidations++;
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie, (void)op;
	library.completions++;
}

static const struct ml_platform platform = {
	.table_alloc = table_alloc,
	.table_free = table_free,
	.table_pointer = table_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

/* --- frames ------------------------------------------------------------------------- */

static void *object_alloc(void *cookie, size_t bytes)
{
	(void)cookie;
	return malloc(bytes);
}

static void object_free(void *cookie, void *object, size_t bytes)
{
	(void)cookie, (void)bytes;
	free(object);
}

static uint32_t *count_of(ml_pa pa)
{
	return &library.counts[(pa - FRAMES_PA) / PAGE];
}

static void frames_get(void *cookie, ml_pa pa, uint64_t length)
{
	uint32_t *count = count_of(pa), *end = count + length / PAGE;

	(void)cookie;
	for (; count < end; count++)
		library.used += (*count)++ == 0;
}

static void frames_put(void *cookie, ml_pa pa, uint64_t length)
{
	uint32_t *count = count_of(pa), *end = count + length / PAGE;

	(void)cookie;
	for (; count < end; count++)
		library.used -= --*count == 0;
}

/* All that will ever be asked for is there, and zero. */
static bool frames_alloc(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	(void)zero;
	*pa = FRAMES_PA + library.next * PAGE;
	library.next += bytes / PAGE;
	if (library.next > library.bytes / PAGE)
		return false;
	frames_get(cookie, *pa, bytes);
	return true;
}

static bool frames_exclusive(void *cookie, ml_pa pa, uint64_t length)
{
	const uint32_t *count = count_of(pa), *end = count + length / PAGE;

	(void)cookie;
	while (count < end && *count == 1)
		count++;
	return count == end;
}

static void frames_copy(void *cookie, ml_pa to, ml_pa from, uint64_t length)
{
	(void)cookie, (void)to, (void)from, (void)length;
}

static const struct ml_frames frames = {
	.object_alloc = object_alloc,
	.object_free = object_free,
	.alloc = frames_alloc,
	.get = frames_get,
	.put = frames_put,
	.exclusive = frames_exclusive,
	.copy = frames_copy,
};

/* --- a life ------------------------------------------------------------------------- */

struct life {
	const struct space_kind *kind;
	struct ml_space space, child;
	ml_va va; /* where the memory is now */
	int error;
};

/* Sizes up to 2M: what the kernel has for such memory. */
static uint32_t rungs_to_leaf(const struct ml_format *format)
{
	uint32_t rungs = 0;
	unsigned i;

	for (i = 0; i < format->rung_count; i++)
		if ((uint64_t)1 << format->rungs[i].shift <= SPACE_LEAF)
			rungs |= (uint32_t)1 << i;
	return rungs;
}

static int open_space(struct ml_space *space, const struct space_kind *kind)
{
	const struct ml_format *format = ml_process_format();
	const uint32_t rungs = rungs_to_leaf(format);
	const struct ml_space_config config = {
		.table = { .platform = &platform,
			   .base = ml_pool_base(&library.pool),
			   .rungs = rungs,
			   .live = true,
			   .hardware_ad = true,
			   .guaranteed = kind->guaranteed },
		.frames = &frames,
		.first = FIRST_VA,
		.last = 2 * FIRST_VA - 1,
		.fault_rungs = rungs & ~(rungs >> 1),
	};

	return ml_space_init(space, format, &config);
}

static void life_map(struct life *life)
{
	const struct ml_region_spec spec = {
		.prot = ML_RW,
		.may = ML_RW,
		.flags = life->kind->raw ? ML_REGION_RAW | ML_REGION_SHARED : 0,
	};

	life->va = FIRST_VA;
	life->error = ml_space_map(&life->space, life->va, library.bytes, &spec, 0, NULL);
	if (life->error)
		return;
	if (life->kind->raw)
		life->error =
			ml_remap_pfn_range(&life->space, life->va, library.bytes, RAW_PA, ML_WB);
	else
		life->error = ml_space_advise(&life->space, life->va, library.bytes,
					      ML_ADVISE_POPULATE_WRITE);
}

static void life_fork(struct life *life)
{
	life->error = ml_space_fork(&life->child, &life->space);
}

static void life_move(struct life *life)
{
	ml_va to = FIRST_VA + FIRST_VA / 2;

	life->error = ml_space_move(&life->space, life->va, library.bytes, library.bytes,
				    ML_MOVE_MAY | ML_MOVE_FIXED, &to);
	life->va = to;
}

static void life_protect(struct life *life)
{
	const ml_va leaf = life->va + library.bytes / 2 / SPACE_LEAF * SPACE_LEAF;

	life->error = ml_space_protect(&life->space, leaf + SPACE_LEAF / 2, PAGE, ML_READ);
}

static void life_unmap(struct life *life)
{
	life->error = ml_space_unmap(&life->space, life->va, library.bytes);
}

static void (*const calls[SPACE_CALLS])(struct life *life) = {
	[SPACE_MAP] = life_map,         [SPACE_FORK] = life_fork,   [SPACE_MOVE] = life_move,
	[SPACE_PROTECT] = life_protect, [SPACE_UNMAP] = life_unmap,
};

static void count_tables(const struct ml_space *space, struct space_sample *sample)
{
	struct ml_space_stats stats;

	ml_space_stats(space, &stats);
	sample->table_bytes = stats.table_bytes;
	sample->deposits = stats.deposits;
}

static void time_call(struct life *life, enum space_call call, struct space_sample *sample)
{
	const uint64_t invalidations = library.invalidations, completions = library.completions;
	const uint64_t start = cli_now_ns();

	calls[call](life);
	sample->ns = (double)(cli_now_ns() - start);
	sample->invalidations = library.invalidations - invalidations;
	sample->completions = library.completions - completions;
	if (!life->error)
		count_tables(call == SPACE_FORK ? &life->child : &life->space, sample);
}

/* The child leaves at once, and the parent writes to everything again: not timed. */
static void fork_and_leave(struct life *life, struct space_sample *sample)
{
	life->error = open_space(&life->child, life->kind);
	if (life->error)
		return;
	time_call(life, SPACE_FORK, sample);
	ml_space_fini(&life->child);
	if (!life->error && !life->kind->raw)
		life->error = ml_space_advise(&life->space, life->va, library.bytes,
					      ML_ADVISE_POPULATE_WRITE);
}

int space_library_live(const struct space_kind *kind, struct space_sample samples[SPACE_CALLS])
{
	struct life life = { .kind = kind };
	unsigned call;

	library.next = 0;
	life.error = open_space(&life.space, kind);
	if (life.error)
		return cli_error("bench space", "%s", ml_error_text(life.error));
	for (call = 0; call < SPACE_CALLS && !life.error; call++) {
		if (call == SPACE_FORK)
			fork_and_leave(&life, &samples[call]);
		else
			time_call(&life, call, &samples[call]);
	}
	if (!life.error)
		life.error = ml_space_check(&life.space, NULL);
	ml_space_fini(&life.space);
	if (life.error)
		return cli_error("bench space", "%s", ml_error_text(life.error));
	if (library.used || library.pool.used)
		return cli_error("bench space", "not everything came back");
	return CLI_FINE;
}

/* Parent and child, deposits, the way down to both places, and what a move holds back. */
static size_t pool_bytes(uint64_t bytes)
{
	return (3 * bytes / SPACE_LEAF + 2 * bytes / SPACE_LEAF / 512 + 128) * TABLE_BYTES;
}

/* Faulted in, and nothing that a fork of this process copies. */
static void *own_memory(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	(void)madvise(memory, bytes, MADV_DONTFORK);
	return memset(memory, 0, bytes);
}

static size_t counts_bytes(uint64_t bytes)
{
	return bytes / PAGE * sizeof(*library.counts);
}

int space_library_open(uint64_t bytes)
{
	library.bytes = bytes;
	library.memory_bytes = pool_bytes(bytes);
	library.memory = own_memory(library.memory_bytes);
	library.counts = own_memory(counts_bytes(bytes));
	if (!library.memory || !library.counts ||
	    ml_pool_init(&library.pool, library.memory, POOL_PA, library.memory_bytes, TABLE_BYTES))
		return cli_error("bench space", "no memory for tables");
	return CLI_FINE;
}

void space_library_close(void)
{
	if (library.counts)
		munmap(library.counts, counts_bytes(library.bytes));
	if (library.memory)
		munmap(library.memory, library.memory_bytes);
}
