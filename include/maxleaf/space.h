/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * An address space: regions over one page table, and what a kernel's memory management does with
 * them - map, unmap, protect, move, advise, fault, copy on write, fork, raw frames, pins.
 *
 * A region is a range of addresses with one set of attributes. What its memory is, its class says:
 *
 * - counted: the frames are reference counted by the embedder, through struct ml_frames. Without a
 *   mapping it is anonymous memory: zeroes that appear at the first access. The default.
 * - raw (ML_REGION_RAW): frames without descriptors, of a device or set aside. Nobody counts them;
 *   their leaves carry ML_SPECIAL.
 * - mixed (ML_REGION_MIXED): either, told apart by ML_SPECIAL, leaf by leaf.
 *
 * A region with a fault handler is refaultable: what is taken out of it comes back at the next
 * access. All others must never lose a page: their large leaves own the tables that their split
 * needs where the table is guaranteed (ml_table_config), those of refaultable regions own none
 * where the table has a mark for them (ml_table_config.refaultable).
 *
 * Common to all calls, unless a call says otherwise:
 *
 * - va and len are bytes and multiples of the base page; errors of ranges are those of table.h.
 * - All or nothing: a call that returns an error has changed nothing. Tables and region objects are
 *   counted and taken before the first change.
 * - A space may borrow a kernel's root entries, ml_table_share() on its table before anything is
 *   mapped: what it borrows is not counted and not copied, and ranges there are ML_ERR_SHARED.
 * - Leaves are as large as can be, and no caller names a size. Changes that cover whole leaves
 *   neither split nor allocate tables below them.
 * - Regions split and merge as their ranges do; entries that do not change are not touched, and a
 *   leaf may reach over the border of two regions (S1.6).
 * - Locking: the caller holds the space's lock. Calls that take a const space may run beside each
 *   other. ml_translate() and ml_walk() on the table follow table.h. The owner of a mapping that is
 *   used in several spaces gives it lock and unlock (struct ml_region_ops).
 * - Flushing: on a live table every call has invalidated what it changed, complete, before it
 *   returns, and before a frame's reference is dropped.
 * - Callbacks must not change the space, except ml_insert_pfn() out of a fault handler.
 */
#ifndef MAXLEAF_SPACE_H
#define MAXLEAF_SPACE_H

#include <maxleaf/table.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml_space;
struct ml_region;

/* ---- what the embedder brings ---------------------------------------------------- */

/*
 * Memory behind the space. Every callback gets the space's frames_cookie. References are
 * counted for each base page by itself: a leaf holds one on each of its pages, so that splitting
 * one, and unmapping a part of it, needs no word.
 */
struct ml_frames {
	/* Memory for a region object, aligned to a pointer; or NULL. */
	void *(*object_alloc)(void *cookie, size_t bytes);
	void (*object_free)(void *cookie, void *object, size_t bytes);
	/*
	 * Frames for `bytes` (the size of a rung), aligned to it, one reference on each page, all
	 * zero if `zero`. False: there are none of that size now. NULL: no anonymous memory, no
	 * copy on write.
	 */
	bool (*alloc)(void *cookie, uint64_t bytes, bool zero, ml_pa *pa);
	/* One reference more, or less, on every page of [pa, pa + length). */
	void (*get)(void *cookie, ml_pa pa, uint64_t length);
	void (*put)(void *cookie, ml_pa pa, uint64_t length);
	/*
	 * A leaf that these counted pages were written to through, as far as its dirty mark tells,
	 * has gone: heard before each put() of a leaf's references, when the invalidation is
	 * complete and nobody can write through it any more. Leaf by leaf; where the table does not
	 * track accessed and dirty, every leaf that was ever writable is dirty. Leaves that stay
	 * tell ml_harvest(); who writes through a pin knows. NULL: nobody asks.
	 */
	void (*dirty)(void *cookie, ml_pa pa, uint64_t length);
	/* Whether each page has one reference only: a private page may then be written in place. */
	bool (*exclusive)(void *cookie, ml_pa pa, uint64_t length);
	/*
	 * ml_pin_pages() and ml_unpin_pages(): references that exclusive() does not see, and
	 * whether any of these pages has one. A private page that is pinned stays where it is as
	 * long as it is mapped: who gets the right to write back writes to it as it is,
	 * ML_ADVISE_COLLAPSE passes it by, and of a fork the child gets a copy at once. pin says
	 * false, and has done nothing, where there can be no more of them. All three, or NULL:
	 * get() and put() instead, and to the space a pin is one more owner like any other.
	 */
	bool (*pin)(void *cookie, ml_pa pa, uint64_t length);
	void (*unpin)(void *cookie, ml_pa pa, uint64_t length);
	bool (*pinned)(void *cookie, ml_pa pa, uint64_t length);
	/* Copy contents. `from` may be raw. */
	void (*copy)(void *cookie, ml_pa to, ml_pa from, uint64_t length);
	/*
	 * Whether a space may map these raw frames, with all rights that their region may ever
	 * have, and this memory type. NULL: any. Asked before sizes are chosen (S4.29).
	 */
	bool (*allowed)(void *cookie, ml_pa pa, uint64_t length, ml_prot prot);
};

/* What a fault was, or what it came to. */
enum ml_fault_result {
	ML_FAULT_DONE,      /* what the access needs is there now */
	ML_FAULT_SPURIOUS,  /* it was there already: somebody else's fault, or a stale TLB entry */
	ML_FAULT_FALLBACK,  /* a handler's answer: not at this size, ask for a smaller one */
	ML_FAULT_RETRY,     /* a handler's answer: it had to let go of the lock; fault again */
	ML_FAULT_NO_REGION, /* SIGSEGV, SEGV_MAPERR: no region there */
	ML_FAULT_ACCESS,    /* SIGSEGV, SEGV_ACCERR: the region does not allow it */
	ML_FAULT_BUS,       /* SIGBUS: the region is there, its memory is not */
	ML_FAULT_NO_MEMORY
};

/* What a fault handler is asked for. */
struct ml_fault_request {
	struct ml_space *space;
	struct ml_region *region;
	ml_va va;        /* aligned to the size asked for */
	uint64_t offset; /* the same in the mapping's own bytes, aligned likewise */
	uint64_t length; /* the size of a leaf, all of it inside the region */
	unsigned rung;   /* the same as an index into format->rungs */
	ml_prot access;  /* ML_READ, ML_WRITE or ML_EXEC: what was tried */
	ml_pa pa;        /* answer: frames aligned to length; counted: a reference passes on */
	bool raw;        /* answer: they are raw; else counted */
	bool inserted;   /* answer: the handler called ml_insert_pfn() itself */
};

/* What the owner of a mapping brings; every member may be NULL. */
struct ml_region_ops {
	/*
	 * Find the memory for a request: ML_FAULT_DONE with pa filled in, or any other result. It
	 * is asked for the largest size first of those in `rungs` that fit region and alignment,
	 * and for a smaller one after ML_FAULT_FALLBACK; where private memory is written to, for a
	 * base page, which is copied at once. What is not aligned, not of the region's class, or
	 * refused by frames->allowed() is not mapped: the reference goes back, and it is
	 * ML_FAULT_BUS. Makes its regions refaultable.
	 */
	enum ml_fault_result (*fault)(struct ml_fault_request *request);
	uint32_t rungs; /* sizes that fault can give: bit n is format->rungs[n], bit 0 is implied */
	/* Whether a region may be cut in two at va. NULL: anywhere. */
	bool (*may_split)(const struct ml_region *region, ml_va va);
	/* A region of the mapping appeared: mapped, cut off another one, or copied by fork. */
	void (*opened)(struct ml_region *region);
	/* One disappears: unmapped, or grown together with another. It is still readable. */
	void (*closed)(struct ml_region *region);
	/* A region stands at another place now; it was at `from`. */
	void (*moved)(struct ml_region *region, ml_va from);
	/* Around every change of the mapping's list of regions, and ml_unmap_mapping_range(). */
	void (*lock)(void *owner);
	void (*unlock)(void *owner);
};

/*
 * Something that is mapped: a device, a file, a buffer. It belongs to its owner, who clears it,
 * fills in ops and owner, and keeps it until no region uses it.
 */
struct ml_mapping {
	const struct ml_region_ops *ops; /* borrows; not NULL */
	void *owner;
	struct ml_region *regions; /* the library's: all regions that map it, in any space */
};

/* ---- regions --------------------------------------------------------------------- */

#define ML_REGION_SHARED 1u      /* writes go to the memory itself; else they are private: copied */
#define ML_REGION_RAW 2u         /* raw frames */
#define ML_REGION_MIXED 4u       /* raw and counted frames */
#define ML_REGION_NO_HUGE 8u     /* base pages only are mapped from now on */
#define ML_REGION_FIXED_SIZE 16u /* ml_space_move() does not grow it */

#define ML_RIGHTS (ML_READ | ML_WRITE | ML_EXEC)

/*
 * What a region is to be. Rights are ML_READ, ML_WRITE and ML_EXEC; what allows any of them is
 * readable. With none of them its pages stay where they are, out of the user's reach: mapped for
 * the privileged mode alone, and read-only (a kernel asks the region before it follows a user's
 * pointer).
 */
struct ml_region_spec {
	ml_prot prot;    /* rights, and the memory type of what faults bring in */
	ml_prot may;     /* the rights that it may ever have; at least those in prot */
	unsigned flags;  /* ML_REGION_* */
	uint64_t offset; /* of its first byte in the mapping, a multiple of the base page */
	struct ml_mapping *mapping; /* NULL: nobody's; counted: anonymous memory, private */
	const char *name;           /* borrows; may be NULL */
};

/*
 * A region. Its fields may be read under the space's lock; changing them is the library's.
 */
struct ml_region {
	struct ml_range range; /* must be first */
	ml_prot prot;
	uint32_t may; /* rights alone */
	uint16_t flags;
	bool copied; /* private, refaultable: it holds pages that are nobody else's */
	uint64_t offset;
	struct ml_mapping *mapping;
	const char *name;
	struct ml_space *space;
	struct ml_region *mapping_next, **mapping_link;
};

ML_API ml_va ml_region_va(const struct ml_region *region);
ML_API uint64_t ml_region_length(const struct ml_region *region);

/* Whether what is taken out of it comes back at the next access. */
ML_API bool ml_region_refaultable(const struct ml_region *region);

/* ---- the space ------------------------------------------------------------------- */

/*
 * Walkers of their own - an IOMMU, shadow tables - hear of each change: `begin` before a range
 * loses something, `end` after the change is complete. In between they use nothing of it.
 */
struct ml_notifier {
	void (*begin)(struct ml_notifier *notifier, ml_va va, uint64_t len);
	void (*end)(struct ml_notifier *notifier, ml_va va, uint64_t len);
	struct ml_notifier *next; /* the library's */
};

struct ml_space_config {
	struct ml_table_config table;
	const struct ml_frames *frames; /* borrows, must outlive the space, */
	void *frames_cookie;            /* and is handed to its callbacks */
	/* Where ml_space_map() and ml_space_move() look for free addresses: [first, last]. */
	ml_va first, last;
	bool bottom_up; /* look from the first address on; else from the last down */
	/*
	 * Sizes of anonymous memory at a fault: bit n is format->rungs[n]; bit 0 is implied. Larger
	 * ones cost zeroing. 0: base pages.
	 */
	uint32_t fault_rungs;
};

/* An address space. The caller allocates it; the fields are the library's. */
struct ml_space {
	struct ml_table
		table; /* for reading calls of table.h; others would go behind the regions */
	const struct ml_frames *frames;
	void *frames_cookie;
	struct ml_range *root;
	ml_va first, last;
	bool bottom_up;
	uint32_t fault_rungs;
	uint64_t regions; /* how many there are */
	uint64_t mapped;  /* bytes of addresses in regions */
	struct ml_notifier *notifiers;
	void *context; /* the embedder's, handed on as ml_op.context; set it between calls */
};

/*
 * Initialise *s with an empty table of the format. Errors: those of ml_table_init(); ML_ERR_CONFIG
 * too where a required callback is missing (object_alloc, object_free, get, put; exclusive and copy
 * with alloc; pin, unpin and pinned with any of them), or [first, last] is not of the table.
 */
ML_API ML_MUST_CHECK int ml_space_init(struct ml_space *s, const struct ml_format *format,
				       const struct ml_space_config *config);

/* Unmap everything, close every region, free the table. s is unusable afterwards. Cannot fail. */
ML_API void ml_space_fini(struct ml_space *s);

ML_API void ml_space_notify(struct ml_space *s, struct ml_notifier *notifier);
ML_API void ml_space_unnotify(struct ml_space *s, struct ml_notifier *notifier);

/* ---- finding --------------------------------------------------------------------- */

/* The region that holds va (any byte), or NULL. O(log n). */
ML_API struct ml_region *ml_space_find(const struct ml_space *s, ml_va va);

/* The first region that ends at or behind va, or NULL. */
ML_API struct ml_region *ml_space_find_from(const struct ml_space *s, ml_va va);

/* The region behind this one, or NULL: iteration in the order of addresses. */
ML_API struct ml_region *ml_region_next(const struct ml_region *region);

/*
 * Find free addresses for len bytes whose memory begins at pa: congruent with it modulo the largest
 * leaf that fits into len and that the table allows, or the next smaller one where there is no such
 * place, down to the base page (S0.12, B7). hint: taken as it is if it is free and not 0. Changes
 * nothing. Errors: ML_ERR_ALIGN, ML_ERR_EMPTY, ML_ERR_NO_SPACE.
 */
ML_API ML_MUST_CHECK int ml_space_pick(const struct ml_space *s, uint64_t len, ml_pa pa, ml_va hint,
				       ml_va *va);

/* ---- changing -------------------------------------------------------------------- */

#define ML_MAP_REPLACE 1u /* what the range holds is unmapped first; else it is ML_ERR_EXISTS */

/*
 * Make [va, va + len) a region. Touches no entries, unless it replaces. Merges with its neighbours
 * where all attributes go on, unless its raw frames must come in one call (ml_remap_pfn_range()).
 * *region (may be NULL): the one that holds the range now. Errors: range errors, ML_ERR_EXISTS,
 * ML_ERR_NO_MEMORY, ML_ERR_PROT (the format cannot express it), ML_ERR_WRAP (of offset too),
 * ML_ERR_ARGUMENT (rights beyond may, both classes, an anonymous region that is shared), and those
 * of ml_space_unmap() where it replaces.
 */
ML_API ML_MUST_CHECK int ml_space_map(struct ml_space *s, ml_va va, uint64_t len,
				      const struct ml_region_spec *spec, unsigned flags,
				      struct ml_region **region);

/*
 * Unmap [va, va + len): regions are cut or closed, what they held is unmapped, references are
 * dropped. Holes are skipped. Where a refaultable leaf reaches over an end and no table can be had
 * to split it, all of it is taken out. Errors: range errors, ML_ERR_REFUSED (may_split),
 * ML_ERR_NO_MEMORY (a region object; tables, where not guaranteed).
 */
ML_API ML_MUST_CHECK int ml_space_unmap(struct ml_space *s, ml_va va, uint64_t len);

/*
 * The same in steps: each unmaps about as much as step->tables says, advances step->va and len, and
 * stops at the end of a leaf, and of a region; what is behind it is unmapped, complete. Done when
 * len is 0. Where a leaf goes whole for want of a table, so does the rest of the region, at once.
 * Errors as above; a step is all or nothing.
 */
ML_API ML_MUST_CHECK int ml_space_unmap_step(struct ml_space *s, struct ml_step *step);

/*
 * Give all of [va, va + len) the rights of prot. Pages of private regions become writable when
 * they are written to. Errors: range errors, ML_ERR_NOT_MAPPED (a hole), ML_ERR_ACCESS (beyond
 * `may`), ML_ERR_PROT, ML_ERR_REFUSED, ML_ERR_NO_MEMORY.
 */
ML_API ML_MUST_CHECK int ml_space_protect(struct ml_space *s, ml_va va, uint64_t len, ml_prot prot);

#define ML_MOVE_MAY 1u   /* it may go elsewhere */
#define ML_MOVE_FIXED 2u /* it goes to *va, and what is there is unmapped first */

/*
 * Shrink, grow or move [old, old + old_len), inside one region, to new_len bytes (S4.12). Shrinking
 * unmaps the end; growing extends the region, in place if there is room, else, with ML_MOVE_MAY,
 * where there is. *va is where it is afterwards. Whole leaves stay whole where the new place is
 * congruent, and that is what is looked for. Errors: range errors, ML_ERR_NOT_MAPPED (not in one
 * region), ML_ERR_NO_SPACE, ML_ERR_ARGUMENT (old and new overlap; FIXED without MAY), ML_ERR_WRAP
 * (of offset), ML_ERR_REFUSED (it may not grow, or be cut), ML_ERR_NO_MEMORY.
 */
ML_API ML_MUST_CHECK int ml_space_move(struct ml_space *s, ml_va old, uint64_t old_len,
				       uint64_t new_len, unsigned flags, ml_va *va);

enum ml_advice {
	ML_ADVISE_DONTNEED,       /* take it out; it comes back as zeroes, or from its owner */
	ML_ADVISE_POPULATE,       /* as if every page was read now */
	ML_ADVISE_POPULATE_WRITE, /* as if every page was written to now */
	ML_ADVISE_COLLAPSE,       /* leaves as large as can be: see below */
	ML_ADVISE_NO_HUGE,        /* base pages only from now on */
	ML_ADVISE_HUGE            /* take that back */
};

/*
 * Collapsing folds what lies in sequence, and copies anonymous memory together, holes filled with
 * zeroes, into the largest leaves that frames->alloc() has memory for. Pages that others hold, or
 * pin, stay where they are, places that are empty, and regions of base pages, as they are. Errors:
 * range errors, ML_ERR_NOT_MAPPED (a hole), ML_ERR_REFUSED (DONTNEED where nothing brings it back;
 * may_split), ML_ERR_NO_MEMORY; populating: ML_ERR_ACCESS (not allowed), ML_ERR_FAULT (its owner
 * has nothing there), ML_ERR_CONTENDED (its owner said ML_FAULT_RETRY again and again). Populating
 * and collapsing stop at the first error, and keep what is done.
 */
ML_API ML_MUST_CHECK int ml_space_advise(struct ml_space *s, ml_va va, uint64_t len,
					 enum ml_advice advice);

/* ---- raw frames ------------------------------------------------------------------ */

/*
 * Map raw frames [pa, pa + len) at va, inside one raw or mixed region whose slots there are empty,
 * with the largest leaves (S4.1, S4.2): smaller ones where alignment, policy, the region, or a
 * missing spare table ask for it, so that ML_ERR_NO_MEMORY means the tables of small pages are not
 * to be had. type: the memory type; rights are the region's. Regions with a fault handler get base
 * pages (S4.15); a private region that may be written must be covered whole, in one call (H3). What
 * the owner stored into the frames before is its own to make visible: a leaf is stored without an
 * order to it. Errors: range errors, ML_ERR_NOT_MAPPED (not in one region), ML_ERR_ARGUMENT (not of
 * that class; not whole; type is more than that), ML_ERR_ACCESS (frames->allowed), ML_ERR_EXISTS,
 * ML_ERR_PROT, ML_ERR_NO_MEMORY.
 */
ML_API ML_MUST_CHECK int ml_remap_pfn_range(struct ml_space *s, ml_va va, uint64_t len, ml_pa pa,
					    ml_prot type);

/*
 * The same for memory in pieces: what lies `skip` bytes into the extents is mapped at va, as far as
 * len goes (S0.13 to S0.15). What adjoins is one piece, whatever the list says. ML_ERR_ARGUMENT too
 * where they are shorter than that.
 */
ML_API ML_MUST_CHECK int ml_remap_extents(struct ml_space *s, ml_va va, uint64_t len,
					  const struct ml_extent *extents, size_t count,
					  uint64_t skip, ml_prot type);

/*
 * For fault handlers, too: map one leaf of format->rungs[rung] to raw frames at va, accessed, and
 * dirty if `write`; in smaller leaves where the table's units of accessed and dirty, its errata, or
 * a missing spare table ask for it. Shared regions that may be written now are writable at once.
 * Where the same frame is there already, in a leaf of no smaller size, `write` makes what lies in
 * the region writable and dirty, and nothing else happens: a private region copies at the fault. A
 * raw region that is private and may be written refuses (H3). Errors: as above; ML_ERR_ALIGN (to
 * the size), ML_ERR_SIZE (no such rung, or it does not fit the region), ML_ERR_ACCESS too where
 * `write` is not among the region's rights, ML_ERR_EXISTS (another frame, or smaller leaves are
 * there).
 */
ML_API ML_MUST_CHECK int ml_insert_pfn(struct ml_space *s, ml_va va, ml_pa pa, unsigned rung,
				       ml_prot type, bool write);

/*
 * Take [offset, offset + len) of a mapping out of every space that maps it; 0 as len: to its end.
 * Regions stay. Private copies stay too, unless `even_copies`. The caller holds the locks of all
 * these spaces. Errors: ML_ERR_WRAP, ML_ERR_ALIGN (to the base page of one of them);
 * ML_ERR_REFUSED: there are private copies, and what is counted and not theirs looks the same
 * because the table has no mark (ml_table_config.refaultable); on all these nothing has changed.
 * ML_ERR_NO_MEMORY (a leaf reaches over an end, and a table to split it is not to be had): what was
 * taken out before stays out.
 */
ML_API ML_MUST_CHECK int ml_unmap_mapping_range(struct ml_mapping *mapping, uint64_t offset,
						uint64_t len, bool even_copies);

/* ---- faults, fork ---------------------------------------------------------------- */

/*
 * An access (ML_READ, ML_WRITE or ML_EXEC) to va (any byte) faulted: bring in what it needs, or say
 * why not. Allocates frames and tables. Nothing changes except on ML_FAULT_DONE.
 */
ML_API ML_MUST_CHECK enum ml_fault_result ml_space_fault(struct ml_space *s, ml_va va,
							 ml_prot access);

/*
 * Make *child, which was initialised with the same format and configuration and is empty, a copy of
 * the parent (S4.10, S4.24): regions, and leaves of the same sizes. Private memory is copied when
 * either writes to it, and at once where it is pinned (frames->pinned): what is written to such a
 * page meanwhile, by a device or another thread, may be missing in the copy. Raw frames are always
 * copied, refaultable regions without private pages are left to be faulted in. Takes the tables
 * that the child needs, deposits included, before anything changes. The caller holds both locks.
 * Errors: ML_ERR_NO_MEMORY, ML_ERR_CONFIG.
 */
ML_API ML_MUST_CHECK int ml_space_fork(struct ml_space *child, struct ml_space *parent);

/* ---- pins and look-ups ----------------------------------------------------------- */

/*
 * Fault in [va, va + len) for access, take a reference on every page, and write where they are into
 * extents, of which there is room for `most`; *count says how many there are. Raw frames are
 * refused at every level, before anybody asks for a descriptor (S4.22). Errors: range errors,
 * ML_ERR_NOT_MAPPED, ML_ERR_ACCESS, ML_ERR_NO_MEMORY (frames->pin says no, too), ML_ERR_FAULT (raw
 * frames, or the owner has no memory there), ML_ERR_CONTENDED (as when populating), ML_ERR_ARGUMENT
 * (more extents than there is room for). On error no reference is held. Whether a private page
 * stays where it is: frames->pin. It must be the process's own by then, as any page is that was
 * pinned for ML_WRITE; of one that others hold, too, who writes to it gets a copy, and the pin
 * keeps the page that was.
 */
ML_API ML_MUST_CHECK int ml_pin_pages(struct ml_space *s, ml_va va, uint64_t len, ml_prot access,
				      struct ml_extent *extents, size_t most, size_t *count);

/* Drop these references. */
ML_API void ml_unpin_pages(struct ml_space *s, const struct ml_extent *extents, size_t count);

/* A look at what is mapped at an address. */
struct ml_follow {
	ml_pa pa;      /* of that very byte */
	ml_prot prot;  /* of the leaf */
	uint64_t left; /* bytes from there to the end of the leaf, and of the region */
	unsigned rung; /* the leaf's size */
};

/*
 * What a trusted user (a hypervisor) may map for itself of a raw or mixed region. It holds until
 * the caller lets go of the space's lock; after that a notifier tells when it ends. Errors:
 * ML_ERR_NOT_MAPPED (no region, or nothing is there: fault it in), ML_ERR_ARGUMENT (counted memory:
 * pin it).
 */
ML_API ML_MUST_CHECK int ml_follow_pfn(const struct ml_space *s, ml_va va,
				       struct ml_follow *follow);

/* ---- checking -------------------------------------------------------------------- */

/* What a space maps, counted by reading its table; correct inside every callback. */
struct ml_space_stats {
	uint64_t leaves[ML_RUNG_MAX];     /* by rung; a group counts once */
	uint64_t raw_leaves[ML_RUNG_MAX]; /* those among them that are raw */
	uint64_t counted_bytes;
	uint64_t raw_bytes;
	uint64_t table_bytes; /* deposits included */
	uint64_t deposits;    /* tables */
	uint64_t regions;
};
ML_API void ml_space_stats(const struct ml_space *s, struct ml_space_stats *stats);

/*
 * Whether leaves of format->rungs[rung] can stand in this space at all: format, levels and
 * configuration, apart from any region's policy (S4.32).
 */
ML_API bool ml_space_can_hold(const struct ml_space *s, unsigned rung);

/*
 * Read everything and check it: the tree of regions, the table (ml_table_check()) with its ledger
 * of deposits, and that every leaf lies in regions, with no right and no mark that they do not
 * give. For tests and audits. fault may be NULL. Errors: those of ml_table_check(); ML_ERR_BUG, the
 * regions.
 */
ML_API ML_MUST_CHECK int ml_space_check(const struct ml_space *s, struct ml_fault *fault);

#ifdef __cplusplus
}
#endif
#endif
