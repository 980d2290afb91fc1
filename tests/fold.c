/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What folds, when, and what must not: S0.3, S0.4, S0.12 to S0.15, S0.20, and the fold
 * policies of table.h.
 */
#include <maxleaf/table.h>

#include "support/rig.h"
#include "support/source.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define PAGE (4 * K)
#define GROUP (64 * K)
#define AT (4 * G) /* aligned to everything */

/* arm64's rungs */
enum { R4K, R64K, R2M, R32M, R1G };

static void put_up(struct rig *rig, enum world world, uint8_t fold)
{
	const struct ml_table_config wish = { .fold = fold, .live = true };

	t_eq(rig_open(rig, world, &wish), ML_OK);
}

static void take_down(struct rig *rig)
{
	struct ml_fault fault = { .what = "" };

	if (!t_eq(ml_table_check(&rig->table, &fault), ML_OK))
		printf("# %s\n", fault.what);
	t_ok(rig_close(rig));
}

static void map_page(struct rig *rig, unsigned page, ml_pa pa, ml_prot prot)
{
	t_eq(ml_map(&rig->table, AT + page * PAGE, PAGE, pa, prot, NULL), ML_OK);
}

/* The 16 orders of one group: ascending, descending, and seeded ones. */
static void shuffle(uint8_t *pages, unsigned count, unsigned seed)
{
	struct source s = source_seeded(seed);

	for (unsigned i = 0; i < count; i++)
		pages[i] = (uint8_t)(seed == 1 ? count - 1 - i : i);
	for (unsigned i = count; seed > 1 && i > 1; i--) {
		const unsigned k = (unsigned)source_below(&s, i);
		const uint8_t page = pages[k];

		pages[k] = pages[i - 1];
		pages[i - 1] = page;
	}
}

TEST(pages_complete_a_group_in_any_order)
{
	for (unsigned seed = 0; seed < 50; seed++) {
		uint8_t pages[16];
		struct rig rig;

		T_CONTEXT("seed", seed);
		put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
		shuffle(pages, 16, seed);
		for (unsigned i = 0; i < 16; i++) {
			t_eq(rig_leaves(&rig, R64K), 0);
			map_page(&rig, pages[i], AT + pages[i] * PAGE, ML_RW);
		}
		t_eq(rig_leaves(&rig, R64K), 1);
		t_eq(rig_leaves(&rig, R4K), 0);
		t_ok(rig_maps(&rig, AT, GROUP, AT, R64K));
		take_down(&rig);
	}
}

/* Separate calls of 64K complete a table; with BLOCK the table becomes a leaf, else it does not. */
TEST(groups_complete_a_block_by_policy)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++)
		for (unsigned seed = 0; seed < 8; seed++) {
			uint8_t groups[32];
			struct rig rig;

			T_CONTEXT("fold", fold);
			put_up(&rig, WORLD_ARM_LOW, fold);
			shuffle(groups, 32, seed);
			for (unsigned i = 0; i < 32; i++)
				t_eq(ml_map(&rig.table, AT + groups[i] * GROUP, GROUP,
					    AT + groups[i] * GROUP, ML_RW, NULL),
				     ML_OK);
			t_eq(rig_leaves(&rig, R2M), fold == ML_FOLD_BLOCK);
			t_eq(rig_leaves(&rig, R64K), fold == ML_FOLD_BLOCK ? 0 : 32);
			take_down(&rig);
		}
}

/* 512 pages become one 2M leaf, and sixteen of those one 32M leaf, whatever the order. */
TEST(blocks_climb_the_whole_ladder)
{
	for (unsigned down = 0; down < 2; down++) {
		const struct ml_table_config wish = { .fold = ML_FOLD_BLOCK };
		const unsigned pages = 16 * 512;
		struct rig rig;

		T_CONTEXT("descending", down);
		t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
		for (unsigned i = 0; i < pages; i++) {
			const unsigned page = down ? pages - 1 - i : i;

			map_page(&rig, page, AT + page * PAGE, ML_RW);
		}
		t_eq(rig_leaves(&rig, R32M), 1);
		t_eq(rig_bytes(&rig), 32 * M);
		t_ok(rig.table.spare.count >= rig.table.owed);
		take_down(&rig);
	}
}

TEST(x86_completes_blocks_only)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
		struct rig rig;

		T_CONTEXT("fold", fold);
		put_up(&rig, WORLD_X86_4, fold);
		for (unsigned page = 0; page < 512; page++)
			map_page(&rig, page ^ 0x155, AT + (page ^ 0x155) * PAGE, ML_RW);
		t_eq(rig_leaves(&rig, 1), fold == ML_FOLD_BLOCK);
		t_eq(rig_leaves(&rig, 0), fold == ML_FOLD_BLOCK ? 0 : 512);
		take_down(&rig);
	}
}

/* ---- what must veto: S0.3, S0.20 --------------------------------------------------- */

/* Sixteen pages, one of which is different; nothing may fold, by policy or by request. */
static void one_is_different(unsigned odd, ml_pa shift, ml_prot prot)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
		struct rig rig;

		put_up(&rig, WORLD_ARM_LOW, fold);
		for (unsigned page = 0; page < 16; page++)
			map_page(&rig, page, AT + page * PAGE + (page == odd ? shift : 0),
				 page == odd ? prot : ML_RW);
		t_eq(rig_leaves(&rig, R64K), 0);
		t_eq(ml_fold(&rig.table, AT, GROUP, R1G, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R64K), 0);
		t_eq(rig_leaves(&rig, R4K), 16);
		take_down(&rig);
	}
}

TEST(one_page_that_differs_vetoes_the_group)
{
	for (unsigned odd = 0; odd < 16; odd++) {
		T_CONTEXT("page", odd);
		one_is_different(odd, PAGE, ML_RW);
		one_is_different(odd, 16 * PAGE, ML_RW);
		one_is_different(odd, 0, ML_READ);
		one_is_different(odd, 0, ML_RW | ML_USER);
		one_is_different(odd, 0, ML_RW | ML_NC); /* S0.20: the memory type, too */
		one_is_different(odd, 0, ML_RW | ML_GLOBAL);
		one_is_different(odd, 0, ML_RW | ML_SPECIAL);
		one_is_different(odd, 0, ML_RW | ML_SOFT(0));
		one_is_different(odd, 0, ML_RW | ML_PEXEC);
	}
}

TEST(a_missing_page_vetoes_the_group)
{
	for (unsigned hole = 0; hole < 16; hole++) {
		struct rig rig;

		T_CONTEXT("hole", hole);
		put_up(&rig, WORLD_ARM_LOW, ML_FOLD_BLOCK);
		for (unsigned page = 0; page < 16; page++)
			if (page != hole)
				map_page(&rig, page, AT + page * PAGE, ML_RW);
		t_eq(ml_fold(&rig.table, AT, GROUP, R1G, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R4K), 15);
		map_page(&rig, hole, AT + hole * PAGE, ML_RW);
		t_eq(rig_leaves(&rig, R64K), 1);
		take_down(&rig);
	}
}

/* S0.12: addresses and frames must agree modulo the group. */
TEST(frames_out_of_step_never_fold)
{
	for (unsigned shift = 0; shift < 32; shift++) {
		struct rig rig;

		T_CONTEXT("shift", shift);
		put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
		t_eq(ml_map(&rig.table, AT, 4 * GROUP, AT + shift * PAGE, ML_RW, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R64K), shift % 16 == 0 ? 4 : 0);
		t_eq(ml_fold(&rig.table, AT, 4 * GROUP, R1G, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R64K), shift % 16 == 0 ? 4 : 0);
		take_down(&rig);
	}
}

/* ---- the accessed/dirty unit: S0.4 ------------------------------------------------- */

static uint64_t unit_bytes;
static unsigned unit_calls;

static uint64_t unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	unit_calls++;
	return unit_bytes;
}

static void fold_with_unit(uint8_t fold, uint64_t bytes, bool by_page)
{
	const struct ml_table_config wish = { .fold = fold, .ad_unit = unit };
	struct rig rig;

	unit_bytes = bytes;
	unit_calls = 0;
	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	if (by_page)
		for (unsigned page = 0; page < 16; page++)
			map_page(&rig, page, AT + page * PAGE, ML_RW);
	else
		t_eq(ml_map(&rig.table, AT, GROUP, AT, ML_RW, NULL), ML_OK);
	if (fold == ML_FOLD_MAP)
		t_eq(ml_fold(&rig.table, AT, GROUP, R1G, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R64K), bytes >= GROUP);
	t_eq(rig_leaves(&rig, R4K), bytes >= GROUP ? 0 : 16);
	t_ok(unit_calls > 0);
	take_down(&rig);
}

TEST(half_a_unit_vetoes_the_group)
{
	static const uint64_t units[] = { PAGE, 8 * PAGE, GROUP, 2 * M, G };

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			T_CONTEXT("unit", units[i]);
			fold_with_unit(fold, units[i], true);
			fold_with_unit(fold, units[i], false);
		}
}

TEST(a_unit_vetoes_a_block)
{
	static const uint64_t units[] = { GROUP, M, 2 * M, 32 * M };

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		const struct ml_table_config wish = { .fold = ML_FOLD_BLOCK, .ad_unit = unit };
		struct rig rig;

		T_CONTEXT("unit", units[i]);
		unit_bytes = units[i];
		t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
		for (unsigned page = 0; page < 512; page++)
			map_page(&rig, page, AT + page * PAGE, ML_RW);
		t_eq(rig_leaves(&rig, R2M), units[i] >= 2 * M);
		t_eq(rig_leaves(&rig, R64K), units[i] >= 2 * M ? 0 : 32);
		take_down(&rig);
	}
}

/* ---- extents: S0.13 to S0.15 ------------------------------------------------------- */

/* Two halves of 1M each make one 2M leaf, in one call; in two calls only by policy. */
TEST(adjacent_extents_merge)
{
	static const struct ml_extent halves[] = { { AT, M }, { AT + M, M } };
	static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

	for (unsigned w = 0; w < 3; w++) {
		const unsigned rung = wide[w] == WORLD_ARM_LOW ? R2M : 1;
		struct rig rig;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(&rig, wide[w], ML_FOLD_MAP);
		t_eq(ml_map_extents(&rig.table, AT, halves, 2, ML_RW, NULL), ML_OK);
		t_eq(rig_leaves(&rig, rung), 1);
		t_eq(ml_map(&rig.table, AT + 2 * M, M, AT + 2 * M, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + 3 * M, M, AT + 3 * M, ML_RW, NULL), ML_OK);
		t_eq(rig_leaves(&rig, rung), 1);
		t_eq(ml_fold(&rig.table, AT, 4 * M, rung, NULL), ML_OK);
		t_eq(rig_leaves(&rig, rung), 2);
		take_down(&rig);
	}
}

/* S0.14: any list of extents maps page for page what it says. */
TEST(extents_map_what_they_say)
{
	for (unsigned seed = 0; seed < 200; seed++) {
		struct source s = source_seeded(seed);
		struct ml_extent extents[8];
		const unsigned count = 1 + (unsigned)source_below(&s, 8);
		ml_va va = AT - source_below(&s, 40) * PAGE;
		const ml_va start = va;
		struct rig rig;

		T_CONTEXT("seed", seed);
		for (unsigned i = 0; i < count; i++) {
			const bool follows = i > 0 && source_chance(&s, 1, 2);

			extents[i].pa = follows ? extents[i - 1].pa + extents[i - 1].length
						: (va & (2 * M - 1)) + source_below(&s, 8) * 2 * M;
			extents[i].length = (1 + source_below(&s, 80)) * PAGE;
			va += extents[i].length;
		}
		put_up(&rig, seed & 1 ? WORLD_ARM_LOW : WORLD_X86_4, (uint8_t)(seed % 3));
		t_eq(ml_map_extents(&rig.table, start, extents, count, ML_RW, NULL), ML_OK);
		va = start;
		for (unsigned i = 0; i < count; i++)
			for (uint64_t at = 0; at < extents[i].length; at += PAGE, va += PAGE) {
				struct ml_translation found;

				t_eq(ml_translate(&rig.table, va, &found), ML_OK);
				t_eq(found.pa, extents[i].pa + at);
			}
		t_eq(rig_bytes(&rig), va - start);
		take_down(&rig);
	}
}

/* Cut [skip, skip + len) out of the extents by hand; returns how many are left. */
static unsigned cut_extents(struct ml_extent *extents, unsigned count, uint64_t skip, uint64_t len)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count && len; i++) {
		const uint64_t gone = skip < extents[i].length ? skip : extents[i].length;
		struct ml_extent part = { extents[i].pa + gone, extents[i].length - gone };

		skip -= gone;
		if (!part.length)
			continue;
		part.length = part.length < len ? part.length : len;
		len -= part.length;
		extents[left++] = part;
	}
	return left;
}

/* S0.14: a part of them is mapped like the extents that are left when the rest is cut off. */
TEST(a_part_of_extents_is_mapped_like_those_cut_by_hand)
{
	for (unsigned seed = 0; seed < 400; seed++) {
		struct source s = source_seeded(seed);
		struct ml_extent extents[8];
		const unsigned count = 1 + (unsigned)source_below(&s, 8);
		struct rig part, whole;
		uint64_t pages = 0, skip, len;

		T_CONTEXT("seed", seed);
		for (unsigned i = 0; i < count; i++) {
			const bool follows = i > 0 && source_chance(&s, 1, 2);

			extents[i].pa = follows ? extents[i - 1].pa + extents[i - 1].length
						: (1 + source_below(&s, 8)) * 2 * M;
			extents[i].length = (1 + source_below(&s, 1000)) * PAGE;
			pages += extents[i].length / PAGE;
		}
		skip = source_below(&s, pages);
		len = (1 + source_below(&s, pages - skip)) * PAGE;
		skip *= PAGE;
		put_up(&part, WORLD_ARM_LOW, ML_FOLD_MAP);
		put_up(&whole, WORLD_ARM_LOW, ML_FOLD_MAP);
		t_eq(ml_map_extents_part(&part.table, AT, len, extents, count, skip, ML_RW, NULL),
		     ML_OK);
		t_eq(ml_map_extents(&whole.table, AT, extents,
				    cut_extents(extents, count, skip, len), ML_RW, NULL),
		     ML_OK);
		for (uint64_t at = 0; at < len; at += PAGE) {
			struct ml_translation got, want;

			t_eq(ml_translate(&part.table, AT + at, &got), ML_OK);
			t_eq(ml_translate(&whole.table, AT + at, &want), ML_OK);
			t_eq(got.pa, want.pa);
			t_eq(got.pte, want.pte);
		}
		t_eq(rig_bytes(&part), len);
		take_down(&part);
		take_down(&whole);
	}
}

/* S0.15: something stands in the way of extent k: nothing of the others is mapped. */
TEST(extents_are_all_or_nothing)
{
	struct ml_extent extents[6];
	struct picture picture = { 0 };

	for (unsigned i = 0; i < 6; i++)
		extents[i] = (struct ml_extent){ AT + i * 8 * M, 4 * M };
	for (unsigned blocked = 0; blocked < 6; blocked++) {
		struct rig rig;

		T_CONTEXT("extent", blocked);
		put_up(&rig, WORLD_ARM_LOW, ML_FOLD_BLOCK);
		t_eq(ml_map(&rig.table, AT + blocked * 4 * M + 2 * M, PAGE, 0, ML_RW, NULL), ML_OK);
		picture_take(&picture, &rig);
		t_eq(ml_map_extents(&rig.table, AT, extents, 6, ML_RW, NULL), ML_ERR_EXISTS);
		t_ok(picture_difference(&picture, &rig) == NULL);
		take_down(&rig);
	}
	picture_release(&picture);
}

/* ---- unfolding, and not folding again ---------------------------------------------- */

/* Part of a block is protected: it comes apart, and stays apart until it is asked for. */
TEST(protect_unfolds_and_does_not_refold)
{
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
		struct rig rig;

		T_CONTEXT("fold", fold);
		put_up(&rig, WORLD_ARM_LOW, fold);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R2M), 1);
		t_eq(ml_protect(&rig.table, AT + PAGE, PAGE, ML_WRITE, 0, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R4K), 16);
		t_eq(rig_leaves(&rig, R64K), 31);
		t_eq(ml_protect(&rig.table, AT + PAGE, PAGE, ML_WRITE, ML_WRITE, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R4K), 16);
		t_eq(rig_leaves(&rig, R64K), 31);
		t_eq(ml_fold(&rig.table, AT, 2 * M, R2M, NULL), ML_OK);
		t_eq(rig_leaves(&rig, R2M), 1);
		t_ok(rig_maps(&rig, AT, 2 * M, AT, R2M));
		take_down(&rig);
	}
}

/* Protecting whole leaves does not take them apart. */
TEST(protect_keeps_whole_leaves)
{
	for (unsigned rung = R64K; rung <= R1G; rung++) {
		const uint64_t bytes = (uint64_t)1 << ml_format_arm64_4k.rungs[rung].shift;
		struct rig rig;

		T_CONTEXT("rung", rung);
		put_up(&rig, WORLD_ARM_LOW, ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, AT, 2 * bytes, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, AT, bytes, ML_WRITE, 0, NULL), ML_OK);
		t_eq(rig_leaves(&rig, rung), 2);
		t_eq(rig.table.stats.splits, 0);
		take_down(&rig);
	}
}

/* A protection that changes nothing takes nothing apart. */
TEST(a_change_to_the_same_splits_nothing)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
	t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, AT + PAGE, PAGE, ML_WRITE, ML_WRITE, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, AT + PAGE, PAGE, ML_USER, 0, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R1G), 1);
	t_eq(ml_map(&rig.table, AT + G, 16 * PAGE, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, AT + G + PAGE, PAGE, ML_WRITE, ML_WRITE, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R64K), 1);
	t_eq(rig.table.stats.splits, 0);
	take_down(&rig);
}

/* S0.9: every sub-range of three groups is unmapped; what is kept translates as before. */
TEST(every_part_of_three_groups_unmapped)
{
	for (unsigned from = 0; from < 48; from++)
		for (unsigned to = from + 1; to <= 48; to++) {
			struct ml_model_result seen;
			struct rig rig;

			T_CONTEXT("from", from * 100 + to);
			put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
			t_eq(ml_map(&rig.table, AT, 3 * GROUP, AT, ML_RW | ML_SPECIAL, NULL),
			     ML_OK);
			t_eq(ml_unmap(&rig.table, AT + from * PAGE, (to - from) * PAGE, NULL),
			     ML_OK);
			for (unsigned page = 0; page < 48; page++) {
				const ml_va va = AT + page * PAGE;
				const bool kept = page < from || page >= to;

				t_eq(ml_model_walk(&rig.model, va, ML_MODEL_READ, false, &seen),
				     kept ? ML_MODEL_OK : ML_MODEL_NOT_MAPPED);
				if (kept)
					t_eq(seen.pa, va);
			}
			for (unsigned group = 0; group < 3; group++) {
				const bool whole = to <= group * 16 || from >= group * 16 + 16;
				struct ml_translation found;

				if (whole &&
				    t_eq(ml_translate(&rig.table, AT + group * GROUP, &found),
					 ML_OK))
					t_eq(ml_translation_rung(&rig.table, &found), R64K);
			}
			take_down(&rig);
		}
}

/* A page that comes and goes does not make its block fold and unfold: one unfold, and the fold
 * when the group is whole again. */
TEST(a_page_remapped_completes_its_group_again)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_COMPLETE);
	t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, AT + PAGE, PAGE, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R4K), 15);
	t_eq(rig_leaves(&rig, R64K), 31);
	map_page(&rig, 1, AT + PAGE, ML_RW);
	t_eq(rig_leaves(&rig, R4K), 0);
	t_eq(rig_leaves(&rig, R64K), 32);
	t_eq(rig_leaves(&rig, R2M), 0); /* COMPLETE does not promote tables */
	take_down(&rig);
}

/* ---- ml_fold and ml_split ---------------------------------------------------------- */

TEST(fold_stops_at_the_rung_and_at_the_range)
{
	struct rig rig;

	put_up(&rig, WORLD_ARM_LOW, ML_FOLD_MAP);
	t_eq(ml_map(&rig.table, AT, 64 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_split(&rig.table, AT, 64 * M, R4K, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R4K), 64 * M / PAGE);
	t_eq(ml_fold(&rig.table, AT, 64 * M, R4K, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R4K), 64 * M / PAGE);
	t_eq(ml_fold(&rig.table, AT + PAGE, 4 * GROUP, R1G, NULL), ML_OK); /* three whole groups */
	t_eq(rig_leaves(&rig, R64K), 3);
	t_eq(ml_fold(&rig.table, AT, 64 * M, R64K, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R64K), 64 * M / GROUP);
	t_eq(ml_fold(&rig.table, AT + GROUP, 4 * M, R2M, NULL), ML_OK); /* one whole block */
	t_eq(rig_leaves(&rig, R2M), 1);
	t_eq(ml_fold(&rig.table, AT, 64 * M, R1G, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R32M), 2);
	take_down(&rig);
}

/* The ladder up and down, leaf for leaf, on every format. */
TEST(split_and_fold_climb_one_rung_at_a_time)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const struct ml_format *f = worlds[world].format;
		const ml_va at = world == WORLD_TOY ? 0 : world == WORLD_ARM_HIGH ? 0 - 4 * G : AT;
		unsigned top = f->rung_count - 1u;
		struct rig rig;
		uint64_t bytes;

		T_CONTEXT(worlds[world].name, world);
		while (f->rungs[top].off_by_default)
			top--;
		bytes = (uint64_t)1 << f->rungs[top].shift;
		put_up(&rig, (enum world)world, ML_FOLD_MAP);
		t_eq(ml_map(&rig.table, at, bytes, 0, ML_RW, NULL), ML_OK);
		for (unsigned rung = top; rung-- > 0;) {
			t_eq(ml_split(&rig.table, at, bytes, rung, NULL), ML_OK);
			t_eq(rig_leaves(&rig, rung), bytes >> f->rungs[rung].shift);
			t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		}
		for (unsigned rung = 1; rung <= top; rung++) {
			t_eq(ml_fold(&rig.table, at, bytes, rung, NULL), ML_OK);
			t_eq(rig_leaves(&rig, rung), bytes >> f->rungs[rung].shift);
			t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		}
		t_ok(rig_bytes(&rig) == bytes);
		t_ok(rig.arena->in_use == rig.table.stats.tables + rig.table.spare.count);
		take_down(&rig);
	}
}

/* Accessed and dirty: copied to every piece, OR-ed into the whole (B-07). */
TEST(accessed_and_dirty_survive_split_and_fold)
{
	const struct ml_table_config wish = { .track_ad = true };
	struct ml_model_result seen;
	struct ml_translation found;
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_split(&rig.table, AT, 2 * M, R4K, NULL), ML_OK);
	t_ok(rig_touch(&rig, AT + 9 * PAGE, true, &seen)); /* member 9 alone */
	t_eq(ml_fold(&rig.table, AT, 2 * M, R64K, NULL), ML_OK);
	t_eq(ml_split(&rig.table, AT, 2 * M, R4K, NULL), ML_OK);
	for (unsigned page = 0; page < 512; page++) {
		t_eq(ml_translate(&rig.table, AT + page * PAGE, &found), ML_OK);
		t_eq(ml_translation_prot(&rig.table, &found) & ML_PROT_AD,
		     page < 16 ? ML_PROT_AD : 0);
	}
	t_eq(ml_fold(&rig.table, AT, 2 * M, R2M, NULL), ML_OK);
	t_eq(ml_translate(&rig.table, AT, &found), ML_OK);
	t_eq(ml_translation_prot(&rig.table, &found) & ML_PROT_AD, ML_PROT_AD);
	take_down(&rig);
}

static struct ml_run told[8];
static unsigned told_count;

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	if (told_count < 8)
		told[told_count++] = *run;
}

/* Dirty in one member of a group is the group's, whichever part of it is unmapped. */
TEST(the_sink_hears_of_dirty_in_any_member)
{
	for (unsigned member = 0; member < 16; member++) {
		const struct ml_table_config wish = { .track_ad = true, .live = true };
		struct ml_op op = { .sink = hear };
		struct ml_model_result seen;
		struct rig rig;

		T_CONTEXT("member", member);
		told_count = 0;
		t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
		t_eq(ml_map(&rig.table, AT, GROUP, AT, ML_RW, NULL), ML_OK);
		t_ok(rig_touch(&rig, AT + member * PAGE, true, &seen));
		t_eq(ml_unmap(&rig.table, AT, PAGE, &op), ML_OK);
		T_REQUIRE(t_eq(told_count, 1));
		t_eq(told[0].prot & ML_PROT_AD, ML_PROT_AD);
		t_eq(ml_unmap(&rig.table, AT + PAGE, 15 * PAGE, &op), ML_OK);
		T_REQUIRE(t_eq(told_count, 2));
		t_eq(told[1].prot & ML_PROT_AD, ML_PROT_AD);
		take_down(&rig);
	}
}

/* The policy cap: no leaf above it, by mapping, completing or asking. */
TEST(rungs_that_are_not_allowed_are_not_made)
{
	for (uint32_t rungs = 1; rungs < 32; rungs = rungs * 2 + 1)
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			const struct ml_table_config wish = { .fold = fold, .rungs = rungs };
			struct rig rig;

			T_CONTEXT("rungs", rungs);
			t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
			t_eq(ml_map(&rig.table, AT, 32 * M, AT, ML_RW, NULL), ML_OK);
			t_eq(ml_fold(&rig.table, AT, 32 * M, R1G, NULL), ML_OK);
			for (unsigned rung = 0; rung <= R1G; rung++)
				t_eq(rig_leaves(&rig, rung) != 0,
				     rung < R1G && rungs >> rung == 1
					     ? 1
					     : rung == R32M && rungs >> R1G);
			take_down(&rig);
		}
}

/* ... nor as pieces of what is taken apart. */
TEST(splits_make_no_groups_that_are_not_allowed)
{
	const struct ml_table_config wish = { .rungs = 1u | 1u << R2M };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, AT + 32 * PAGE, PAGE, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R64K), 0);
	t_eq(rig_leaves(&rig, 0), 511);
	take_down(&rig);
}

/* One mapping may be held to smaller sizes, and folds nothing larger on the way. */
TEST(one_mapping_may_be_kept_small)
{
	const uint32_t table = 1u | 1u << R64K | 1u << R2M | 1u << R32M;

	for (uint32_t rungs = 1; rungs < 32; rungs++)
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			const struct ml_table_config wish = { .fold = fold, .rungs = table };
			const uint32_t allowed = table & (rungs | 1);
			struct ml_op op = { .rungs = rungs };
			struct rig rig;

			T_CONTEXT("rungs", rungs);
			t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
			t_eq(ml_map(&rig.table, AT, 32 * M - PAGE, AT, ML_RW, &op), ML_OK);
			t_eq(ml_map(&rig.table, AT + 32 * M - PAGE, PAGE, AT + 32 * M - PAGE, ML_RW,
				    &op),
			     ML_OK);
			for (unsigned rung = 1; rung <= R1G; rung++)
				t_eq(rig_leaves(&rig, rung) && !(allowed >> rung & 1), 0);
			take_down(&rig);
		}
}

/* ... by each call by itself: the next one chooses freely, in steps, too. */
TEST(a_limit_of_sizes_ends_with_its_call)
{
	const struct ml_table_config wish = { .fold = ML_FOLD_BLOCK };
	struct ml_step step = { AT, 64 * K, AT, ML_RW, 1 };
	struct ml_op op = { .rungs = 1 };
	uint64_t tables = 0;
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map_tables(&rig.table, AT, 2 * M, AT, ML_RW, &op, &tables), ML_OK);
	t_eq(tables, 3); /* with a table of pages, without a deposit */
	t_eq(ml_map_step(&rig.table, &step, &op), ML_OK);
	t_eq(rig_leaves(&rig, 0), 16);
	t_eq(rig_leaves(&rig, R64K), 0);
	t_eq(ml_map(&rig.table, AT + 64 * K, 64 * K, AT + 64 * K, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&rig, R64K), 1);
	op.rungs = 1u << R64K;
	t_eq(ml_map(&rig.table, AT + 128 * K, 2 * M - 128 * K, AT + 128 * K, ML_RW, &op), ML_OK);
	t_eq(rig_leaves(&rig, R2M), 0);
	t_eq(ml_fold(&rig.table, AT, 2 * M, R2M, &op), ML_OK); /* told to, and no mapping */
	t_eq(rig_leaves(&rig, R2M), 1);
	take_down(&rig);
}
