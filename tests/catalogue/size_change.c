/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section B: sizes that change, splits, merges. */
#include <maxleaf/pte.h>

#include "catalogue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A block as 512 (toy: 4) small pages. */
static void put_pages(ml_prot prot)
{
	fine(scene_map(scene.va, scene.block, 0, prot));
	fine(scene_split(scene.va, scene.block, scene.page));
	t_eq(scene_leaf(scene.va), scene.page);
}

/* The one block at scene.va is what the entry of level 1 says. */
static void is_block(void)
{
	t_eq(scene_leaf(scene.va), scene.block);
}

TEST(b_13_a_block_was_installed_over_a_stale_table)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_table *t = &scene.judge.rig.table;
		ml_pte pte = 0, *p;

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_unmap(scene.va, scene.page));
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		is_block();
		fine(scene_unmap(scene.va, scene.block));
		/* ... and a table that stays when its last entry goes */
		order_operation(&scene.order);
		t_eq(ml_pte_ensure(t, scene.va, scene.page, 0, NULL), ML_OK);
		p = ml_pte_pointer(t, scene.va, 0);
		t_eq(ml_pte_make(t, 0, ML_RW, 0, &pte), ML_OK);
		ml_set_pte_at(t, scene.va, p, 0, pte);
		ml_pte_clear(t, scene.va, p, 0);
		ml_flush_range(t, scene.va, scene.page, 0, true);
		fine(scene_unmap(scene.va, scene.block));
		t_eq(scene_events(ML_EVENT_FREE) > 0, true);
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		is_block();
		fine(scene_close());
	}
}

/* What must never fault, changed in pieces of this size, by walkers that bear this much. */
static const char *open_never(enum world world, uint64_t len, uint64_t piece, unsigned bbm)
{
	const ml_va va = worlds[world].low_last ? 0 : worlds[world].high_first;
	static struct setting setting;

	setting = (struct setting){ .bbm = (uint8_t)bbm,
				    .never = { .va = va, .len = len, .piece = piece } };
	return scene_open(world, &setting);
}

TEST(b_14_a_remap_of_what_must_not_fault_was_done_live)
{
	FOR_EACH_WORLD(world)
	{
		const uint64_t block = (uint64_t)1 << worlds[world].format->level_shift[1];

		T_REQUIRE(fine(open_never(world, 2 * block, 0, 0)));
		fine(scene_map(scene.va, block, 0, ML_RW));
		fine(scene_replace(scene.va + scene.page, scene.page, block, ML_READ));
		t_ok(scene.refused); /* another frame: always through a break */
		fine(scene_protect(scene.va + scene.page, scene.page, ML_WRITE, 0));
		t_ok(!scene.refused);
		fine(scene_protect(scene.va, scene.page, ML_TYPE_MASK, ML_NC));
		t_eq(scene.refused, worlds[world].format->break_type);
		fine(scene_close());
	}
}

TEST(b_15_a_part_was_unmapped_and_the_rest_faulted)
{
	for (unsigned i = 0; i < 5 * 2; i++)
		FOR_EACH_WORLD(world)
		{
			const unsigned bbm = i & 1 ? 2 : 0;
			const uint64_t block = (uint64_t)1 << worlds[world].format->level_shift[1];
			const struct {
				uint64_t at, len;
			} parts[] = {
				{ 0, 4 * K },
				{ block / 2, 4 * K },
				{ block - 4 * K, 4 * K },
				{ 0, block + 4 * K }, /* a whole leaf, and the beginning of one */
				{ block - 4 * K, block + 4 * K },
			};

			T_REQUIRE(fine(open_never(world, 2 * block, block, bbm)));
			fine(scene_map(scene.va, block, 0, ML_RW));
			fine(scene_map(scene.va + block, block, 2 * block, ML_RW));
			fine(scene_unmap(scene.va + parts[i / 2].at, parts[i / 2].len));
			t_eq(scene.refused, bbm == 0); /* with 2 no store made the rest fault */
			fine(scene_close());
		}
}

TEST(b_16_a_block_was_written_over_a_table_that_nobody_freed)
{
	FOR_EACH_WORLD(world)
	{
		uint64_t tables;

		T_REQUIRE(fine(scene_open(world, NULL)));
		put_pages(ML_RW);
		tables = scene.judge.rig.arena->in_use;
		fine(scene_replace(scene.va, scene.block, 2 * scene.block, ML_RW));
		is_block();
		t_eq(scene.judge.rig.arena->in_use, tables - 1);
		fine(scene_close());
	}
}

TEST(b_17_the_old_table_was_flushed_at_the_wrong_level)
{
	FOR_EACH_WORLD(world)
	for (uint8_t bbm = 0; bbm <= worlds[world].format->bbm_most; bbm++) {
		T_REQUIRE(fine(scene_open(world, &(struct setting){ .bbm = bbm })));
		put_pages(ML_RW);
		fine(scene_fold(scene.va, scene.block, scene.block));
		is_block();
		t_ok(!scene_invalidation(scene_events(ML_EVENT_INVALIDATE) - 1)->leaves_only);
		t_ok(scene_next(0, ML_EVENT_COMPLETE) < scene_next(0, ML_EVENT_FREE));
		fine(scene_close());
	}
}

TEST(b_18_a_large_leaf_over_a_table_hoped_for_a_notifier)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		t_ok(scene.refused);
		fine(scene_replace(scene.va, scene.block, scene.block, ML_RW));
		t_ok(!scene.refused);
		is_block();
		fine(scene_close());
	}
}

TEST(b_19_the_largest_leaf_took_entries_beyond_its_range)
{
	static const uint64_t first = 0x3fe400000, end = 0x4c0600000;
	struct ml_stats stats;

	for (unsigned world = WORLD_X86_4; world <= WORLD_X86_5; world++) {
		T_CONTEXT(worlds[world].name, world);
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(first - 4 * K, 4 * K, 0, ML_RW));
		fine(scene_map(end, 4 * K, 4 * K, ML_RW));
		fine(scene_map(first, end - first, first, ML_RW));
		ml_table_stats(&scene.judge.rig.table, &stats);
		t_eq(stats.leaves[0], 2);
		t_eq(stats.leaves[1], 14 + 3);
		t_eq(stats.leaves[2], 3);
		fine(scene_replace(first, end - first, first + 4 * K, ML_RW));
		fine(scene_unmap(first, end - first));
		t_eq(scene_leaf(first - 4 * K), 4 * K);
		t_eq(scene_leaf(end), 4 * K);
		fine(scene_close());
	}
}

TEST(b_20_sizes_were_chosen_wrongly_across_a_boundary)
{
	FOR_EACH_WORLD(world)
	{
		if (world == WORLD_TOY)
			continue;
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va + 0xfef80000, 0x20000, 0x208b95d000, ML_RW));
		t_ok(!scene.refused);
		t_eq(scene_leaf(scene.va + 0xfef80000), 4 * K);
		fine(scene_close());
	}
}

TEST(b_22_pages_with_stricter_rights_got_the_usual_ones)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW | ML_USER));
		fine(scene_protect(scene.va + 1 * scene.page, scene.page, ML_WRITE, 0));
		fine(scene_protect(scene.va + 3 * scene.page, scene.page, ML_USER, 0));
		fine(scene_split(scene.va, scene.block, scene.page));
		fine(scene_fold(scene.va, scene.block, scene.block));
		t_ok(scene_leaf(scene.va) < scene.block);
		fine(scene_protect(scene.va, scene.block, ML_WRITE | ML_USER, ML_USER));
		fine(scene_fold(scene.va, scene.block, scene.block));
		is_block();
		fine(scene_close());
	}
}

/* Unmap every range between two of these pages out of a leaf of 1 << shift bytes. */
static void cut_everywhere(enum world world, unsigned shift, const unsigned *pages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++) {
			T_REQUIRE(fine(scene_open(world, NULL)));
			fine(scene_map(scene.va, (uint64_t)1 << shift, 0, ML_RW));
			fine(scene_unmap(scene.va + pages[i] * scene.page,
					 (pages[j] - pages[i]) * scene.page));
			T_REQUIRE(fine(scene_close()));
		}
}

TEST(b_23_a_part_of_a_large_leaf_was_removed_wrongly)
{
	static const unsigned toy[] = { 0, 1, 2, 3, 4 };
	static const unsigned block[] = { 0, 1, 15, 16, 17, 256, 511, 512 };
	static const unsigned giant[] = { 0, 1, 511, 512, 513, 8192, 262143, 262144 };

	FOR_EACH_WORLD(world)
	{
		if (world == WORLD_TOY) {
			cut_everywhere(world, 14, toy, COUNT(toy));
			continue;
		}
		cut_everywhere(world, 21, block, COUNT(block));
		cut_everywhere(world, 30, giant, COUNT(giant));
	}
}

/* Unmap what ends with a leaf and begins `before` it, while every allocation fails. */
static void remove_whole(uint64_t leaf, uint64_t before)
{
	uint64_t allocs;

	if (before)
		fine(scene_map(scene.va + leaf - before, before, 0, ML_RW));
	fine(scene_map(scene.va + leaf, leaf, leaf, ML_RW));
	fine(scene_map(scene.va + 2 * leaf, leaf, 4 * leaf, ML_RW));
	allocs = scene.judge.rig.arena->allocs;
	fine(scene_do(&(struct action){ .kind = ACTION_UNMAP,
					.va = scene.va + leaf - before,
					.len = before + leaf,
					.sink = true,
					.fail = 1 }));
	t_ok(!scene.refused);
	t_eq(scene.judge.rig.arena->allocs, allocs);
	t_eq(scene_leaf(scene.va + leaf), 0);
	t_eq(scene_events(ML_EVENT_FILL), 0);
}

TEST(b_24_removing_an_aligned_leaf_shattered_it)
{
	for (unsigned i = 0; i < 3; i++) /* the leaf, and another before it, and a page */
		FOR_EACH_WORLD(world)
		{
			const uint64_t leaf = world == WORLD_TOY ? 16 * K : 1 * G;
			const uint64_t starts[] = { 0, leaf, 4 * K };

			T_REQUIRE(fine(scene_open(world, NULL)));
			remove_whole(leaf, starts[i]);
			fine(scene_close());
		}
}

TEST(b_25_a_large_leaf_was_never_reported_gone)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		fine(scene_unmap(scene.va, scene.block));
		t_eq(scene.judge.removed_count, 1);
		t_eq(scene.judge.removed[0].length, scene.block);
		t_eq(scene.judge.removed[0].pa, scene.block);
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		fine(scene_replace(scene.va, scene.page, 0, ML_RW)); /* one page of it */
		t_eq(scene.judge.removed_count, 1);
		t_eq(scene.judge.removed[0].length, scene.page);
		fine(scene_close());
	}
}

/* Every way a range lies against sizes, on the smallest table there is; asserts are on. */
TEST(b_26_ranges_that_are_not_aligned_hit_an_assert)
{
	for (unsigned i = 0; i < 16 * 16 * 4; i++) {
		const unsigned first = i / 64, pages = i / 4 % 16 + 1;
		const ml_pa pa = i % 4 * 4 * K;
		const ml_va va = first * 4 * K, half = (pages + 1) / 2 * 4 * K;

		T_CONTEXT("range", i);
		if (first + pages > 16)
			continue;
		T_REQUIRE(fine(scene_open(WORLD_TOY, NULL)));
		fine(scene_map(va, pages * 4 * K, pa, ML_RW));
		fine(scene_protect(va, half, ML_WRITE, 0));
		fine(scene_split(va, half, 8 * K));
		fine(scene_fold(va, pages * 4 * K, 16 * K));
		fine(scene_unmap(va + 4 * K, half));
		T_REQUIRE(fine(scene_close()));
	}
	T_REQUIRE(fine(scene_open(WORLD_TOY, NULL)));
	fine(scene_map(1, 4 * K, 0, ML_RW));
	fine(scene_map(0, 4 * K - 1, 0, ML_RW));
	fine(scene_map(0, 4 * K, 1, ML_RW));
	fine(scene_unmap(4 * K, 1));
	t_ok(scene.refused);
	fine(scene_close());
}

TEST(b_27_small_translations_outlived_a_promotion)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		put_pages(ML_RW);
		fine(scene_fold(scene.va, scene.block, scene.block));
		is_block();
		fine(scene_unmap(scene.va + scene.block - scene.page, scene.page));
		fine(scene_fold(scene.va, scene.block, scene.block));
		fine(scene_protect(scene.va, scene.block / 2, ML_WRITE, 0));
		fine(scene_close());
	}
}

/*
 * Hardware that is in the table already writes one page when the table's link has just been
 * replaced: it may until the invalidation.
 */
static struct {
	struct rig rig;
	ml_pte *entry, written;
} writer;

static void write_meanwhile(void *cookie, const struct ml_event *event)
{
	(void)cookie;
	if (event->kind <= ML_EVENT_EXCHANGE && writer.entry) {
		*writer.entry = writer.written;
		writer.entry = NULL;
	}
}

/* Small pages, of which the one at va is going to be written. */
static void put_writer(enum world world, const struct ml_table_config *wish, ml_va start, ml_va va)
{
	const unsigned shift = worlds[world].format->level_shift[1];
	struct ml_model_result seen;
	ml_pte clean;

	t_eq(rig_open(&writer.rig, world, wish), ML_OK);
	t_eq(ml_map(&writer.rig.table, start, (uint64_t)1 << shift, 0, ML_RW | ML_ACCESSED, NULL),
	     ML_OK);
	t_eq(ml_split(&writer.rig.table, start, (uint64_t)1 << shift, 0, NULL), ML_OK);
	ml_model_walk(&writer.rig.model, va, ML_MODEL_READ, false, &seen);
	writer.entry = ml_arena_pointer(writer.rig.arena, seen.entry_pa, 8);
	clean = *writer.entry;
	t_ok(rig_touch(&writer.rig, va, true, &seen));
	writer.written = *writer.entry;
	*writer.entry = clean;
	t_ok(clean != writer.written);
}

TEST(b_28_a_page_written_during_its_promotion_was_clean)
{
	struct ml_trace trace = { .watch = write_meanwhile, .forget = true };

	for (unsigned i = 0; i < 4 * 3; i++)
		FOR_EACH_WORLD(world)
		{
			const struct ml_table_config wish = {
				.live = true, .track_ad = true, .hardware_ad = true, .bbm = i % 3
			};
			const unsigned shift = worlds[world].format->level_shift[1];
			const ml_va start = worlds[world].low_last ? 0 : worlds[world].high_first;
			const ml_va va = start + i / 3 * 4 * K;
			struct ml_translation found;

			put_writer(world, &wish, start, va);
			trace.arena = writer.rig.arena;
			ml_trace_to(&trace);
			t_eq(ml_fold(&writer.rig.table, start, (uint64_t)1 << shift,
				     rig_rung(&writer.rig, shift), NULL),
			     ML_OK);
			ml_trace_to(NULL);
			t_ok(!writer.entry);
			t_eq(ml_translate(&writer.rig.table, va, &found), ML_OK);
			t_eq(found.level, 1);
			t_ok(ml_translation_prot(&writer.rig.table, &found) & ML_DIRTY);
			t_ok(rig_close(&writer.rig));
		}
}

/* Stores of the last call to the entry that was a leaf: none makes it a table at once. */
static void through_not_present(const ml_pte *entry)
{
	bool present = true, complete = false;

	for (size_t i = 0; i < scene.count; i++) {
		const struct ml_event *event = &scene.events[i];

		complete |= event->kind == ML_EVENT_COMPLETE && !present;
		if (event->kind > ML_EVENT_EXCHANGE || event->pointer != entry)
			continue;
		t_ok(!(event->value & 1) || !present);
		t_ok(!(event->value & 1) || complete);
		present = event->value & 1;
	}
	t_ok(present && complete);
}

TEST(b_29_both_sizes_were_loaded_at_once)
{
	for (unsigned world = WORLD_X86_4; world <= WORLD_X86_5; world++) {
		const ml_pte *entry;

		T_CONTEXT(worlds[world].name, world);
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(0, 2 * M, 0, ML_RW));
		entry = scene_entry(0, 1);
		fine(scene_split(0, 2 * M, 4 * K));
		through_not_present(entry);
		fine(scene_fold(0, 2 * M, 2 * M));
		through_not_present(entry);
		fine(scene_close());
		/* walkers that bear both sizes, but for the erratum */
		T_REQUIRE(fine(scene_open(
			world, &(struct setting){ .bbm = 2, .errata = ML_ERRATUM_ONE_SIZE })));
		fine(scene_map(0, 2 * M, 0, ML_RW));
		entry = scene_entry(0, 1);
		fine(scene_split(0, 2 * M, 4 * K));
		through_not_present(entry);
		fine(scene_close());
	}
}

TEST(b_30_the_size_of_an_executable_page_changed_without_invalidation)
{
	for (unsigned world = WORLD_X86_4; world <= WORLD_X86_5; world++) {
		const ml_prot code = ML_READ | ML_USER | ML_EXEC;
		const ml_pte *entry;

		T_CONTEXT(worlds[world].name, world);
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(0, 2 * M, 0, code));
		entry = scene_entry(0, 1);
		fine(scene_unmap(0, 4 * K));
		through_not_present(entry);
		fine(scene_map(0, 4 * K, 0, code));
		fine(scene_fold(0, 2 * M, 2 * M));
		t_eq(scene_leaf(0), 2 * M);
		through_not_present(entry);
		fine(scene_close());
		/* CPUs on which none may be large */
		T_REQUIRE(fine(
			scene_open(world, &(struct setting){ .errata = ML_ERRATUM_SMALL_EXEC })));
		fine(scene_map(0, 2 * M, 0, code));
		t_eq(scene_leaf(0), 4 * K);
		fine(scene_map(2 * M, 2 * M, 2 * M, ML_RW | ML_USER));
		t_eq(scene_leaf(2 * M), 2 * M);
		fine(scene_protect(2 * M, 2 * M, ML_EXEC, ML_EXEC));
		t_ok(scene.refused);
		fine(scene_fold(0, 2 * M, 2 * M));
		t_eq(scene_leaf(0), 4 * K);
		fine(scene_close());
	}
}

TEST(b_31_a_part_of_a_large_leaf_that_cannot_split_was_walked_as_pages)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_do(&(struct action){ .kind = ACTION_PROTECT,
						.va = scene.va + scene.page,
						.len = scene.page,
						.mask = ML_WRITE,
						.fail = 1 }));
		t_ok(scene.refused);
		is_block();
		t_eq(scene_events(ML_EVENT_STORE) + scene_events(ML_EVENT_EXCHANGE), 0);
		fine(scene_close());
	}
}
