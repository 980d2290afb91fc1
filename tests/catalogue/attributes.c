/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section F: memory types, frames, fork, rights; and the judges themselves. */
#include <string.h>

#include <maxleaf/pool.h>
#include <maxleaf/port.h>
#include <maxleaf/pte.h>

#include "catalogue.h"
#include "support/entries.h"

static const struct ml_table_config live = { .live = true };

static ml_prot model_prot(const struct rig *rig, ml_va va)
{
	struct ml_model_result seen;

	ml_model_walk(&rig->model, va, ML_MODEL_READ, false, &seen);
	t_ok(seen.fault == ML_MODEL_OK || seen.fault == ML_MODEL_PERMISSION);
	return seen.prot;
}

TEST(b_81_the_type_bit_of_a_large_leaf_stands_elsewhere)
{
	FOR_EACH_WORLD(world)
	for (unsigned type = 0; type < ML_TYPE_COUNT; type++) {
		const ml_prot prot = ML_RW | ML_TYPE(type);
		const uint64_t sizes[] = { worlds[world].format->block_rung[2] ? G : 0 };
		const struct rig *rig = &scene.judge.rig;

		T_REQUIRE(fine(scene_open(world, NULL)));
		for (unsigned i = 0; i < 2; i++) {
			const uint64_t leaf = i ? sizes[0] : scene.block;

			if (!leaf ||
			    !ml_format_expressible(rig->facts->format, &rig->table.types, prot))
				continue;
			fine(scene_map(scene.va, leaf, 0, prot));
			t_eq(model_prot(rig, scene.va) & ML_TYPE_MASK, ML_TYPE(type));
			fine(scene_split(scene.va, scene.page, scene.page));
			t_eq(model_prot(rig, scene.va) & ML_TYPE_MASK, ML_TYPE(type));
			t_eq(model_prot(rig, scene.va + leaf - 1) & ML_TYPE_MASK, ML_TYPE(type));
			fine(scene_fold(scene.va, leaf, leaf));
			t_eq(scene_leaf(scene.va), leaf);
			t_eq(model_prot(rig, scene.va) & ML_TYPE_MASK, ML_TYPE(type));
			fine(scene_unmap(scene.va, leaf));
		}
		fine(scene_close());
	}
}

TEST(b_82_a_large_leaf_got_another_type_than_the_page)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW | ML_NC));
		fine(scene_map(scene.va + scene.block, scene.page, 0, ML_RW | ML_NC));
		t_eq(model_prot(&scene.judge.rig, scene.va) & ML_TYPE_MASK,
		     model_prot(&scene.judge.rig, scene.va + scene.block) & ML_TYPE_MASK);
		fine(scene_close());
	}
}

TEST(b_84_the_child_had_no_table_to_split_its_leaf_with)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_table_config wish = { .live = true, .guaranteed = true };
		const ml_va va = worlds[world].low_last ? 0 : worlds[world].high_first;
		const uint64_t block = (uint64_t)1 << worlds[world].format->level_shift[1];
		struct rig parent, child;

		t_eq(rig_open(&parent, world, &wish), ML_OK);
		t_eq(rig_open(&child, world, &wish), ML_OK);
		t_eq(ml_map(&parent.table, va, block, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&child.table, va, block, 0, ML_READ, NULL), ML_OK);
		parent.arena->in_use_limit = parent.arena->in_use;
		t_eq(ml_unmap(&child.table, va, 4 * K, NULL), ML_OK);
		t_eq(ml_protect(&parent.table, va, 4 * K, ML_WRITE, 0, NULL), ML_OK);
		parent.arena->in_use_limit = 0;
		t_eq(ml_table_check(&child.table, NULL), ML_OK);
		t_eq(ml_table_check(&parent.table, NULL), ML_OK);
		t_ok(rig_close(&child));
		t_ok(rig_close(&parent));
	}
}

/* A fork, entry by entry, as a kernel does it: some leaves, a group among them, and a marker. */
TEST(b_85_one_side_of_a_fork_could_still_write)
{
	static struct entries parent, child;
	const struct ml_table_config wish = { .live = true, .fold = ML_FOLD_COMPLETE };

	FOR_EACH_WORLD(world)
	{
		ml_pte leaf = 0, marker = 0;
		unsigned leaves;

		t_ok(entries_open(&parent, world, &wish, 0, NULL));
		t_ok(entries_open(&child, world, &wish, 0, NULL));
		leaves = parent.count - 1;
		t_eq(ml_pte_make(&parent.rig.table, 0, ML_RW | ML_USER, 0, &leaf), ML_OK);
		t_eq(ml_software_make(&parent.rig.table, ML_SOFTWARE_SWAP, 9, &marker), ML_OK);
		ml_set_ptes(&parent.rig.table, parent.va, parent.p, 0, leaf, leaves);
		ml_set_pte_at(&parent.rig.table, entries_va(&parent, leaves), parent.p + leaves, 0,
			      marker);
		ml_wrprotect_ptes(&parent.rig.table, parent.va, parent.p, 0, parent.count);
		for (unsigned i = 0; i < parent.count; i++)
			ml_set_pte_at(&child.rig.table, entries_va(&child, i), child.p + i, 0,
				      ml_ptep_get(&parent.rig.table, entries_va(&parent, i),
						  parent.p + i, 0));
		ml_flush_range(&parent.rig.table, parent.va, parent.count * parent.step, 0, true);
		t_eq(parent.rig.arena->pending, 0);
		for (unsigned i = 0; i < leaves; i++) {
			t_eq(model_prot(&parent.rig, entries_va(&parent, i)) & ML_WRITE, 0);
			t_eq(model_prot(&child.rig, entries_va(&child, i)) & ML_WRITE, 0);
		}
		t_eq(parent.p[leaves], marker);
		t_eq(child.p[leaves], marker);
		t_eq(entries_folded(&child), entries_folded(&parent));
		t_eq(entries_folded(&parent), parent.size > 1 ? leaves & ~(parent.size - 1) : 0);
		t_ok(entries_close(&child, NULL));
		t_ok(entries_close(&parent, NULL));
	}
}

TEST(b_86_tables_of_another_depth_were_shared)
{
	const ml_va upper = 0 - G * 512;
	struct rig four, five;

	t_eq(rig_open(&four, WORLD_X86_4, &live), ML_OK);
	t_eq(rig_open(&five, WORLD_X86_5, &live), ML_OK);
	t_eq(ml_table_share(&four.table, &five.table, upper, 512 * G, NULL), ML_ERR_CONFIG);
	t_ok(ml_table_share(&five.table, &four.table, upper, 512 * G, NULL) != ML_OK);
	t_ok(rig_close(&four));
	t_ok(rig_close(&five));
}

#define SPAN 8
static struct {
	_Alignas(4096) char before[4096];
	char tables[SPAN][4096];
	char after[4096];
} span;

TEST(b_88_tables_were_taken_from_outside_the_span)
{
	const struct ml_platform platform = { .table_alloc = ml_pool_alloc,
					      .table_free = ml_pool_free,
					      .table_pointer = ml_pool_pointer };
	struct ml_table_config config = { .platform = &platform };
	unsigned pages = 0;
	struct ml_pool pool;
	struct ml_table t;
	int error;

	memset(&span, 0x5a, sizeof(span));
	t_eq(ml_pool_init(&pool, span.tables, 64 * K, sizeof(span.tables), 4096), ML_OK);
	config.cookie = &pool;
	t_eq(ml_table_init(&t, &ml_format_x86_64, &config), ML_OK);
	while ((error = ml_map(&t, pages * 2 * M, 4 * K, 0, ML_RW, NULL)) == ML_OK)
		pages++;
	t_eq(error, ML_ERR_NO_MEMORY);
	t_eq(pool.used, SPAN);
	t_eq(pages, SPAN - 3);
	for (unsigned i = 0; i < 4096; i++)
		T_REQUIRE(t_ok(span.before[i] == 0x5a && span.after[i] == 0x5a));
	ml_table_fini(&t, NULL);
	t_eq(pool.used, 0);
}

/* What may change in place is judged by the order of events, whatever frame it is. */
TEST(b_90_the_same_frame_took_the_short_way)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_table *t = &scene.judge.rig.table;
		ml_pte old = 0, new = 0, *p;

		T_REQUIRE(fine(scene_open(world, NULL)));
		order_operation(&scene.order);
		t_eq(ml_pte_ensure(t, scene.va, scene.page, 0, NULL), ML_OK);
		p = ml_pte_pointer(t, scene.va, 0);
		t_eq(ml_pte_make(t, 0, ML_RW, 0, &old), ML_OK);
		t_eq(ml_pte_make(t, 0, ML_RW | ML_NC, 0, &new), ML_OK);
		ml_set_pte_at(t, scene.va, p, 0, old);
		order_operation(&scene.order);
		ml_set_pte_at(t, scene.va, p, 0, new); /* its type: through a break */
		t_eq(scene.order.invalidations > 0, worlds[world].format->break_type);
		t_eq(ml_pte_make(t, scene.page, ML_RW | ML_NC, 0, &new), ML_OK);
		order_operation(&scene.order);
		ml_set_pte_at(t, scene.va, p, 0, new); /* its frame */
		t_ok(scene.order.invalidations > 0);
		t_ok(!scene.order.failed);
		ml_pte_clear(t, scene.va, p, 0);
		ml_flush_range(t, scene.va, scene.page, 0, true);
		fine(scene_drop(scene.va, scene.block));
		fine(scene_close());
		/* ... and where ml_map() replaces a leaf by smaller ones of the same frames */
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_replace(scene.va, scene.page, 0, ML_READ));
		fine(scene_close());
	}
}

TEST(b_92_one_way_to_a_shared_table_lent_its_rights_to_another)
{
	const ml_prot rights = ML_RW | ML_USER | ML_EXEC | ML_PEXEC;

	for (unsigned i = 0; i < 64; i++) { /* RW, US and NX of two tables on the way */
		struct rig boot;
		struct ml_table_config config = { .levels = 4, .live = true };
		struct ml_translation found;
		struct ml_table t;
		struct ml_walk walk;

		T_CONTEXT("limits", i);
		t_eq(rig_open(&boot, WORLD_X86_4, NULL), ML_OK);
		t_eq(ml_map(&boot.table, 0, 4 * K, 0, ML_RW | ML_USER | ML_EXEC, NULL), ML_OK);
		t_eq(ml_walk(&boot.table, 0, &walk), ML_OK);
		for (unsigned level = 0; level < 2; level++) {
			const unsigned limits = i >> (3 * level) & 7;
			ml_pte *entry = ml_arena_pointer(
				boot.arena,
				walk.entries[level].table + 8 * walk.entries[level].index, 8);

			*entry = (*entry & ~(ml_pte)6) | (limits & 3) << 1 |
				 (ml_pte)(limits >> 2) << 63;
		}
		config.platform = &boot.arena->platform;
		config.cookie = boot.arena;
		t_eq(ml_table_adopt(&t, &ml_format_x86_64, &config, ml_table_root(&boot.table), 10),
		     ML_OK);
		t_eq(ml_translate(&t, 0, &found), ML_OK);
		t_eq(ml_translation_prot(&t, &found) & rights, model_prot(&boot, 0) & rights);
		ml_table_fini(&t, NULL);
		t_eq(boot.arena->in_use, 0);
	}
}

TEST(b_93_what_was_read_back_was_not_what_was_set)
{
	const struct ml_format *f;

	FOR_EACH_FORMAT(f) {
		struct ml_types types;
		struct ml_entry entry;

		ml_types_init(&types, f, 0);
		for (ml_prot prot = 0; prot < (ml_prot)1 << (ML_SOFT_SHIFT + 2); prot++)
			for (unsigned level = 0; level < 2; level++) {
				ml_pte pte = 0;

				if (!ml_format_expressible(f, &types, prot)) {
					t_eq(ml_format_encode(f, &types, 0, prot, level, false,
							      &pte),
					     ML_ERR_PROT);
					continue;
				}
				t_eq(ml_format_encode(f, &types, 0, prot, level, false, &pte),
				     ML_OK);
				t_eq(ml_format_decode(f, &types, pte, level, &entry), ML_OK);
				T_REQUIRE(t_eq(entry.prot, prot));
				t_eq(entry.kind, ML_KIND_LEAF);
				t_eq(entry.reserved | entry.residue, 0);
			}
	}
}

TEST(b_94_the_cursor_went_on_by_the_wrong_size)
{
	FOR_EACH_WORLD(world)
	{
		const uint64_t len = world == WORLD_TOY ? 9 * 4 * K : G + 2 * M + 68 * K;
		const ml_va va = world == WORLD_TOY ? 3 * 4 * K : G - M - 4 * K;
		const ml_pa pa = world == WORLD_TOY ? va : 3 * G - M - 4 * K;
		struct ml_translation found;
		struct ml_model_result seen;

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va + va, len, pa, ML_RW));
		t_eq(ml_translate(&scene.judge.rig.table, scene.va + va + len - 1, &found), ML_OK);
		t_eq(found.pa, pa + len - 1);
		ml_model_walk(&scene.judge.rig.model, scene.va + va + len - 1, ML_MODEL_READ, false,
			      &seen);
		t_eq(seen.pa, pa + len - 1);
		fine(scene_close());
	}
}

TEST(b_96_what_was_counted_stayed_when_the_rest_failed)
{
	FOR_EACH_WORLD(world)
	for (uint8_t fail = 1; fail <= 4; fail++) {
		struct action map = {
			.kind = ACTION_EXTENTS, .prot = ML_RW, .extent_count = 2, .fail = fail
		};
		struct ml_stats before, after;

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		ml_table_stats(&scene.judge.rig.table, &before);
		map.va = scene.va + scene.block - scene.page;
		map.len = 2 * scene.page;
		map.extents[0] = (struct ml_extent){ 8 * scene.page, scene.page };
		map.extents[1] = (struct ml_extent){ 2 * scene.page, scene.page };
		fine(scene_do(&map));
		ml_table_stats(&scene.judge.rig.table, &after);
		if (scene.refused) {
			t_ok(memcmp(&before, &after, sizeof(before)) == 0);
		} else {
			t_eq(after.leaves[0], 3);
		}
		fine(scene_close());
	}
}

/* Past the library, at the door: an entry is cleared, and nobody is told. */
static void misdeed(unsigned number)
{
	ml_pte *entry = scene_entry(scene.va, 0);

	ML_PORT_STORE(entry, number ? *entry ^ 0x1000 : 0);
	ML_PORT_PUBLISH();
}

TEST(b_97_the_checker_itself_was_wrong_and_silent)
{
	struct ml_model_result seen;
	struct ml_fault fault;

	for (unsigned i = 0; i < 2; i++)
		FOR_EACH_WORLD_WITH_GROUPS(world)
		{
			T_REQUIRE(fine(scene_open(world, &(struct setting){ .fold = 1 })));
			fine(scene_map(scene.va, scene.group, 0, ML_RW));
			order_operation(&scene.order);
			watch_operation(&scene.judge.watch, &scene.judge.model, 0);
			misdeed(i);
			t_ok(!order_settled(&scene.order));
			t_ok(watch_settled(&scene.judge.watch, &scene.judge.model) != NULL);
			t_ok(!judge_table(&scene.judge, true));
			t_eq(ml_table_check(&scene.judge.rig.table, &fault), ML_ERR_BAD_ENTRY);
			t_eq(ml_model_walk(&scene.judge.rig.model, scene.va + scene.page,
					   ML_MODEL_READ, false, &seen),
			     ML_MODEL_GROUP);
			t_ok(scene_close() != NULL);
		}
}
