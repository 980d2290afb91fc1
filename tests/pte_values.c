/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Values, tables and software entries of the entry-level contract: what is made and read back, what
 * no walker and no range call mistakes (S1.5, S1.25, C2), tables that are there before they are
 * needed, deposits of guaranteed leaves.
 */
#include <string.h>

#include "support/entries.h"
#include "t.h"

#define FOR_EACH_LEVEL(e, wish) \
	for (unsigned e##_number = 0; next_level(&(e), (wish), &e##_number); take_down(&(e)))

static const struct ml_table_config plain = { .fold = ML_FOLD_COMPLETE, .live = true };

/* Every world and level that has leaves. */
static bool next_level(struct entries *e, const struct ml_table_config *wish, unsigned *number)
{
	struct ml_table_config config = *wish;

	for (; *number < WORLDS * 3; ++*number) {
		const struct world_facts *facts = &worlds[*number / 3];
		const unsigned level = *number % 3;

		if (level >= facts->levels || (level && !facts->format->block_rung[level]))
			continue;
		T_CONTEXT(facts->name, level);
		config.rungs = ((uint32_t)1 << facts->format->rung_count) - 1;
		if (!t_ok(entries_open(e, (enum world)(*number / 3), &config, level, NULL)))
			return false;
		++*number;
		return true;
	}
	T_CONTEXT(NULL, 0);
	return false;
}

static void take_down(struct entries *e)
{
	struct ml_fault fault = { .what = "" };

	if (!t_eq(ml_table_check(&e->rig.table, &fault), ML_OK))
		printf("# %s\n", fault.what);
	t_ok(entries_close(e, NULL));
}

static ml_pte leaf(const struct entries *e, unsigned frame, ml_prot prot)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&e->rig.table, frame * e->step, prot, e->level, &pte), ML_OK);
	return pte;
}

static void set(struct entries *e, unsigned index, ml_pte pte)
{
	ml_set_pte_at(&e->rig.table, entries_va(e, index), e->p + index, e->level, pte);
}

/* ---- values --------------------------------------------------------------------------- */

TEST(leaves_are_made_or_refused)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		const struct ml_table *t = &e.rig.table;
		const ml_pa end = (ml_pa)1 << t->pa_bits;
		ml_pte pte = 77;

		t_eq(ml_pte_make(t, e.step / 2, ML_RW, e.level, &pte), ML_ERR_ALIGN);
		t_eq(ml_pte_make(t, 0, ML_WRITE, e.level, &pte), ML_ERR_PROT);
		t_eq(ml_pte_make(t, 0, ML_RW, t->levels, &pte), ML_ERR_SIZE);
		t_eq(ml_pte_make(t, 0, ML_RW, ML_LEVEL_MAX, &pte), ML_ERR_SIZE);
		t_eq(ml_pte_make(t, end, ML_RW, e.level, &pte), ML_ERR_PA_RANGE);
		t_eq(pte, 77);
		t_eq(ml_pte_make(t, end - e.step, ML_RW, e.level, &pte), ML_OK);
		t_eq(ml_pte_pa(t, pte, e.level), end - e.step);
		t_eq(ml_pte_prot(t, pte, e.level), ML_RW | ML_ACCESSED | ML_DIRTY);
		t_eq(ml_pte_kind(t, pte, e.level), ML_KIND_LEAF);
		t_eq(ml_software_kind(t, pte), ML_SOFTWARE_NO);
		t_eq(e.rig.facts->format->rungs[ml_pte_rung(t, pte, e.level)].lg2_entries, 0);
	}
}

/* The machine's width, not the format's. */
TEST(frames_beyond_the_machine_are_refused)
{
	const struct ml_table_config narrow = { .pa_bits = 16 };
	struct rig rig;
	ml_pte pte = 77;

	T_REQUIRE(t_eq(rig_open(&rig, WORLD_X86_4, &narrow), ML_OK));
	t_eq(ml_pte_make(&rig.table, 0x10000, ML_RW, 0, &pte), ML_ERR_PA_RANGE);
	t_eq(pte, 77);
	t_eq(ml_pte_make(&rig.table, 0xf000, ML_RW, 0, &pte), ML_OK);
	t_ok(rig_close(&rig));
}

/* ---- software entries ------------------------------------------------------------------ */

static const enum ml_software with_payload[] = { ML_SOFTWARE_SWAP, ML_SOFTWARE_MIGRATION,
						 ML_SOFTWARE_OWNER };

/* Not empty, no leaf, no table, no group's, and nothing that hardware would use. */
static void judge_software(struct entries *e, ml_pte pte, enum ml_software kind)
{
	struct ml_table *t = &e->rig.table;
	struct ml_translation translation;
	struct ml_model_result seen;
	ml_pte snapshot = 0;

	t_ok(pte != 0);
	t_eq(ml_software_kind(t, pte), kind);
	t_eq(ml_pte_kind(t, pte, e->level), ML_KIND_INVALID);
	t_eq(ml_pte_batch_hint(t, e->va, e->level, pte), 1);
	t_eq(pte & entries_hint(e), 0);
	set(e, 0, pte);
	t_eq(ml_ptep_get(t, e->va, e->p, e->level), pte);
	t_eq(ml_ptep_get_lockless(t, e->va, e->p, e->level, &snapshot), ML_OK);
	t_eq(snapshot, pte);
	t_eq(ml_translate(t, e->va, &translation), ML_ERR_NOT_MAPPED);
	t_eq(ml_model_walk(&e->rig.model, e->va, ML_MODEL_READ, false, &seen), ML_MODEL_NOT_MAPPED);
	t_eq(seen.level, e->level);
	t_eq(ml_table_check(t, NULL), ML_OK);
	t_eq(ml_ptep_test_and_clear_young(t, e->va, e->p, e->level), 0);
	t_ok(!ml_ptep_set_access_flags(t, e->va, e->p, e->level, leaf(e, 0, ML_RW), true));
	ml_ptep_set_wrprotect(t, e->va, e->p, e->level);
	t_eq(ml_ptep_get_and_clear(t, e->va, e->p, e->level), pte);
}

TEST(payloads_come_back)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		const struct ml_table *t = &e.rig.table;
		const unsigned bits = ml_software_bits(t);
		uint64_t state = 1;
		ml_pte pte = 0;

		t_ok(bits >= 40);
		for (unsigned i = 0; i < 200; i++) {
			const uint64_t most = ~(uint64_t)0 >> (64 - bits);
			const enum ml_software kind = with_payload[i % 3];
			const uint64_t payload = i < 3          ? 0
						 : i < 6        ? most
						 : i < 3 * bits ? (uint64_t)1 << (i / 3)
								: t_random(&state) & most;

			if (!t_eq(ml_software_make(t, kind, payload & most, &pte), ML_OK))
				break;
			t_eq(ml_software_payload(t, pte), payload & most);
			judge_software(&e, pte, kind);
		}
		t_eq(ml_software_make(t, ML_SOFTWARE_SWAP, (uint64_t)1 << bits, &pte),
		     ML_ERR_ARGUMENT);
		t_eq(ml_software_make(t, ML_SOFTWARE_NO, 1, &pte), ML_ERR_ARGUMENT);
		t_eq(ml_software_make(t, ML_SOFTWARE_PROT_NONE, 1, &pte), ML_ERR_ARGUMENT);
	}
}

/* B-71, B-74, B-75: hidden and back, of every protection; nothing is lost. */
TEST(hidden_leaves_come_back_whole)
{
	const struct ml_table_config tracking = { .live = true, .track_ad = true };
	struct entries e;

	FOR_EACH_LEVEL(e, &tracking)
	{
		const struct ml_table *t = &e.rig.table;
		ml_pte pte = 0, hidden = 0;

		for (ml_prot prot = 0; prot < (ML_SOFT(6)); prot += prot & 0xff ? 1 : 0x101) {
			const ml_pa pa = (prot * 0x9e3779b97f4a7c15 >> 20) % t->pa_bits * e.step;

			if (!ml_format_expressible(t->format, &t->types, prot) || pa >> t->pa_bits)
				continue;
			t_eq(ml_pte_make(t, pa, prot, e.level, &pte), ML_OK);
			if (!t_eq(ml_pte_prot_none(t, pte, e.level, &hidden), ML_OK))
				break;
			t_eq(ml_pte_restore(t, hidden), pte);
			t_eq(ml_pte_restore(t, pte), pte);
			t_eq(ml_pte_pa(t, hidden, e.level), pa);
			t_eq(ml_pte_prot(t, hidden, e.level), prot);
			t_eq(ml_pte_prot_none(t, hidden, e.level, &pte), ML_ERR_ARGUMENT);
			if (prot % 7 == 0)
				judge_software(&e, hidden, ML_SOFTWARE_PROT_NONE);
		}
		t_eq(ml_pte_prot_none(t, 0, e.level, &pte), ML_ERR_ARGUMENT);
	}
}

/* A leaf with foreign bits where the mark of a hidden one stands is refused, and no other. */
TEST(hiding_refuses_what_it_could_not_give_back)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		const struct ml_table *t = &e.rig.table;
		const ml_pte base = leaf(&e, 0, ML_RW);
		unsigned refused = 0;

		for (unsigned bit = 0; bit < 64; bit++) {
			const ml_pte pte = base | (ml_pte)1 << bit;
			struct ml_entry entry = { .kind = ML_KIND_EMPTY };
			ml_pte hidden = 0;

			t_eq(ml_format_decode(t->format, &t->types, pte, e.level, &entry), ML_OK);
			if (entry.kind != ML_KIND_LEAF || entry.reserved)
				continue;
			if (ml_pte_prot_none(t, pte, e.level, &hidden) == ML_ERR_PROT) {
				t_ok(entry.residue >> bit & 1);
				refused++;
				continue;
			}
			t_eq(ml_pte_restore(t, hidden), pte & ~entries_hint(&e));
		}
		t_ok(refused <= 2);
	}
}

/* What speculation takes for a frame is not memory: facts 3.1, X3. */
TEST(x86_frames_of_invalid_entries_are_inverted)
{
	struct rig rig;
	ml_pte pte = 0, hidden = 0;

	T_REQUIRE(t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK));
	t_eq(ml_software_make(&rig.table, ML_SOFTWARE_SWAP, 5, &pte), ML_OK);
	t_eq(pte >> 12 & 0xffffffffff, ~(uint64_t)5 & 0xffffffffff);
	t_eq(ml_pte_make(&rig.table, 0x12345000, ML_RW, 0, &pte), ML_OK);
	t_eq(ml_pte_prot_none(&rig.table, pte, 0, &hidden), ML_OK);
	t_eq(hidden >> 12 & 0xffffffffff, ~(uint64_t)0x12345 & 0xffffffffff);
	t_ok(rig_close(&rig));
}

/* The range calls: in the way of a mapping, no leaf to protect or read, gone with an unmap. */
TEST(range_calls_know_software_entries)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		struct ml_table *t = &e.rig.table;
		struct ml_cursor cursor = { e.va, e.va + e.count * e.step - 1, false };
		struct ml_run run;
		ml_pte pte = 0;

		t_eq(ml_software_make(t, ML_SOFTWARE_OWNER, 3, &pte), ML_OK);
		set(&e, 1, pte);
		t_eq(ml_map(t, e.va, 2 * e.step, 0, ML_RW, NULL), ML_ERR_EXISTS);
		t_ok(!ml_run_next(t, &cursor, &run));
		set(&e, 0, leaf(&e, 0, ML_RW));
		t_eq(ml_protect(t, e.va, 2 * e.step, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_ptep_get(t, entries_va(&e, 1), e.p + 1, e.level), pte);
		t_eq(ml_fold(t, e.va, 2 * e.step, 0, NULL), ML_OK);
		t_eq(ml_table_check(t, NULL), ML_OK);
		t_eq(ml_unmap(t, e.va, 2 * e.step, NULL), ML_OK);
		t_eq(rig_bytes(&e.rig), 0);
		/* the table was empty then, and went, unless it is the root */
		t_eq(ml_pte_pointer(t, e.va, e.level) == NULL, e.level + 1u < t->levels);
	}
}

/* A leaf that is broken for a moment is neither empty nor software's: B-72. */
TEST(a_broken_leaf_is_contended)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		const bool breaks = e.rig.facts->format->break_type;
		ml_pte snapshot = 77;

		if (!breaks) /* then no leaf is ever broken so */
			continue;
		e.p[0] = leaf(&e, 0, ML_RW) & ~(ml_pte)1;
		t_eq(ml_ptep_get_lockless(&e.rig.table, e.va, e.p, e.level, &snapshot),
		     ML_ERR_CONTENDED);
		t_eq(snapshot, 77);
		e.p[0] = 0;
	}
}

/* So is a group of which some members are elsewhere already. */
TEST(a_torn_group_is_contended)
{
	struct entries e;

	FOR_EACH_LEVEL(e, &plain)
	{
		ml_pte snapshot = 77, kept;

		if (e.size == 1)
			continue;
		ml_set_ptes(&e.rig.table, e.va, e.p, e.level, leaf(&e, 0, ML_RW), e.size);
		kept = e.p[e.size - 1];
		for (unsigned which = 0; which < 3; which++) {
			e.p[e.size - 1] = which == 0   ? 0
					  : which == 1 ? kept ^ entries_hint(&e)
						       : kept + e.step * e.size;
			t_eq(ml_ptep_get_lockless(&e.rig.table, e.va, e.p, e.level, &snapshot),
			     ML_ERR_CONTENDED);
		}
		t_eq(snapshot, 77);
		e.p[e.size - 1] = kept;
		t_eq(ml_ptep_get_lockless(&e.rig.table, e.va, e.p, e.level, &snapshot), ML_OK);
		t_eq(snapshot, kept - e.step * (e.size - 1));
	}
}

/* ---- tables ----------------------------------------------------------------------------- */

TEST(tables_are_made_or_nothing_is)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		const struct world_facts *facts = &worlds[world];
		const ml_va va = facts->high ? facts->high_first : 0;
		const uint64_t span = (uint64_t)1 << facts->format->level_shift[1];
		struct rig rig;

		T_CONTEXT(facts->name, world);
		for (uint64_t nth = 1;; nth++) {
			struct picture before = { 0 };
			int error;

			T_REQUIRE(t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK));
			picture_take(&before, &rig);
			rig.arena->fail_nth = nth;
			error = ml_pte_ensure(&rig.table, va + span - 4096, 8192, 0, NULL);
			rig.arena->fail_nth = 0;
			if (error)
				t_ok(error == ML_ERR_NO_MEMORY &&
				     !picture_difference(&before, &rig));
			picture_release(&before);
			t_eq(ml_table_check(&rig.table, NULL), ML_OK);
			t_eq(ml_pte_pointer(&rig.table, va, 0) == NULL, error != 0);
			t_eq(ml_pte_pointer(&rig.table, va + span, 0) == NULL, error != 0);
			if (!error) {
				t_eq(rig.table.stats.tables, facts->levels + 1u);
				t_eq(ml_pte_ensure(&rig.table, va, 2 * span, 0, NULL), ML_OK);
				t_eq(rig.table.stats.tables, facts->levels + 1u);
				t_eq(ml_unmap(&rig.table, va, 2 * span, NULL), ML_OK);
				t_eq(rig.table.stats.tables, 1);
			}
			t_ok(rig_close(&rig));
			if (!error)
				break;
		}
	}
}

TEST(tables_that_cannot_be_are_refused)
{
	struct rig rig;

	for (unsigned world = 0; world < WORLDS; world++) {
		const struct world_facts *facts = &worlds[world];
		const ml_va va = facts->high ? facts->high_first : 0;
		const uint64_t block = (uint64_t)1 << facts->format->level_shift[1];

		T_CONTEXT(facts->name, world);
		T_REQUIRE(t_eq(rig_open(&rig, (enum world)world, NULL), ML_OK));
		t_eq(ml_pte_ensure(&rig.table, va, 0, 0, NULL), ML_ERR_EMPTY);
		t_eq(ml_pte_ensure(&rig.table, va + 1, 4096, 0, NULL), ML_ERR_ALIGN);
		t_eq(ml_pte_ensure(&rig.table, va, 4096, facts->levels, NULL), ML_ERR_SIZE);
		t_eq(ml_map(&rig.table, va, block, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_pte_ensure(&rig.table, va, 4096, 0, NULL), ML_ERR_EXISTS);
		t_eq(ml_pte_pointer(&rig.table, va, 0) == NULL, true);
		t_ok(ml_pte_pointer(&rig.table, va + 5, 1) != NULL);
		t_ok(ml_pte_pointer(&rig.table, va, facts->levels) == NULL);
		t_ok(ml_pte_pointer(&rig.table, rig.table.origin - 4096, 0) == NULL);
		t_ok(rig_close(&rig));
	}
}

/* What another table lends is the lender's to change. */
TEST(borrowed_entries_have_no_pointer)
{
	struct rig lender, borrower;
	const uint64_t share = (uint64_t)1 << 39;
	struct ml_op op = { 0 };

	T_REQUIRE(t_eq(rig_open(&lender, WORLD_X86_4, NULL), ML_OK));
	T_REQUIRE(t_eq(rig_open(&borrower, WORLD_X86_4, NULL), ML_OK));
	t_eq(ml_map(&lender.table, 0, 4096, 0, ML_RW, NULL), ML_OK);
	t_eq(ml_table_share(&borrower.table, &lender.table, 0, share, &op), ML_OK);
	t_ok(ml_pte_pointer(&lender.table, 0, 0) != NULL);
	t_ok(ml_pte_pointer(&borrower.table, 0, 0) == NULL);
	t_eq(ml_pte_ensure(&borrower.table, 0, 4096, 0, NULL), ML_ERR_SHARED);
	t_ok(rig_close(&borrower));
	t_ok(rig_close(&lender));
}

/* Guaranteed leaves own the tables of their splits, whichever way they come and go. */
TEST(deposits_come_and_go_with_large_leaves)
{
	const struct ml_table_config guaranteed = { .guaranteed = true, .live = true };

	for (unsigned world = 0; world < WORLDS; world++) {
		const struct world_facts *facts = &worlds[world];
		struct ml_table *t;
		struct entries e;

		T_CONTEXT(facts->name, world);
		T_REQUIRE(t_ok(entries_open(&e, (enum world)world, &guaranteed, 1, NULL)));
		t = &e.rig.table;
		e.rig.arena->fail_nth = 2;
		t_eq(ml_pte_deposit(t, 1, 2, NULL), ML_ERR_NO_MEMORY);
		e.rig.arena->fail_nth = 0;
		t_eq(t->spare.count, 0);
		t_eq(ml_pte_deposit(t, 1, 3, NULL), ML_OK);
		ml_set_ptes(t, e.va, e.p, 1, leaf(&e, 0, ML_RW), 2);
		t_eq(t->owed, 2);
		t_eq(ml_table_check(t, NULL), ML_OK);
		set(&e, 0, leaf(&e, 0, ML_READ));
		t_eq(t->owed, 2);
		ml_pte_clear(t, e.va, e.p, 1);
		t_eq(t->owed, 1);
		t_eq(t->spare.count, 3);
		e.rig.arena->fail_nth = 1;
		t_eq(ml_protect(t, entries_va(&e, 1), 4096, ML_WRITE, 0, NULL), ML_OK); /* splits */
		e.rig.arena->fail_nth = 0;
		t_eq(t->owed, 0);
		t_eq(t->spare.count, 2);
		t_eq(ml_table_check(t, NULL), ML_OK);
		ml_pte_withdraw(t, 1, 2, NULL);
		t_eq(t->spare.count, 0);
		take_down(&e);
	}
}
