/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Where an address stands in a table: indices, tables below entries, the way down, range checks. */
#ifndef ML_TABLE_LOCATE_H
#define ML_TABLE_LOCATE_H

#include "format/codec.h"
#include "table/entry.h"

ML_INLINE unsigned table_entries(const struct ml_format *f, unsigned level)
{
	return 1u << f->index_bits[level];
}

ML_INLINE size_t table_bytes(const struct ml_format *f, unsigned level)
{
	return sizeof(ml_pte) << f->index_bits[level];
}

ML_INLINE unsigned index_of(const struct ml_format *f, ml_va va, unsigned level)
{
	return (unsigned)(va >> f->level_shift[level]) & (table_entries(f, level) - 1);
}

/* The width of what a table with the default levels translates: a constant where the format is. */
ML_INLINE unsigned default_va_bits(const struct ml_format *f)
{
	return (unsigned)f->level_shift[f->levels_default - 1] +
	       f->index_bits[f->levels_default - 1];
}

/* The last address below an entry of this level. */
ML_INLINE ml_va entry_last(const struct ml_format *f, ml_va va, unsigned level)
{
	return ml_align_last(va, f->level_shift[level]);
}

/* The pointer to a table of this level; NULL only in tables of others. */
ML_INLINE ml_pte *table_at(const struct ml_format *f, const struct ml_table *t, ml_pa pa,
			   unsigned level)
{
	if (ML_LIKELY(t->base != NULL))
		return (ml_pte *)(void *)(t->base + pa);
	return t->platform->table_pointer(t->cookie, pa, table_bytes(f, level));
}

ML_INLINE ml_pte *table_below(const struct ml_format *f, const struct ml_table *t, ml_pte pte,
			      unsigned level)
{
	return table_at(f, t, codec_table_pa(f, pte), level - 1);
}

ML_INLINE unsigned root_level(const struct ml_table *t)
{
	return t->levels - 1u;
}

/* The address of a root entry. */
ML_INLINE ml_va root_va(const struct ml_format *f, const struct ml_table *t, unsigned index)
{
	const ml_va va = (uint64_t)index << f->level_shift[root_level(t)];

	if (!f->sign_extended)
		return t->origin + va;
	return va >> (t->va_bits - 1) & 1 ? va | ~(uint64_t)0 << t->va_bits : va;
}

/* Whether a root entry is a lender's. */
ML_INLINE bool is_borrowed(const struct ml_table *t, unsigned index)
{
	return index - t->shared_first < t->shared_count;
}

/* Whether the root's entry belongs to others, too. */
ML_INLINE bool is_lent(const struct ml_table *t, unsigned index)
{
	return index - t->pinned_first < t->pinned_count;
}

/* An entry found on the way down. */
struct place {
	ml_pte *entry;
	ml_pte pte; /* its value, read once */
	unsigned level;
};

/*
 * From the root of a direct table towards va: stops at level `stop`, or above it where the way
 * ends. The levels are written out so that every shift is a constant.
 */
ML_INLINE struct place descend_direct(const struct ml_format *f, const struct ml_table *t, ml_va va,
				      unsigned stop)
{
	struct place at = { t->root, 0, 0 };

#define DESCEND_STEP(number)                                                        \
	if (f->levels_default > (number)) {                                         \
		at.level = (number);                                                \
		at.entry += index_of(f, va, (number));                              \
		at.pte = entry_load(f, at.entry);                                   \
		if (stop == (number) || !codec_is_table(f, at.pte, (number)))       \
			return at;                                                  \
		at.entry = (ml_pte *)(void *)(t->base + codec_table_pa(f, at.pte)); \
	}
	DESCEND_STEP(4)
	DESCEND_STEP(3)
	DESCEND_STEP(2)
	DESCEND_STEP(1)
	DESCEND_STEP(0)
#undef DESCEND_STEP
	return at;
}

/* The same in any table. */
ML_PART struct place descend(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     unsigned stop)
{
	struct place at = { t->root, 0, t->levels };

	if (ML_LIKELY(t->direct))
		return descend_direct(f, t, va, stop);
	for (;;) {
		at.level--;
		at.entry += index_of(f, va, at.level);
		at.pte = entry_load(f, at.entry);
		if (at.level == stop || !codec_is_table(f, at.pte, at.level))
			return at;
		at.entry = table_below(f, t, at.pte, at.level);
	}
}

ML_INLINE bool covers(const struct ml_table *t, ml_va va, ml_va last)
{
	const uint64_t from = va - t->origin, to = last - t->origin;

	return from <= to && !(to >> t->va_bits);
}

ML_INLINE bool root_range_meets(const struct ml_format *f, const struct ml_table *t, ml_va va,
				ml_va last, uint32_t first, uint32_t count)
{
	return count && index_of(f, va, root_level(t)) < first + count &&
	       index_of(f, last, root_level(t)) >= first;
}

/* The checks of every range, in the order table.h promises. */
ML_INLINE int check_range(const struct ml_format *f, const struct ml_table *t, ml_va va,
			  uint64_t len)
{
	const ml_va last = va + len - 1;

	if (ML_UNLIKELY(!len))
		return ML_ERR_EMPTY;
	if (ML_UNLIKELY(!ml_aligned(va | len, f->page_shift)))
		return ML_ERR_ALIGN;
	if (ML_UNLIKELY(last < va))
		return ML_ERR_WRAP;
	if (ML_UNLIKELY(!covers(t, va, last)))
		return ML_ERR_CANONICAL;
	return ML_OK;
}

/* ... and of every range that is going to change. */
ML_INLINE int check_change(const struct ml_format *f, const struct ml_table *t, ml_va va,
			   uint64_t len)
{
	if (ML_UNLIKELY(t->shared_count) && len && covers(t, va, va + len - 1) &&
	    root_range_meets(f, t, va, va + len - 1, t->shared_first, t->shared_count))
		return ml_aligned(va | len, f->page_shift) ? ML_ERR_SHARED : ML_ERR_ALIGN;
	return check_range(f, t, va, len);
}

ML_INLINE int check_pa(const struct ml_format *f, const struct ml_table *t, ml_pa pa, uint64_t len)
{
	if (ML_UNLIKELY(!ml_aligned(pa, f->page_shift)))
		return ML_ERR_ALIGN;
	if (ML_UNLIKELY(pa + len - 1 < pa))
		return ML_ERR_WRAP;
	return ML_UNLIKELY((pa + len - 1) >> t->pa_bits) ? ML_ERR_PA_RANGE : ML_OK;
}

/* Whether the call only tells what it would take. */
ML_INLINE bool is_dry(const struct ml_op *op)
{
	return op && op->flags & ML_OP_DRY;
}

/* The sizes that the call may choose. */
ML_INLINE uint32_t allowed_rungs(const struct ml_table *t, const struct ml_op *op)
{
	return op && op->rungs ? t->rungs & (op->rungs | 1) : t->rungs;
}

/* A call that changes the table and has passed its checks: locked, and its results empty. */
ML_INLINE void begin(const struct ml_table *t, struct ml_op *op)
{
	if (ML_UNLIKELY(t->platform->assert_locked != NULL))
		t->platform->assert_locked(t->cookie, op);
	if (op) {
		op->bytes = 0;
		op->tables_needed = 0;
	}
}

/* Entries changed: written back for walkers that are not coherent with the CPU's caches. */
ML_INLINE void write_back(const struct ml_table *t, struct ml_op *op, const ml_pte *first,
			  uint64_t count)
{
	if (ML_UNLIKELY(t->platform->table_sync != NULL))
		t->platform->table_sync(t->cookie, op, first, count * sizeof(*first));
}

/* ... and visible to all walkers. */
ML_INLINE void publish(const struct ml_table *t, struct ml_op *op, const ml_pte *first,
		       uint64_t count)
{
	write_back(t, op, first, count);
	ML_PORT_PUBLISH();
}

/* Link a table that is whole: its contents are visible before the link is, and then the link. */
ML_INLINE void link_table(const struct ml_format *f, const struct ml_table *t, struct ml_op *op,
			  ml_pte *link, const ml_pte *table, ml_pa pa, unsigned level)
{
	publish(t, op, table, table_entries(f, level));
	entry_link(f, link, codec_table(f, pa));
	publish(t, op, link, 1);
}

/* The same where another writer may link one at the same time; false: there is one already. */
ML_INLINE bool install_table(const struct ml_format *f, const struct ml_table *t, struct ml_op *op,
			     ml_pte *link, const ml_pte *table, ml_pa pa, unsigned level)
{
	ml_pte none = 0;

	publish(t, op, table, table_entries(f, level));
	if (!entry_replace(f, link, &none, codec_table(f, pa)))
		return false;
	publish(t, op, link, 1);
	return true;
}

/* Count; other writers may be counting, too. */
ML_INLINE void tally(const struct ml_table *t, uint64_t *counter, uint64_t number)
{
	if (ML_UNLIKELY(t->units))
		__atomic_fetch_add(counter, number, __ATOMIC_RELAXED);
	else
		*counter += number;
}

/* What is counted so far. */
ML_INLINE uint64_t tallied(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/*
 * Where a table's witness is kept. Writers of other units share it: a witness that is half one's
 * and half another's is a bad guess, and no more.
 */
ML_INLINE struct ml_witness *witness_of(const struct ml_format *f, struct ml_witness *witnesses,
					const ml_pte *table, unsigned level)
{
	return &witnesses[(uintptr_t)table / table_bytes(f, level) % ML_WITNESSES];
}

ML_INLINE const ml_pte *witness_table(const struct ml_witness *witness)
{
	return __atomic_load_n(&witness->table, __ATOMIC_RELAXED);
}

ML_INLINE unsigned witness_index(const struct ml_witness *witness)
{
	return __atomic_load_n(&witness->index, __ATOMIC_RELAXED);
}

ML_INLINE void witness_set_table(struct ml_witness *witness, const ml_pte *table)
{
	__atomic_store_n(&witness->table, table, __ATOMIC_RELAXED);
}

ML_INLINE void witness_set_index(struct ml_witness *witness, unsigned index)
{
	__atomic_store_n(&witness->index, index, __ATOMIC_RELAXED);
}

#endif
