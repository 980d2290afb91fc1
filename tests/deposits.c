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
