/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Checks of ranges: for all 64-bit addresses and lengths the promised error and no other, reckoned
 * without wrapping, in every kind of table there is.
 */
#include "table/locate.h"

#include "prove.h"

/* A table as its configuration makes it: levels, and which half. */
static struct ml_table any_table(void)
{
	struct ml_table t = { 0 };
	unsigned top;

	t.levels = (uint8_t)(F->levels_min + any_below(F->levels_max - F->levels_min + 1u));
	t.pa_bits = (uint8_t)(F->page_shift + 1 + any_below(F->pa_bits - F->page_shift));
	top = root_level(&t);
	t.va_bits = (uint8_t)(F->level_shift[top] + F->index_bits[top]);
	if (F->sign_extended)
		t.origin = 0 - ML_BIT(t.va_bits - 1);
	else if (any_bool())
		t.origin = 0 - ML_BIT(t.va_bits);
	return t;
}

/* Whether a walk from this root translates all of [va, last]. */
static bool translates(const struct ml_table *t, ml_va va, ml_va last)
{
	const unsigned bits = t->va_bits;

	if (F->sign_extended)
		return (last < ML_BIT(bits - 1) || va >= 0 - ML_BIT(bits - 1)) ||
		       MUTANT((va >= 0 - ML_BIT(bits - 1) && false), va == 0);
	return t->origin ? va >= 0 - ML_BIT(bits) : last < ML_BIT(bits) || MUTANT(false, va == 0);
}

PROOF(a_range_is_refused_for_its_own_fault)
{
	const struct ml_table t = any_table();
	const ml_va va = nondet_uint64_t();
	const uint64_t len = nondet_uint64_t(), page = ML_BIT(F->page_shift);
	const wide end = (wide)va + len;
	const int error = check_range(F, &t, va, len);

	PROVE((error == ML_ERR_EMPTY) == !len, "nothing");
	if (!len)
		return;
	PROVE((error == ML_ERR_ALIGN) == (va % page || len % page), "between two pages");
	if (error == ML_ERR_ALIGN)
		return;
	PROVE((error == ML_ERR_WRAP) == (end > (wide)1 << 64), "beyond the end of the space");
	if (error != ML_ERR_WRAP)
		PROVE((error == ML_OK) == translates(&t, va, (ml_va)(end - 1)),
		      "what the table does not translate");
}

PROOF(a_frame_is_refused_for_its_own_fault)
{
	const struct ml_table t = any_table();
	const ml_pa pa = nondet_uint64_t();
	const uint64_t len = nondet_uint64_t(), page = ML_BIT(F->page_shift);
	const wide end = (wide)pa + len;
	const int error = check_pa(F, &t, pa, len);

	ASSUME(len && len % page == 0); /* check_range() saw to it */
	PROVE((error == ML_ERR_ALIGN) == (pa % page != 0), "between two frames");
	if (error == ML_ERR_ALIGN)
		return;
	PROVE((error == ML_ERR_WRAP) == (end > (wide)1 << 64), "beyond the end of the space");
	if (error != ML_ERR_WRAP)
		PROVE((error == ML_OK) == (end <= MUTANT((wide)1, 2) << t.pa_bits),
		      "beyond the machine's memory");
}

PROOF(it_covers_what_it_translates)
{
	const struct ml_table t = any_table();
	const ml_va va = nondet_uint64_t();
	const uint64_t len = nondet_uint64_t();
	const bool whole = len && (wide)va + len <= (wide)1 << 64;

	PROVE(ml_table_covers(&t, va, len) ==
		      (whole && translates(&t, va, va + MUTANT(len - 1, len))),
	      "any range at all");
}

PROOF(an_index_leads_back_to_its_address)
{
	const struct ml_table t = any_table();
	const ml_va va = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max), top = root_level(&t);
	ml_va again;

	ASSUME(translates(&t, va, va) && covers(&t, va, va) && level < t.levels);
	PROVE(index_of(F, va, level) < table_entries(F, level), "an index of the table");
	again = root_va(F, &t, index_of(F, va, top));
	PROVE(again == ml_align_down(va, F->level_shift[MUTANT(top, top - 1)]), "of the root");
	PROVE(entry_last(F, va, level) >= va &&
		      entry_last(F, va, level) - va < ML_BIT(F->level_shift[level]),
	      "the end of an entry never wraps");
}

/* Which root entries a lender owns: any that follow one another in the half they are of. */
static void lend(struct ml_table *t)
{
	const unsigned entries = table_entries(F, root_level(t));
	const unsigned half = F->sign_extended ? entries / 2 : entries;

	t->shared_first = any_below(entries);
	t->shared_count = any_below(half + 1);
	ASSUME(t->shared_count <= half - t->shared_first % half);
}

PROOF(what_a_lender_owns_is_not_changed)
{
	struct ml_table t = any_table();
	const ml_va va = nondet_uint64_t(), inside = nondet_uint64_t();
	const uint64_t len = nondet_uint64_t();
	int error, plain;

	lend(&t);
	plain = check_range(F, &t, va, len);
	error = check_change(F, &t, va, len);
	PROVE(error == plain || error == ML_ERR_SHARED || (error == ML_ERR_ALIGN && plain),
	      "otherwise the same checks");
	PROVE(error != ML_ERR_SHARED || plain == ML_OK, "of a range that is right");
	ASSUME(plain == ML_OK && inside - va < len);
	PROVE(error == ML_ERR_SHARED ||
		      !is_borrowed(&t, index_of(F, inside, root_level(&t)) + MUTANT(0, 1)),
	      "not one address of it");
}
