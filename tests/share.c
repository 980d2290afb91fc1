/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Borrowed root entries: walked, seen at once, never changed through the borrower. */
#include <maxleaf/pte.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define SLOT (512 * G)        /* what a root entry of four levels covers */
#define HALF (0 - 256 * SLOT) /* the upper half of x86-64 */
#define KERNEL (0 - 2 * SLOT) /* what is shared in most tests: the last two entries */

static void put_up(struct rig *user, struct rig *kernel, bool live)
{
	const struct ml_table_config wish = { .live = live };

	t_eq(rig_open(user, WORLD_X86_4, &wish), ML_OK);
	t_eq(rig_open(kernel, WORLD_X86_4, &wish), ML_OK);
}

static void take_down(struct rig *user, struct rig *kernel)
{
	t_eq(ml_table_check(&user->table, NULL), ML_OK);
	t_ok(rig_close(user));
	t_eq(ml_table_check(&kernel->table, NULL), ML_OK);
	t_ok(rig_close(kernel));
	t_eq(rig_arena(WORLD_X86_4)->in_use, 0);
}

static bool sees(const struct rig *rig, ml_va va, ml_pa pa)
{
	struct ml_translation found;
	struct ml_model_result seen;

	return ml_translate(&rig->table, va, &found) == ML_OK && found.pa == pa &&
	       ml_model_walk(&rig->model, va, ML_MODEL_READ, false, &seen) == ML_MODEL_OK &&
	       seen.pa == pa;
}

TEST(what_the_lender_maps_is_seen)
{
	struct rig user, kernel;
	struct ml_translation found;

	put_up(&user, &kernel, true);
	t_eq(ml_map(&kernel.table, KERNEL, 2 * M, 4 * M, ML_RW, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, 2 * SLOT, NULL), ML_OK);
	t_ok(sees(&user, KERNEL + 5 * K, 4 * M + 5 * K));
	t_eq(ml_map(&kernel.table, 0 - G, G, 3 * G, ML_RW, NULL), ML_OK); /* afterwards, and in
		an entry that held nothing */
	t_ok(sees(&user, 0 - 4 * K, 4 * G - 4 * K));
	t_eq(ml_unmap(&kernel.table, KERNEL, 2 * M, NULL), ML_OK);
	t_eq(ml_translate(&user.table, KERNEL, &found), ML_ERR_NOT_MAPPED);
	t_eq(ml_map(&kernel.table, KERNEL, 4 * K, 8 * K, ML_RW, NULL), ML_OK);
	t_ok(sees(&user, KERNEL, 8 * K));
	take_down(&user, &kernel);
}

TEST(each_keeps_what_is_its_own)
{
	struct rig user, kernel;
	struct ml_translation found;

	put_up(&user, &kernel, true);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, 2 * SLOT, NULL), ML_OK);
	t_eq(ml_map(&user.table, 4 * G, 2 * M, 4 * G, ML_RW | ML_USER, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, 4 * G, 2 * M, 8 * G, ML_RW, NULL), ML_OK);
	t_ok(sees(&user, 4 * G, 4 * G));
	t_ok(sees(&kernel, 4 * G, 8 * G));
	t_eq(ml_unmap(&user.table, 0, KERNEL - HALF, NULL), ML_OK);
	t_eq(ml_translate(&user.table, 4 * G, &found), ML_ERR_NOT_MAPPED);
	t_ok(sees(&kernel, 4 * G, 8 * G));
	take_down(&user, &kernel);
}

TEST(nothing_changes_through_the_borrower)
{
	static const uint8_t calls[] = { ACTION_MAP,     ACTION_EXTENTS, ACTION_UNMAP,
					 ACTION_PROTECT, ACTION_SPLIT,   ACTION_FOLD };
	static const struct {
		ml_va va;
		uint64_t len;
	} ranges[] = {
		{ KERNEL, 4 * K },           { KERNEL + 2 * M, 2 * M }, { KERNEL - 4 * K, 8 * K },
		{ 0 - (4 * K), 4 * K },      { HALF, 256 * SLOT },      { KERNEL, 2 * SLOT },
		{ KERNEL - SLOT, 3 * SLOT },
	};
	struct picture picture = { 0 }, own = { 0 };
	struct rig user, kernel;

	put_up(&user, &kernel, true);
	t_eq(ml_map(&kernel.table, KERNEL, 4 * M, 4 * M, ML_RW, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, 2 * SLOT, NULL), ML_OK);
	picture_take(&picture, &kernel);
	picture_take(&own, &user);
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (unsigned call = 0; call < sizeof(calls); call++)
			for (unsigned replace = 0; replace < 2; replace++) {
				struct ml_op op = { .flags = replace ? ML_OP_REPLACE : 0 };
				struct action a = { .kind = calls[call],
						    .va = ranges[i].va,
						    .len = ranges[i].len,
						    .prot = ML_RW,
						    .mask = ML_RW,
						    .extent_count = 1 };

				a.extents[0] = (struct ml_extent){ 0, a.len };
				T_CONTEXT("range", i * 10 + call);
				t_eq(rig_call(&user, &a, &op), ML_ERR_SHARED);
				t_ok(picture_difference(&picture, &kernel) == NULL);
				t_ok(picture_difference(&own, &user) == NULL);
			}
	picture_release(&picture);
	picture_release(&own);
	take_down(&user, &kernel);
}

/* ... nor on the short ways, which are open once a protection was mapped. */
TEST(nothing_changes_on_the_short_ways)
{
	struct rig user, kernel;

	put_up(&user, &kernel, false);
	t_eq(ml_map(&kernel.table, KERNEL, 16 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&user.table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, SLOT, NULL), ML_OK);
	t_eq(ml_map(&user.table, 4 * K, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&user.table, KERNEL + 16 * K, 4 * K, 0, ML_RW, NULL), ML_ERR_SHARED);
	t_eq(ml_unmap(&user.table, KERNEL, 4 * K, NULL), ML_ERR_SHARED);
	t_eq(rig_bytes(&kernel), 16 * K);
	take_down(&user, &kernel);
}

TEST(the_range_before_is_not_shared)
{
	struct rig user, kernel;

	put_up(&user, &kernel, false);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, SLOT, NULL), ML_OK);
	t_eq(ml_map(&user.table, KERNEL - 4 * K, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&user.table, KERNEL + SLOT, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_map(&user.table, 0, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&user.table, 0, 256 * SLOT, NULL), ML_OK);
	t_ok(sees(&user, KERNEL - 4 * K, 0));
	take_down(&user, &kernel);
}

/* However empty the lender becomes, the tables that others see stay linked. */
TEST(lent_tables_stay)
{
	struct rig user, kernel;
	struct ml_pa_pair {
		ml_pa user, kernel;
	} link;
	struct ml_walk walk;

	put_up(&user, &kernel, true);
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, 2 * SLOT, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, KERNEL, 4 * K, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_unmap(&kernel.table, KERNEL, 4 * K, NULL), ML_OK);
	t_eq(ml_unmap(&kernel.table, HALF, 256 * SLOT, NULL), ML_OK);
	t_eq(ml_walk(&user.table, KERNEL, &walk), ML_OK);
	link.user = walk.entries[0].pte;
	t_eq(walk.entries[0].kind, ML_KIND_TABLE);
	t_eq(ml_walk(&kernel.table, KERNEL, &walk), ML_OK);
	link.kernel = walk.entries[0].pte;
	t_eq(link.user, link.kernel);
	t_eq(ml_map(&kernel.table, KERNEL, G, G, ML_RW, NULL), ML_OK);
	t_ok(sees(&user, KERNEL + G - 1, 2 * G - 1));
	take_down(&user, &kernel);
}

/* One call empties tables that are lent, and others beside them: those go. */
TEST(tables_beside_lent_ones_go)
{
	const ml_va va = KERNEL - 4 * K;

	for (unsigned way = 0; way < 3; way++) {
		struct rig user, kernel;
		uint64_t tables;

		T_CONTEXT("way", way);
		put_up(&user, &kernel, true);
		t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, 2 * SLOT, NULL), ML_OK);
		tables = kernel.table.stats.tables;
		t_eq(ml_map(&kernel.table, va, 8 * K, 0, ML_RW, NULL), ML_OK);
		t_ok(sees(&user, KERNEL, 4 * K));
		if (way == 0) {
			t_eq(ml_unmap(&kernel.table, va, 8 * K, NULL), ML_OK);
		} else if (way == 1) {
			t_eq(ml_move(&kernel.table, va, 0, 8 * K, NULL), ML_OK);
			t_eq(ml_unmap(&kernel.table, 0, 8 * K, NULL), ML_OK);
		} else {
			for (unsigned i = 0; i < 2; i++)
				ml_pte_clear(&kernel.table, va + i * 4 * K,
					     ml_pte_pointer(&kernel.table, va + i * 4 * K, 0), 0);
			ml_flush_range(&kernel.table, va, 8 * K, 0, true);
			t_eq(ml_table_trim(&kernel.table, KERNEL - SLOT, 3 * SLOT, NULL), ML_OK);
		}
		t_eq(kernel.table.stats.tables, tables);
		t_eq(ml_map(&kernel.table, KERNEL, 4 * K, 0, ML_RW, NULL), ML_OK);
		t_ok(sees(&user, KERNEL, 0));
		take_down(&user, &kernel);
	}
}

TEST(many_borrow_from_one)
{
	struct rig kernel, users[4];

	t_eq(rig_open(&kernel, WORLD_X86_4, NULL), ML_OK);
	for (unsigned i = 0; i < 4; i++) {
		t_eq(rig_open(&users[i], WORLD_X86_4, NULL), ML_OK);
		t_eq(ml_table_share(&users[i].table, &kernel.table, HALF, 256 * SLOT, NULL), ML_OK);
	}
	t_eq(ml_map(&kernel.table, HALF + G, 4 * K, G, ML_RW, NULL), ML_OK);
	for (unsigned i = 0; i < 4; i++) {
		t_ok(sees(&users[i], HALF + G, G));
		t_eq(users[i].table.stats.tables, 1);
		t_ok(rig_close(&users[i]));
	}
	t_ok(sees(&kernel, HALF + G, G));
	t_ok(rig_close(&kernel));
}

static void share_refused(struct rig *user, struct rig *kernel, ml_va va, uint64_t len, int error)
{
	struct picture picture = { 0 };

	picture_take(&picture, kernel);
	t_eq(ml_table_share(&user->table, &kernel->table, va, len, NULL), error);
	t_ok(picture_difference(&picture, kernel) == NULL);
	picture_release(&picture);
}

TEST(what_cannot_be_shared)
{
	const struct ml_table_config other_types = { .types = 0x0007040600070406 ^ 0x0100 };
	struct rig user, kernel, other;

	put_up(&user, &kernel, false);
	share_refused(&user, &kernel, KERNEL, 0, ML_ERR_EMPTY);
	share_refused(&user, &kernel, KERNEL + G, SLOT, ML_ERR_ALIGN);
	share_refused(&user, &kernel, KERNEL, SLOT - 2 * M, ML_ERR_ALIGN);
	share_refused(&user, &kernel, (ml_va)1 << 50, SLOT, ML_ERR_CANONICAL);
	t_eq(ml_map(&user.table, KERNEL + 2 * M, 4 * K, 0, ML_RW, NULL), ML_OK);
	share_refused(&user, &kernel, KERNEL, 2 * SLOT, ML_ERR_EXISTS);
	t_eq(ml_unmap(&user.table, KERNEL + 2 * M, 4 * K, NULL), ML_OK);
	t_eq(rig_open(&other, WORLD_X86_5, NULL), ML_OK);
	share_refused(&user, &other, KERNEL, SLOT, ML_ERR_CONFIG);
	t_ok(rig_close(&other));
	t_eq(rig_open(&other, WORLD_ARM_HIGH, NULL), ML_OK);
	share_refused(&user, &other, KERNEL, SLOT, ML_ERR_CONFIG);
	t_ok(rig_close(&other));
	if (rig_open(&other, WORLD_X86_4, &other_types) == ML_OK) {
		share_refused(&user, &other, KERNEL, SLOT, ML_ERR_CONFIG);
		t_ok(rig_close(&other));
	}
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, SLOT, NULL), ML_OK);
	share_refused(&user, &kernel, HALF, SLOT, ML_ERR_CONFIG); /* it borrows already */
	take_down(&user, &kernel);
}

/* Tables that are alike: it is what they lend and borrow already that forbids it. */
TEST(what_is_lent_already)
{
	struct rig user, kernel, other;

	put_up(&user, &kernel, false);
	t_eq(rig_open(&other, WORLD_X86_4, NULL), ML_OK);
	share_refused(&kernel, &kernel, KERNEL, SLOT, ML_ERR_CONFIG);
	user.table.cookie = &user;
	share_refused(&user, &kernel, KERNEL, SLOT, ML_ERR_CONFIG);
	user.table.cookie = kernel.table.cookie;
	t_eq(ml_table_share(&user.table, &kernel.table, KERNEL, SLOT, NULL), ML_OK);
	share_refused(&user, &kernel, KERNEL, SLOT, ML_ERR_CONFIG);
	share_refused(&other, &user, HALF, SLOT, ML_ERR_CONFIG);
	share_refused(&other, &kernel, KERNEL, 2 * SLOT, ML_ERR_CONFIG);
	share_refused(&other, &kernel, KERNEL - SLOT, SLOT, ML_ERR_CONFIG);
	t_ok(rig_close(&other));
	take_down(&user, &kernel);
}

/* Toy's root holds leaves: those cannot be lent. */
TEST(a_leaf_in_the_root_cannot_be_lent)
{
	struct rig user, kernel;

	t_eq(rig_open(&user, WORLD_TOY, NULL), ML_OK);
	t_eq(rig_open(&kernel, WORLD_TOY, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, 0x4000, 0x4000, 0x4000, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&kernel, 2), 1);
	share_refused(&user, &kernel, 0, 0x10000, ML_ERR_EXISTS);
	t_eq(ml_table_share(&user.table, &kernel.table, 0x8000, 0x8000, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, 0x8000, 0x8000, 0x8000, ML_RW, NULL), ML_OK);
	t_eq(rig_leaves(&kernel, 2), 1); /* a block would have unlinked what is lent */
	t_ok(sees(&user, 0xf000, 0xf000));
	t_eq(ml_fold(&kernel.table, 0x8000, 0x8000, 3, NULL), ML_OK);
	t_ok(sees(&user, 0x8000, 0x8000));
	t_eq(ml_map(&user.table, 0x8000, 0x1000, 0, ML_RW, NULL), ML_ERR_SHARED);
	t_ok(rig_close(&user));
	t_ok(rig_close(&kernel));
}

/* A table that leaves its place would be the lender's alone, or the borrower's. */
TEST(the_link_of_a_lent_table_does_not_move)
{
	struct ml_translation found;
	struct rig user, kernel;

	t_eq(rig_open(&user, WORLD_TOY, NULL), ML_OK);
	t_eq(rig_open(&kernel, WORLD_TOY, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &kernel.table, 0x8000, 0x8000, NULL), ML_OK);
	t_eq(ml_map(&kernel.table, 0x8000, 0x4000, 0x1000, ML_RW, NULL), ML_OK);
	t_eq(ml_move(&kernel.table, 0x8000, 0, 0x4000, NULL), ML_OK);
	t_ok(sees(&kernel, 0, 0x1000));
	t_eq(ml_translate(&user.table, 0x8000, &found), ML_ERR_NOT_MAPPED);
	t_eq(ml_map(&kernel.table, 0x8000, 0x1000, 0x3000, ML_RW, NULL), ML_OK);
	t_ok(sees(&user, 0x8000, 0x3000));
	t_ok(rig_close(&user));
	t_ok(rig_close(&kernel));
}
