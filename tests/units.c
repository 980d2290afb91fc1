/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * lock_unit, one call after another: what is refused, what stays, what ml_table_trim() takes.
 * Writers that really pass each other are in interleave_units.c and threads.c.
 */
#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

static void put_up(struct rig *rig, enum world world, uint64_t unit, bool live)
{
	const struct ml_table_config wish = { .lock_unit = unit, .live = live };

	t_eq(rig_open(rig, world, &wish), ML_OK);
}

static void take_down(struct rig *rig)
{
	t_eq(ml_table_check(&rig->table, NULL), ML_OK);
	t_ok(rig_close(rig));
}

TEST(every_leaf_size_is_a_unit_and_nothing_else)
{
	const struct ml_format *f;
	struct rig rig;

	for (enum world world = 0; world < WORLDS; world++) {
		f = worlds[world].format;
		for (unsigned shift = 0; shift < 64; shift++) {
			const struct ml_table_config wish = { .lock_unit = (uint64_t)1 << shift };
			bool exists = false;

			for (unsigned rung = 0; rung < f->rung_count; rung++)
				exists |= f->rungs[rung].shift == shift;
			T_CONTEXT("shift", shift);
			t_eq(rig_open(&rig, world, &wish), exists ? ML_OK : ML_ERR_CONFIG);
			if (exists)
				take_down(&rig);
		}
	}
}

static void sync(void *cookie, struct ml_op *op, const void *memory, size_t bytes)
{
	(void)cookie;
	(void)op;
	(void)memory;
	(void)bytes;
}

TEST(what_several_writers_cannot_share_is_refused)
{
	struct ml_arena *arena = rig_arena(WORLD_X86_4);
	const struct ml_platform platform = arena->platform;
	struct ml_table_config wish = { .lock_unit = 2 * M, .guaranteed = true };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	wish.guaranteed = false;
	wish.fold = ML_FOLD_BLOCK;
	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	wish.fold = ML_FOLD_COMPLETE;
	arena->platform.table_sync = sync;
	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_ERR_CONFIG);
	arena->platform = platform;
	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
	take_down(&rig);
}

TEST(no_leaf_is_larger_than_a_unit)
{
	struct rig rig;

	put_up(&rig, WORLD_X86_4, 2 * M, false);
	t_eq(ml_map(&rig.table, 0, 2 * G, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_fold(&rig.table, 0, 2 * G, rig_rung(&rig, 30), NULL), ML_OK);
	t_eq(rig_leaves(&rig, rig_rung(&rig, 21)), 1024);
	take_down(&rig);
	put_up(&rig, WORLD_ARM_LOW, 64 * K, false);
	t_eq(ml_map(&rig.table, 0, 4 * M, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_fold(&rig.table, 0, 4 * M, rig_rung(&rig, 21), NULL), ML_OK);
	t_eq(rig_leaves(&rig, rig_rung(&rig, 16)), 64);
	take_down(&rig);
	put_up(&rig, WORLD_ARM_LOW, 4 * K, false);
	t_eq(ml_map(&rig.table, 0, 64 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&rig, 0), 16);
	take_down(&rig);
}

/* Map and unmap one page: with a unit as large as 1 << shift, so many tables stay. */
static void leave_tables(enum world world, unsigned shift, uint64_t stay)
{
	struct rig rig;

	T_CONTEXT(worlds[world].name, shift);
	put_up(&rig, world, (uint64_t)1 << shift, true);
	t_eq(ml_map(&rig.table, 0, rig_page(&rig), 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, 0, rig_page(&rig), NULL), ML_OK);
	t_eq(rig.table.stats.tables, 1 + stay);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_eq(ml_table_trim(&rig.table, 0, worlds[world].low_last + 1, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 1);
	t_eq(rig.arena->pending, 0);
	take_down(&rig);
}

TEST(tables_above_a_unit_wait_for_trim)
{
	leave_tables(WORLD_X86_4, 12, 3);
	leave_tables(WORLD_X86_4, 21, 2);
	leave_tables(WORLD_X86_4, 30, 1);
	leave_tables(WORLD_X86_5, 21, 3);
	leave_tables(WORLD_ARM_LOW, 16, 3);
	leave_tables(WORLD_ARM_LOW, 21, 2);
	leave_tables(WORLD_ARM_LOW, 25, 2);
	leave_tables(WORLD_ARM_LOW, 30, 1);
	leave_tables(WORLD_TOY, 12, 1);
	leave_tables(WORLD_TOY, 13, 1);
	leave_tables(WORLD_TOY, 14, 0);
	leave_tables(WORLD_TOY, 15, 0);
}

TEST(trim_takes_what_lies_wholly_in_its_range_and_is_empty)
{
	struct rig rig;

	put_up(&rig, WORLD_X86_4, 2 * M, true);
	t_eq(ml_map(&rig.table, G, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 2 * G, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 3 * G, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, G, 2 * G, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 6); /* root; one of 512G; three of 1G; one of 2M */
	t_eq(ml_table_trim(&rig.table, G, G - 4 * K, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 6);
	t_eq(ml_table_trim(&rig.table, G + 4 * K, G - 4 * K, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 6);
	t_eq(ml_table_trim(&rig.table, G, G, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 5);
	t_eq(ml_table_trim(&rig.table, 0, 4 * G, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 4);
	t_ok(rig_maps(&rig, 3 * G, 4 * K, 0, 0));
	t_eq(ml_unmap(&rig.table, 3 * G, 4 * K, NULL), ML_OK);
	t_eq(ml_table_trim(&rig.table, 3 * G, G, NULL), ML_OK); /* leaves an empty one above */
	t_eq(rig.table.stats.tables, 2);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_eq(ml_table_trim(&rig.table, 0, 1024 * G, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 1);
	take_down(&rig);
}

TEST(trim_refuses_a_bad_range_and_does_nothing_for_one_writer)
{
	struct rig rig;

	put_up(&rig, WORLD_X86_4, 0, true);
	t_eq(ml_map(&rig.table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_table_trim(&rig.table, 0, 0, NULL), ML_ERR_EMPTY);
	t_eq(ml_table_trim(&rig.table, 1, 4 * K, NULL), ML_ERR_ALIGN);
	t_eq(ml_table_trim(&rig.table, 128 * 1024 * G, 4 * K, NULL), ML_ERR_CANONICAL);
	t_eq(ml_table_trim(&rig.table, 0, 512 * G, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 4);
	take_down(&rig);
}

TEST(tables_that_are_lent_are_not_trimmed)
{
	const uint64_t slot = 512 * G;
	struct rig user, kernel;

	put_up(&user, WORLD_X86_4, 2 * M, true);
	put_up(&kernel, WORLD_X86_4, 2 * M, true);
	t_eq(ml_table_share(&user.table, &kernel.table, 0 - slot, slot, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, 0 - slot, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&kernel.table, 0 - slot, 4 * K, NULL), ML_OK);
	t_eq(ml_table_trim(&kernel.table, 0 - slot, slot, NULL), ML_OK);
	t_eq(kernel.table.stats.tables, 2);
	t_eq(ml_table_trim(&user.table, 0 - slot, slot, NULL), ML_ERR_SHARED);
	take_down(&user);
	take_down(&kernel);
}

TEST(adopting_larger_leaves_than_a_unit_is_refused)
{
	struct rig rig;
	struct ml_table adopted;
	struct ml_table_config config = { .lock_unit = 2 * M };

	put_up(&rig, WORLD_X86_4, 0, false);
	t_eq(ml_map(&rig.table, 0, G, 0, ML_RW, NULL), ML_OK);
	config.platform = &rig.arena->platform;
	config.cookie = rig.arena;
	t_eq(ml_table_adopt(&adopted, &ml_format_x86_64, &config, ml_table_root(&rig.table), 9),
	     ML_ERR_CONFIG);
	config.lock_unit = G;
	t_eq(ml_table_adopt(&adopted, &ml_format_x86_64, &config, ml_table_root(&rig.table), 9),
	     ML_OK);
	take_down(&rig);
}
