/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The public face of the entry-level contract: values, and the way to the format's algorithms. */
#include "format/absent.h"
#include "table/gather.h"
#include "table/mapping.h"
#include "table/ops.h"

/* ---- tables and pointers ----------------------------------------------------------- */

int ml_pte_ensure(struct ml_table *t, ml_va va, uint64_t len, unsigned level, struct ml_op *op)
{
	return t->ops->pte_ensure(t, va, len, level, op);
}

ml_pte *ml_pte_pointer(struct ml_table *t, ml_va va, unsigned level)
{
	return t->ops->pte_pointer(t, va, level);
}

unsigned ml_pte_room(const struct ml_table *t, ml_va va, unsigned level)
{
	return table_entries(t->format, level) - index_of(t->format, va, level);
}

int ml_pte_deposit(struct ml_table *t, unsigned level, uint64_t count, struct ml_op *op)
{
	const uint64_t tables = count * tables_owed(t->format, t, 0, level);
	struct supply supply;
	int error;

	begin(t, op);
	error = ml_supply_open(t, op, &supply, tables);
	if (error || is_dry(op))
		return error;
	deposit(t, &supply, tables);
	t->pledged += tables;
	supply_close(t, op, &supply);
	return ML_OK;
}

void ml_pte_withdraw(struct ml_table *t, unsigned level, uint64_t count, struct ml_op *op)
{
	const uint64_t tables = count * tables_owed(t->format, t, 0, level);

	begin(t, op);
	ML_ASSERT(t->pledged >= tables);
	t->pledged -= tables;
	ml_supply_trim(t, op, &t->spare, t->owed + t->pledged);
}

/* ---- values ------------------------------------------------------------------------ */

int ml_pte_make(const struct ml_table *t, ml_pa pa, ml_prot prot, unsigned level, ml_pte *pte)
{
	ml_pte made = 0;
	int error = ml_format_encode(t->format, &t->types, pa, mapping_prot(t, prot), level, false,
				     &made);

	if (!error && level && t->small_exec && is_executable(prot))
		error = ML_ERR_SIZE;
	if (!error)
		error = check_pa(t->format, t, pa, ML_BIT(t->format->level_shift[level]));
	if (!error)
		*pte = made;
	return error;
}

enum ml_kind ml_pte_kind(const struct ml_table *t, ml_pte pte, unsigned level)
{
	return codec_kind(t->format, pte, level);
}

ml_pa ml_pte_pa(const struct ml_table *t, ml_pte pte, unsigned level)
{
	return codec_leaf_pa(t->format, absent_restore(t->format, pte), level);
}

ml_prot ml_pte_prot(const struct ml_table *t, ml_pte pte, unsigned level)
{
	return codec_prot(t->format, &t->types, absent_restore(t->format, pte), level);
}

unsigned ml_pte_rung(const struct ml_table *t, ml_pte pte, unsigned level)
{
	return rung_of(t->format, pte, level);
}

unsigned ml_pte_batch_hint(const struct ml_table *t, ml_va va, unsigned level, ml_pte pte)
{
	const struct ml_format *f = t->format;
	unsigned count;

	if (!(pte & codec_group(f)) || !codec_is_leaf(f, pte, level))
		return 1;
	count = 1u << f->rungs[f->group_rung[level]].lg2_entries;
	return count - (index_of(f, va, level) & (count - 1));
}

unsigned ml_software_bits(const struct ml_table *t)
{
	return absent_layout(t->format).payload_bits;
}

int ml_software_make(const struct ml_table *t, enum ml_software kind, uint64_t payload, ml_pte *pte)
{
	if (kind < ML_SOFTWARE_SWAP || kind > ML_SOFTWARE_OWNER ||
	    payload >> absent_layout(t->format).payload_bits)
		return ML_ERR_ARGUMENT;
	*pte = absent_make(t->format, kind, payload);
	return ML_OK;
}

enum ml_software ml_software_kind(const struct ml_table *t, ml_pte pte)
{
	return pte ? (enum ml_software)absent_kind(t->format, pte) : ML_SOFTWARE_NO;
}

uint64_t ml_software_payload(const struct ml_table *t, ml_pte pte)
{
	return absent_payload(t->format, pte);
}

int ml_pte_prot_none(const struct ml_table *t, ml_pte pte, unsigned level, ml_pte *hidden)
{
	if (!codec_is_leaf(t->format, pte, level))
		return ML_ERR_ARGUMENT;
	if (!absent_hides(t->format, pte))
		return ML_ERR_PROT;
	*hidden = absent_hide(t->format, pte);
	return ML_OK;
}

ml_pte ml_pte_restore(const struct ml_table *t, ml_pte hidden)
{
	return absent_restore(t->format, hidden);
}

/* ---- entries ----------------------------------------------------------------------- */

void ml_set_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte,
		 unsigned count)
{
	t->ops->pte_set(t, va, ptep, level, pte, count);
}

void ml_set_pte_at(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte)
{
	t->ops->pte_set(t, va, ptep, level, pte, 1);
}

ml_pte ml_ptep_get(const struct ml_table *t, ml_va va, const ml_pte *ptep, unsigned level)
{
	return t->ops->pte_get(t, va, ptep, level);
}

int ml_ptep_get_lockless(const struct ml_table *t, ml_va va, const ml_pte *ptep, unsigned level,
			 ml_pte *pte)
{
	return t->ops->pte_get_lockless(t, va, ptep, level, pte);
}

void ml_pte_clear(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	(void)t->ops->pte_clear(t, va, ptep, level, 1);
}

ml_pte ml_ptep_get_and_clear(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	return t->ops->pte_clear(t, va, ptep, level, 1);
}

ml_pte ml_get_and_clear_full_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
				  unsigned count)
{
	return t->ops->pte_clear(t, va, ptep, level, count);
}

int ml_ptep_test_and_clear_young(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	return t->ops->pte_young(t, va, ptep, level, false);
}

int ml_ptep_clear_flush_young(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	return t->ops->pte_young(t, va, ptep, level, true);
}

void ml_ptep_set_wrprotect(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	t->ops->pte_wrprotect(t, va, ptep, level, 1);
}

void ml_wrprotect_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, unsigned count)
{
	t->ops->pte_wrprotect(t, va, ptep, level, count);
}

bool ml_ptep_set_access_flags(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			      ml_pte pte, bool dirty)
{
	return t->ops->pte_set_access(t, va, ptep, level, pte, dirty);
}

/* ---- invalidating ------------------------------------------------------------------ */

void ml_flush_range(struct ml_table *t, ml_va va, uint64_t len, unsigned level, bool wait)
{
	const bool any = level == ML_LEVEL_ANY;
	struct gather g;

	begin(t, NULL);
	gather_open(&g, t, NULL);
	if (len)
		gather_range(&g, va, va + (len - 1), any ? HULL_LEVELS : level,
			     any ? t->format->page_shift : t->format->level_shift[level]);
	if (wait || t->repeats) /* what goes out twice is complete in between */
		gather_invalidate(&g);
	else
		(void)gather_issue(&g);
}

void ml_flush_wait(struct ml_table *t)
{
	struct gather g;

	gather_open(&g, t, NULL);
	if (t->live)
		gather_wait(&g);
}
