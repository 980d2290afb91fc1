/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a sink hears on a live table: every run after the completed invalidation that covers it,
 * however many runs there are and whatever ends them.
 */
#include <maxleaf/hosted.h>
#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define TABLE_BYTES (512 * PAGE)
#define RANGES 64

/* Invalidations issued, and how many of them are complete. */
struct heard {
	struct ml_malloc heap;
	struct ml_invalidation ranges[RANGES];
	unsigned issued, complete;
	uint64_t runs, pages, early;
};

static void *heard_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	return ml_malloc_platform.table_alloc(&((struct heard *)cookie)->heap, op, bytes, pa);
}

static void heard_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	ml_malloc_platform.table_free(&((struct heard *)cookie)->heap, op, table, pa, bytes);
}

static void *heard_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	return ml_malloc_platform.table_pointer(&((struct heard *)cookie)->heap, pa, bytes);
}

static void heard_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct heard *heard = cookie;

	(void)op;
	if (t_ok(heard->issued < RANGES))
		heard->ranges[heard->issued++] = *what;
}

static void heard_complete(void *cookie, struct ml_op *op)
{
	struct heard *heard = cookie;

	(void)op;
	heard->complete = heard->issued;
}

static const struct ml_platform heard_platform = {
	.table_alloc = heard_alloc,
	.table_free = heard_free,
	.table_pointer = heard_pointer,
	.invalidate = heard_invalidate,
	.complete = heard_complete,
};

static bool is_covered(const struct heard *heard, const struct ml_run *run)
{
	for (unsigned i = 0; i < heard->complete; i++)
		if (heard->ranges[i].va <= run->va &&
		    run->va + run->length <= heard->ranges[i].va + heard->ranges[i].length)
			return true;
	return false;
}

static void hear(void *cookie, const struct ml_run *run)
{
	struct heard *heard = cookie;

	heard->runs++;
	heard->pages += run->length / PAGE;
	heard->early += !is_covered(heard, run);
}

static void set_up(struct ml_table *table, struct heard *heard, const struct ml_format *format)
{
	const struct ml_table_config config = { .platform = &heard_platform,
						.cookie = heard,
						.live = true };

	*heard = (struct heard){ 0 };
	t_eq(ml_table_init(table, format, &config), ML_OK);
}

/* Pages whose frames do not follow one another: each is a run of its own. */
static void map_scattered(struct ml_table *table, ml_va va, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		t_eq(ml_map(table, va + i * PAGE, PAGE, 0x10000000 + 3 * i * PAGE, ML_RW, NULL),
		     ML_OK);
}

static void check_heard(struct heard *heard, uint64_t runs, uint64_t pages)
{
	t_eq(heard->runs, runs);
	t_eq(heard->pages, pages);
	t_eq(heard->early, 0);
	heard->issued = heard->complete = 0;
	heard->runs = heard->pages = heard->early = 0;
}

static const struct ml_format *const formats[] = { &ml_format_x86_64, &ml_format_arm64_4k };

TEST(every_run_is_invalidated_before_it_is_told)
{
	for (unsigned f = 0; f < 2; f++) {
		struct heard heard;
		struct ml_table table;
		struct ml_op op = { .sink = hear, .sink_cookie = &heard };

		set_up(&table, &heard, formats[f]);
		map_scattered(&table, 0, 64);
		map_scattered(&table, TABLE_BYTES - 8 * PAGE, 64);
		t_eq(ml_unmap(&table, PAGE, 62 * PAGE, &op), ML_OK);
		check_heard(&heard, 62, 62);
		t_eq(op.bytes, 62 * PAGE);
		t_eq(ml_unmap(&table, 0, 2 * TABLE_BYTES, &op), ML_OK);
		check_heard(&heard, 66, 66);
		t_eq(op.bytes, 66 * PAGE);
		ml_table_fini(&table, NULL);
	}
}

TEST(replaced_runs_too)
{
	for (unsigned f = 0; f < 2; f++) {
		struct heard heard;
		struct ml_table table;
		struct ml_op op = { .sink = hear, .sink_cookie = &heard, .flags = ML_OP_REPLACE };

		set_up(&table, &heard, formats[f]);
		map_scattered(&table, 0, 64);
		t_eq(ml_map(&table, 0, 64 * PAGE, 0x20001000, ML_RW, &op), ML_OK);
		check_heard(&heard, 64, 64);
		t_eq(op.bytes, 64 * PAGE);
		ml_table_fini(&table, &op);
		check_heard(&heard, 1, 64);
	}
}

/* Small runs, whole tables and large leaves in one range. */
TEST(runs_between_tables_and_large_leaves)
{
	for (unsigned f = 0; f < 2; f++) {
		struct heard heard;
		struct ml_table table;
		struct ml_op op = { .sink = hear, .sink_cookie = &heard };
		uint64_t runs = 0;

		set_up(&table, &heard, formats[f]);
		for (unsigned i = 1; i < 40; i += 2, runs += 3) {
			map_scattered(&table, i * TABLE_BYTES, 2);
			t_eq(ml_map(&table, (i + 1) * TABLE_BYTES, TABLE_BYTES,
				    0x40000000 + i * TABLE_BYTES, ML_RW, NULL),
			     ML_OK);
		}
		t_eq(ml_unmap(&table, PAGE, 100 * TABLE_BYTES, &op), ML_OK);
		check_heard(&heard, runs, 20 * 514);
		ml_table_fini(&table, NULL);
	}
}

/* ---- dirty ----------------------------------------------------------------------------- */

#define LEAVES 4
#define WRITTEN 2 /* the one of them that was written to */

static struct ml_run told[LEAVES];
static unsigned told_count;

static void keep_run(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	if (told_count < LEAVES)
		told[told_count] = *run;
	told_count++;
}

static bool is_told(unsigned number, ml_va va, uint64_t length, bool dirty)
{
	return told[number].va == va && told[number].length == length &&
	       !(told[number].prot & ML_DIRTY) == !dirty;
}

/* Leaves side by side, one of them written to at its middle; with or without their whole table. */
static void unmap_written(enum world world, unsigned rung, unsigned flags, bool whole)
{
	const struct ml_format *f = worlds[world].format;
	const struct ml_table_config wish = {
		.rungs = (2u << rung) - 1, .track_ad = true, .hardware_ad = true, .live = true
	};
	const uint64_t bytes = (uint64_t)1 << f->rungs[rung].shift;
	const uint64_t span = (uint64_t)1 << f->level_shift[f->rungs[rung].level + 1];
	const ml_va va = worlds[world].windows[0].first & ~(span - 1);
	struct ml_op op = { .sink = keep_run, .flags = flags };
	struct ml_model_result seen;
	struct rig rig;

	if (span < LEAVES * bytes)
		return;
	told_count = 0;
	T_REQUIRE(t_eq(rig_open(&rig, world, &wish), ML_OK));
	t_eq(ml_map(&rig.table, va, LEAVES * bytes, 0, ML_RW, NULL), ML_OK);
	t_ok(rig_touch(&rig, va + WRITTEN * bytes + bytes / 2, true, &seen));
	t_eq(ml_unmap(&rig.table, va, whole ? span : LEAVES * bytes, &op), ML_OK);
	if (flags) {
		t_eq(told_count, 3);
		t_ok(is_told(0, va, WRITTEN * bytes, false));
		t_ok(is_told(1, va + WRITTEN * bytes, bytes, true));
		t_ok(is_told(2, va + (WRITTEN + 1) * bytes, bytes, false));
	} else {
		t_eq(told_count, 1);
		t_ok(is_told(0, va, LEAVES * bytes, true));
	}
	t_ok(rig_close(&rig));
}

TEST(dirty_is_told_leaf_by_leaf_to_who_asks)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_format *f = worlds[world].format;

		for (unsigned rung = 0; rung < f->rung_count; rung++) {
			if (f->rungs[rung].level + 1u >= worlds[world].levels)
				continue;
			T_CONTEXT(worlds[world].name, rung);
			unmap_written(world, rung, 0, false);
			unmap_written(world, rung, 0, true);
			unmap_written(world, rung, ML_OP_EXACT_DIRTY, false);
			unmap_written(world, rung, ML_OP_EXACT_DIRTY, true);
		}
	}
}

/* What an operation answers never is what an earlier one left there. */
TEST(results_are_of_this_call)
{
	struct heard heard;
	struct ml_table table;
	struct ml_op op = { .tables_needed = 77, .bytes = 12345 };

	set_up(&table, &heard, &ml_format_arm64_4k);
	map_scattered(&table, 0, 1);
	t_eq(ml_fold(&table, 0, TABLE_BYTES, 1, &op), ML_OK);
	t_eq(op.bytes, 0);
	t_eq(op.tables_needed, 0);
	op = (struct ml_op){ .tables_needed = 77, .bytes = 12345 };
	t_eq(ml_split(&table, 0, TABLE_BYTES, 0, &op), ML_OK);
	t_eq(op.bytes, 0);
	t_eq(op.tables_needed, 0);
	op = (struct ml_op){ .tables_needed = 77, .bytes = 12345 };
	t_eq(ml_unmap(&table, 0, PAGE, &op), ML_OK);
	t_eq(op.bytes, 0);
	t_eq(op.tables_needed, 0);
	op = (struct ml_op){ .tables_needed = 77, .bytes = 12345 };
	t_eq(ml_protect(&table, 0, PAGE, ML_WRITE, 0, &op), ML_OK);
	t_eq(op.bytes, 0);
	t_eq(op.tables_needed, 0);
	ml_table_fini(&table, NULL);
}

/* No run goes on behind the last frame, though the entries there follow one another. */
TEST(a_run_ends_at_the_last_frame)
{
	const ml_pa last = ((ml_pa)1 << 52) - PAGE;

	for (unsigned whole = 0; whole < 2; whole++) {
		struct heard heard;
		struct ml_table table;
		struct ml_op op = { .sink = hear, .sink_cookie = &heard };

		set_up(&table, &heard, &ml_format_x86_64);
		t_eq(ml_map(&table, 0, PAGE, last, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&table, PAGE, PAGE, 0, ML_RW | ML_SOFT(0), NULL), ML_OK);
		t_eq(ml_unmap(&table, 0, whole ? TABLE_BYTES : 2 * PAGE, &op), ML_OK);
		check_heard(&heard, 2, 2);
		ml_table_fini(&table, NULL);
	}
}
