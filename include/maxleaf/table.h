/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * One page table: map, unmap, protect, translate, walk, split, fold, share, adopt, check.
 *
 * Common to all calls, unless a call says otherwise:
 *
 * - va, pa and len are bytes and multiples of the format's base page. A range is checked
 *   before anything changes, each fault with its own error: ML_ERR_EMPTY, ML_ERR_ALIGN,
 *   ML_ERR_WRAP, ML_ERR_CANONICAL, ML_ERR_PA_RANGE. The last page of the address space is
 *   an ordinary page.
 * - All or nothing: a call that returns an error has changed nothing. Everything that can
 *   fail happens before the first store; no allocating callback runs after it.
 * - Locking: the library has no lock; it works in three regimes, see below.
 * - Flushing: on a live table every call invalidates what it changed and waits for
 *   completion before it returns, and releases tables and reports leaves only then. What was not
 *   valid needs no invalidation, unless the format says that walkers hold that, too
 *   (caches_invalid). A table that is not live is never invalidated. A call waits once, however
 *   much it takes out, and before it makes what it had to break: leaves and groups that reach over
 *   the ends of the range are broken together, for all sizes at once. A split breaks the leaves of
 *   a table together, or its groups; but those by themselves that come down over several levels, or
 *   whose change of size is announced (bbm 1). A fold breaks what each new leaf replaces by itself,
 *   and where nothing breaks 12 replaced tables wait together.
 * - op may be NULL: no reserve, no sink, no flags.
 *
 * Locking:
 *
 * 1. One writer at a time: the caller holds the table's lock for every call that changes it.
 *
 * 2. With ml_table_config.lock_unit, writers whose ranges are disjoint after rounding out to
 *    lock_unit may run at the same time: the caller holds a lock for each unit that its range
 *    meets. No leaf is larger than lock_unit. Tables that cover more than a unit are linked by
 *    compare-exchange (who comes second gives its table back) and stay when they become empty,
 *    until ml_table_trim(). Such writers are ml_map, ml_map_extents, ml_unmap, ml_protect,
 *    ml_split, ml_fold, ml_harvest, ml_table_trim, the steps of mapping and unmapping, and pte.h's
 *    calls on levels whose entries are no larger than a unit; no other calls. The dry runs of
 *    mapping go under the same locks, and may count more tables than are taken then. All other
 *    calls that take a table that is not const (fini, share, set_live),
 *    ml_table_check and ml_table_stats need every unit's lock. An op and its reserve belong to one
 *    writer; the platform's callbacks and ad_unit are called by all of them at once. assert_locked
 *    learns from op->context what is locked.
 *
 * 3. ml_translate, ml_walk and ml_run_next may run without a lock beside the writers of either
 *    regime, if tables that are freed stay readable, as they are, until every reader is done that
 *    began before, and only on a table that is not guaranteed: there a table that a fold
 *    replaced serves the next split at once. What one call of ml_translate says, and
 *    each entry of ml_walk, was so at one instant between the call's beginning and its end; of
 *    ml_run_next each page by itself. Where a writer breaks an entry in order to change it, that
 *    instant may show nothing mapped; where one takes much out, what went may be shown as an entry
 *    that is invalid and not empty until the call returns. Of a group whose members hardware or a
 *    writer is marking, the marks are those of several instants.
 *
 * Mapping over an existing mapping is refused (ML_ERR_EXISTS) unless ML_OP_REPLACE is
 * given; then the old leaves are removed, reported to the sink, invalidated, and the new
 * ones made, under the same all-or-nothing rule. While the old and the new pass each
 * other, an access to the range may fault.
 *
 * Holes: unmap, protect, split and fold skip what is not mapped; that is no error.
 *
 * A/D: mapping sets ML_ACCESSED, and ML_DIRTY if writable, unless the table tracks them, and
 * protect that gives ML_WRITE sets ML_DIRTY. Where the table tracks them and hardware marks
 * nothing, the first access to a leaf that is not accessed, and the first store to one that is
 * not dirty, fault: that is how the embedder learns of them.
 */
#ifndef MAXLEAF_TABLE_H
#define MAXLEAF_TABLE_H

#include <maxleaf/format.h>
#include <maxleaf/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of equal, consecutive leaves. */
struct ml_run {
	ml_va va;
	ml_pa pa;
	uint64_t length; /* bytes */
	ml_prot prot;    /* accessed and dirty OR-ed over the run (ML_OP_EXACT_DIRTY) */
	uint8_t rung;    /* index into format->rungs of every leaf of the run */
};

/*
 * A sink hears every run that an operation removes, after the invalidation that covers
 * it completed, when hardware can no longer write it. It must not re-enter the table.
 */
typedef void ml_sink(void *sink_cookie, const struct ml_run *run);

/* Spare tables: all of one size, not zeroed, chained through their own first words. */
struct ml_reserve {
	void *first;
	uint64_t count;
};

#define ML_OP_REPLACE 1u /* ml_map, ml_map_extents: replace what is mapped in the range */
/*
 * Any call that may take tables, but ml_table_fini_step(): only check, and tell in tables_needed
 * how many it would take now. It returns what it would return if they are there, and changes,
 * allocates, flushes and reports nothing; steps do not advance. It needs the same locks. Calls that
 * never take tables, ml_fold() among them, are never dry.
 */
#define ML_OP_DRY 2u
/*
 * A dry ml_move(): count as if everything at the new place had gone, tables too. It takes no more
 * then, whatever is unmapped before, and is never ML_ERR_EXISTS.
 */
#define ML_OP_EMPTIED 4u
/*
 * Runs that the sink hears of end where dirty begins or ends, too: all leaves of a run are dirty,
 * or none is. Else dirty is OR-ed over a run, as accessed always is.
 */
#define ML_OP_EXACT_DIRTY 8u

/* What one operation brings and gets back. Zero is a plain operation. */
struct ml_op {
	void *context;              /* the embedder's; callbacks get the ml_op itself */
	struct ml_reserve *reserve; /* borrows: take tables from here only, do not allocate */
	ml_sink *sink;              /* NULL: removed leaves are not reported, subtrees go unread */
	void *sink_cookie;
	unsigned flags; /* ML_OP_* */
	/*
	 * Bit n lets mapping, and the folding that a mapping brings about, choose
	 * format->rungs[n], if the table lets it; bit 0 is always taken as set. 0: no limit.
	 */
	uint32_t rungs;
	/*
	 * Result: tables the operation takes; with ML_ERR_SHORT and ML_ERR_NO_MEMORY too. At most
	 * so many where accessed/dirty marks are changed that may spread meanwhile: beside
	 * hardware that sets them, or in a group that unfolds.
	 */
	uint64_t tables_needed;
	/*
	 * Result: bytes that were mapped, removed (with a sink only; else 0) or changed (protect:
	 * of the entries that changed, the members of a group one by one). Split, fold and move: 0.
	 */
	uint64_t bytes;
};

enum ml_fold_policy {
	/* Sizes are chosen when mapping; growing back only by ml_fold(). */
	ML_FOLD_MAP,
	/* The store that completes a contiguous group folds it, in any order. */
	ML_FOLD_COMPLETE,
	/*
	 * ... and a range call that completes a whole table replaces it by one leaf; the table
	 * stays as the leaf's reserve. Implies guaranteed.
	 */
	ML_FOLD_BLOCK
};

#define ML_AD_UNREAD ((uint64_t)1 << 63) /* an answer of ad_unit */

/*
 * The live policy: how a table changes while walkers use it. It is that of the least able of all
 * its walkers, CPUs and devices, and has no effect on a table that is not live. What the machine
 * can do, the embedder finds out:
 *
 * ml_table_config.bbm, how the size of what is mapped may change, translation and attributes kept:
 *   0  break, invalidate, complete, make; always right.
 *   1  a block becomes a table, or a table a block, through an entry that announces it (Arm nT);
 *      groups still break. An announced entry may be slow, or fault. Counts as 0 where the format
 *      has no such entry.
 *   2  blocks, tables and groups change directly, and one invalidation follows, where the old must
 *      be forgotten.
 * Whatever the level, a change of frame, of memory type, or to global breaks.
 *   arm64: ID_AA64MMFR2_EL1[55:52] of every CPU, SMMU_IDR3[12:11] of every SMMU that shares the
 *   table. 2 only where that CPU (by MIDR_EL1) never answers with a TLB conflict abort, or the
 *   embedder handles it (facts A14).
 *   x86-64: no register; 2 says that a walker may hold both sizes of one translation, as the
 *   manuals allow (Intel SDM vol. 3A 4.10.2.4), and is right where no erratum below applies.
 *
 * ml_table_config.errata, any of:
 */
#define ML_ERRATUM_NO_GROUPS 1u  /* contiguous groups are not used */
#define ML_ERRATUM_SMALL_EXEC 2u /* executable leaves are base pages: CVE-2018-12207 */
#define ML_ERRATUM_ONE_SIZE 4u   /* never two sizes at once, bbm counts as 0: AMD erratum 383 */
#define ML_ERRATUM_REPEAT 8u     /* each invalidation goes out twice: Arm CVE-2025-10263 */

struct ml_table_config {
	const struct ml_platform *platform; /* borrows, must outlive the table */
	void *cookie;                       /* for the callbacks */
	char *base;     /* if all table memory is at base + pa: saves the hook; else NULL */
	uint64_t types; /* IA32_PAT / MAIR_EL1 as programmed; 0: the format's default */
	/*
	 * Bit n lets mapping and folding choose format->rungs[n]; 0: all that are not off by
	 * default. Splitting may leave the sizes between.
	 */
	uint32_t rungs;
	uint8_t levels;  /* 0: the format's default */
	uint8_t pa_bits; /* physical width of the machine; 0: what the format can hold */
	uint8_t fold;    /* enum ml_fold_policy */
	bool high;       /* formats with one table per half: this is the upper half (Arm TTBR1) */
	bool live;       /* walkers may be using it from the start */
	bool guaranteed; /* every leaf above level 0 owns the tables its split needs, */
	/*
	 * ... or the one that its first step down needs. Leaves of level 1 split as before; where a
	 * larger one comes apart, the pieces above level 0 that stay need one each, which that call
	 * takes, or fails. Only with guaranteed, or ML_FOLD_BLOCK.
	 */
	bool deposit_one;
	bool track_ad;    /* mapping takes accessed and dirty from the caller's prot */
	bool hardware_ad; /* walkers set accessed/dirty: live edits are atomic */
	/*
	 * Some walker, an SMMU for one, judges each member of a group by itself and does not gather
	 * accessed/dirty: to give one member these marks is to give them to all.
	 */
	bool each_member;
	uint8_t bbm;    /* 0 to 2, see above; at most format->bbm_most */
	uint8_t errata; /* ML_ERRATUM_* */
	/*
	 * 0, or one ML_SOFT() bit, with guaranteed or ML_FOLD_BLOCK: a leaf that carries it owns
	 * no tables, because what it maps can be faulted in again. Its split takes tables as in a
	 * table that is not guaranteed, also for unmapping a part of it. The mark is given when
	 * mapping, for good: ml_protect() refuses to name it (ML_ERR_PROT).
	 */
	ml_prot refaultable;
	/*
	 * The unit in which the embedder tracks accessed/dirty around pa: bytes, a power of two,
	 * aligned to itself; or ML_AD_UNREAD where nobody reads them (raw frames of devices). No
	 * leaf is chosen, and nothing folds, over more than one unit. NULL: nobody reads them
	 * anywhere.
	 */
	uint64_t (*ad_unit)(void *cookie, ml_pa pa);
	/*
	 * 0: one writer at a time. Else the bytes of one of format->rungs: writers of disjoint
	 * units run at the same time (see "Locking"). Not with guaranteed, ML_FOLD_BLOCK or
	 * table_sync: ML_ERR_CONFIG.
	 */
	uint64_t lock_unit;
	/* NULL: the format's own; &ml_table_ops_any: the descriptor is read at run time. */
	const struct ml_table_ops *ops;
};

/*
 * One copy of the algorithms for all formats, which reads the descriptor at run time. The tests
 * hold the formats' own, fast copies against it.
 */
extern const struct ml_table_ops ml_table_ops_any;

/* Counted as things happen, except leaves[], which ml_table_stats() counts by reading the table. */
struct ml_stats {
	uint64_t leaves[ML_RUNG_MAX]; /* by rung; a group counts once */
	uint64_t tables;              /* linked tables of its own, the root included */
	uint64_t reserved;            /* spare tables held for guaranteed splits */
	uint64_t table_bytes;         /* tables + reserved, in bytes */
	uint64_t splits;              /* leaves taken apart, by one rung step or one table */
	uint64_t folds;               /* leaves made out of smaller ones */
	uint64_t invalidations;       /* calls of platform->invalidate */
	uint64_t completions;         /* calls of platform->complete */
};

/* An entry that kept a table from being freed or folded: asked first next time. */
#define ML_WITNESSES 4
struct ml_witness {
	const ml_pte *table;
	uint32_t index;
};

/*
 * A range of which no access may ever fault because of a change made elsewhere in it, or to it as
 * a whole: a kernel's own text, stack and direct map. The caller keeps it while it is declared.
 */
struct ml_never_fault {
	ml_va va;     /* multiples of the piece */
	uint64_t len; /* not 0 */
	/*
	 * The smallest piece of it that will ever be changed or unmapped by itself: bytes, a power
	 * of two; 0: the base page. No larger leaf is used there, unless every walker lets sizes
	 * change directly (bbm 2).
	 */
	uint64_t piece;
	struct ml_never_fault *next; /* the library's */
};

/* A page table. The caller allocates it; the fields are the library's. */
struct ml_table {
	const struct ml_format *format;
	const struct ml_table_ops *ops;
	const struct ml_platform *platform;
	void *cookie;
	char *base;
	ml_pte *root;
	ml_va origin; /* the lowest address translated, as if the space began there */
	struct ml_types types;
	ml_pa root_pa;
	uint32_t rungs;
	uint8_t levels;
	uint8_t va_bits;
	uint8_t pa_bits;
	uint8_t fold;
	uint8_t top; /* highest level whose entries are one writer's: the root, or lock_unit's */
	bool units;  /* several writers: lock_unit was given */
	bool live;
	bool guaranteed;
	bool deposit_one;
	bool track_ad;
	bool hardware_ad;
	bool each_member;
	bool break_size;  /* live: a change between block and table breaks, */
	bool break_group; /* so does one of group membership, */
	bool announces;   /* or it goes through an entry that announces it */
	bool hitless;     /* no change of size is seen by anyone */
	bool repeats;     /* invalidations go out twice */
	bool small_exec;  /* what is executable is mapped by base pages */
	bool careful; /* some place takes no leaf that stands elsewhere: small_exec, never_fault */
	bool foreign; /* it holds entries that others made */
	bool hollow;  /* tables may be empty: the calls of pte.h leave them where they are */
	bool direct;  /* default levels, own tables at base + pa: walked in the short way */
	bool plain;   /* ... and nothing is lent, borrowed or asked of the platform in between */
	ml_pte run_hint;     /* what runs of small leaves get that are whole groups: */
	uint64_t run_mask;   /* those whose page numbers and count have none of these bits */
	ml_prot memo_prot;   /* the protection last mapped, */
	ml_pte memo_bits[3]; /* and its leaves of levels 0 to 2, without an address */
	uint32_t shared_first, shared_count; /* root entries borrowed from another table */
	uint32_t pinned_first, pinned_count; /* root entries lent to other tables */
	uint64_t (*ad_unit)(void *cookie, ml_pa pa);
	struct ml_never_fault *never_fault; /* declared ranges, of the embedder's memory */
	ml_prot refaultable;                /* the mark of leaves that own none, */
	ml_pte refault_bit;                 /* and where it stands */
	struct ml_reserve spare;            /* deposits of guaranteed leaves */
	uint64_t owed;    /* tables that guaranteed leaves own: spare.count >= owed */
	uint64_t pledged; /* ... + pledged, which ml_pte_deposit() put aside for leaves to come */
	struct ml_witness in_use[ML_WITNESSES]; /* why some tables could not be freed, */
	struct ml_witness misfit[ML_WITNESSES]; /* and why some could not be folded */
	struct ml_stats stats;
};

/*
 * Initialise *t with an empty root. Copies config, borrows config->platform. Allocates
 * the root. Errors: ML_ERR_CONFIG, ML_ERR_NO_MEMORY.
 */
ML_API ML_MUST_CHECK int ml_table_init(struct ml_table *t, const struct ml_format *format,
				       const struct ml_table_config *config);

/*
 * Unmap everything and free every table of t's own; the sink of op hears every leaf. t is
 * unusable afterwards. The walkers must have left a live table's root. Cannot fail.
 */
ML_API void ml_table_fini(struct ml_table *t, struct ml_op *op);

/*
 * From now on walkers may use the table, and every change keeps the live rules; or, with false,
 * none does any more. The platform must have invalidate and complete. The caller holds the table's
 * lock. Flushes nothing. Cannot fail.
 */
ML_API void ml_table_set_live(struct ml_table *t, bool live);

/*
 * Declare that no access in [range->va, range->va + range->len) may ever fault, before it is
 * mapped. The table keeps *range by reference until ml_may_fault(), which is due before
 * the memory of *range goes; ml_table_fini() needs neither. From then on, on a live table:
 *
 * - ml_map, ml_map_extents and ml_fold use no leaf there that is larger than the piece, unless
 *   every walker lets sizes change directly; nothing folds there through a break;
 * - ml_split, ml_protect, ml_unmap of a part of a leaf, and ML_OP_REPLACE over something, are
 *   refused with ML_ERR_NEVER_FAULT, before anything changes, where they would have to break an
 *   entry there: an announced entry counts as broken. A change of memory type, or to global, always
 *   is a break.
 *
 * What is unmapped is gone, and does fault; so does what is read-only and written to. Errors: range
 * errors; ML_ERR_ALIGN too where va or len is no multiple of the piece; ML_ERR_SIZE: the piece is
 * no power of two or less than the base page; ML_ERR_SHARED; ML_ERR_ARGUMENT: it meets a range
 * declared before; ML_ERR_EXISTS: a leaf larger than the piece stands there. The caller holds the
 * table's lock. Allocates and flushes nothing.
 */
ML_API ML_MUST_CHECK int ml_never_fault(struct ml_table *t, struct ml_never_fault *range);

/* Take the declaration back: *range was declared. The caller holds the lock. Cannot fail. */
ML_API void ml_may_fault(struct ml_table *t, struct ml_never_fault *range);

/* The physical address to program as root (CR3, TTBR, satp). */
ML_API ml_pa ml_table_root(const struct ml_table *t);

/*
 * Whether the table translates all of [va, va + len): an empty or wrapping range is not, nor one
 * that reaches over the hole between the two ends of a sign-extended space. Cannot fail.
 */
ML_API bool ml_table_covers(const struct ml_table *t, ml_va va, uint64_t len);

/*
 * What every changing call checks first of its range: range errors, ML_ERR_SHARED; and what mapping
 * checks of its frames: ML_ERR_ALIGN, ML_ERR_WRAP, ML_ERR_PA_RANGE (len is not 0).
 */
ML_API ML_MUST_CHECK int ml_table_check_range(const struct ml_table *t, ml_va va, uint64_t len);
ML_API ML_MUST_CHECK int ml_table_check_frames(const struct ml_table *t, ml_pa pa, uint64_t len);

/* ---- preparing ------------------------------------------------------------------- */

/*
 * The dry run: how many tables ml_map() with these arguments would take now. Checks what
 * ml_map() checks and returns its error. Allocates nothing, changes nothing.
 */
ML_API ML_MUST_CHECK int ml_map_tables(const struct ml_table *t, ml_va va, uint64_t len, ml_pa pa,
				       ml_prot prot, const struct ml_op *op, uint64_t *tables);

/*
 * Fill *reserve (zero it first) up to `tables` tables, allocating through the platform.
 * Needs no lock. All or nothing: on ML_ERR_NO_MEMORY the reserve holds what it held.
 */
ML_API ML_MUST_CHECK int ml_reserve_fill(const struct ml_table *t, struct ml_reserve *reserve,
					 uint64_t tables, struct ml_op *op);

/* Give every table of a reserve back to the platform. Cannot fail. */
ML_API void ml_reserve_empty(const struct ml_table *t, struct ml_reserve *reserve,
			     struct ml_op *op);

/*
 * Prepare an operation outside the caller's locks: fill the reserve with the tables that mapping
 * [va, va + len) to pa would take in the worst case (an empty table; with ML_OP_REPLACE in
 * op->flags also the splits at both ends; with `guaranteed` also the deposits). The reserve
 * serves any operation that needs no more. Allocates. Errors: those of ml_map().
 */
ML_API ML_MUST_CHECK int ml_prepare(const struct ml_table *t, ml_va va, uint64_t len, ml_pa pa,
				    ml_prot prot, struct ml_reserve *reserve, struct ml_op *op);

/* ---- changing -------------------------------------------------------------------- */

/*
 * Map [va, va + len) to pa with the largest leaves that alignment and the allowed rungs permit
 * (S0.1, S0.7, S4.1, S4.2). Allocates tables (from op->reserve if given). Errors: range errors,
 * ML_ERR_PROT, ML_ERR_EXISTS, ML_ERR_SHARED, ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_map(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
				struct ml_op *op);

/* Memory that is mapped one after another. */
struct ml_extent {
	ml_pa pa;
	uint64_t length;
};

/*
 * Map extents one after another from va on. Adjacent extents merge before sizes are
 * chosen (S0.13). All or nothing over all of them (S0.15). Errors as ml_map();
 * ML_ERR_ARGUMENT when count is 0.
 */
ML_API ML_MUST_CHECK int ml_map_extents(struct ml_table *t, ml_va va,
					const struct ml_extent *extents, size_t count, ml_prot prot,
					struct ml_op *op);

/*
 * The same for a part: what lies `skip` bytes into the extents, as far as len goes (S0.14). Extents
 * that lie wholly outside are not looked at. ML_ERR_ARGUMENT too where there is less.
 */
ML_API ML_MUST_CHECK int ml_map_extents_part(struct ml_table *t, ml_va va, uint64_t len,
					     const struct ml_extent *extents, size_t count,
					     uint64_t skip, ml_prot prot, struct ml_op *op);

/*
 * Remove every mapping in [va, va + len) (S0.9, S4.14, S4.17). Leaves that reach over an end are
 * split, which may take tables; wholly covered leaves and tables are removed whole. With op->sink
 * every removed run is reported; without, whole subtrees go unread: legal only where nobody
 * counts references or reads accessed/dirty. Tables that become empty are freed. Errors: range
 * errors, ML_ERR_SHARED, ML_ERR_NO_MEMORY, ML_ERR_SHORT (neither where the
 * leaves that come apart own the tables).
 */
ML_API ML_MUST_CHECK int ml_unmap(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);

/*
 * Change only what mask names, to value, in every leaf of [va, va + len) (S1.4, S4.16, S4.19).
 * Leaves that reach over an end are split if they change at all. What a partial change split is
 * not folded again until ml_fold() or a whole rewrite. Bits the library does not name stay.
 * Errors: range errors, ML_ERR_PROT (some leaf could not hold the result; value outside mask),
 * ML_ERR_SHARED, ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_protect(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask,
				    ml_prot value, struct ml_op *op);

/*
 * Split (S4.18 to S4.20) until no leaf that meets [va, va + len) is larger than
 * format->rungs[rung]; only what meets the range goes down so far. Translation and protection
 * stay; accessed/dirty are copied to every piece. Errors: range errors, ML_ERR_SIZE (no such
 * rung), ML_ERR_SHARED, ML_ERR_NO_MEMORY, ML_ERR_SHORT (neither where the
 * leaves that come apart own the tables).
 */
ML_API ML_MUST_CHECK int ml_split(struct ml_table *t, ml_va va, uint64_t len, unsigned rung,
				  struct ml_op *op);

/*
 * Fold (S0.3, S0.4, S0.20) what can be folded into leaves up to format->rungs[rung] that lie
 * wholly inside [va, va + len): equal protection and memory type, frames in sequence, aligned,
 * inside one ad_unit, rung allowed. Replaced tables are freed (or kept as reserve when
 * guaranteed). accessed/dirty are OR-ed. Never allocates. Errors: range errors, ML_ERR_SIZE,
 * ML_ERR_SHARED.
 */
ML_API ML_MUST_CHECK int ml_fold(struct ml_table *t, ml_va va, uint64_t len, unsigned rung,
				 struct ml_op *op);

/*
 * Free the tables that hold nothing and lie wholly in [va, va + len): with lock_unit, unmapping
 * leaves those that cover more than a unit; the calls of pte.h leave any. The caller holds the
 * lock, or those of all units of the range. Never allocates. Errors: range errors, ML_ERR_SHARED.
 */
ML_API ML_MUST_CHECK int ml_table_trim(struct ml_table *t, ml_va va, uint64_t len,
				       struct ml_op *op);

/*
 * Fork (S1.21, S1.22, S4.10, S4.24): what `from` maps in [va, va + len) is mapped in `to`, at the
 * same addresses, to the same frames, in the same leaves: blocks stay blocks, groups stay folded
 * in both. from_clears, ML_WRITE or 0, is taken from the leaves of `from`, dirty marks kept beside
 * hardware that sets them; copy_clears, any of ML_WRITE, ML_ACCESSED and ML_DIRTY, from the
 * copies. All else is each entry's own, bits that the library does not name included. Software
 * entries (pte.h) are copied as they are, hidden leaves among them. What reaches over an end of
 * the range is copied for the part inside, in the largest smaller leaves; in `from` it is split as
 * by ml_protect() if it loses writing, and else not. Folds nothing.
 *
 * `to` must be empty there; an empty table is in the way of a larger leaf, as it is in ml_map()
 * (ml_table_trim()). Both tables have one format, level count, half, memory types, rungs and
 * ad_unit, and what `from` holds must be allowed in `to`: pa_bits no less, ML_ERRATUM_SMALL_EXEC
 * only if `from` has it. The caller holds both tables' locks, with lock_unit those of all units.
 * All or nothing over both: the tables that `to` needs, the deposits of its large leaves if it is
 * guaranteed, and the tables of splits come from op->reserve, which serves both, or else from the
 * platform of the table that needs them. New tables are linked when they are full. What lost
 * writing in a live `from` is invalidated at the end and complete on return, beside what splits
 * break; where nothing did there is none, and for `to` what mapping needs. op->bytes: mapped in
 * `to`; op->sink hears nothing. Errors: range errors, ML_ERR_SHARED, ML_ERR_PROT (other bits in
 * what is to be cleared), ML_ERR_CONFIG (the tables differ), ML_ERR_EXISTS, ML_ERR_ARGUMENT (one
 * table twice; or a software entry reaches over an end of the range), ML_ERR_NEVER_FAULT (as
 * ml_protect() of `from`; or a range of `to` that never faults, and whose walkers do not let sizes
 * change directly), ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_copy(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len,
				 ml_prot from_clears, ml_prot copy_clears, struct ml_op *op);

/*
 * Move (mremap: S4.12, S4.13, S4.21): what is mapped in [from, from + len) stands at [to, to +
 * len) afterwards, and nowhere else. Leaves whose new address is aligned as the old one go whole,
 * groups folded, and with each what it owns; whole tables that lie in both ranges, aligned alike,
 * by their link alone, where none of them is lent or of others (ml_table_adopt()), no range is
 * declared to ml_never_fault(), and with lock_unit no larger than that. A leaf that does not fit
 * where it goes becomes the largest smaller ones that do; what reaches over an end of [from, from
 * + len) is split there first, as by ml_split(). Software entries (pte.h) go, too. Protection,
 * memory type, accessed and dirty, taken atomically, and bits that the library does not name stay
 * with every entry. Holes stay holes. Folds nothing.
 *
 * The ranges must not overlap, and [to, to + len) must be empty; an empty table is in the way of a
 * larger leaf, as it is in ml_map() (ml_table_trim()). Takes the tables that are missing on the
 * way at the new place, those of splits, and what smaller leaves own that larger ones did not;
 * whole leaves take no others. All from op->reserve if given, and all or nothing. Tables that
 * become empty are freed. On a live table the old addresses are invalidated after all has been
 * moved, beside what splits break, and complete on return; as whole tables, where links went. The
 * caller holds the lock, with lock_unit those of all units. op->sink hears nothing. Errors: range
 * errors, of both ranges; ML_ERR_SHARED; ML_ERR_ARGUMENT (they overlap; or a software entry
 * reaches over an end of the range, or does not fit where it would go); ML_ERR_NEVER_FAULT (as
 * ml_unmap() of the one; or the other meets a range that never faults, and walkers do not let
 * sizes change directly); ML_ERR_EXISTS; ML_ERR_NO_MEMORY; ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_move(struct ml_table *t, ml_va from, ml_va to, uint64_t len,
				 struct ml_op *op);

/*
 * Accessed and dirty of a range: which pages, and what to clear. Bit i & 63 of word i / 64 is the
 * i-th base page of the range. The bitmaps are the caller's, with room for the whole range; bits
 * are set in them, and none is cleared.
 */
struct ml_harvest {
	uint64_t *accessed; /* NULL: not asked for */
	uint64_t *dirty;    /* NULL: not asked for */
	ml_prot clear;      /* ML_ACCESSED, ML_DIRTY, both, or 0: only look */
	/* results */
	uint64_t accessed_pages;
	uint64_t dirty_pages;
	uint64_t
		untracked_pages; /* mapped, and nobody reads their marks: neither clean nor dirty */
};

/*
 * Read the marks of every leaf of [va, va + len) and clear what harvest->clear names (S1.11,
 * S0.17). All pages of a leaf or group share its marks, those of any member. What a leaf that
 * reaches over an end of the range says is told for the pages inside, and not cleared: ask for
 * whole leaves to see them clean. A page stored to before the call returns is told now, or the
 * next time. On a live table the marks are exchanged atomically and one invalidation covers all
 * that were cleared; a harvest that clears nothing makes none. Never splits, never allocates.
 * Errors: range errors, ML_ERR_SHARED, ML_ERR_PROT (clear names something else), ML_ERR_UNTRACKED
 * (the table has no ad_unit).
 */
ML_API ML_MUST_CHECK int ml_harvest(struct ml_table *t, ml_va va, uint64_t len,
				    struct ml_harvest *harvest, struct ml_op *op);

/*
 * A walk through a long range in bounded steps, so that the caller may drop its lock in
 * between. Set va and len (and pa, prot for mapping); each call does about `tables` level-0
 * tables' worth of the range, advances va, len and pa, and stops at a leaf boundary. Done when len
 * is 0. Each step by itself is all or nothing. Locking and flushing as the call it is a step of.
 */
struct ml_step {
	ml_va va;
	uint64_t len;
	ml_pa pa;
	ml_prot prot;
	uint64_t tables; /* how much to do at once; 0 counts as 1 */
};

/* One step of ml_map(). Large leaves never fall victim to the step size. Errors as ml_map(). */
ML_API ML_MUST_CHECK int ml_map_step(struct ml_table *t, struct ml_step *step, struct ml_op *op);

/* One step of ml_unmap(). Errors as ml_unmap(). */
ML_API ML_MUST_CHECK int ml_unmap_step(struct ml_table *t, struct ml_step *step, struct ml_op *op);

/*
 * One step of ml_table_fini(): start with *step all zero but `tables`. Returns true while there
 * is more; after false the table is gone. Cannot fail: where a step would have to split a leaf and
 * gets no table for it, the rest goes at once, as ml_table_fini() does it.
 */
ML_API ML_MUST_CHECK bool ml_table_fini_step(struct ml_table *t, struct ml_step *step,
					     struct ml_op *op);

/* ---- reading --------------------------------------------------------------------- */

/* What one address translates to. */
struct ml_translation {
	ml_pa pa;      /* of the very address asked for */
	ml_pte pte;    /* the leaf, effective: limits of the tables above it applied */
	uint8_t level; /* where the leaf stands */
};

/*
 * Translate one address (any byte). Reads only; safe in a signal handler. Errors:
 * ML_ERR_CANONICAL, ML_ERR_NOT_MAPPED, ML_ERR_BAD_TABLE (only in adopted tables).
 */
ML_API ML_MUST_CHECK int ml_translate(const struct ml_table *t, ml_va va,
				      struct ml_translation *translation);

/*
 * The effective protection of a translation: decoded on demand, because most callers want the
 * address alone. Cannot fail.
 */
ML_API ml_prot ml_translation_prot(const struct ml_table *t,
				   const struct ml_translation *translation);

/* The size of the leaf: an index into format->rungs. Cannot fail. */
ML_API unsigned ml_translation_rung(const struct ml_table *t,
				    const struct ml_translation *translation);

/* One entry on the way down. */
struct ml_walk_entry {
	ml_pa table;       /* the table read, */
	uint32_t index;    /* which entry of it, */
	uint8_t level;     /* its level, */
	ml_pte pte;        /* its value, */
	enum ml_kind kind; /* and what it is */
};

/* The way down, from the root (entries[0]) to where it ends. */
struct ml_walk {
	struct ml_walk_entry entries[ML_LEVEL_MAX];
	uint8_t count;
};

/*
 * Every entry a walker reads for va. Reads only. Errors: ML_ERR_CANONICAL; ML_ERR_BAD_TABLE, with
 * *walk filled up to the entry whose table is none. A walk that ends at an empty entry is no error.
 */
ML_API ML_MUST_CHECK int ml_walk(const struct ml_table *t, ml_va va, struct ml_walk *walk);

/*
 * The next run of equal leaves in [*cursor, last], both inclusive, cut to that range; moves
 * *cursor past it. Returns false at the end. Any range will do: { 0, UINT64_MAX, false } is
 * everything. done is set when the last address has been passed. Runs merge over tables;
 * accessed/dirty are OR-ed.
 */
struct ml_cursor {
	ml_va va;
	ml_va last;
	bool done;
};
ML_API ML_MUST_CHECK bool ml_run_next(const struct ml_table *t, struct ml_cursor *cursor,
				      struct ml_run *run);

/* ---- tables of others ------------------------------------------------------------ */

/*
 * Let t use lender's root entries for [va, va + len), multiples of what a root entry covers: the
 * kernel half of every process. t walks them and never changes them (ML_ERR_SHARED). Missing
 * tables of the lender below those entries are allocated and from then on kept, so that what
 * lender maps later is seen by t. Both tables must have one format, level count, layout and
 * cookie, and t's platform->table_pointer must know the lender's tables (ML_ERR_CONFIG where it
 * does not know those below the root) unless both have one base; t must be empty there; lender
 * must hold no leaf in its root there (ML_ERR_EXISTS). A table lends and borrows one range at
 * most; a lender must outlive its borrowers, and be live while one of them is (else
 * ML_ERR_CONFIG). Changing the lender must invalidate for all borrowers, in the platform. Where all
 * that is lent is mapped global, what is leaves_only reaches them anyhow; links of tables do not:
 * walkers hold those under the number of an address space. The caller holds both tables' locks.
 * Flushes nothing: only empty entries change. Errors: range errors, ML_ERR_ALIGN (no whole root
 * entries), ML_ERR_CONFIG, ML_ERR_EXISTS, ML_ERR_NO_MEMORY, ML_ERR_SHORT.
 */
ML_API ML_MUST_CHECK int ml_table_share(struct ml_table *t, struct ml_table *lender, ml_va va,
					uint64_t len, struct ml_op *op);

/*
 * Initialise *t around a root that other code built (boot tables). The whole tree is checked
 * first: every table pointer through platform->table_pointer, reserved bits, group uniformity, no
 * more than `tables_most` tables, none linked twice (which takes time quadratic in their number).
 * Afterwards the tables belong to t and are freed through the platform when they become empty; one
 * that was empty before counts as something mapped until its range is unmapped. Allocates
 * nothing, stores nothing, flushes nothing; *t is written on success only. Errors: ML_ERR_CONFIG
 * (also when config asks for guarantees and large leaves are there, for which nobody deposited, or
 * for a lock_unit and larger leaves are there),
 * ML_ERR_BAD_TABLE, ML_ERR_BAD_ENTRY.
 */
ML_API ML_MUST_CHECK int ml_table_adopt(struct ml_table *t, const struct ml_format *format,
					const struct ml_table_config *config, ml_pa root,
					uint64_t tables_most);

/* ---- checking -------------------------------------------------------------------- */

/* Where a check failed. */
struct ml_fault {
	ml_va va;
	ml_pa table;
	ml_pte pte;
	uint32_t index;
	uint8_t level;
	const char *what; /* "reserved bit set" */
};

/*
 * Read the whole table and check it: table pointers, reserved bits, leaf alignment, physical
 * width, contiguous groups uniform and aligned, no empty table (an adopted one may have some),
 * table and reserve accounting. Reads beside no writer: for tests and audits. What was borrowed
 * is the lender's to check. fault may be NULL; it is written when an error is returned. Errors:
 * ML_ERR_BAD_TABLE, ML_ERR_BAD_ENTRY, ML_ERR_BAD_COUNT.
 */
ML_API ML_MUST_CHECK int ml_table_check(const struct ml_table *t, struct ml_fault *fault);

/*
 * Statistics. Counts leaves by reading the whole table, what was borrowed left out; reads beside no
 * writer. Cannot fail.
 */
ML_API void ml_table_stats(const struct ml_table *t, struct ml_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
