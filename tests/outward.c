/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What one-page calls cost: completion and emptiness are tested outward from the changed
 * entry, so whatever the order, a call reads at most eight entries on average beside the
 * walk to it. Counted at the entry doors.
 */
#include <maxleaf/hosted.h>
#include <maxleaf/table.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define PAGES 2048 /* four tables */
#define AT ((ml_va)1 << 32)
#define LOADS_MOST 8

enum order { ASCENDING, DESCENDING, RANDOM, LAST_FIRST, EVEN_ODD, ORDERS };

static const char *const order_names[] = { "ascending", "descending", "random", "last-first",
					   "even-odd" };

static void make_order(enum order order, uint16_t *pages)
{
	struct source s = source_seeded(7);

	for (unsigned i = 0; i < PAGES; i++)
		switch (order) {
		case DESCENDING:
			pages[i] = (uint16_t)(PAGES - 1 - i);
			break;
		case LAST_FIRST:
			pages[i] = (uint16_t)(i & 1 ? i / 2 : PAGES - 1 - i / 2);
			break;
		case EVEN_ODD:
			pages[i] = (uint16_t)(2 * i < PAGES ? 2 * i : 2 * i - PAGES + 1);
			break;
		default:
			pages[i] = (uint16_t)i;
			break;
		}
	for (unsigned i = PAGES; order == RANDOM && i > 1; i--) {
		const unsigned k = (unsigned)source_below(&s, i);
		const uint16_t page = pages[k];

		pages[k] = pages[i - 1];
		pages[i - 1] = page;
	}
}

/* Loads of the calls, the walks taken off, must not pass the limit on average. */
static void check_loads(const struct rig *rig, const char *what, enum order order)
{
	const uint64_t walks = (uint64_t)PAGES * rig->table.levels;
	const uint64_t loads = ml_doors.loads > walks ? ml_doors.loads - walks : 0;

	if (!t_ok(loads <= (uint64_t)LOADS_MOST * PAGES))
		printf("# %s, fold %u, %s %s: %.2f loads a call\n", rig->facts->name,
		       rig->table.fold, what, order_names[order], (double)loads / PAGES);
}

static void map_all(struct rig *rig, const uint16_t *pages, ml_pa pa, enum order order)
{
	ml_doors.loads = 0;
	for (unsigned i = 0; i < PAGES; i++)
		if (!t_eq(ml_map(&rig->table, AT + pages[i] * PAGE, PAGE, pa + pages[i] * PAGE,
				 ML_RW, NULL),
			  ML_OK))
			return;
	check_loads(rig, "map", order);
}

static void unmap_all(struct rig *rig, const uint16_t *pages, enum order order)
{
	ml_doors.loads = 0;
	for (unsigned i = 0; i < PAGES; i++)
		if (!t_eq(ml_unmap(&rig->table, AT + pages[i] * PAGE, PAGE, NULL), ML_OK))
			return;
	check_loads(rig, "unmap", order);
}

static void fill_and_empty(enum world world, uint8_t fold, ml_pa pa, enum order up, enum order down)
{
	static uint16_t pages[PAGES];
	const struct ml_table_config wish = { .fold = fold };
	struct rig rig;

	T_CONTEXT(order_names[up], (unsigned)down);
	t_eq(rig_open(&rig, world, &wish), ML_OK);
	make_order(up, pages);
	map_all(&rig, pages, pa, up);
	t_eq(rig_bytes(&rig), PAGES * PAGE);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	make_order(down, pages);
	unmap_all(&rig, pages, down);
	t_eq(rig_bytes(&rig), 0);
	t_eq(rig.table.stats.tables, 1);
	t_ok(rig_close(&rig));
}

static void fill_and_empty_in_all_orders(uint8_t fold, ml_pa pa)
{
	static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned up = 0; up < ORDERS; up++)
			for (unsigned down = 0; down < ORDERS; down++)
				fill_and_empty(wide[w], fold, pa, (enum order)up, (enum order)down);
}

TEST(pages_that_fold_in_groups)
{
	fill_and_empty_in_all_orders(ML_FOLD_COMPLETE, AT);
}

TEST(pages_that_fold_in_groups_and_blocks)
{
	fill_and_empty_in_all_orders(ML_FOLD_BLOCK, AT);
}

TEST(pages_that_never_fold)
{
	fill_and_empty_in_all_orders(ML_FOLD_MAP, AT);
	fill_and_empty_in_all_orders(ML_FOLD_COMPLETE, AT + PAGE);
	fill_and_empty_in_all_orders(ML_FOLD_BLOCK, AT + PAGE);
}

/* Each pair of neighbours leads to frames of its own: completion is never near. */
TEST(pages_with_scattered_frames)
{
	static const enum world wide[] = { WORLD_X86_4, WORLD_ARM_LOW };

	for (unsigned w = 0; w < 2; w++)
		for (unsigned order = 0; order < ORDERS; order++) {
			static uint16_t pages[PAGES];
			const struct ml_table_config wish = { .fold = ML_FOLD_BLOCK };
			struct rig rig;

			T_CONTEXT(order_names[order], w);
			t_eq(rig_open(&rig, wide[w], &wish), ML_OK);
			make_order((enum order)order, pages);
			ml_doors.loads = 0;
			for (unsigned i = 0; i < PAGES; i++)
				t_eq(ml_map(&rig.table, AT + pages[i] * PAGE, PAGE,
					    AT + (pages[i] ^ 1u) * PAGE, ML_RW, NULL),
				     ML_OK);
			check_loads(&rig, "map scattered", (enum order)order);
			unmap_all(&rig, pages, (enum order)order);
			t_ok(rig_close(&rig));
		}
}

/* A page that comes and goes beside one far neighbour, which alone keeps the table. */
TEST(churn_with_a_far_neighbour)
{
	static const unsigned far[] = { 511, 256, 1 };

	for (unsigned i = 0; i < 3; i++) {
		struct rig rig;

		T_CONTEXT("neighbour", far[i]);
		t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + far[i] * PAGE, PAGE, AT, ML_RW, NULL), ML_OK);
		ml_doors.loads = 0;
		for (unsigned round = 0; round < PAGES; round++) {
			t_eq(ml_map(&rig.table, AT, PAGE, AT + PAGE, ML_RW, NULL), ML_OK);
			t_eq(ml_unmap(&rig.table, AT, PAGE, NULL), ML_OK);
		}
		t_ok(ml_doors.loads <= 2 * PAGES * (LOADS_MOST + 4u));
		t_ok(rig_close(&rig));
	}
}
