/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section C: invalidation that is missing, mis-aimed or out of order. */
#include <maxleaf/pte.h>

#include "catalogue.h"
#include "support/entries.h"

static struct entries entries;
static struct order order;

/* ---- operands ---------------------------------------------------------------------- */

static struct ml_invalidation range_of(ml_va va, uint64_t length)
{
	return (struct ml_invalidation){
		.va = va, .length = length, .stride_shift = 12, .level = 0, .leaves_only = true
	};
}

/* Arm ARM C5.5: the pages that an op drops, from *va on. */
static uint64_t pages_dropped(const struct ml_tlb_arm64_op *op, unsigned unit, ml_va *va)
{
	const uint64_t x = op->operand;

	if (op->tlbi == ML_TLBI_VALE1 || op->tlbi == ML_TLBI_VAE1) {
		*va = (uint64_t)((int64_t)(x << 20) >> 8);
		return 1;
	}
	t_ok(op->tlbi == ML_TLBI_RVALE1 || op->tlbi == ML_TLBI_RVAE1);
	t_eq(x >> 46 & 3, 1);
	*va = (uint64_t)((int64_t)(x << 27) >> 27) << unit;
	return ((x >> 39 & 31) + 1) << (5 * (x >> 44 & 3) + 1);
}

/* Whether the ops for these pages follow one another and end where they should. */
static bool drops_exactly(const struct ml_tlb_arm64 *space, ml_va va, uint64_t pages)
{
	const struct ml_invalidation what = range_of(va, pages << 12);
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op op;
	ml_va at;

	if (!ml_tlb_arm64_start(&cursor, space, &what))
		return false;
	while (ml_tlb_arm64_next(&cursor, &op)) {
		const uint64_t dropped = pages_dropped(&op, space->ds ? 16 : 12, &at);

		if (at != va || dropped > pages)
			return false;
		va += dropped << 12;
		pages -= dropped;
	}
	return !pages;
}

TEST(b_32_a_range_of_full_size_had_the_wrong_operand)
{
	const struct ml_tlb_arm64 space = {
		.page_shift = 12, .tags = ML_TLB_ONE, .asid = 7, .has_ttl = true, .has_range = true
	};

	for (uint64_t pages = 1; pages <= (uint64_t)1 << 21; pages++)
		T_REQUIRE(t_ok(drops_exactly(&space, 5 * 4 * K, pages)));
}

TEST(b_33_bits_of_kernel_addresses_became_a_level_hint)
{
	static const ml_va addresses[] = { 0xffff800000000000, 0xff80000000000000,
					   0xfffffffffffff000, 0x0000fffffffff000 };

	for (unsigned i = 0; i < 4 * 2; i++) {
		const struct ml_tlb_arm64 space = { .page_shift = 12,
						    .tags = ML_TLB_ONE,
						    .has_ttl = i & 1 };
		struct ml_invalidation what = range_of(addresses[i / 2], 4 * K);
		struct ml_tlb_arm64_cursor cursor;
		struct ml_tlb_arm64_op op;

		T_CONTEXT("address", i / 2);
		for (unsigned level = 0; level < 2; level++) {
			what.level = level ? 0xff : 0;
			t_eq(ml_tlb_arm64_start(&cursor, &space, &what), 1);
			t_ok(ml_tlb_arm64_next(&cursor, &op));
			t_eq(op.operand >> 44 & 0xf, (i & 1) && !level ? 1 << 2 | 3 : 0);
			t_eq(op.operand & 0xfffffffffff, addresses[i / 2] >> 12 & 0xfffffffffff);
		}
	}
}

TEST(b_35_the_mask_of_the_asid_was_wrong)
{
	const struct ml_invalidation what = range_of(4 * K, 4 * K);

	for (unsigned id = 0; id < 1u << 16; id++) {
		const struct ml_tlb_arm64 arm = { .page_shift = 12,
						  .tags = ML_TLB_ONE,
						  .asid = (uint16_t)id };
		const struct ml_tlb_x86_64 x86 = {
			.tags = ML_TLB_ONE, .pcids = true, .invpcid = true, .pcid = id & 0xfff
		};
		const struct ml_tlb_riscv riscv = { .tags = ML_TLB_ONE, .id = (uint16_t)id };
		struct ml_tlb_arm64_cursor arm_cursor;
		struct ml_tlb_x86_64_cursor x86_cursor;
		struct ml_tlb_riscv_cursor riscv_cursor;
		struct ml_tlb_arm64_op arm_op = { 0 };
		struct ml_tlb_x86_64_op x86_op = { 0 };
		struct ml_tlb_riscv_op riscv_op = { 0 };

		ml_tlb_arm64_start(&arm_cursor, &arm, &what);
		t_ok(ml_tlb_arm64_next(&arm_cursor, &arm_op));
		T_REQUIRE(t_eq(arm_op.operand >> 48, id));
		ml_tlb_x86_64_start(&x86_cursor, &x86, &what);
		t_ok(ml_tlb_x86_64_next(&x86_cursor, &x86_op));
		t_eq(x86_op.form, ML_INVPCID);
		T_REQUIRE(t_eq(x86_op.operand[0], id & 0xfff));
		ml_tlb_riscv_start(&riscv_cursor, &riscv, &what);
		t_ok(ml_tlb_riscv_next(&riscv_cursor, &riscv_op));
		t_ok(riscv_op.has_rs2);
		T_REQUIRE(t_eq(riscv_op.rs2, id));
	}
}

TEST(b_37_an_aligned_piece_from_an_unaligned_base_did_not_cover)
{
	const struct ml_tlb_arm64 space = {
		.page_shift = 12, .tags = ML_TLB_ONE, .has_range = true, .ds = true
	};

	for (unsigned base = 0; base < 64; base++)
		for (unsigned pages = 1; pages < 1024; pages++)
			T_REQUIRE(t_ok(drops_exactly(&space, base * 4 * K, pages)));
}

TEST(b_38_stage_2_was_invalidated_as_the_wrong_regime)
{
	const struct ml_invalidation what = range_of(4 * K, 100 * 4 * K);
	const struct ml_tlb_riscv guest = { .stage = ML_TLB_HGATP, .tags = ML_TLB_ONE, .id = 3 };
	struct ml_tlb_riscv_cursor riscv_cursor;
	struct ml_tlb_riscv_op riscv_op;

	for (unsigned i = 0; i < 2; i++) {
		const struct ml_tlb_arm64 space = { .page_shift = 12,
						    .stage2 = true,
						    .has_range = i };
		struct ml_tlb_arm64_cursor cursor;
		struct ml_tlb_arm64_op op;
		bool combined = false;

		ml_tlb_arm64_start(&cursor, &space, &what);
		while (ml_tlb_arm64_next(&cursor, &op)) {
			t_ok(!combined);
			combined = op.tlbi == ML_TLBI_VMALLE1; /* D8.14.5: entries of both stages */
			t_ok(combined ? op.after
				      : op.tlbi >= ML_TLBI_IPAS2E1 && op.tlbi <= ML_TLBI_RIPAS2LE1);
		}
		t_ok(combined);
	}
	ml_tlb_riscv_start(&riscv_cursor, &guest, &what);
	while (ml_tlb_riscv_next(&riscv_cursor, &riscv_op))
		t_eq(riscv_op.form, ML_HFENCE_GVMA);
}

TEST(b_50_invlpg_missed_global_leaves)
{
	const struct ml_invalidation what = range_of(4 * K, 4 * K);

	for (unsigned i = 0; i < 8; i++) {
		const struct ml_tlb_x86_64 space = { .tags = i & 1 ? ML_TLB_GLOBAL : ML_TLB_ANY,
						     .current = i & 2,
						     .pcids = true,
						     .invpcid = i & 4,
						     .spares_globals = true };
		struct ml_tlb_x86_64_cursor cursor;
		struct ml_tlb_x86_64_op op = { 0 };

		T_CONTEXT("machine", i);
		t_eq(ml_tlb_x86_64_start(&cursor, &space, &what), 1);
		t_ok(ml_tlb_x86_64_next(&cursor, &op));
		t_eq(op.form, i & 4 ? ML_INVPCID : ML_TOGGLE_PGE);
		if (i & 4)
			t_eq(op.type, 2); /* SDM vol. 2A: all contexts, globals too */
	}
}

/* ---- what is invalidated ----------------------------------------------------------- */

TEST(b_34_the_address_had_moved_on_when_it_was_flushed)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		for (unsigned i = 0; i < 4; i++) /* frames in no sequence */
			fine(scene_map(scene.va + i * scene.page, scene.page,
				       (7 - 2 * i) * scene.page, ML_RW));
		fine(scene_replace(scene.va, 4 * scene.page, 8 * scene.page, ML_RW));
		t_eq(scene_invalidation(0)->va, scene.va);
		fine(scene_unmap(scene.va + scene.page, 2 * scene.page));
		t_eq(scene_invalidation(scene_events(ML_EVENT_INVALIDATE) - 1)->va &
			     -2 * scene.page,
		     scene.va);
		fine(scene_close());
	}
}

TEST(b_36_an_end_that_was_not_part_of_the_range)
{
	FOR_EACH_WORLD(world)
	{
		const ml_va last =
			worlds[world].high_first ? -(4 * K) : worlds[world].low_last - 4 * K + 1;
		const unsigned counts[] = { 1, 2, 3 };

		T_REQUIRE(fine(scene_open(world, &(struct setting){ .rungs = 1 })));
		for (unsigned i = 0; i < 3; i++) {
			const uint64_t len = counts[i] * scene.page;
			const ml_va va = last - len + scene.page;

			fine(scene_map(va, len, 0, ML_RW));
			fine(scene_map(va - scene.page, scene.page, 0, ML_RW));
			fine(scene_unmap(va, len));
			t_eq(scene_events(ML_EVENT_INVALIDATE), 1);
			t_eq(scene_invalidation(0)->va, va);
			t_eq(scene_invalidation(0)->length, len);
			fine(scene_unmap(va - scene.page, scene.page));
		}
		fine(scene_close());
	}
}

TEST(b_39_what_tables_share_was_flushed_for_one_of_them)
{
	const struct ml_table_config live = { .live = true };
	const ml_va upper = worlds[WORLD_X86_4].high_first;
	struct ml_trace trace = { .forget = true };
	struct rig user, kernel;
	struct ml_translation found;

	t_eq(rig_open(&user, WORLD_X86_4, &live), ML_OK);
	t_eq(rig_open(&kernel, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, upper, 512 * G, NULL), ML_ERR_CONFIG);
	ml_table_set_live(&kernel.table, true);
	t_eq(ml_table_share(&user.table, &kernel.table, upper, 512 * G, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, upper, 8 * K, 0, ML_RW, NULL), ML_OK);
	ml_trace_to(&trace);
	t_eq(ml_unmap(&user.table, upper, 4 * K, NULL), ML_ERR_SHARED);
	t_eq(ml_unmap(&kernel.table, upper, 4 * K, NULL), ML_OK);
	ml_trace_to(NULL);
	t_eq(trace.kinds[ML_EVENT_INVALIDATE], 1);
	t_eq(trace.kinds[ML_EVENT_COMPLETE], 1);
	t_eq(ml_translate(&user.table, upper, &found), ML_ERR_NOT_MAPPED);
	t_ok(rig_close(&user));
	t_ok(rig_close(&kernel));
}

TEST(b_43_what_looked_old_was_not_flushed)
{
	const struct setting marking = { .track_ad = true, .hardware_ad = true };
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };

	FOR_EACH_WORLD(world)
	{
		ml_pte pte = 0;

		T_REQUIRE(fine(scene_open(world, &marking)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW)); /* never accessed, as it seems */
		fine(scene_unmap(scene.va, scene.page));
		t_eq(scene_events(ML_EVENT_INVALIDATE), 1);
		fine(scene_close());
		/* ... and one whose mark was cleared without a flush */
		T_REQUIRE(t_ok(entries_open(&entries, world, &wish, 0, &order)));
		entries.rig.table.ad_unit = NULL;
		t_eq(ml_pte_make(&entries.rig.table, 0, ML_RW | ML_PROT_AD, 0, &pte), ML_OK);
		ml_set_pte_at(&entries.rig.table, entries.va, entries.p, 0, pte);
		t_eq(ml_protect(&entries.rig.table, entries.va, 4 * K, ML_ACCESSED, 0, NULL),
		     ML_OK);
		order_operation(&order);
		t_eq(ml_unmap(&entries.rig.table, entries.va, 4 * K, NULL), ML_OK);
		t_ok(order.invalidations > 0);
		t_ok(order_settled(&order));
		t_ok(entries_close(&entries, &order));
	}
}

TEST(b_44_the_loser_of_a_race_faulted_for_ever)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true };

	FOR_EACH_WORLD(world)
	{
		ml_pte pte = 0, more = 0;

		T_REQUIRE(t_ok(entries_open(&entries, world, &wish, 0, &order)));
		t_eq(ml_pte_make(&entries.rig.table, 0, ML_READ | ML_ACCESSED, 0, &pte), ML_OK);
		t_eq(ml_pte_make(&entries.rig.table, 0, ML_RW | ML_PROT_AD, 0, &more), ML_OK);
		ml_set_pte_at(&entries.rig.table, entries.va, entries.p, 0, pte);
		t_ok(ml_ptep_set_access_flags(&entries.rig.table, entries.va, entries.p, 0, more,
					      true));
		t_ok(order_settled(&order)); /* gone everywhere when the winner returns */
		t_eq(entries.rig.arena->pending, 0);
		t_ok(!ml_ptep_set_access_flags(&entries.rig.table, entries.va, entries.p, 0, more,
					       true));
		t_eq(ml_unmap(&entries.rig.table, entries.va, 4 * K, NULL), ML_OK);
		t_ok(entries_close(&entries, &order));
	}
}

/* The last call waited for what it issued, and did so before it returned. */
static void waited(void)
{
	size_t last = 0;

	t_eq(scene.judge.rig.arena->pending, 0);
	for (size_t i = 0; i < scene.count; i++)
		if (scene.events[i].kind == ML_EVENT_INVALIDATE)
			last = i;
	t_ok(!scene_events(ML_EVENT_INVALIDATE) ||
	     scene_next(last, ML_EVENT_COMPLETE) < scene.count);
}

TEST(b_45_one_cpu_waited_for_what_another_had_issued)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		waited();
		fine(scene_protect(scene.va, scene.page, ML_WRITE, 0));
		waited();
		fine(scene_protect(scene.va, scene.page, ML_WRITE, ML_WRITE));
		waited();
		fine(scene_fold(scene.va, scene.block, scene.block));
		waited();
		fine(scene_split(scene.va, scene.block, scene.page));
		waited();
		fine(scene_replace(scene.va, scene.block, scene.block, ML_RW));
		waited();
		fine(scene_drop(scene.va, scene.block));
		waited();
		fine(scene_close());
	}
}

TEST(b_46_the_second_one_found_nothing_and_returned_before_the_flush)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_unmap(scene.va, 2 * scene.page));
		waited(); /* before anyone else may find the holes */
		fine(scene_unmap(scene.va, 2 * scene.page));
		t_eq(scene_events(ML_EVENT_INVALIDATE) + scene_events(ML_EVENT_STORE), 0);
		fine(scene_protect(scene.va, 2 * scene.page, ML_WRITE, 0));
		t_eq(scene_events(ML_EVENT_INVALIDATE) + scene_events(ML_EVENT_STORE), 0);
		fine(scene_close());
	}
}

static void nothing_pending(struct scene *s, const struct ml_event *event)
{
	if (event->kind == ML_EVENT_ALLOC && s->judge.rig.arena->pending)
		s->seen = "a step began with an invalidation pending";
}

TEST(b_47_the_lock_was_dropped_with_a_flush_pending)
{
	FOR_EACH_WORLD(world)
	{
		const uint64_t len = world == WORLD_TOY ? 64 * K : 16 * M;
		const size_t steps = len / (world == WORLD_TOY ? 16 * K : 2 * M);

		T_REQUIRE(fine(scene_open(world, &(struct setting){ .rungs = 1 })));
		scene.look = nothing_pending;
		fine(scene_map(scene.va, len, 0, ML_RW));
		fine(scene_do(&(struct action){
			.kind = ACTION_UNMAP_STEP, .va = scene.va, .len = len, .rung = 1 }));
		waited();
		t_ok(scene_events(ML_EVENT_COMPLETE) >= steps);
		fine(scene_close());
	}
}

TEST(b_48_an_upper_entry_changed_and_walk_caches_kept_it)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_map(scene.va + scene.page, scene.page, 0, ML_RW));
		fine(scene_unmap(scene.va, scene.page)); /* the tables stay */
		t_ok(scene_invalidation(0)->leaves_only);
		fine(scene_unmap(scene.va + scene.page, scene.page));
		t_ok(!scene_invalidation(0)->leaves_only);
		t_ok(scene_events(ML_EVENT_FREE) > 0);
		fine(scene_close());
	}
}

TEST(b_49_an_error_returned_without_the_flush)
{
	FOR_EACH_WORLD(world)
	for (uint8_t fail = 1; fail <= 3; fail++) {
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.block, 0, ML_RW));
		fine(scene_map(scene.va + scene.block, scene.block, 3 * scene.block, ML_RW));
		fine(scene_do(&(struct action){ .kind = ACTION_MAP,
						.va = scene.va + scene.page,
						.len = 2 * scene.block - 2 * scene.page,
						.pa = 2 * scene.page,
						.prot = ML_RW,
						.replace = true,
						.sink = true,
						.fail = fail }));
		if (scene.refused) {
			t_eq(scene_events(ML_EVENT_STORE), 0);
			t_eq(scene_events(ML_EVENT_EXCHANGE), 0);
		}
		waited();
		fine(scene_close());
	}
}

TEST(b_51_one_completion_came_before_the_last_writes)
{
	FOR_EACH_WORLD(world)
	{
		size_t twice;

		T_REQUIRE(
			fine(scene_open(world, &(struct setting){ .errata = ML_ERRATUM_REPEAT })));
		fine(scene_map(scene.va, scene.page, 0, ML_RW));
		fine(scene_unmap(scene.va, scene.page));
		t_eq(scene_events(ML_EVENT_INVALIDATE), 2);
		twice = scene_next(scene_next(0, ML_EVENT_COMPLETE) + 1, ML_EVENT_COMPLETE);
		t_ok(twice < scene_next(0, ML_EVENT_FREE));
		t_ok(scene_next(0, ML_EVENT_FREE) < scene.count);
		fine(scene_close());
	}
}

/* A table of toy's, whose walkers hold that nothing is mapped; whether the format says so. */
static struct rig rig;

static struct ml_oracle *open_holding(struct ml_format *format, bool says_so)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_CPU,
						       ML_ORACLE_NOBODY };
	struct ml_oracle *oracle = ml_oracle_new(ML_ORACLE_RISCV, agents);
	struct ml_table_config config = { .live = true, .ops = &ml_table_ops_any };

	*format = ml_format_toy;
	format->caches_invalid = says_so;
	rig.facts = &worlds[WORLD_TOY];
	rig.arena = rig_arena(WORLD_TOY);
	config.platform = &rig.arena->platform;
	config.cookie = rig.arena;
	config.base = ml_arena_base(rig.arena);
	t_eq(ml_table_init(&rig.table, format, &config), ML_OK);
	rig_model(&rig);
	ml_oracle_enter(oracle, 0, &rig.model, true);
	return oracle;
}

static void promise_all(const void *pages, ml_va va, struct ml_oracle_page *page)
{
	if (va >= *(const uint64_t *)pages * 4 * K)
		return;
	page->last = *(const uint64_t *)pages * 4 * K - 1;
	page->mapped = true;
	page->pa = va;
	page->prot = ML_RW | ML_PROT_AD;
}

/* One page after another becomes valid: in a new table, in an old one, as a group's last. */
static bool holds_no_hole(struct ml_oracle *oracle)
{
	struct ml_trace trace = {
		.arena = rig.arena, .watch = ml_oracle_event, .cookie = oracle, .forget = true
	};
	bool good = true;

	ml_trace_to(&trace);
	for (uint64_t page = 0; page < 6 && good; page++) {
		const uint64_t before = page, after = page + 1;

		ml_oracle_begin(oracle, 0, 0, 0);
		t_eq(ml_map(&rig.table, page * 4 * K, 4 * K, page * 4 * K, ML_RW, NULL), ML_OK);
		good = ml_oracle_end(oracle, promise_all, &before, &after);
	}
	ml_trace_to(NULL);
	ml_trace_clear(&trace);
	return good;
}

TEST(b_53_what_became_valid_was_still_held_as_not_mapped)
{
	for (unsigned says_so = 0; says_so < 2; says_so++) {
		struct ml_format format;
		struct ml_oracle *oracle = open_holding(&format, says_so);

		T_CONTEXT("the format says so", says_so);
		t_eq(holds_no_hole(oracle), says_so);
		ml_oracle_free(oracle);
		t_ok(rig_close(&rig));
	}
}

TEST(b_54_more_was_allowed_and_nobody_heard)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, NULL)));
		fine(scene_map(scene.va, scene.page, 0, ML_READ));
		fine(scene_protect(scene.va, scene.page, ML_WRITE, ML_WRITE));
		t_eq(scene_events(ML_EVENT_INVALIDATE), 1);
		waited();
		fine(scene_close());
	}
}
