/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a live operation asks of the platform: how often, of which range, in what steps, of which
 * level, last-level or not. Everything here is a minimum that the manuals allow; that it suffices
 * is for trace.c and the adversarial TLB to say.
 */
#include <maxleaf/table.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)
#define PAGE (4 * K)

#define NO_HINT 0xff

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

static struct ml_trace trace;
static struct rig rig;

static void put_up(enum world world, uint8_t fold, bool hardware_ad)
{
	const struct ml_table_config wish = { .live = true,
					      .fold = fold,
					      .hardware_ad = hardware_ad };

	t_eq(rig_open(&rig, world, &wish), ML_OK);
}

static void listen(void)
{
	ml_trace_clear(&trace);
	trace.arena = rig.arena;
	ml_trace_to(&trace);
}

/* The n-th invalidation since listen(). */
static const struct ml_invalidation *asked(unsigned n)
{
	static const struct ml_invalidation none;

	for (size_t i = 0; i < trace.count; i++)
		if (trace.events[i].kind == ML_EVENT_INVALIDATE && n-- == 0)
			return &trace.events[i].what;
	return &none;
}

/* How often the platform was called since listen(): each invalidation is waited for. */
static uint64_t calls(void)
{
	ml_trace_to(NULL);
	t_eq(trace.kinds[ML_EVENT_COMPLETE], trace.kinds[ML_EVENT_INVALIDATE]);
	return trace.kinds[ML_EVENT_INVALIDATE];
}

/* One call since listen(), and this one. */
static void one(ml_va va, uint64_t length, unsigned stride, unsigned level, bool leaves_only)
{
	if (!t_eq(calls(), 1))
		return;
	t_eq(asked(0)->va, va);
	t_eq(asked(0)->length, length);
	t_eq(asked(0)->stride_shift, stride);
	t_eq(asked(0)->level, level);
	t_eq(asked(0)->leaves_only, leaves_only);
}

static void take_down(void)
{
	ml_trace_to(NULL);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

/* ---- tables that become empty ------------------------------------------------------ */

TEST(the_last_page_takes_its_tables_with_one_address)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 5 * PAGE, PAGE, 0, ML_RW, NULL), ML_OK);
		listen();
		t_eq(ml_unmap(&rig.table, AT + 5 * PAGE, PAGE, NULL), ML_OK);
		one(AT + 5 * PAGE, PAGE, 12, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

TEST(the_last_block_takes_its_tables_with_one_address)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 2 * M, 2 * M, 2 * M, ML_RW, NULL), ML_OK);
		listen();
		t_eq(ml_unmap(&rig.table, AT + 2 * M, 2 * M, NULL), ML_OK);
		one(AT + 2 * M, 2 * M, 21, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

/* Two tables at once: the pages between them, not the tables' spans. */
TEST(tables_emptied_together_are_one_range)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 2 * M - PAGE, 2 * PAGE, 0, ML_RW, NULL), ML_OK);
		listen();
		t_eq(ml_unmap(&rig.table, AT + 2 * M - PAGE, 2 * PAGE, NULL), ML_OK);
		one(AT + 2 * M - PAGE, 2 * PAGE, 12, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}
