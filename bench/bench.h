/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the parts of the benchmark share: the arena, the state of one workload under
 * measurement, and the description of a workload as data. Nothing here is public.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <maxleaf/frames.h>
#include <maxleaf/pte.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PAGE (4 * KIB)
#define BLOCK (2 * MIB)

/* Where every workload maps: one root entry holds all of it, in both formats. */
#define BENCH_VA (256 * GIB)
#define BENCH_PA (64 * GIB)
#define BENCH_PROT ML_RW
#define BENCH_TABLES ((unsigned)(GIB / BLOCK)) /* level-0 tables of the entry-level workloads */

/* Where spaces have their regions: on the border of a root entry. */
#define BENCH_SPACE_VA ((uint64_t)1 << 40)

/* ---- arena.c: pre-faulted table memory behind a struct ml_platform ---------------- */

/* Calls of the platform. */
struct flushes {
	uint64_t invalidations;
	uint64_t completions;
};

struct arena {
	char *memory;   /* physical address n is memory + n */
	uint32_t *free; /* page numbers, the last given back on top */
	uint32_t free_count;
	uint32_t count;
	struct flushes flushes;      /* so far */
	struct ml_frame_pool frames; /* region objects are cut from it; */
	ml_pa next_frame;            /* frames that are mapped have no memory behind them */
};

extern const struct ml_platform arena_platform; /* its cookie is the struct arena, */
extern const struct ml_frames arena_frames;     /* and so is this one's */

/* Map, fault in and chain `count` tables. Returns 0, or an errno number. */
int arena_init(struct arena *arena, uint32_t count);
void arena_fini(struct arena *arena);

/* Everything is back: hand it out in the order of addresses again. */
void arena_reset(struct arena *arena);

/* Whether everything is back. */
bool arena_is_whole(const struct arena *arena);

/* ---- limit.c: what the machine can do ------------------------------------------- */

/* A hand-written four-level table of one format, or a view of a library's. */
struct limit_table {
	uint64_t *root;
	char *base;
	const struct ml_platform *platform;
	void *cookie;
	uint64_t table_bits;
	uint64_t page_bits;  /* of a leaf in level 0 */
	uint64_t block_bits; /* of a leaf in levels 1 and 2 */
	uint64_t group_bits; /* of a member of a 64K group in level 0 */
	uint64_t table_mask; /* above level 0, entry & table_mask == table_value is a table */
	uint64_t table_value;
	uint64_t edit_mask; /* a bit set in every leaf, of the library's too: what protect flips */
	const uint64_t *neighbour; /* the entry last found in the way of freeing a table */
};

typedef int limit_map_call(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
			   struct ml_op *op);
typedef int limit_unmap_call(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op);
/* ml_translate() is one. The limit's read only root and base of the table, give pa and pte. */
typedef int translate_call(const struct ml_table *t, ml_va va, struct ml_translation *translation);
typedef int limit_protect_call(struct limit_table *t, ml_va va, uint64_t len, ml_prot mask,
			       ml_prot value, struct ml_op *op);

int limit_init(struct limit_table *t, const struct ml_format *format,
	       const struct ml_platform *platform, void *cookie, char *base);
void limit_view(struct limit_table *view, const struct limit_table *t, uint64_t *root);
void limit_reset(struct limit_table *t);
void limit_fini(struct limit_table *t);

limit_map_call limit_map_1g_leaf, limit_map_2m_leaf, limit_map_4k_leaf, limit_map_4k_fold;
limit_map_call limit_map_1g_by_2m, limit_map_1g_by_4k, limit_map_1g_by_64k, limit_map_2m_by_4k;
limit_unmap_call limit_unmap_1g_leaf, limit_unmap_2m_leaf, limit_unmap_4k_leaf;
limit_unmap_call limit_unmap_1g, limit_unmap_1g_read, limit_unmap_2m_table, limit_split_2m;
translate_call limit_translate_x86_64, limit_translate_arm64;
limit_protect_call limit_protect_plain, limit_protect_locked;

/* ---- limit_pte.c: the same for single entries of a live table ------------------------ */

/*
 * A group of 64K of arm64, or `count` pages of a table, at va; hardware may mark entries at any
 * time. What a change breaks is invalidated and complete before it is made again.
 */
void limit_complete_group(const struct limit_table *t, uint64_t *entry, uint64_t value, ml_va va);
void limit_refold_group(const struct limit_table *t, uint64_t *entry, uint64_t value, ml_va va);
void limit_write_protect(uint64_t *entries, unsigned count);
uint64_t limit_take_out(uint64_t *entries, unsigned count); /* returns all of them, OR-ed */
bool limit_group_young(uint64_t *group);
uint64_t limit_harvest_dirty(uint64_t *entries, uint64_t *bits, bool arm64);
bool limit_copy(uint64_t *to, uint64_t *from, bool arm64); /* write-protects both */
bool limit_move(uint64_t *to, uint64_t *from, bool links);
void limit_flush(const struct limit_table *t, ml_va va, uint64_t len);

/* What hardware does: mark one entry as accessed (arm64), or as dirty. */
void limit_mark_accessed(uint64_t *entry);
void limit_mark_dirty(uint64_t *entry, bool arm64);

/* ---- a workload ------------------------------------------------------------------ */

/* The library as workloads call it: through pointers, so that an empty call can stand in. */
struct bench_api {
	int (*map)(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
		   struct ml_op *op);
	int (*unmap)(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);
	int (*protect)(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
		       struct ml_op *op);
	translate_call *translate;
	int (*harvest)(struct ml_table *t, ml_va va, uint64_t len, struct ml_harvest *harvest,
		       struct ml_op *op);
	void (*set_ptes)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte,
			 unsigned count);
	void (*set_pte_at)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte);
	void (*pte_clear)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);
	ml_pte (*take_out)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			   unsigned count);
	void (*wrprotect_ptes)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			       unsigned count);
	int (*young)(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level);
	int (*copy)(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len,
		    ml_prot from_clears, ml_prot copy_clears, struct ml_op *op);
	int (*move)(struct ml_table *t, ml_va from, ml_va to, uint64_t len, struct ml_op *op);
	void (*flush_range)(struct ml_table *t, ml_va va, uint64_t len, unsigned level, bool wait);
	int (*remap)(struct ml_space *s, ml_va va, uint64_t len, ml_pa pa, ml_prot type);
	int (*space_protect)(struct ml_space *s, ml_va va, uint64_t len, ml_prot prot);
	int (*space_fork)(struct ml_space *child, struct ml_space *parent);
	int (*space_unmap_step)(struct ml_space *s, struct ml_step *step);
	struct ml_region *(*find)(const struct ml_space *s, ml_va va);
};

struct bench;

/* What large leaves own (struct ml_table_config), where a workload says so. */
enum deposits {
	DEPOSITS_NONE,
	DEPOSITS_ONE, /* the table of their first step down */
	DEPOSITS_ALL  /* every table that their split needs */
};

/* One side of a measurement: only run() is timed and counted. before and after may be NULL. */
struct bench_side {
	void (*before)(struct bench *bench);
	void (*run)(struct bench *bench);
	void (*after)(struct bench *bench);
};

struct workload {
	const char *name;
	const char *unit;   /* what one of `units` is */
	uint64_t units;     /* in one run */
	uint64_t range;     /* bytes mapped from BENCH_VA on */
	uint64_t call;      /* bytes of one timed call, */
	uint64_t stride;    /* distance of their starts, */
	uint64_t first;     /* and the first, from BENCH_VA */
	uint64_t offset;    /* va and pa differ by this, modulo 1G */
	uint8_t leaf_shift; /* the size that the leaves must have, on x86-64 */
	uint8_t leaf_shift_arm64;
	uint8_t fold; /* enum ml_fold_policy */
	bool live;    /* and walkers set accessed/dirty */
	bool sink;
	bool groups_only; /* for formats with contiguous groups */
	bool tracked;     /* accessed and dirty are read, in units of 2M */
	bool space;       /* of the space floor; its limit is the bare table's, on `table` */
	bool longest;     /* run() leaves in longest_ns what is reported instead of its time */
	uint8_t deposits; /* enum deposits */
	/*
	 * Calls of the platform: counted, and held against the least that the architecture asks for
	 * in one unit, which are both `flushes`.
	 */
	bool flush_goal;
	uint8_t flushes;
	limit_map_call *limit_map;
	limit_unmap_call *limit_unmap;
	limit_protect_call *limit_protect;
	void (*setup)(struct bench *bench); /* once, for both sides; may be NULL */
	const struct bench_side *library;
	const struct bench_side *limit;
	/* Whether run() did what it must, between run() and after(). */
	bool (*library_check)(struct bench *bench);
	bool (*limit_check)(struct bench *bench);
};

struct bench {
	const struct workload *work;
	const struct ml_format *format;
	const struct bench_api *api;
	struct ml_table table;
	struct limit_table limit;
	struct limit_table view; /* the limit's eyes on the library's table */
	translate_call *limit_translate;
	struct arena *arena;
	struct ml_table single;            /* live, and nothing in it folds */
	ml_pte *ptes[BENCH_TABLES];        /* level-0 tables of `table`, */
	ml_pte *single_ptes[BENCH_TABLES]; /* and of `single` */
	ml_pte first;                      /* the leaf at BENCH_VA; others follow it */
	uint64_t bits[GIB / PAGE / 64];    /* a harvest's dirty pages */
	struct flushes flushes;            /* of one run of the library */
	struct ml_op op;
	struct ml_op *op_used; /* &op, or NULL where the workload needs none */
	struct ml_space space, child;
	struct ml_reserve reserve;
	void *object;      /* a region's */
	double longest_ns; /* of the uninterrupted pieces of one run */
	uint64_t seen;     /* bytes that the sink heard of; sums that must not be optimised away */
	int error;         /* OR of all results */
};

extern const struct bench_api bench_library; /* the real calls */
extern const struct bench_api bench_empty;   /* calls that do nothing */

extern const struct workload workloads[];
extern const unsigned workload_count;

/*
 * Build the tables of a workload; fini gives all memory back. ops: NULL, or what the library runs
 * instead of the format's own. Returns an ml_error.
 */
int bench_init(struct bench *bench, const struct workload *work, const struct ml_format *format,
	       struct arena *arena, const struct ml_table_ops *ops);
void bench_fini(struct bench *bench);

/* How the tables of a workload are configured, a space's too. */
struct ml_table_config bench_table_config(const struct workload *work, struct arena *arena,
					  const struct ml_table_ops *ops);

/* ---- measure.c ------------------------------------------------------------------- */

struct bench_result {
	double ns; /* of a unit: medians over the rounds */
	double limit_ns;
	double ratio; /* median of the paired ratios, and their quartiles */
	double ratio_low;
	double ratio_high;
	unsigned rounds;
};

/* Interleave both sides for about `seconds`. Returns an ml_error. */
int measure(struct bench *bench, double seconds, struct bench_result *result);

double measure_now_ns(void);

/* Run each side once, look at what it left behind, and count calls of the platform. */
bool measure_check(struct bench *bench);

/* ---- breaks.c ---------------------------------------------------------------------- */

#define NO_BREAK UINT64_MAX

/*
 * Run the library once with doors that are heard: the most stores between the one that breaks an
 * entry and the one that makes it again. Not timed. *stores is NO_BREAK where nothing breaks.
 * Returns an ml_error.
 */
int breaks_measure(const struct workload *work, const struct ml_format *format, struct arena *arena,
		   uint64_t *stores);

/* ---- main.c --------------------------------------------------------------------- */

/* What callgrind collects: entering starts it, leaving stops it and ends one record. */
void bench_counted(struct bench *bench, const struct bench_side *side);

#endif
