/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Tables that leaves own: how many, who pays when one comes apart, and that the ledger agrees with
 * what stands there, from the first leaf to the last.
 */
#include <maxleaf/pte.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)

static void put_up(struct rig *rig, enum world world, const struct ml_table_config *wish)
{
	struct ml_table_config config = *wish;

	config.guaranteed = true;
	T_REQUIRE(t_eq(rig_open(rig, world, &config), ML_OK));
}

/* The table is right, and holds so many tables for splits: no more than are owned. */
static void holds(const struct rig *rig, uint64_t tables)
{
	t_eq(ml_table_check(&rig->table, NULL), ML_OK);
	t_eq(rig->table.owed, tables);
	t_eq(rig->table.spare.count, tables);
}

/* Nothing is owned when nothing stands there. */
static void take_down(struct rig *rig)
{
	t_eq(ml_unmap(&rig->table, AT, 4 * G, NULL), ML_OK);
	holds(rig, 0);
	t_ok(rig_close(rig));
}

TEST(a_leaf_owns_its_first_step)
{
	for (unsigned live = 0; live < 2; live++) {
		const struct ml_table_config wish = { .deposit_one = true, .live = live };
		struct rig rig;

		put_up(&rig, WORLD_X86_4, &wish);
		t_eq(ml_map(&rig.table, AT, 3 * G, AT, ML_RW, NULL), ML_OK);
		holds(&rig, 3);
		t_eq(ml_split(&rig.table, AT, G, 1, NULL), ML_OK);
		holds(&rig, 2 + 512);
		rig.arena->in_use_limit = 1;
		t_eq(ml_split(&rig.table, AT, 2 * M, 0, NULL), ML_OK);
		t_eq(ml_unmap(&rig.table, AT + 2 * M + 4 * K, 4 * K, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, AT + 6 * M - 4 * K, 8 * K, ML_WRITE, 0, NULL), ML_OK);
		holds(&rig, 2 + 508);
		t_eq(ml_unmap(&rig.table, AT + G, G, NULL), ML_OK); /* a leaf as a whole */
		t_eq(ml_unmap(&rig.table, AT + 2 * G + 2 * M, 2 * M, NULL), ML_ERR_NO_MEMORY);
		holds(&rig, 1 + 508);
		rig.arena->in_use_limit = 0;
		take_down(&rig);
	}
}

/* One leaf again: it owns the table that it replaces, and the others go back. */
TEST(what_a_fold_sets_free_goes_back)
{
	for (unsigned one = 0; one < 2; one++) {
		const struct ml_table_config wish = { .deposit_one = one, .live = true };
		struct rig rig;

		T_CONTEXT("one", one);
		put_up(&rig, WORLD_ARM_LOW, &wish);
		t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_split(&rig.table, AT, G, 2, NULL), ML_OK);
		holds(&rig, 512);
		t_eq(ml_fold(&rig.table, AT, G, 4, NULL), ML_OK);
		t_eq(rig_leaves(&rig, 4), 1);
		holds(&rig, one ? 1 : 513);
		take_down(&rig);
	}
}

/* What the completing call makes of smaller leaves owns as much as if it had been mapped. */
TEST(what_folds_by_itself_owns_as_much)
{
	for (unsigned one = 0; one < 2; one++) {
		const struct ml_table_config wish = { .deposit_one = one, .fold = ML_FOLD_BLOCK };
		struct rig rig;

		T_CONTEXT("one", one);
		put_up(&rig, WORLD_X86_4, &wish);
		t_eq(ml_map(&rig.table, AT, G - 4 * K, AT, ML_RW, NULL), ML_OK);
		holds(&rig, 511);
		t_eq(ml_map(&rig.table, AT + G - 4 * K, 4 * K, AT + G - 4 * K, ML_RW, NULL), ML_OK);
		t_eq(rig_leaves(&rig, 2), 1);
		holds(&rig, one ? 1 : 513);
		take_down(&rig);
	}
}

/* Entries set one by one own what mapped ones own. */
TEST(entries_put_aside_what_they_own)
{
	for (unsigned one = 0; one < 2; one++) {
		const struct ml_table_config wish = { .deposit_one = one };
		struct rig rig;
		ml_pte *p, pte = 0;

		T_CONTEXT("one", one);
		put_up(&rig, WORLD_X86_4, &wish);
		t_eq(ml_pte_ensure(&rig.table, AT, G, 2, NULL), ML_OK);
		t_eq(ml_pte_deposit(&rig.table, 2, 1, NULL), ML_OK);
		t_eq(rig.table.spare.count, one ? 1 : 513);
		t_eq(ml_pte_make(&rig.table, AT, ML_RW, 2, &pte), ML_OK);
		p = ml_pte_pointer(&rig.table, AT, 2);
		ml_set_pte_at(&rig.table, AT, p, 2, pte);
		holds(&rig, one ? 1 : 513);
		ml_pte_clear(&rig.table, AT, p, 2);
		t_eq(rig.table.spare.count, one ? 1 : 513);
		ml_pte_withdraw(&rig.table, 2, 1, NULL);
		take_down(&rig);
	}
}

/* What ml_prepare() took is enough for a mapping over a leaf that owns one table alone. */
TEST(preparing_covers_what_cut_leaves_need)
{
	const struct ml_table_config wish = { .deposit_one = true, .live = true };
	struct ml_reserve reserve = { 0 };
	struct ml_op op = { .flags = ML_OP_REPLACE };
	struct rig rig;

	put_up(&rig, WORLD_X86_4, &wish);
	t_eq(ml_map(&rig.table, AT, 2 * G, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_prepare(&rig.table, AT + G - 4 * K, 8 * K, 0, ML_RW, &reserve, &op), ML_OK);
	op.reserve = &reserve;
	rig.arena->in_use_limit = 1;
	t_eq(ml_map(&rig.table, AT + G - 4 * K, 8 * K, 0, ML_RW, &op), ML_OK);
	t_eq(op.tables_needed, 2 * 512);
	rig.arena->in_use_limit = 0;
	holds(&rig, 2 * 511);
	ml_reserve_empty(&rig.table, &reserve, NULL);
	take_down(&rig);
}

/* ---- leaves that own nothing, beside others that do ---------------------------------- */

#define MARK ML_SOFT(0)

/* An operation fails for want of each of its tables, and has changed nothing. */
static void fails_whole(struct rig *rig, const struct action *action, uint64_t tables)
{
	struct picture picture = { 0 };
	struct ml_op op = { .flags = ML_OP_DRY };

	t_eq(rig_call(rig, action, &op), ML_OK);
	t_eq(op.tables_needed, tables);
	op.flags = 0;
	picture_take(&picture, rig);
	for (uint64_t nth = 1; nth <= tables; nth++) {
		rig->arena->fail_nth = nth;
		t_eq(rig_call(rig, action, &op), ML_ERR_NO_MEMORY);
		t_eq(op.tables_needed, tables);
		t_ok(!picture_difference(&picture, rig));
	}
	rig->arena->fail_nth = tables + 1;
	t_eq(rig_call(rig, action, &op), ML_OK);
	t_eq(rig->arena->fail_nth, 1);
	rig->arena->fail_nth = 0;
	picture_release(&picture);
}

/* Leaves of 2M, every other one marked, from AT on. */
static void map_mixed(struct rig *rig, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint64_t at = AT + i * 2 * M;

		t_eq(ml_map(&rig->table, at, 2 * M, at, i & 1 ? ML_RW | MARK : ML_RW, NULL), ML_OK);
	}
}

TEST(marked_leaves_stand_beside_others)
{
	static const struct action actions[] = {
		{ .kind = ACTION_UNMAP, .va = AT + 4 * K, .len = 4 * K },
		{ .kind = ACTION_UNMAP, .va = AT + 2 * M + 4 * K, .len = 4 * K },
		{ .kind = ACTION_PROTECT,
		  .va = AT + 6 * M - 4 * K,
		  .len = 8 * K,
		  .mask = ML_WRITE },
		{ .kind = ACTION_UNMAP, .va = AT + 10 * M - 4 * K, .len = 4 * M + 8 * K },
		{ .kind = ACTION_SPLIT, .va = AT + 16 * M, .len = 8 * M },
		{ .kind = ACTION_UNMAP, .va = AT + 24 * M, .len = 8 * M },
	};
	static const uint64_t needed[] = { 0, 1, 1, 1, 2, 0 }, owed[] = { 7, 7, 6, 4, 2, 0 };

	for (unsigned live = 0; live < 2; live++)
		for (unsigned one = 0; one < 2; one++) {
			const struct ml_table_config wish = { .deposit_one = one,
							      .live = live,
							      .refaultable = MARK };
			struct rig rig;

			put_up(&rig, live ? WORLD_ARM_LOW : WORLD_X86_4, &wish);
			map_mixed(&rig, 16);
			holds(&rig, 8);
			for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
				T_CONTEXT("action", i);
				fails_whole(&rig, &actions[i], needed[i]);
				holds(&rig, owed[i]);
			}
			take_down(&rig);
		}
}

/* What goes of a leaf that owns tables pays for its neighbour, which owns none. */
TEST(one_leaf_pays_for_the_next)
{
	const struct ml_table_config wish = { .live = true, .refaultable = MARK };
	const struct action cut = { .kind = ACTION_UNMAP, .va = AT + G / 2, .len = G / 2 + 4 * K };
	struct rig rig;

	put_up(&rig, WORLD_X86_4, &wish);
	t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, AT + G, 2 * M, AT + G, ML_RW | MARK, NULL), ML_OK);
	holds(&rig, 513);
	fails_whole(&rig, &cut, 0);
	holds(&rig, 256);
	take_down(&rig);
}

/* A marked leaf of 1G takes what it would without a guarantee, and so do its pieces. */
TEST(pieces_of_marked_leaves_are_marked)
{
	const struct ml_table_config wish = { .live = true, .refaultable = MARK };
	const struct action protect = {
		.kind = ACTION_PROTECT, .va = AT + 4 * K, .len = 4 * K, .mask = ML_WRITE
	};
	const struct action replace = {
		.kind = ACTION_MAP, .va = AT + 64 * M, .len = 2 * M, .pa = 0, .prot = ML_RW
	};
	struct ml_op op = { .flags = ML_OP_REPLACE };
	struct ml_reserve reserve = { 0 };
	struct rig rig;

	put_up(&rig, WORLD_X86_4, &wish);
	t_eq(ml_map(&rig.table, AT, G, AT, ML_RW | MARK, NULL), ML_OK);
	holds(&rig, 0);
	fails_whole(&rig, &protect, 2);
	holds(&rig, 0);
	t_eq(rig_call(&rig, &replace, &op), ML_OK);
	holds(&rig, 1);
	t_eq(ml_map(&rig.table, AT + G, G, AT + G, ML_RW | MARK, NULL), ML_OK);
	t_eq(ml_prepare(&rig.table, AT + G + 8 * K, 4 * K, 0, ML_RW, &reserve, &op), ML_OK);
	op.reserve = &reserve;
	t_eq(ml_map(&rig.table, AT + G + 8 * K, 4 * K, 0, ML_RW, &op), ML_OK);
	t_eq(op.tables_needed, 2);
	ml_reserve_empty(&rig.table, &reserve, NULL);
	holds(&rig, 1);
	take_down(&rig);
}

TEST(a_fold_of_marked_pages_keeps_no_table)
{
	for (unsigned live = 0; live < 2; live++) {
		const struct ml_table_config wish = { .fold = ML_FOLD_BLOCK,
						      .live = live,
						      .refaultable = MARK };
		struct rig rig;
		uint64_t in_use;

		put_up(&rig, WORLD_ARM_LOW, &wish);
		t_eq(ml_map(&rig.table, AT, 4 * K, AT, ML_RW | MARK, NULL), ML_OK);
		in_use = rig.arena->in_use;
		t_eq(ml_map(&rig.table, AT + 4 * K, 2 * M - 4 * K, AT + 4 * K, ML_RW | MARK, NULL),
		     ML_OK);
		t_eq(rig_leaves(&rig, 2), 1);
		t_eq(rig.arena->in_use, in_use - 1);
		holds(&rig, 0);
		take_down(&rig);
	}
}

/* The mark is for good; everything else of a marked leaf may change. */
TEST(nobody_changes_the_mark)
{
	const struct ml_table_config wish = { .refaultable = MARK };
	struct picture picture = { 0 };
	struct rig rig;

	put_up(&rig, WORLD_X86_4, &wish);
	map_mixed(&rig, 2);
	picture_take(&picture, &rig);
	t_eq(ml_protect(&rig.table, AT, 4 * M, MARK, MARK, NULL), ML_ERR_PROT);
	t_eq(ml_protect(&rig.table, AT, 4 * M, MARK, 0, NULL), ML_ERR_PROT);
	t_eq(ml_protect(&rig.table, AT, 4 * M, MARK | ML_WRITE, 0, NULL), ML_ERR_PROT);
	t_ok(!picture_difference(&picture, &rig));
	picture_release(&picture);
	t_eq(ml_protect(&rig.table, AT, 4 * M, ML_SOFT(1) | ML_WRITE, ML_SOFT(1), NULL), ML_OK);
	holds(&rig, 1);
	take_down(&rig);
}

/* The mark is found in leaves of every size, and in no other leaf. */
TEST(the_mark_stands_at_one_place)
{
	const struct ml_table_config wish = { .refaultable = MARK };

	for (unsigned world = 0; world < WORLDS; world++) {
		const struct ml_format *f = worlds[world].format;
		struct rig rig;

		T_CONTEXT(worlds[world].name, world);
		put_up(&rig, (enum world)world, &wish);
		t_ok(rig.table.refault_bit &&
		     !(rig.table.refault_bit & (rig.table.refault_bit - 1)));
		for (unsigned level = 0; level < rig.table.levels; level++) {
			const ml_prot all = f->prot_mask & (ML_SOFT_MASK | ML_PROT_AD | ML_SPECIAL);
			ml_pte marked = 0, plain = 0;

			if (level && !f->block_rung[level])
				continue;
			t_eq(ml_pte_make(&rig.table, 0, ML_READ | MARK, level, &marked), ML_OK);
			t_eq(ml_pte_make(&rig.table, 0, ML_READ | (all & ~MARK), level, &plain),
			     ML_OK);
			t_ok(marked & rig.table.refault_bit);
			t_ok(!(plain & rig.table.refault_bit));
		}
		t_ok(rig_close(&rig));
	}
}

/* One entry after another: what is put aside is for those without the mark. */
TEST(marked_entries_put_nothing_aside)
{
	const struct ml_table_config wish = { .live = true, .refaultable = MARK };
	ml_pte *p, plain = 0, marked = 0;
	struct rig rig;

	put_up(&rig, WORLD_X86_4, &wish);
	t_eq(ml_pte_ensure(&rig.table, AT, G, 1, NULL), ML_OK);
	t_eq(ml_pte_deposit(&rig.table, 1, 1, NULL), ML_OK);
	t_eq(ml_pte_make(&rig.table, AT, ML_RW, 1, &plain), ML_OK);
	t_eq(ml_pte_make(&rig.table, AT, ML_RW | MARK, 1, &marked), ML_OK);
	p = ml_pte_pointer(&rig.table, AT, 1);
	ml_set_ptes(&rig.table, AT + 2 * M, p + 1, 1, marked + 2 * M, 3);
	t_eq(rig.table.owed, 0);
	ml_set_pte_at(&rig.table, AT, p, 1, plain);
	t_eq(rig.table.owed, 1);
	t_eq(rig.table.pledged, 0);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	ml_set_pte_at(&rig.table, AT, p, 1, marked);
	t_eq(rig.table.owed, 0);
	t_eq(rig.table.pledged, 1);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	ml_set_pte_at(&rig.table, AT, p, 1, plain);
	(void)ml_get_and_clear_full_ptes(&rig.table, AT, p, 1, 4);
	t_eq(rig.table.owed, 0);
	t_eq(rig.table.pledged, 1);
	ml_pte_withdraw(&rig.table, 1, 1, NULL);
	take_down(&rig);
}

/* The check asks every entry, and so does adopting. */
TEST(a_leaf_that_owns_what_nobody_put_aside_is_found)
{
	struct ml_table_config wish = { .refaultable = MARK };
	struct ml_table adopted;
	struct rig rig;
	ml_pte *p;

	put_up(&rig, WORLD_X86_4, &wish);
	map_mixed(&rig, 2);
	p = ml_pte_pointer(&rig.table, AT, 1);
	p[1] ^= rig.table.refault_bit;
	t_eq(ml_table_check(&rig.table, NULL), ML_ERR_BAD_COUNT);
	p[0] ^= rig.table.refault_bit;
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	p[1] ^= rig.table.refault_bit; /* both are marked */
	wish.platform = rig.table.platform;
	wish.cookie = rig.table.cookie;
	wish.guaranteed = true;
	t_eq(ml_table_adopt(&adopted, &ml_format_x86_64, &wish, rig.table.root_pa, 100), ML_OK);
	wish.refaultable = ML_SOFT(1);
	t_eq(ml_table_adopt(&adopted, &ml_format_x86_64, &wish, rig.table.root_pa, 100),
	     ML_ERR_CONFIG);
	p[0] ^= rig.table.refault_bit;
	take_down(&rig);
}

/* A copy's leaves own what they own where they are; what its source lacks is counted, too. */
TEST(copies_own_what_their_table_says)
{
	const struct ml_table_config one = { .deposit_one = true,
					     .live = true,
					     .refaultable = MARK };
	const struct ml_table_config other = { .refaultable = ML_SOFT(1) };
	struct picture first = { 0 }, second = { 0 };
	struct ml_op op = { .flags = ML_OP_DRY };
	struct rig from, to;

	put_up(&from, WORLD_X86_4, &one);
	put_up(&to, WORLD_X86_4, &other);
	t_eq(ml_map(&from.table, AT, G, AT, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&from.table, AT + G, 2 * M, AT + G, ML_RW | MARK, NULL), ML_OK);
	t_eq(ml_map(&from.table, AT + G + 2 * M, 2 * M, 0, ML_RW | ML_SOFT(1), NULL), ML_OK);
	holds(&from, 1 + 1);
	picture_take(&first, &from);
	picture_take(&second, &to);
	t_eq(ml_copy(&to.table, &from.table, AT + G - 4 * M, 8 * M, ML_WRITE, ML_WRITE, &op),
	     ML_OK);
	t_eq(op.tables_needed, 512 + 3 + 2 + 1);
	op.flags = 0;
	for (uint64_t nth = 1; nth <= 518; nth++) {
		from.arena->fail_nth = nth;
		t_eq(ml_copy(&to.table, &from.table, AT + G - 4 * M, 8 * M, ML_WRITE, ML_WRITE,
			     &op),
		     ML_ERR_NO_MEMORY);
		t_ok(!picture_difference(&first, &from) && !picture_difference(&second, &to));
	}
	from.arena->fail_nth = 0;
	t_eq(ml_copy(&to.table, &from.table, AT + G - 4 * M, 8 * M, ML_WRITE, ML_WRITE, NULL),
	     ML_OK);
	holds(&from, 512 + 1);
	holds(&to, 2 + 1);
	picture_release(&first);
	picture_release(&second);
	take_down(&to);
	take_down(&from);
}
