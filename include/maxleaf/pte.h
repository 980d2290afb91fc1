/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry-level contract: a thin face of one table for kernels that iterate themselves. Whoever
 * sets, protects and clears entries one by one, or in runs, gets larger translations without naming
 * them: a group folds when its last missing entry arrives, in any order, and unfolds before the
 * first change that would make its members differ (S0.1, S1.1 to S1.8).
 *
 * Common to all calls, unless a call says otherwise:
 *
 * - ptep is the entry of `level` for va, as ml_pte_pointer() gave it, or a neighbour in the same
 *   table; va is aligned to what the entry covers. A run of count >= 1 entries does not go beyond
 *   its table; ml_pte_room() says how far that is. No entry of it links a table. These are not
 *   checked, except by ML_ASSERT.
 * - Calls on entries cannot fail, never allocate, and never free or replace a table: pointers into
 *   tables stay. They do not split leaves either: where a larger leaf stands there is no pointer
 *   below it.
 * - Tables that become empty stay until ml_unmap() of their range, ml_table_trim() or
 *   ml_table_fini().
 * - Locking: the caller holds the table's lock, or that of the unit (ml_table_config.lock_unit),
 *   except for ml_ptep_get_lockless().
 * - Flushing: folding and unfolding on a live table invalidate what they convert, and wait, where
 *   the format asks for it. Beyond that only ml_ptep_set_access_flags() and
 *   ml_ptep_clear_flush_young() invalidate; after any other call that took something away the
 *   caller does, with ml_flush_range(), before it relies on it.
 *   Setters invalidate what they made valid, and wait, where walkers of the format may hold that it
 *   is not (ml_format.caches_invalid).
 * - Folding by itself happens where the table's policy (ml_table_config.fold) is not ML_FOLD_MAP:
 *   never in a table that must not fault for a moment (S1.23), nor in a range of ml_never_fault();
 *   there the caller sees to it that no less than a piece changes at once, and no frame or memory
 *   type in place: ML_ASSERT checks that nothing is broken there. ML_FOLD_BLOCK folds
 *   groups here, and no tables. Groups fold over one ad_unit only; where ad_unit is NULL, or
 *   answers ML_AD_UNREAD, raw frames need nothing else (S0.5).
 * - Setters ignore the mark of a group in the value given: what ml_ptep_get() returned may be set
 *   again (S1.18).
 */
#ifndef MAXLEAF_PTE_H
#define MAXLEAF_PTE_H

#include <maxleaf/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tables and pointers --------------------------------------------------------- */

/*
 * Make the tables of `level` exist for all of [va, va + len), empty where they are new. This
 * and ml_pte_deposit() are the calls that allocate (from op->reserve if given), all or nothing.
 * Flushes nothing. Errors: range errors, ML_ERR_SIZE (no such level in this table), ML_ERR_EXISTS
 * (a leaf stands above that level), ML_ERR_SHARED, ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_pte_ensure(struct ml_table *t, ml_va va, uint64_t len, unsigned level,
				       struct ml_op *op);

/*
 * The entry of `level` for va (any byte), or NULL: no table of that level is there, it is another
 * table's, or va is none of t's addresses. Valid until the table is freed by a call of table.h.
 * Reads only.
 */
ML_API ml_pte *ml_pte_pointer(struct ml_table *t, ml_va va, unsigned level);

/* Entries from va's on to the end of its table. */
ML_API unsigned ml_pte_room(const struct ml_table *t, ml_va va, unsigned level);

/*
 * In a guaranteed table a leaf above level 0 owns tables, unless it carries the mark of
 * ml_table_config.refaultable. Put those of `count` leaves of `level` without it aside, before
 * ml_set_ptes() makes them. What clearing such a leaf leaves over serves the next;
 * ml_pte_withdraw() gives the tables of `count` back, no more than are aside.
 * Nothing to do in tables that are not guaranteed. ml_pte_deposit() allocates (from op->reserve if
 * given), all or nothing. Errors: ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_pte_deposit(struct ml_table *t, unsigned level, uint64_t count,
					struct ml_op *op);
ML_API void ml_pte_withdraw(struct ml_table *t, unsigned level, uint64_t count, struct ml_op *op);

/* ---- values ---------------------------------------------------------------------- */

/*
 * The value of a leaf at `level`. Accessed, and dirty if writable, are set unless t tracks them.
 * Errors: ML_ERR_PROT, ML_ERR_SIZE (no leaf at that level, or, by ML_ERRATUM_SMALL_EXEC, no
 * executable one), ML_ERR_ALIGN, ML_ERR_PA_RANGE; *pte is
 * written on success only.
 */
ML_API ML_MUST_CHECK int ml_pte_make(const struct ml_table *t, ml_pa pa, ml_prot prot,
				     unsigned level, ml_pte *pte);

/* What a value is. Software entries are ML_KIND_INVALID. */
ML_API enum ml_kind ml_pte_kind(const struct ml_table *t, ml_pte pte, unsigned level);

/* Frame and protection of a leaf, or of a leaf that ml_pte_prot_none() hid. */
ML_API ml_pa ml_pte_pa(const struct ml_table *t, ml_pte pte, unsigned level);
ML_API ml_prot ml_pte_prot(const struct ml_table *t, ml_pte pte, unsigned level);

/* The size of the leaf that this one is, or is a member of: an index into format->rungs. */
ML_API unsigned ml_pte_rung(const struct ml_table *t, ml_pte pte, unsigned level);

/*
 * How many entries from va's on share its leaf with it: to the end of the group, or 1. O(1), and
 * more than the caller may want: clamp it to the caller's own end (S1.30).
 */
ML_API unsigned ml_pte_batch_hint(const struct ml_table *t, ml_va va, unsigned level, ml_pte pte);

/*
 * Software entries: no walker uses them, they are not empty, and no group has them for members.
 * Whatever is not valid and was not made here is ML_SOFTWARE_NO.
 */
enum ml_software {
	ML_SOFTWARE_NO, /* empty, a leaf, a table, or another's */
	ML_SOFTWARE_SWAP,
	ML_SOFTWARE_MIGRATION,
	ML_SOFTWARE_OWNER,    /* the owner's annotation of an address that is not mapped */
	ML_SOFTWARE_PROT_NONE /* a leaf that may not be accessed */
};

/* How many bits of payload a swap, migration or owner entry has in this format: 40 at least. */
ML_API unsigned ml_software_bits(const struct ml_table *t);

/*
 * A swap, migration or owner entry. The payload means nothing to the library. Errors:
 * ML_ERR_ARGUMENT (another kind, or a payload that is too wide).
 */
ML_API ML_MUST_CHECK int ml_software_make(const struct ml_table *t, enum ml_software kind,
					  uint64_t payload, ml_pte *pte);

/* The kind of a value, and the payload of a swap, migration or owner entry. Cannot fail. */
ML_API enum ml_software ml_software_kind(const struct ml_table *t, ml_pte pte);
ML_API uint64_t ml_software_payload(const struct ml_table *t, ml_pte pte);

/*
 * The leaf pte as an entry that no access passes, and back: nothing of it is lost but the mark of a
 * group (S1.25). Hiding refuses with ML_ERR_ARGUMENT what is no leaf, with ML_ERR_PROT a leaf of
 * others with bits in the way. Restoring returns any other value as it is.
 */
ML_API ML_MUST_CHECK int ml_pte_prot_none(const struct ml_table *t, ml_pte pte, unsigned level,
					  ml_pte *hidden);
ML_API ml_pte ml_pte_restore(const struct ml_table *t, ml_pte hidden);

/* ---- setting --------------------------------------------------------------------- */

/*
 * Store count entries: a leaf and the frames that follow it, or the same software entry (or 0) in
 * each. One entry may be set over whatever is there but a table: a group that it belonged to
 * unfolds first, and where the change from leaf to leaf asks for it the old is broken, invalidated
 * and complete before the new is made (S1.24). The marks that hardware set on what was there are
 * lost; take it out first where they count. More than one go where everything is empty (S0.7,
 * checked by ML_ASSERT); whole groups among them are made folded, without an invalidation. What
 * completes a group at either end folds it.
 */
ML_API void ml_set_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte,
			unsigned count);

/* One entry. */
ML_API void ml_set_pte_at(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte);

/* ---- reading --------------------------------------------------------------------- */

/*
 * The entry, with accessed and dirty of its whole group; the mark of the group is visible, for
 * ml_pte_rung() and ml_pte_batch_hint() (S1.18).
 */
ML_API ml_pte ml_ptep_get(const struct ml_table *t, ml_va va, const ml_pte *ptep, unsigned level);

/*
 * The same beside a writer, without the lock: *pte is the entry, and its group, as they stood at
 * one time; accessed and dirty may be older. 0 was an empty entry then: one that is broken for a
 * moment, to be changed and made again, is not mistaken for it, and ML_OP_REPLACE alone empties
 * what it maps anew. Tables that are freed must stay readable meanwhile. Errors: ML_ERR_CONTENDED,
 * after a bounded number of tries, all in the middle of a change; *pte is written on success only.
 */
ML_API ML_MUST_CHECK int ml_ptep_get_lockless(const struct ml_table *t, ml_va va,
					      const ml_pte *ptep, unsigned level, ml_pte *pte);

/* ---- taking out ------------------------------------------------------------------ */

/* Empty one entry, whatever it holds but a table. Its group unfolds first. */
ML_API void ml_pte_clear(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);

/*
 * The same atomically; returns what was there, accessed and dirty of its whole group included, and
 * without the mark of it.
 */
ML_API ml_pte ml_ptep_get_and_clear(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);

/*
 * Teardown: empty count entries. Groups that lie wholly inside are taken out as they are; those
 * that reach over an end unfold first. Returns the first entry, with accessed and dirty of all
 * leaves of the run if it is one (S1.16).
 */
ML_API ml_pte ml_get_and_clear_full_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
					 unsigned count);

/* ---- changing -------------------------------------------------------------------- */

/*
 * Clear accessed, of the whole group; nothing unfolds (S1.11). 1: somebody had accessed it; 0:
 * nobody; ML_ERR_UNTRACKED: nobody tracks it there (ad_unit), which is not the same, and nothing
 * changed.
 */
ML_API int ml_ptep_test_and_clear_young(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);

/* ... and, if it was accessed, invalidate it without waiting for completion (S1.12). */
ML_API int ml_ptep_clear_flush_young(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);

/*
 * Take the right to write from leaves, keeping their dirty marks, atomically beside hardware that
 * sets them (S1.15). Groups that reach over an end unfold if that changes anything in them; those
 * that lie wholly inside stay folded, and until the caller's invalidation is complete walkers may
 * still write (S1.13, S1.14). Of an adopted table, groups that would change in more than that
 * unfold, too.
 */
ML_API void ml_wrprotect_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			      unsigned count);

/* One entry. */
ML_API void ml_ptep_set_wrprotect(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);

/*
 * After a fault: add the access that the leaf pte has and the entry lacks - writing, accessed,
 * dirty
 * - and nothing else of it; never less. Every member of a group gets it, because walkers may judge
 *   each by itself; if the group may be written and pte not, or the other way round, the group
 *   unfolds and one entry changes (S1.17). With `dirty` (the fault was a write) what changed is
 *   invalidated, complete on return. False, and nothing happens: every member has exactly what pte
 *   has.
 */
ML_API bool ml_ptep_set_access_flags(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
				     ml_pte pte, bool dirty);

/* ---- invalidating ---------------------------------------------------------------- */

#define ML_LEVEL_ANY 0xffu

/*
 * Invalidate leaves of [va, va + len), multiples of the base page, of one level or of
 * ML_LEVEL_ANY: one call of the platform. wait: it is complete on return; if not, ml_flush_wait()
 * completes it and all others (S1.20). Nothing in a table that is not live.
 */
ML_API void ml_flush_range(struct ml_table *t, ml_va va, uint64_t len, unsigned level, bool wait);
ML_API void ml_flush_wait(struct ml_table *t);

#ifdef __cplusplus
}
#endif
#endif
