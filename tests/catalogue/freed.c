/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section D: freed, or used again, too early. */
#include <string.h>

#include <maxleaf/pte.h>

#include "catalogue.h"

/* ---- agents beside the CPUs: an IOMMU, a GPU, a coprocessor that all CPUs wait for -- */

#define AGENTS 3

static struct {
	struct rig rig;
	bool holds[AGENTS]; /* something invalidated that the agent may still use */
	unsigned early, freed, told;
} agents;

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	memset(agents.holds, true, sizeof(agents.holds));
	rig_arena(WORLD_X86_4)->platform.invalidate(cookie, op, what);
}

static void complete(void *cookie, struct ml_op *op)
{
	rig_arena(WORLD_X86_4)->platform.complete(cookie, op);
	memset(agents.holds, false, sizeof(agents.holds));
}

static void note_release(unsigned *count)
{
	++*count;
	for (unsigned i = 0; i < AGENTS; i++)
		agents.early += agents.holds[i];
}

static void table_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	note_release(&agents.freed);
	rig_arena(WORLD_X86_4)->platform.table_free(cookie, op, table, pa, bytes);
}

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	(void)run;
	note_release(&agents.told);
}

/* Run through a table's life; what is released is counted, and what is released early. */
static void live_with_agents(enum world world, bool sink)
{
	struct ml_platform platform = rig_arena(world)->platform;
	const struct ml_table_config config = { .platform = &platform,
						.cookie = rig_arena(world),
						.levels = worlds[world].levels,
						.high = worlds[world].high,
						.live = true };
	const ml_va va = worlds[world].low_last ? 0 : worlds[world].high_first;
	const uint64_t block = (uint64_t)1 << worlds[world].format->level_shift[1];
	struct ml_op op = { .sink = sink ? hear : NULL };
	struct ml_table t;

	platform.invalidate = invalidate;
	platform.complete = complete;
	platform.table_free = table_free;
	agents.early = agents.freed = agents.told = 0;
	t_eq(ml_table_init(&t, worlds[world].format, &config), ML_OK);
	t_eq(ml_map(&t, va, 2 * block, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&t, va, 4 * K, &op), ML_OK);
	op.flags = ML_OP_REPLACE;
	t_eq(ml_map(&t, va, block, 0, ML_RW, &op), ML_OK);
	t_eq(ml_split(&t, va, 2 * block, 0, NULL), ML_OK);
	t_eq(ml_fold(&t, va, block, worlds[world].format->block_rung[1], NULL), ML_OK);
	t_eq(ml_unmap(&t, va, 2 * block, &op), ML_OK);
	t_ok(agents.freed > 0);
	t_eq(agents.told > 0, sink);
	t_eq(agents.early, 0);
	ml_table_fini(&t, NULL);
}

TEST(b_52_one_cpu_had_not_waited_when_the_table_went)
{
	FOR_EACH_WORLD(world)
	live_with_agents(world, false);
}

TEST(b_55_pages_went_back_before_the_other_agents_had_let_go)
{
	FOR_EACH_WORLD(world)
	live_with_agents(world, true);
}

TEST(b_63_freed_between_the_flush_of_one_agent_and_the_other)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_unmap(scene.va, scene.page));
		t_ok(scene_next(0, ML_EVENT_COMPLETE) < scene_next(0, ML_EVENT_FREE));
		t_ok(scene_next(0, ML_EVENT_FREE) < scene.count);
		for (size_t i = scene_next(0, ML_EVENT_FREE); i < scene.count; i++)
			t_ok(scene.events[i].kind != ML_EVENT_INVALIDATE);
		fine(scene_close());
	}
}

/* ---- tables and frames ------------------------------------------------------------- */

TEST(b_58_raw_frames_were_given_back_with_a_batch_pending)
{
	FOR_EACH_WORLD(world)
	{
		const ml_prot special = worlds[world].format->prot_mask & ML_SPECIAL;

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW | special));
		fine(scene_drop(scene.va, scene.block / 2)); /* "revoke all", and nobody listens */
		t_eq(scene.judge.rig.arena->pending, 0);
		t_eq(scene_leaf(scene.va), 0);
		fine(scene_unmap(scene.va, scene.block));
		t_eq(scene.judge.rig.arena->pending, 0);
		fine(scene_close());
	}
}

TEST(b_59_a_table_that_others_share_was_freed)
{
	const ml_va upper = worlds[WORLD_X86_4].high_first;
	struct ml_translation found;
	struct rig user, kernel;

	t_eq(rig_open(&kernel, WORLD_X86_4, &(struct ml_table_config){ .live = true }), ML_OK);
	t_eq(rig_open(&user, WORLD_X86_4, &(struct ml_table_config){ .live = true }), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, upper, 512 * G, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, upper, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&kernel.table, upper, 512 * G, NULL), ML_OK);
	t_eq(ml_translate(&user.table, upper, &found), ML_ERR_NOT_MAPPED);
	t_eq(ml_map(&kernel.table, upper, 4 * K, 4 * K, ML_RW, NULL), ML_OK);
	t_eq(ml_translate(&user.table, upper, &found), ML_OK);
	t_eq(found.pa, 4 * K);
	t_ok(rig_close(&user));
	t_eq(ml_translate(&kernel.table, upper, &found), ML_OK);
	t_ok(rig_close(&kernel));
}

TEST(b_61_a_table_was_in_the_pool_again_before_the_flush)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		for (unsigned i = 0; i < 8; i++) { /* the arena hands out what came last */
			fine(scene_map(scene.va + i % 2 * scene.block, scene.page, 0, ML_RW));
			fine(scene_replace(scene.va + i % 2 * scene.block, scene.block, scene.block,
					   ML_RW));
			fine(scene_unmap(scene.va + i % 2 * scene.block + scene.page, scene.page));
			t_ok(scene_events(ML_EVENT_ALLOC) > 0);
			fine(scene_unmap(scene.va + i % 2 * scene.block, scene.block));
		}
		fine(scene_close());
	}
}

/* More pieces than a gather holds at once, none of which continues another. */
TEST(b_62_a_displaced_frame_was_free_while_the_batch_was_open)
{
	FOR_EACH_WORLD(world)
	{
		const unsigned pieces = world == WORLD_TOY ? 16 : 40;

		T_REQUIRE(fine(scene_open(world, NULL)));
		for (unsigned i = 0; i < pieces; i++)
			fine(scene_map(scene.va + i * scene.page, scene.page,
				       (pieces - i) * scene.page, ML_RW));
		fine(scene_replace(scene.va, pieces * scene.page, 64 * scene.page, ML_RW));
		t_eq(scene.judge.removed_count, pieces);
		fine(scene_close());
	}
}

TEST(b_64_what_software_still_thought_valid_was_not_removed)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_table *t = &scene.judge.rig.table;
		ml_pte pte = 0, hidden = 0, *p;

		T_REQUIRE(fine(scene_open(world, NULL)));
		order_operation(&scene.order);
		t_eq(ml_pte_ensure(t, scene.va, scene.page, 0, NULL), ML_OK);
		p = ml_pte_pointer(t, scene.va, 0);
		t_eq(ml_pte_make(t, 0, ML_RW, 0, &pte), ML_OK);
		t_eq(ml_pte_prot_none(t, pte, 0, &hidden), ML_OK);
		ml_set_pte_at(t, scene.va, p, 0, hidden);
		ml_set_pte_at(t, scene.va + scene.page, p + 1, 0, hidden);
		t_eq(ml_ptep_get_and_clear(t, scene.va, p, 0), hidden);
		t_eq(ml_ptep_get(t, scene.va, p, 0), 0);
		t_eq(ml_pte_restore(t, ml_ptep_get(t, scene.va, p, 0)), 0);
		fine(scene_unmap(scene.va, scene.block)); /* with the hidden one that is left */
		fine(scene_map(scene.va, scene.block, scene.block, ML_RW));
		t_eq(scene_leaf(scene.va + scene.page), scene.block);
		fine(scene_close());
	}
}

TEST(b_65_a_lazy_cpu_still_walked_the_table)
{
	FOR_EACH_WORLD(world)
	{
		const uint64_t span = world == WORLD_TOY ? 32 * K : 1 * G;

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_map(scene.va + span - scene.page, scene.page, 0, ML_RW));
		fine(scene_drop(scene.va, span)); /* whole subtrees */
		t_ok(scene_events(ML_EVENT_FREE) > 1);
		t_ok(!scene_invalidation(0)->leaves_only);
		fine(scene_close());
	}
}

TEST(b_66_a_directory_was_freed_after_a_fence_for_one_address)
{
	const struct ml_tlb_riscv riscv = { .tags = ML_TLB_ONE, .id = 1 };
	const struct ml_tlb_arm64 arm = { .page_shift = 12, .tags = ML_TLB_ONE };

	for (unsigned both = 0; both < 2; both++) {
		struct ml_tlb_riscv_cursor riscv_cursor;
		struct ml_tlb_arm64_cursor arm_cursor;
		struct ml_tlb_riscv_op riscv_op = { .has_rs1 = true };
		struct ml_tlb_arm64_op arm_op = { 0 };

		T_REQUIRE(fine(scene_open(WORLD_ARM_LOW, NULL)));
		fine(scene_map(0, 4 * K, 0, ML_RW));
		fine(scene_map(4 * K, 4 * K, 0, ML_RW));
		fine(scene_map(2 * M, 4 * K, 0, ML_RW)); /* the tables above stay */
		fine(scene_unmap(0, (both + 1) * 4 * K));
		ml_tlb_riscv_start(&riscv_cursor, &riscv, scene_invalidation(0));
		t_ok(ml_tlb_riscv_next(&riscv_cursor, &riscv_op));
		t_eq(riscv_op.has_rs1, !both); /* x0: of tables, too */
		ml_tlb_arm64_start(&arm_cursor, &arm, scene_invalidation(0));
		t_ok(ml_tlb_arm64_next(&arm_cursor, &arm_op));
		t_eq(arm_op.tlbi, both ? ML_TLBI_VAE1 : ML_TLBI_VALE1);
		fine(scene_close());
	}
}

TEST(b_67_frames_were_free_before_the_other_cpus_heard)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_run *told = &scene.judge.removed[0];

		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_unmap(scene.va, scene.block)); /* the oracle hears what is told, when */
		t_eq(told->length, scene.block);
		fine(scene_map(scene.va, scene.page, scene.block, ML_RW));
		fine(scene_replace(scene.va, scene.page, 0, ML_RW));
		t_eq(told->pa, scene.block);
		fine(scene_close());
	}
}

/* A reader at every event finds the old, the new, or nothing; never what a dead table says. */
static void read_beside(struct scene *s, const struct ml_event *event)
{
	struct ml_translation found;

	(void)event;
	if (ml_translate(&s->judge.rig.table, s->va + 2 * s->page, &found) == ML_OK &&
	    found.pa != 2 * s->page && found.pa != s->block + 2 * s->page)
		s->seen = "a reader was led astray";
}

TEST(b_68_a_reader_was_in_a_table_that_had_been_retracted)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		scene.look = read_beside;
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_split(scene.va, scene.block, scene.page));
		fine(scene_fold(scene.va, scene.block, scene.block));
		fine(scene_unmap(scene.va, scene.page));
		fine(scene_replace(scene.va, scene.block, scene.block, ML_RW));
		fine(scene_drop(scene.va, scene.block));
		fine(scene_close());
	}
}

/* Map, replace and extend with every allocation failing in turn; the judges compare every byte. */
static void fail_everywhere(enum world world, ml_va va, uint64_t len, bool replace)
{
	for (uint8_t fail = 1; fail < 10; fail++) {
		fine(scene_do(&(struct action){ .kind = ACTION_MAP,
						.va = va,
						.len = len,
						.pa = 3 * scene.page,
						.prot = ML_RW,
						.replace = replace,
						.fail = fail }));
		if (!scene.refused)
			return;
	}
	t_ok(world == WORLDS); /* ten tables are too many for this */
}

TEST(b_69_the_first_part_stayed_mapped_after_an_error)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fail_everywhere(world, scene.va + scene.block - scene.page, scene.block, false);
		fine(scene_close());
	}
}

TEST(b_70_unwinding_an_error_undid_the_neighbours)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_map(scene.va + scene.block, scene.block, 2 * scene.block, ML_READ));
		fail_everywhere(world, scene.va + scene.block - scene.page, 2 * scene.page, true);
		t_ok(scene_leaf(scene.va) > 0);
		t_ok(scene_leaf(scene.va + 2 * scene.block - 1) > 0);
		fine(scene_close());
	}
}
