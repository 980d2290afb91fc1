/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry-level contract, rule by rule, on every format and level that has groups: what folds
 * (S0.3 to S0.12, S0.19, S0.20, S1.10, S1.23, S1.25) and what unfolds (S0.9, S1.4 to S1.8, S1.16,
 * S1.18, S1.24).
 */
#include "support/grouped.h"

/* ---- folding ------------------------------------------------------------------------- */

TEST(the_last_entry_folds_in_any_order)
{
	for (unsigned turn = 0; turn < 16; turn++) {
		struct entries e;

		FOR_EACH_GROUPED(e, &folding)
		{
			for (unsigned k = 0; k < e.size; k++) {
				const unsigned odd = turn & 1 ? 0 - k : k;
				const unsigned i = (odd * 5 + turn) & (e.size - 1);

				t_eq(entries_folded(&e), 0);
				set(&e, i, leaf(&e, i, ML_RW), 1);
			}
			t_eq(entries_folded(&e), e.size);
			t_eq(invalidations(&e), 1); /* S0.6: route (b) */
			t_eq(e.rig.table.stats.folds, 1);
		}
	}
}

TEST(a_run_is_made_folded_without_an_invalidation)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		set(&e, 0, leaf(&e, 0, ML_RW), e.count);
		t_eq(entries_folded(&e), e.count);
		t_eq(invalidations(&e), 0); /* S0.6: route (a); S0.19 */
		for (unsigned i = 0; i < e.count; i++)
			t_ok(maps(&e, i, i));
	}
}

/* S0.7: every head and length, beside a table whose entries are set one by one. */
TEST(runs_are_what_single_entries_come_to)
{
	struct entries run, single;

	unjudged = true;
	FOR_EACH_GROUPED(run, &folding)
	{
		const unsigned heads = 2 * run.size, most = 3 * run.size;

		T_REQUIRE(t_ok(open_like(&single, &run)));
		for (unsigned head = 0; head < heads; head++)
			for (unsigned count = 1; count <= most; count++) {
				const unsigned n =
					head + count > run.count ? run.count - head : count;

				set(&run, head, leaf(&run, head, ML_RW), n);
				for (unsigned i = head; i < head + n; i++)
					set(&single, i, leaf(&single, i, ML_RW), 1);
				for (unsigned i = 0; i < run.count; i++)
					t_eq(get(&run, i), get(&single, i));
				(void)ml_get_and_clear_full_ptes(&run.rig.table,
								 entries_va(&run, head),
								 run.p + head, run.level, n);
				(void)ml_get_and_clear_full_ptes(&single.rig.table,
								 entries_va(&single, head),
								 single.p + head, run.level, n);
				ml_flush_range(&run.rig.table, run.va, run.count * run.step,
					       run.level, true);
			}
		t_ok(entries_close(&single, NULL));
	}
	unjudged = false;
}

/* S0.3, S0.20: each condition broken by one entry. */
TEST(one_entry_that_differs_vetoes)
{
	static const ml_prot prots[] = { ML_READ,
					 ML_RW | ML_USER,
					 ML_RW | ML_NC,
					 ML_RW | ML_SPECIAL,
					 ML_RW | ML_SOFT(0),
					 ML_RW | ML_PEXEC };
	struct entries e;

	for (unsigned which = 0; which < 8; which++)
		FOR_EACH_GROUPED(e, &folding)
		{
			const unsigned odd = e.size / 2;

			for (unsigned i = 0; i < e.size; i++) {
				const bool differs = i == odd;
				const ml_prot prot = differs && which < 6 ? prots[which] : ML_RW;
				const unsigned frame = differs && which == 6 ? i + e.size : i;

				if (!differs || which != 7)
					set(&e, i, leaf(&e, frame, prot), 1);
			}
			t_eq(entries_folded(&e), 0);
		}
}

/* S0.12 */
TEST(frames_out_of_step_never_fold)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		set(&e, 0, leaf(&e, 1, ML_RW), e.size);
		t_eq(entries_folded(&e), 0);
		if (e.count >= 3 * e.size) {
			set(&e, e.size, leaf(&e, 3 * e.size, ML_RW), e.size);
			t_eq(entries_folded(&e), e.size);
		}
	}
}

/* S0.4, S0.5: half a group vetoes, on both routes; a declaration for raw frames does not. */
TEST(one_unit_of_accessed_and_dirty_must_cover_the_group)
{
	const struct ml_table_config told = { .fold = ML_FOLD_COMPLETE,
					      .live = true,
					      .ad_unit = tell_unit };
	struct entries e;

	for (unsigned which = 0; which < 3; which++)
		FOR_EACH_GROUPED(e, &told)
		{
			const uint64_t bytes = e.size * e.step;

			unit = which == 0 ? bytes / 2 : which == 1 ? bytes : ML_AD_UNREAD;
			set(&e, 0, leaf(&e, 0, ML_RW | ML_SPECIAL), e.size);
			t_eq(entries_folded(&e), which ? e.size : 0);
			if (e.count == e.size)
				continue;
			for (unsigned i = e.size; i < 2 * e.size; i++)
				set(&e, i, leaf(&e, i, ML_RW | ML_SPECIAL), 1);
			t_eq(entries_folded(&e), which ? 2 * e.size : 0);
		}
}

/* S0.5 to S0.9: raw frames, of which nobody asks anything. */
TEST(raw_frames_fold_and_unfold_with_their_mark)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		fold_first(&e, ML_RW | ML_SPECIAL);
		ml_pte_clear(&e.rig.table, e.va, e.p, e.level);
		t_eq(entries_folded(&e), 0);
		for (unsigned i = 1; i < e.size; i++)
			t_eq(prot_at(&e, i), ML_RW | ML_SPECIAL | ML_ACCESSED | ML_DIRTY);
	}
}

/* S1.23 */
TEST(the_policy_decides)
{
	const struct ml_table_config never = { .fold = ML_FOLD_MAP, .live = true };
	struct entries e;

	FOR_EACH_GROUPED(e, &never)
	{
		set(&e, 0, leaf(&e, 0, ML_RW), e.size);
		t_eq(entries_folded(&e), 0);
		set(&e, 0, leaf(&e, 0, ML_READ), 1);
		set(&e, 0, leaf(&e, 0, ML_RW), 1);
		t_eq(entries_folded(&e), 0);
		t_eq(e.rig.table.stats.folds, 0);
	}
}

/* Beyond groups nothing folds here: the table that the caller points into stays. */
TEST(a_full_table_stays_a_table)
{
	const struct ml_table_config block = { .fold = ML_FOLD_BLOCK, .live = true };
	struct rig rig;

	for (unsigned world = 0; world < WORLDS; world++) {
		const struct world_facts *facts = &worlds[world];
		const unsigned count = 1u << facts->format->index_bits[0];
		const ml_va va = facts->high ? facts->high_first : 0;
		ml_pte pte = 0, *p;

		T_CONTEXT(facts->name, world);
		T_REQUIRE(t_eq(rig_open(&rig, (enum world)world, &block), ML_OK));
		T_REQUIRE(t_eq(ml_pte_ensure(&rig.table, va, 1 << 12, 0, NULL), ML_OK));
		p = ml_pte_pointer(&rig.table, va, 0);
		t_eq(ml_pte_room(&rig.table, va, 0), count);
		t_eq(ml_pte_make(&rig.table, 0, ML_RW, 0, &pte), ML_OK);
		ml_set_ptes(&rig.table, va, p, 0, pte, count);
		ml_set_pte_at(&rig.table, va, p, 0, pte);
		t_ok(ml_pte_pointer(&rig.table, va, 0) == p);
		t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		t_ok(rig_close(&rig));
	}
}

/* ---- unfolding ----------------------------------------------------------------------- */

TEST(clearing_one_unfolds_the_others)
{
	struct entries e;

	for (unsigned k = 0; k < 16; k++)
		FOR_EACH_GROUPED(e, &folding)
		{
			const unsigned gone = k & (e.size - 1);

			fold_first(&e, ML_RW);
			ml_pte_clear(&e.rig.table, entries_va(&e, gone), e.p + gone, e.level);
			t_eq(entries_folded(&e), 0);
			for (unsigned i = 0; i < e.size; i++)
				t_eq(maps(&e, i, i), i != gone);
			t_eq(invalidations(&e), 1);
		}
}

/* S1.5, S1.7: one unfold, however many entries follow; what is swapped out folds nothing. */
TEST(reclaim_entry_by_entry_unfolds_once)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		ml_pte swap = 0;

		fold_first(&e, ML_RW);
		for (unsigned i = 0; i < e.size; i++) {
			(void)ml_ptep_get_and_clear(&e.rig.table, entries_va(&e, i), e.p + i,
						    e.level);
			ml_flush_range(&e.rig.table, entries_va(&e, i), e.step, e.level, true);
			t_eq(ml_software_make(&e.rig.table, ML_SOFTWARE_SWAP, i, &swap), ML_OK);
			set(&e, i, swap, 1);
			t_eq(entries_folded(&e), 0);
		}
		t_eq(e.rig.table.stats.splits, 1);
		t_eq(e.rig.table.stats.folds, 0);
	}
}

/* S0.9: of three groups, every part; what is kept keeps everything. */
TEST(every_part_can_be_taken_out)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		const unsigned all = 3 * e.size < e.count ? 3 * e.size : e.count;

		for (unsigned from = 0; from < all; from++)
			for (unsigned to = from + 1; to <= all; to++) {
				set(&e, 0, leaf(&e, 0, ML_RW | ML_SPECIAL), all);
				(void)ml_get_and_clear_full_ptes(&e.rig.table, entries_va(&e, from),
								 e.p + from, e.level, to - from);
				t_ok(entries_groups(&e, true) == NULL);
				for (unsigned i = 0; i < all; i++) {
					const unsigned first = i & ~(e.size - 1);
					const bool cut = first < to && first + e.size > from;

					t_eq(maps(&e, i, i), i < from || i >= to);
					t_eq(entries_hinted(&e, i), !cut);
				}
				(void)ml_get_and_clear_full_ptes(&e.rig.table, e.va, e.p, e.level,
								 all);
				ml_flush_range(&e.rig.table, e.va, all * e.step, e.level, true);
			}
	}
}

/* S1.16 */
TEST(teardown_of_whole_groups_unfolds_nothing_and_flushes_nothing)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		const unsigned whole = e.count & ~(e.size - 1);
		ml_pte pte;

		set(&e, 0, leaf(&e, 0, ML_READ), whole);
		pte = ml_get_and_clear_full_ptes(&e.rig.table, e.va, e.p, e.level, whole);
		t_eq(ml_pte_prot(&e.rig.table, pte, e.level), ML_READ | ML_ACCESSED);
		t_eq(e.rig.table.stats.splits, 0);
		t_eq(invalidations(&e), 0);
		for (unsigned i = 0; i < e.count; i++)
			t_eq(get(&e, i), 0);
	}
}

/* S1.24: an attribute of one member; the marks that only break-before-make may change, too. */
TEST(setting_over_a_member_unfolds_first)
{
	static const ml_prot prots[] = { ML_READ, ML_RW | ML_NC, ML_RW | ML_SPECIAL };
	struct entries e;

	for (unsigned which = 0; which < 3; which++)
		FOR_EACH_GROUPED(e, &folding)
		{
			const unsigned odd = 5 & (e.size - 1);

			fold_first(&e, ML_RW);
			set(&e, odd, leaf(&e, odd, prots[which]), 1);
			t_eq(entries_folded(&e), 0);
			for (unsigned i = 0; i < e.size; i++)
				t_eq(prot_at(&e, i) & ~ML_PROT_AD, i == odd ? prots[which] : ML_RW);
			set(&e, odd, leaf(&e, odd, ML_RW), 1);
			t_eq(entries_folded(&e), e.size);
		}
}

/* S1.18, C3: what was read may be set again, there and elsewhere. */
TEST(a_value_read_carries_no_hint_back)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		ml_pte pte;

		fold_first(&e, ML_RW);
		pte = get(&e, 1);
		t_ok(pte & entries_hint(&e));
		set(&e, 1, pte, 1);
		t_eq(entries_folded(&e), e.size);
		if (e.count > e.size) {
			set(&e, e.size, pte, 1);
			t_ok(!entries_hinted(&e, e.size));
			t_ok(maps(&e, e.size, 1));
		}
	}
}

/* S1.25: hidden, a group has no hint; shown again as a run, it has. */
TEST(hidden_leaves_have_no_hint)
{
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		ml_pte hidden = 0, first = 0;

		fold_first(&e, ML_RW);
		for (unsigned i = 0; i < e.size; i++) {
			const ml_pte pte = ml_ptep_get_and_clear(&e.rig.table, entries_va(&e, i),
								 e.p + i, e.level);

			ml_flush_range(&e.rig.table, entries_va(&e, i), e.step, e.level, true);
			t_eq(ml_pte_prot_none(&e.rig.table, pte, e.level, &hidden), ML_OK);
			first = i ? first : hidden;
			set(&e, i, hidden, 1);
			t_eq(e.p[i] & entries_hint(&e), 0);
		}
		t_eq(entries_folded(&e), 0);
		(void)ml_get_and_clear_full_ptes(&e.rig.table, e.va, e.p, e.level, e.size);
		set(&e, 0, ml_pte_restore(&e.rig.table, first), e.size);
		t_eq(entries_folded(&e), e.size);
		t_ok(maps(&e, e.size - 1, e.size - 1));
	}
}

/* S1.23: where no access may fault, and for executable leaves under the erratum, nothing folds. */
TEST(careful_places_fold_nothing)
{
	const struct ml_table_config small = { .fold = ML_FOLD_COMPLETE,
					       .live = true,
					       .errata = ML_ERRATUM_SMALL_EXEC };
	struct entries e;

	FOR_EACH_GROUPED(e, &folding)
	{
		struct ml_never_fault range = { .va = e.va, .len = e.size * e.step };

		t_eq(ml_never_fault(&e.rig.table, &range), ML_OK);
		set(&e, 0, leaf(&e, 0, ML_RW), e.count & ~(e.size - 1));
		t_eq(entries_folded(&e), (e.count & ~(e.size - 1)) - e.size);
		set(&e, 0, leaf(&e, 0, ML_READ), 1);
		set(&e, 0, leaf(&e, 0, ML_RW), 1);
		t_ok(!entries_hinted(&e, 0));
		t_eq(invalidations(&e), 0);
		ml_may_fault(&e.rig.table, &range);
		set(&e, 0, leaf(&e, 0, ML_RW), 1);
		t_ok(entries_hinted(&e, 0));
	}
	FOR_EACH_GROUPED(e, &small)
	{
		ml_pte pte = 0;

		t_eq(ml_pte_make(&e.rig.table, 0, ML_READ | ML_PEXEC, e.level, &pte),
		     e.level ? ML_ERR_SIZE : ML_OK);
		if (e.level == 0)
			set(&e, 0, pte, e.size);
		t_eq(entries_folded(&e), 0);
	}
}
