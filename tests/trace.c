/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The order of events on live tables. First short stories, told letter by letter; then
 * random sequences under the judge of support/order.h.
 */
#include <inttypes.h>
#include <string.h>

#include <maxleaf/table.h>

#include "support/order.h"
#include "support/source.h"
#include "support/story.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)
#define PAGE (4 * K)
#define GROUP (64 * K)

static void put_up(struct rig *rig, enum world world, uint8_t fold)
{
	const struct ml_table_config wish = { .live = true, .fold = fold };

	t_eq(rig_open(rig, world, &wish), ML_OK);
}

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

/* ---- populating: S0.19 ------------------------------------------------------------- */

TEST(fresh_mappings_invalidate_nothing)
{
	for (unsigned w = 0; w < 3; w++)
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			struct rig rig;

			T_CONTEXT(worlds[wide[w]].name, fold);
			put_up(&rig, wide[w], fold);
			story_begin(&rig);
			t_eq(ml_map(&rig.table, AT - 6 * M - PAGE, 12 * M + 3 * PAGE,
				    AT - 6 * M - PAGE, ML_RW, NULL),
			     ML_OK);
			t_eq(ml_map(&rig.table, 2 * AT, 12 * M, AT + PAGE, ML_RW, NULL), ML_OK);
			t_eq(ml_map(&rig.table, AT + G, G, AT + G, ML_RW, NULL), ML_OK);
			story_end();
			t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 0);
			t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 0);
			t_eq(rig.table.stats.invalidations, 0);
			t_ok(rig_close(&rig));
		}
}

TEST(tables_are_whole_before_they_are_linked)
{
	struct rig rig;

	put_up(&rig, WORLD_X86_4, ML_FOLD_MAP);
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT, PAGE, 0, ML_RW, NULL), ML_OK);
	t_str(story_end(),
	      "aFlFlFl"); /* three tables, all taken first, each filled and then linked */
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT + PAGE, PAGE, 0, ML_RW, NULL), ML_OK);
	t_str(story_end(), "m");
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT + G, G, G, ML_RW, NULL), ML_OK);
	t_str(story_end(), "m");
	t_ok(rig_close(&rig));
}

/* 2M of aligned memory is one store; out of step it is one table (S0.8), not 512 calls. */
TEST(stores_of_a_mapping)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_MAP);
	t_eq(ml_map(&rig.table, AT + 64 * M, PAGE, 0, ML_RW, NULL), ML_OK);
	ml_doors = (struct ml_doors){ 0 };
	t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_doors.stores + ml_doors.exchanges, 1);
	t_eq(ml_doors.fills + ml_doors.links, 0);
	ml_doors = (struct ml_doors){ 0 };
	t_eq(ml_map(&rig.table, AT + 2 * M, 2 * M, AT + GROUP, ML_RW, NULL), ML_OK);
	t_eq(ml_doors.fills, 512);
	t_eq(ml_doors.links, 1);
	t_eq(ml_doors.stores + ml_doors.exchanges, 0);
	t_eq(rig_leaves(&rig, 1), 32);
	t_ok(rig_close(&rig));
}

/* ---- changing in place and removing ------------------------------------------------ */

TEST(one_invalidation_for_a_simple_change)
{
	for (unsigned w = 0; w < 3; w++) {
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, 8 * M, AT + PAGE, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, PAGE, ML_WRITE, 0, NULL), ML_OK);
		t_str(story_end(), "ciw");
		t_eq(story_trace.events[0].kind == ML_EVENT_STORE ||
			     story_trace.events[0].kind == ML_EVENT_EXCHANGE,
		     true);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, 8 * M, ML_WRITE, 0, NULL), ML_OK);
		t_str(story_end(), "ciw"); /* four tables, one flush */
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + PAGE, PAGE, NULL), ML_OK);
		t_str(story_end(), "biw");
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + M, 4 * M, NULL), ML_OK);
		t_str(story_end(), "biwf");
		t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1);
		t_eq(story_trace.kinds[ML_EVENT_FREE], 1); /* one table wholly covered */
		t_eq(rig.table.stats.invalidations, 4);
		t_eq(rig.table.stats.completions, 4);
		t_ok(rig_close(&rig));
	}
}

TEST(no_invalidation_for_what_changes_nothing)
{
	for (unsigned w = 0; w < 3; w++) {
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, 4 * M + PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, 4 * M + PAGE, ML_WRITE, ML_WRITE, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, AT + PAGE, PAGE, ML_USER, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, AT + 8 * M, PAGE, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_unmap(&rig.table, AT + 8 * M, 2 * G, NULL), ML_OK);
		t_eq(ml_split(&rig.table, AT + 4 * M, PAGE, 0, NULL), ML_OK);
		t_eq(ml_fold(&rig.table, AT, 4 * M, 1, NULL), ML_OK);
		t_str(story_end(), "");
		t_ok(rig_close(&rig));
	}
}

TEST(a_table_is_free_only_after_completion)
{
	for (unsigned w = 0; w < 3; w++) {
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, PAGE, 0, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT, PAGE, NULL), ML_OK);
		t_str(story_end(), "biwf");
		t_eq(rig.table.stats.tables, 1);
		for (size_t i = 0; i < story_trace.count; i++)
			if (story_trace.events[i].kind == ML_EVENT_INVALIDATE)
				t_ok(!story_trace.events[i].what.leaves_only);
		t_ok(rig_close(&rig));
	}
}

TEST(a_table_that_is_not_live_is_never_invalidated)
{
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT, 64 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, AT + PAGE, PAGE, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, AT, 2 * M, ML_WRITE, 0, NULL), ML_OK);
	t_eq(ml_split(&rig.table, AT + 8 * M, M, 0, NULL), ML_OK);
	t_eq(ml_fold(&rig.table, AT, 64 * M, 4, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, AT, 64 * M, NULL), ML_OK);
	story_end();
	t_eq(story_trace.kinds[ML_EVENT_INVALIDATE] + story_trace.kinds[ML_EVENT_COMPLETE], 0);
	ml_table_set_live(&rig.table, true);
	t_eq(ml_map(&rig.table, AT, PAGE, 0, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_unmap(&rig.table, AT, PAGE, NULL), ML_OK);
	story_end();
	t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1);
	t_ok(rig_close(&rig));
}

/* ---- sizes and groups -------------------------------------------------------------- */

/* arm64: a group comes apart by break, invalidate, complete, make; all sixteen members at once. */
TEST(a_group_is_broken_before_it_is_made_anew)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_MAP);
	t_eq(ml_map(&rig.table, AT, 2 * GROUP, AT + GROUP, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_split(&rig.table, AT, GROUP, 0, NULL), ML_OK);
	t_str(story_end(), "biwm");
	for (unsigned i = 0; i < 16; i++) {
		t_eq(story_trace.events[i].old & 1, 1);
		t_eq(story_trace.events[i].value & 1, 0);
		t_ok(story_trace.events[i].value != 0); /* nor is it empty */
	}
	story_begin(&rig);
	t_eq(ml_fold(&rig.table, AT, GROUP, 1, NULL), ML_OK);
	t_str(story_end(), "biwm");
	story_begin(&rig);
	t_eq(ml_unmap(&rig.table, AT + 3 * PAGE, PAGE, NULL), ML_OK);
	t_str(story_end(), "biwm");
	t_eq(story_trace.kinds[ML_EVENT_EXCHANGE], 16);
	t_eq(story_trace.kinds[ML_EVENT_STORE], 15); /* what goes is stored to once, */
	t_eq(story_trace.events[3].value, 0);        /* and empty from then on */
	story_begin(&rig);
	t_eq(ml_protect(&rig.table, AT + GROUP, PAGE, ML_WRITE, 0, NULL), ML_OK);
	t_str(story_end(), "biwm");
	t_ok(rig_close(&rig));
}

TEST(completing_a_group_breaks_it_first)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
	for (unsigned page = 0; page < 15; page++)
		t_eq(ml_map(&rig.table, AT + page * PAGE, PAGE, AT + page * PAGE, ML_RW, NULL),
		     ML_OK);
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT + 15 * PAGE, PAGE, AT + 15 * PAGE, ML_RW, NULL), ML_OK);
	t_str(story_end(), "mbiwm");
	t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1);
	t_eq(rig_leaves(&rig, 1), 1);
	t_ok(rig_close(&rig));
}

/* A large leaf becomes a table: filled, then through not-present, then linked. */
TEST(a_size_changes_through_not_present)
{
	for (unsigned w = 0; w < 3; w++) {
		const unsigned block = wide[w] == WORLD_ARM_LOW ? 2 : 1;
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_split(&rig.table, AT, 2 * M, block - 1, NULL), ML_OK);
		t_str(story_end(), "aFbiwl");
		t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1);
		story_begin(&rig);
		t_eq(ml_fold(&rig.table, AT, 2 * M, block, NULL), ML_OK);
		t_str(story_end(), "biwmf");
		for (size_t i = 0; i < story_trace.count; i++)
			if (story_trace.events[i].kind == ML_EVENT_INVALIDATE)
				t_ok(!story_trace.events[i].what.leaves_only);
		t_eq(rig_leaves(&rig, block), 1);
		t_ok(rig_close(&rig));
	}
}

/* Mapping over another mapping: the old one is gone from every TLB before the new one stands. */
TEST(replacing_breaks_first)
{
	for (unsigned w = 0; w < 3; w++) {
		struct ml_op op = { .flags = ML_OP_REPLACE };
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, 2 * PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_map(&rig.table, AT, PAGE, 3 * AT, ML_RW, &op), ML_OK);
		t_str(story_end(), "biwm");
		story_begin(&rig);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, &op),
		     ML_OK); /* a leaf over a table: B-13 */
		t_str(story_end(), "biwfm");
		t_ok(rig_close(&rig));
	}
}

/* The sink hears when the hardware has let go. */
static unsigned heard_before_completion;

static void hear(void *cookie, const struct ml_run *run)
{
	const struct ml_arena *arena = cookie;

	(void)run;
	heard_before_completion += arena->pending != 0 || story_trace.kinds[ML_EVENT_COMPLETE] == 0;
}

TEST(the_sink_hears_after_completion)
{
	for (unsigned w = 0; w < 3; w++) {
		struct rig rig;
		struct ml_op op = { .sink = hear };

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		op.sink_cookie = rig.arena;
		heard_before_completion = 0;
		t_eq(ml_map(&rig.table, AT, 8 * M, AT + PAGE, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + PAGE, 4 * M, &op), ML_OK);
		story_end();
		t_eq(heard_before_completion, 0);
		t_eq(op.bytes, 4 * M);
		t_ok(rig_close(&rig));
	}
}

/* Where hardware may mark a leaf until it is gone, one access takes it out and reads it (B-78). */
TEST(what_hardware_may_mark_is_exchanged)
{
	for (unsigned w = 0; w < 3; w++) {
		const struct ml_table_config wish = { .live = true, .hardware_ad = true };
		struct ml_op op = { .sink = hear };
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		t_eq(rig_open(&rig, wide[w], &wish), ML_OK);
		op.sink_cookie = rig.arena;
		t_eq(ml_map(&rig.table, AT, 4 * M, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + 4 * M, 4 * PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, 4 * M + PAGE, ML_WRITE, 0, &op), ML_OK);
		t_eq(ml_unmap(&rig.table, AT, 2 * M, &op), ML_OK);
		t_eq(ml_split(&rig.table, AT + 2 * M, 2 * M, 0, &op), ML_OK);
		t_eq(ml_unmap(&rig.table, AT + 4 * M, 2 * PAGE, &op), ML_OK);
		story_end();
		for (size_t i = 0; i < story_trace.count; i++)
			if (story_trace.events[i].kind == ML_EVENT_STORE)
				t_eq(story_trace.events[i].old & 1, 0);
		t_ok(story_trace.kinds[ML_EVENT_EXCHANGE] >= 6);
		t_ok(rig_close(&rig));
	}
}

/* ---- random sequences -------------------------------------------------------------- */

#define OPERATIONS 250000
#define CASE_LENGTH 150

static struct order order;

/* What must never fault stays, but for what the action takes out of it. */
static void keep(const struct rig *rig, const struct setting *setting, const struct action *a)
{
	const ml_va first = setting->never.va, last = first + (setting->never.len - 1);
	const bool unmaps =
		a->kind == ACTION_UNMAP || a->kind == ACTION_UNMAP_STEP || a->kind == ACTION_MOVE;
	const ml_va end = a->va + (a->len - 1);

	if (!setting->never.len || !rig->table.live || a->kind == ACTION_LIVE)
		return;
	if (!unmaps || end < first || a->va > last || !a->len || end < a->va) {
		order_keep(&order, first, last);
		return;
	}
	if (a->va > first)
		order_keep(&order, first, (a->va | 0xfff) - 0x1000);
	if (end < last)
		order_keep(&order, end + 1, last);
}

static void do_action(struct rig *rig, const struct action *a)
{
	struct ml_step step = { a->va, a->len, a->pa, a->prot, a->rung };
	struct ml_op op = { .flags = a->replace ? ML_OP_REPLACE : 0 };
	int error = ML_OK;

	rig->arena->fail_nth = a->fail;
	if (a->kind == ACTION_LIVE)
		ml_table_set_live(&rig->table, a->write);
	else if (a->kind == ACTION_MAP_STEP)
		error = ml_map_step(&rig->table, &step, &op);
	else if (a->kind == ACTION_UNMAP_STEP)
		error = ml_unmap_step(&rig->table, &step, &op);
	else if (a->kind != ACTION_TOUCH)
		error = rig_call(rig, a, a->bare ? NULL : &op);
	rig->arena->fail_nth = 0;
	if (error)
		t_ok(!order.stored && order.invalidations == 0);
}

static bool run_case(struct source *s, uint64_t number)
{
	struct setting setting = sequence_setting(s);
	struct ml_table_config wish;
	struct rig rig;

	setting.live = true;
	wish = setting_config(&setting);
	T_CONTEXT(worlds[setting.world].name, number);
	if (!t_eq(rig_open_setting(&rig, &setting), ML_OK))
		return false;
	order_begin(&order, &rig, &wish);
	for (unsigned i = 0; i < CASE_LENGTH; i++) {
		const struct action a = sequence_action(s, &setting);

		order_operation(&order);
		keep(&rig, &setting, &a);
		do_action(&rig, &a);
		if (!t_ok(order_settled(&order)) || t_state.complaints) {
			printf("# %s\n", order.message);
			sequence_print_setting(&setting);
			sequence_print_action(i, &a);
			break;
		}
	}
	order_end(&order);
	t_ok(rig_close(&rig));
	return !t_state.complaints;
}

TEST(no_store_is_out_of_order)
{
	const uint64_t amount = source_amount(OPERATIONS * 4) / 4;
	struct source s = source_seeded(t_seed(20251203));
	const uint64_t cases = amount / CASE_LENGTH + 1;
	uint64_t number = 0;

	while (number < cases && run_case(&s, number))
		number++;
	printf("# %" PRIu64 " sequences of %d operations\n", number, CASE_LENGTH);
}
