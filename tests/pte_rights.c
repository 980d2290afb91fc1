/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry-level contract, rule by rule, on every format and level that has groups: accessed and
 * dirty (S0.17, S1.11, S1.12, S1.15), rights to write (S1.6, S1.13, S1.14, S1.22; 4.7: S1.17), and
 * what callers are told and promised (S1.20, S1.21, S1.27, S1.28, S1.30).
 */
#include "support/grouped.h"

/* ---- marks and rights ---------------------------------------------------------------- */

static const struct ml_table_config tracking = { .fold = ML_FOLD_COMPLETE,
						 .live = true,
						 .track_ad = true,
						 .hardware_ad = true,
						 .ad_unit = tell_unit };

/* S0.17, S1.11: marked in one, seen in all, cleared in all; nothing unfolds. */
TEST(young_is_the_groups)
{
	struct entries e;

	unit = (uint64_t)1 << 40;
	FOR_EACH_GROUPED(e, &tracking)
	{
		const unsigned marked = 3 & (e.size - 1), asked_at = e.size - 1;
		struct ml_table *t = &e.rig.table;
		struct ml_model_result result;

		fold_first(&e, ML_RW);
		t_eq(ml_ptep_test_and_clear_young(t, e.va, e.p, e.level), 0);
		rig_touch(&e.rig, entries_va(&e, marked), false, &result);
		t_ok(prot_at(&e, asked_at) & ML_ACCESSED);
		t_eq(ml_ptep_test_and_clear_young(t, entries_va(&e, asked_at), e.p + asked_at,
						  e.level),
		     1);
		t_eq(ml_ptep_test_and_clear_young(t, entries_va(&e, marked), e.p + marked, e.level),
		     0);
		t_eq(entries_folded(&e), e.size);
		t_eq(invalidations(&e), 0);
	}
}

/* S1.12: an invalidation of the group, and no wait for it; none for what was old. */
TEST(clear_flush_young_does_not_wait)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &tracking)
	{
		struct ml_table *t = &e.rig.table;

		fold_first(&e, ML_RW | ML_ACCESSED);
		t_eq(ml_ptep_clear_flush_young(t, e.va, e.p, e.level), 1);
		t_eq(invalidations(&e), 1);
		t_eq(t->stats.completions, 0);
		t_eq(ml_ptep_clear_flush_young(t, e.va, e.p, e.level), 0);
		t_eq(invalidations(&e), 1);
		ml_flush_wait(t);
		t_eq(t->stats.completions, 1);
		if (!t_ok(order_settled(&order))) /* it covered the whole group */
			printf("# %s\n", order.message);
	}
}

TEST(what_nobody_tracks_is_neither_young_nor_old)
{
	struct entries e;

	unit = ML_AD_UNREAD;
	for (unsigned which = 0; which < 2; which++)
		FOR_EACH_GROUPED(e, which ? &tracking : &folding)
		{
			struct ml_table *t = &e.rig.table;

			fold_first(&e, ML_RW | ML_ACCESSED);
			t_eq(ml_ptep_test_and_clear_young(t, e.va, e.p, e.level), ML_ERR_UNTRACKED);
			t_eq(ml_ptep_clear_flush_young(t, e.va, e.p, e.level), ML_ERR_UNTRACKED);
			t_ok(prot_at(&e, 0) & ML_ACCESSED);
			t_eq(invalidations(&e), 0);
		}
}

/* S1.6, S1.13, S1.14: parts unfold, wholes do not; what is protected already changes nothing. */
TEST(write_protection_unfolds_parts_alone)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	for (unsigned from = 0; from < e.count; from += e.size / 2)
		for (unsigned to = from + 1; to <= e.count; to++) {
			const unsigned head = from & ~(e.size - 1);
			const unsigned tail = (to + e.size - 1) & ~(e.size - 1);
			uint64_t before;
			unsigned cut;

			set(&e, 0, leaf(&e, 0, ML_RW), e.count);
			before = invalidations(&e);
			ml_wrprotect_ptes(&e.rig.table, entries_va(&e, from), e.p + from, e.level,
					  to - from);
			cut = (head != from) + (tail != to);
			if (cut == 2 && tail - head == e.size)
				cut = 1;
			t_eq(invalidations(&e) - before, cut);
			t_eq(entries_folded(&e), e.count - cut * e.size);
			for (unsigned i = 0; i < e.count; i++)
				t_eq(!(prot_at(&e, i) & ML_WRITE), i >= from && i < to);
			before = invalidations(&e);
			ml_flush_range(&e.rig.table, e.va, e.count * e.step, e.level, true);
			ml_wrprotect_ptes(&e.rig.table, entries_va(&e, from), e.p + from, e.level,
					  to - from);
			t_eq(invalidations(&e) - before, 1);
			(void)ml_get_and_clear_full_ptes(&e.rig.table, e.va, e.p, e.level, e.count);
			ml_flush_range(&e.rig.table, e.va, e.count * e.step, e.level, true);
		}
}

/* S1.15, S1.22: each entry keeps its own marks. */
TEST(write_protection_keeps_dirty_and_all_else)
{
	static const ml_prot prots[] = { ML_RW,
					 ML_RW | ML_DIRTY,
					 ML_READ,
					 ML_READ | ML_DIRTY,
					 ML_RW | ML_SOFT(0),
					 ML_RW | ML_DIRTY | ML_ACCESSED };
	struct entries e;

	unit = 1;
	FOR_EACH_GROUPED(e, &tracking)
	{
		for (unsigned i = 0; i < e.count; i++)
			set(&e, i, leaf(&e, i, prots[i % 6]), 1);
		ml_wrprotect_ptes(&e.rig.table, e.va, e.p, e.level, e.count);
		for (unsigned i = 0; i < e.count; i++)
			t_eq(prot_at(&e, i), prots[i % 6] & ~ML_WRITE);
	}
}

/* ---- 4.7: the exact rule -------------------------------------------------------------- */

static bool grant(struct entries *e, unsigned index, ml_prot prot, bool dirty)
{
	return ml_ptep_set_access_flags(&e->rig.table, entries_va(e, index), e->p + index, e->level,
					leaf(e, index, prot), dirty);
}

/* The protection of one entry by itself: what a walker that gathers nothing sees. */
static ml_prot raw_prot(const struct entries *e, unsigned index)
{
	return ml_pte_prot(&e->rig.table, e->p[index], e->level);
}

TEST(access_that_every_member_has_is_a_no_op)
{
	struct entries e;

	unit = (uint64_t)1 << 40;
	FOR_EACH_GROUPED(e, &tracking)
	{
		fold_first(&e, ML_RW | ML_ACCESSED);
		t_ok(!grant(&e, 1, ML_RW | ML_ACCESSED, true));
		t_eq(invalidations(&e), 0);
		t_eq(entries_folded(&e), e.size);
	}
}

/* S1.17: the gathered entry has it all, the very member has not: it must get it. */
TEST(a_walker_that_judges_each_entry_gets_on)
{
	struct entries e;

	for (unsigned which = 0; which < 2; which++)
		FOR_EACH_GROUPED(e, &tracking)
		{
			const ml_prot want = ML_RW | ML_ACCESSED | (which ? ML_DIRTY : 0);
			struct ml_model_result result;

			fold_first(&e, ML_RW);
			rig_touch(&e.rig, entries_va(&e, 0), which, &result);
			t_eq(prot_at(&e, 1), want);
			t_ok(raw_prot(&e, 1) != want);
			t_ok(grant(&e, 1, want, which));
			for (unsigned i = 0; i < e.size; i++)
				t_eq(raw_prot(&e, i), want);
			t_eq(entries_folded(&e), e.size);
			t_eq(invalidations(&e), which);
			t_eq(e.rig.table.stats.completions, which);
			t_ok(!grant(&e, 1, want, which));
		}
}

TEST(a_right_to_write_that_differs_unfolds)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &tracking)
	{
		const unsigned odd = e.size - 1;

		fold_first(&e, ML_READ | ML_DIRTY);
		t_ok(grant(&e, odd, ML_RW | ML_ACCESSED, true));
		t_eq(entries_folded(&e), 0);
		for (unsigned i = 0; i < e.size; i++)
			t_eq(raw_prot(&e, i),
			     i == odd ? ML_RW | ML_ACCESSED | ML_DIRTY : ML_READ | ML_DIRTY);
		t_eq(invalidations(&e), 2); /* the group; the entry */
	}
}

/* Never less, whatever is asked for. */
TEST(access_is_only_added)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &tracking)
	{
		set(&e, 0, leaf(&e, 0, ML_RW | ML_DIRTY | ML_SPECIAL), 1);
		t_ok(grant(&e, 0, ML_READ | ML_ACCESSED, false));
		t_eq(raw_prot(&e, 0), ML_RW | ML_DIRTY | ML_ACCESSED | ML_SPECIAL);
		t_eq(invalidations(&e), 0);
	}
}

/* ---- the rest ------------------------------------------------------------------------- */

/* S1.30 */
TEST(the_hint_counts_to_the_end_of_the_group)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		const struct ml_table *t = &e.rig.table;

		fold_first(&e, ML_RW);
		for (unsigned i = 0; i < e.size; i++)
			t_eq(ml_pte_batch_hint(t, entries_va(&e, i), e.level, get(&e, i)),
			     e.size - i);
		t_eq(ml_pte_rung(t, get(&e, 0), e.level), e.rig.facts->format->group_rung[e.level]);
		ml_pte_clear(&e.rig.table, e.va, e.p, e.level);
		t_eq(ml_pte_batch_hint(t, e.va, e.level, get(&e, 0)), 1);
		t_eq(ml_pte_batch_hint(t, e.va, e.level, get(&e, 1)), 1);
	}
}

/* S1.20 */
TEST(a_range_is_invalidated_with_and_without_a_wait)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		struct ml_table *t = &e.rig.table;

		ml_flush_range(t, e.va, e.step, e.level, false);
		t_eq(t->stats.invalidations, 1);
		t_eq(t->stats.completions, 0);
		ml_flush_range(t, e.va, e.step, ML_LEVEL_ANY, true);
		t_eq(t->stats.invalidations, 2);
		t_eq(t->stats.completions, 1);
		ml_flush_range(t, e.va, 0, e.level, true);
		ml_table_set_live(t, false);
		ml_flush_range(t, e.va, e.step, e.level, true);
		ml_flush_wait(t);
		t_eq(t->stats.invalidations, 2);
		t_eq(t->stats.completions, 1);
		ml_table_set_live(t, true);
	}
}

/* S1.21: copied by batches, write-protected on both sides: the child is as large as the parent. */
TEST(a_fork_keeps_the_sizes)
{
	struct entries parent, child;

	unjudged = true;
	FOR_EACH_GROUPED(parent, &folding)
	{
		unsigned count;

		T_REQUIRE(t_ok(open_like(&child, &parent)));
		set(&parent, 0, leaf(&parent, 0, ML_RW), parent.count);
		if (parent.count > parent.size)
			ml_pte_clear(&parent.rig.table, parent.va, parent.p, parent.level);
		ml_wrprotect_ptes(&parent.rig.table, parent.va, parent.p, parent.level,
				  parent.count);
		for (unsigned i = 0; i < parent.count; i += count) {
			const ml_pte pte = get(&parent, i);

			count = ml_pte_batch_hint(&parent.rig.table, entries_va(&parent, i),
						  parent.level, pte);
			if (pte)
				set(&child, i, pte, count);
		}
		t_ok(entries_folded(&parent) > 0);
		t_eq(entries_folded(&child), entries_folded(&parent));
		for (unsigned i = 0; i < parent.count; i++)
			t_eq(get(&child, i), get(&parent, i));
		t_ok(entries_close(&child, NULL));
	}
	unjudged = false;
}

static unsigned locked;

static void count_locked(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	locked++;
}

/* S1.27, S1.28: every change says so to the lock's assertion, and none allocates. */
TEST(changes_are_locked_and_allocate_nothing)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		struct ml_table *t = &e.rig.table;
		struct ml_platform watched = *t->platform;
		const uint64_t allocs = e.rig.arena->allocs, frees = e.rig.arena->frees;

		watched.assert_locked = count_locked;
		t->platform = &watched;
		locked = 0;
		set(&e, 0, leaf(&e, 0, ML_RW), e.size);
		set(&e, 0, leaf(&e, 0, ML_READ), 1);
		set(&e, 0, leaf(&e, 0, ML_RW), 1);
		t_eq(locked, 3);
		ml_ptep_set_wrprotect(t, e.va, e.p, e.level);
		(void)ml_ptep_test_and_clear_young(t, e.va, e.p, e.level);
		(void)grant(&e, 0, ML_RW, true);
		ml_pte_clear(t, e.va, e.p, e.level);
		(void)ml_ptep_get_and_clear(t, e.va, e.p, e.level);
		t_eq(locked, 8);
		(void)get(&e, 0);
		t_eq(locked, 8);
		t->platform = &e.rig.arena->platform;
		t_eq(e.rig.arena->allocs, allocs);
		t_eq(e.rig.arena->frees, frees);
	}
}
