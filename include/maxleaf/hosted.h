/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The hosted port: what a program with a C library and an operating system below it gives
 * the core, and what the tests watch the core with.
 *
 * - ml_malloc_platform: table memory from the heap, for ordinary programs;
 * - struct ml_arena: a piece of physical memory that finds fault with whoever misuses it;
 * - struct ml_trace and ml_doors: every store of the core, when the core was built with
 *   ML_PORT_HEADER="hosted_port.h" (ports/hosted/);
 * - struct ml_model: a memory management unit written from the manuals, which shares no
 *   line with the library's own formats.
 *
 * Nothing here locks: one thread at a time for each object.
 */
#ifndef MAXLEAF_HOSTED_H
#define MAXLEAF_HOSTED_H

#include <maxleaf/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- table memory from the heap -------------------------------------------------- */

/* Counts of ml_malloc_platform; zero it, and give its address as the table's cookie. */
struct ml_malloc {
	uint64_t allocs;
	uint64_t frees;
	uint64_t in_use;      /* tables handed out now, */
	uint64_t in_use_most; /* and at most so far */
	uint64_t invalidations;
	uint64_t completions;
};

/*
 * Table memory from aligned_alloc(). A table's physical address is the number of its
 * pointer, so the format must be able to hold any pointer of the host (toy cannot). The
 * pointer hook knows no bounds: do not adopt foreign tables with it. No hardware walks
 * these tables, so invalidations are only counted.
 */
extern ML_API const struct ml_platform ml_malloc_platform;

/* ---- the trace ------------------------------------------------------------------- */

enum ml_event_kind {
	ML_EVENT_STORE,      /* into a table that walkers may reach */
	ML_EVENT_FILL,       /* into a table that no walker can reach yet */
	ML_EVENT_LINK,       /* a store that makes a table reachable */
	ML_EVENT_EXCHANGE,   /* an exchange, or a compare-exchange that stored */
	ML_EVENT_PUBLISH,    /* barrier: stores so far are visible to walkers */
	ML_EVENT_INVALIDATE, /* an invalidation was issued */
	ML_EVENT_COMPLETE,   /* all invalidations issued are complete */
	ML_EVENT_ALLOC,      /* a table was handed out */
	ML_EVENT_FREE,       /* a table was given back */
	ML_EVENT_KINDS
};

struct ml_event {
	enum ml_event_kind kind;
	const void *pointer; /* the entry or table, in the host's memory */
	uint64_t address;    /* of it, physical (0: not in the arena); INVALIDATE: virtual */
	uint64_t value;      /* the entry stored, as in memory; bytes of the table or range */
	uint64_t old;        /* what the entry held before */
	struct ml_invalidation what; /* INVALIDATE */
};

struct ml_arena;

/*
 * A trace, owned by the caller; zero it, then set what is wanted. `watch` hears of every
 * event right after it happened; it may read the tables, and must not change them.
 */
struct ml_trace {
	struct ml_event *events; /* all so far, in order; empty when `forget` */
	size_t count;
	size_t room;
	uint64_t kinds[ML_EVENT_KINDS]; /* how many of each kind */
	const struct ml_arena *arena;   /* borrows: where entries' physical addresses come from */
	void (*watch)(void *cookie, const struct ml_event *event); /* NULL: nobody */
	void *cookie;
	bool forget; /* do not keep events: only count, and tell `watch` */
};

/* From now on this thread's events go to trace, which is kept by reference; NULL: to nobody. */
ML_API void ml_trace_to(struct ml_trace *trace);

/* Release the events and count from zero. Cannot fail. */
ML_API void ml_trace_clear(struct ml_trace *trace);

/* "store", "invalidate", ... Cannot fail. */
ML_API const char *ml_event_name(enum ml_event_kind kind);

/* What went through this thread's entry doors; set it to zero whenever a count begins. */
struct ml_doors {
	uint64_t loads;
	uint64_t stores;    /* ML_PORT_STORE, */
	uint64_t fills;     /* ML_PORT_FILL, */
	uint64_t links;     /* ML_PORT_LINK, */
	uint64_t exchanges; /* ML_PORT_EXCHANGE and ML_PORT_COMPARE_EXCHANGE */
	uint64_t publishes;
	struct ml_trace *trace; /* set by ml_trace_to() */
	/* NULL: nobody. Called before every access to an entry, a failing compare-exchange too. */
	void (*turn)(const void *entry, bool writes);
};

extern ML_API __thread struct ml_doors ml_doors;

/* ---- the arena ------------------------------------------------------------------- */

#define ML_ARENA_PA 0x40000000u /* where an arena lies when nothing else is asked for */
#define ML_ARENA_UNIT 32u       /* the smallest table */
#define ML_ARENA_CLASSES 12     /* 32 bytes ... 64K */

/* Units given back, by table size. */
struct ml_arena_stack {
	uint32_t *units;
	size_t count;
	size_t room;
};

/*
 * Physical memory for tables. Tables are filled with garbage that decodes as valid leaves
 * when they are handed out and when they come back; giving back what was not handed out, or
 * before an invalidation completed, ends the program with a message.
 */
struct ml_arena {
	struct ml_platform platform; /* for ml_table_config; the cookie is the arena */
	/* the caller's to change at any time */
	uint64_t fail_nth;     /* the n-th allocation from now fails, once; 0: none */
	uint64_t in_use_limit; /* allocations beyond so many tables fail; 0: until memory ends */
	uint64_t poison[2];    /* the garbage: even and odd entries */
	/* counts */
	uint64_t allocs;
	uint64_t refusals; /* allocations that failed */
	uint64_t frees;
	uint64_t in_use;      /* tables handed out now, */
	uint64_t in_use_most; /* and at most so far */
	uint64_t invalidations;
	uint64_t completions;
	uint64_t pending; /* invalidations not yet complete */
	/* private */
	char *memory;
	ml_pa pa;
	size_t bytes;
	size_t next;      /* bytes never handed out start here */
	uint8_t *classes; /* by unit: 1 + class of the table that starts there, 0: none */
	struct ml_arena_stack free[ML_ARENA_CLASSES];
};

/*
 * Make an arena of `bytes` (a multiple of 64K) at physical address pa (likewise). Between
 * guard pages in the host's memory. Errors: ML_ERR_ALIGN, ML_ERR_EMPTY, ML_ERR_NO_MEMORY.
 */
ML_API ML_MUST_CHECK int ml_arena_init(struct ml_arena *arena, ml_pa pa, size_t bytes);

/* Give the memory back, whatever is still handed out. Cannot fail. */
ML_API void ml_arena_fini(struct ml_arena *arena);

/* The pointer to add a physical address to (ml_table_config.base). */
ML_API char *ml_arena_base(const struct ml_arena *arena);

/* The memory at [pa, pa + bytes), or NULL if that is not inside a table handed out now. */
ML_API void *ml_arena_pointer(const struct ml_arena *arena, ml_pa pa, size_t bytes);

/* The physical address of a pointer, or 0 if it is not the arena's. */
ML_API ml_pa ml_arena_address(const struct ml_arena *arena, const void *pointer);

/* Read one entry, for ml_model.read; false if no table is there. */
ML_API bool ml_arena_read(void *arena, ml_pa pa, uint64_t *memory);

/* ---- the model MMU --------------------------------------------------------------- */

#define ML_MODEL_PAT 0x0407050600070106u  /* WB WC UC- UC WB WP UC- WT */
#define ML_MODEL_MAIR 0x0000bb040044f0ffu /* WB, tagged, NC, nGnRnE, nGnRE, WT */

enum ml_model_kind { ML_MODEL_X86_64, ML_MODEL_ARM64_4K, ML_MODEL_TOY };

/*
 * A memory management unit as its registers are set. x86-64: CR0.WP, EFER.NXE and
 * CR4.SMEP are on, CR4.SMAP and protection keys off; all MTRRs say write-back. arm64:
 * EL1&0 stage 1, 4 KiB granule, 48-bit output, no top-byte ignore, no WXN, no E0PD, and
 * hierarchical permissions are on. x86-64 and toy always set accessed and dirty themselves.
 */
struct ml_model {
	enum ml_model_kind kind;
	unsigned levels;  /* x86-64: 4, 5; arm64: 2 ... 4 (30, 39, 48 bits); toy: 2 */
	unsigned pa_bits; /* physical address width: 0 means the most of the kind (52, 48, 20) */
	ml_pa root;       /* CR3, TTBR */
	uint64_t types;   /* IA32_PAT, MAIR_EL1 */
	bool high;        /* arm64: the root is TTBR1's */
	bool hardware_accessed; /* arm64: TCR.HA */
	bool hardware_dirty;    /* arm64: TCR.HD, in vain without HA */
	bool (*read)(void *cookie, ml_pa pa, uint64_t *memory); /* 8 bytes as they lie in memory */
	void *cookie;
};

enum ml_model_access { ML_MODEL_READ, ML_MODEL_WRITE, ML_MODEL_EXECUTE };

enum ml_model_fault {
	ML_MODEL_OK,
	ML_MODEL_CANONICAL,    /* the address is not the table's to translate */
	ML_MODEL_NOT_MAPPED,   /* an entry is not valid */
	ML_MODEL_RESERVED,     /* a bit that must be zero is set, or a reserved descriptor type */
	ML_MODEL_ADDRESS_SIZE, /* an address beyond the physical width */
	ML_MODEL_BUS,          /* no memory where a table should be */
	ML_MODEL_GROUP,        /* a contiguous group whose members do not agree: misprogrammed */
	ML_MODEL_ACCESS_FLAG,  /* accessed is clear, and the hardware does not set it */
	ML_MODEL_PERMISSION
};

/* What a walk saw. Everything below `level` is meaningful once a leaf was reached. */
struct ml_model_result {
	enum ml_model_fault fault;
	unsigned level;      /* of the entry that ended the walk */
	ml_pa entry_pa;      /* and where it lies */
	uint64_t entry;      /* and its value */
	ml_pa pa;            /* the address accessed */
	uint64_t leaf_bytes; /* what this one entry maps */
	uint64_t page_bytes; /* what one translation may cover: a whole group if contiguous */
	ml_prot prot;        /* effective, as hardware sees it: no software bits; the memory type */
	bool contiguous;
	bool sets_accessed; /* this access would set an accessed flag on its way */
	bool sets_dirty;    /* this access would mark the leaf dirty */
	bool shadow_stack;  /* x86-64: read-only and dirty, a shadow-stack page if those are on */
};

/*
 * Access one address as hardware would, changing nothing. Returns result->fault. Types
 * without an ML_TYPE number read as ML_TYPE(ML_TYPE_COUNT).
 */
ML_API enum ml_model_fault ml_model_walk(const struct ml_model *model, ml_va va,
					 enum ml_model_access access, bool user,
					 struct ml_model_result *result);

/* "ok", "permission", ... Cannot fail. */
ML_API const char *ml_model_fault_name(enum ml_model_fault fault);

/* ---- the adversarial TLB ------------------------------------------------------------ */

/*
 * An oracle that knows, for every agent, everything its TLB and walk caches could be holding, and
 * says when a program relied on luck. It hears the event trace and what the test tells it; it
 * reads the tables, and decodes them as the model MMU does. What it finds, by letter:
 *
 *	(a) something old, or wider than promised, may still be used
 *	(b) two translations that contradict each other may be held at once
 *	(c) a contiguous group whose members do not agree
 *	(d) a barrier or a completion is missing
 *	(e) a table was freed, or filled again, while a walker can be in it
 *	(f) an accessed or dirty mark can be lost
 *	(g) an access that was promised can fault for ever, or where it never may
 */
#define ML_ORACLE_SPACES 4
#define ML_ORACLE_AGENTS 8
#define ML_ORACLE_EVERYWHERE 0xff

/* The rules of an architecture: verification of its manuals' chapters on changing live tables. */
enum ml_oracle_rules {
	ML_ORACLE_ARM64_BBM0,  /* Arm ARM D8.16: FEAT_BBM absent, */
	ML_ORACLE_ARM64_BBM1,  /* level 1: the nT bit, */
	ML_ORACLE_ARM64_BBM2,  /* level 2: sizes may change in place */
	ML_ORACLE_X86_STRICT,  /* Intel SDM 4.10, and no erratum is tempted: type, too, is broken */
	ML_ORACLE_X86,         /* two sizes are never held at once */
	ML_ORACLE_X86_LENIENT, /* two sizes may be, if they agree */
	ML_ORACLE_RISCV,       /* privileged manual, without Svvptc */
	ML_ORACLE_POWER,       /* radix */
	ML_ORACLE_RULES
};

enum ml_oracle_agent {
	ML_ORACLE_NOBODY,
	ML_ORACLE_CPU,
	ML_ORACLE_LAZY,   /* a CPU that uses nothing of the tables, but whose walk caches hold */
	ML_ORACLE_WALKER, /* a device that hears broadcasts, and takes A/D of each entry alone */
	ML_ORACLE_DEAF    /* the same, but it hears no broadcast */
};

/* What an operation promises of an address: an entry of the flat map. */
struct ml_oracle_page {
	bool mapped;
	bool never_faults; /* if it was and will be mapped alike, it is in between */
	ml_va last;        /* all up to here are alike; frames go on in sequence */
	ml_pa pa;          /* of the address asked for */
	ml_prot prot;
};

typedef void ml_oracle_promise(const void *map, ml_va va, struct ml_oracle_page *page);

/* An invalidation as some instruction makes it, beside those in the trace. */
struct ml_oracle_invalidation {
	struct ml_invalidation what;
	uint8_t agents;   /* a bit for each it reaches; ML_ORACLE_EVERYWHERE: those that listen */
	uint8_t space;    /* whose; ML_ORACLE_EVERYWHERE: all */
	bool instruction; /* it has the limits of the architecture's instruction by address */
};

/*
 * Hardware that marks leaves whenever it may, right before an event is heard, in operations that
 * may lose nothing. `below` draws a number below its argument; `memory` gives the entry at a
 * physical address, or NULL; `marked` hears what a mark stands for: a leaf, or a whole group. All
 * borrow.
 */
struct ml_oracle_actor {
	uint64_t (*below)(void *cookie, uint64_t limit); /* NULL: there is none */
	uint64_t *(*memory)(void *cookie, ml_pa pa);
	void (*marked)(void *cookie, ml_va va, uint64_t length, ml_pa pa, ml_prot bits);
	void *cookie;
};

struct ml_oracle; /* private */

/* A new oracle, or NULL without memory; agents: what each is, ended by ML_ORACLE_NOBODY. */
ML_API struct ml_oracle *ml_oracle_new(enum ml_oracle_rules rules,
				       const enum ml_oracle_agent *agents);
ML_API void ml_oracle_free(struct ml_oracle *o);

/* Make `to` a copy of `from`, its faults included. Ends the program without memory. */
ML_API void ml_oracle_copy(struct ml_oracle *to, const struct ml_oracle *from);

/* A number of what may be held, alike where it is the same in another order. */
ML_API uint64_t ml_oracle_hash(const struct ml_oracle *o);

/*
 * Agents use this table from now on under the number `space` (its ASID): look through all of it.
 * All tables of an oracle are of one kind. The model is copied; its hardware_accessed and
 * hardware_dirty say what the actor and all agents do. Not live: nobody walks it yet.
 */
ML_API void ml_oracle_enter(struct ml_oracle *o, unsigned space, const struct ml_model *model,
			    bool live);

/* Nobody uses it any more, and nothing of it is held; or it becomes live, or stops being. */
ML_API void ml_oracle_leave(struct ml_oracle *o, unsigned space);
ML_API void ml_oracle_live(struct ml_oracle *o, unsigned space, bool live);

/* The events that follow are this CPU's, and its invalidations are for this space. */
ML_API void ml_oracle_issuer(struct ml_oracle *o, unsigned cpu, unsigned space);

ML_API void ml_oracle_act_with(struct ml_oracle *o, const struct ml_oracle_actor *actor);

/* Hear one event: fits ml_trace.watch, the oracle being the cookie. */
ML_API void ml_oracle_event(void *oracle, const struct ml_event *event);

/* Issue an invalidation that is no event; ML_EVENT_COMPLETE of the same CPU completes it. */
ML_API void ml_oracle_invalidate(struct ml_oracle *o, const struct ml_oracle_invalidation *what);

/*
 * An operation of this CPU on `space` begins. may_lose: which of accessed and dirty it need not
 * keep, because nobody asked for them (both: an unmap without a sink).
 */
ML_API void ml_oracle_begin(struct ml_oracle *o, unsigned cpu, unsigned space, ml_prot may_lose);

/* The operation reports that it removed this, with accessed and dirty OR-ed. */
ML_API void ml_oracle_told(struct ml_oracle *o, ml_va va, uint64_t length, ml_pa pa, ml_prot prot);

/*
 * It ends: judge all that may be held of its space against the map as it is `after`; what appeared
 * on the way must be in the map `before`, or after. False from the first fault on.
 */
ML_API bool ml_oracle_end(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
			  const void *after);

/*
 * Whether some agent may hold a translation, in any space, to a byte of these frames that can be
 * read in no table as it is held: then they must not be used again.
 */
ML_API bool ml_oracle_holds(const struct ml_oracle *o, ml_pa pa, uint64_t length);

/* What was found first, or NULL. */
ML_API const char *ml_oracle_fault(const struct ml_oracle *o);

/* The name of a set of rules ("arm64, BBM 0"). Cannot fail. */
ML_API const char *ml_oracle_rules_name(enum ml_oracle_rules rules);

#ifdef __cplusplus
}
#endif
#endif
