/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A page-table format as data, and the coding of one entry.
 *
 * Levels count up from 0, the smallest page. A format lists its leaf sizes as a ladder
 * of rungs in ascending order; a contiguous group is a rung of its own, so code above
 * this file never asks which bit makes a group (S0.1, S0.2).
 *
 * All functions here are pure: they read their arguments, allocate nothing, flush
 * nothing, take no lock.
 */
#ifndef MAXLEAF_FORMAT_H
#define MAXLEAF_FORMAT_H

#include <maxleaf/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ML_LEVEL_MAX 5 /* no format has more levels */
#define ML_RUNG_MAX 6  /* no format has more leaf sizes */

struct ml_table_ops;

/* One leaf size. */
struct ml_rung {
	uint8_t shift;          /* lg2 of the leaf's bytes */
	uint8_t level;          /* where its entries stand */
	uint8_t lg2_entries;    /* it spans 1 << lg2_entries entries: > 0 is a group */
	uint8_t off_by_default; /* used only when the configuration names it */
};

/* A format. Constant data; the library keeps pointers to it. */
struct ml_format {
	const char *name;    /* "x86-64" */
	const char *summary; /* one line for people */
	uint8_t encoding;    /* enum ml_encoding */
	uint8_t page_shift;  /* lg2 of the base page (the granule) */
	uint8_t levels_min;  /* legal numbers of levels, */
	uint8_t levels_max;
	uint8_t levels_default; /* and the one taken when none is asked for */
	uint8_t pa_bits;        /* physical address width the entries can hold */
	uint8_t sign_extended;  /* one table covers both ends of the address space */
	uint8_t soft_bits;      /* how many ML_SOFT() bits it has */
	uint8_t big_endian;     /* entries lie big-endian in memory */
	uint8_t break_size;     /* a live change of leaf size needs break-before-make */
	uint8_t break_group;    /* a live change of group membership needs it */
	uint8_t break_type;     /* a live change of memory type, or to global, needs it */
	uint8_t bbm_most; /* the highest level of ml_table_config.bbm that its manual defines */
	uint8_t caches_invalid; /* walkers may hold that an entry is not valid */
	uint8_t announce_bit;   /* of a block: its size is about to change (Arm nT); 0: none */
	uint8_t rung_count;
	uint8_t index_bits[ML_LEVEL_MAX];  /* a table of level n has 1 << index_bits[n] entries */
	uint8_t level_shift[ML_LEVEL_MAX]; /* lg2 of the bytes one entry of level n covers */
	struct ml_rung rungs[ML_RUNG_MAX]; /* ascending; rungs[0] is the base page */
	/* The rung of one entry of level n; 0 above level 0: none. */
	uint8_t block_rung[ML_LEVEL_MAX];
	uint8_t group_rung[ML_LEVEL_MAX]; /* the rung of a group of level n; 0: none */
	ml_prot prot_mask;      /* bits that can be expressed at all; types: by the layout */
	uint64_t types_default; /* the type register taken when the configuration gives 0 */
	const char *level_names[ML_LEVEL_MAX]; /* the manual's names, for dumps */
	const struct ml_table_ops *ops;        /* the algorithms instantiated for it */
};

enum ml_encoding { ML_ENCODING_X86_64, ML_ENCODING_ARM64, ML_ENCODING_TOY };

/* Built-in formats. Only those named link. */
extern const struct ml_format ml_format_x86_64; /* Intel SDM vol. 3A 4.5, AMD APM vol. 2 5.3; 3.1 */
extern const struct ml_format ml_format_arm64_4k; /* Arm ARM D8.3, 4 KiB granule, stage 1; 3.2 */
extern const struct ml_format ml_format_toy;      /* two levels of four entries, groups of two */

/*
 * The memory types a table can express, from the register that defines them:
 * IA32_PAT for x86-64, MAIR_EL1 for arm64; toy ignores it. Slots that name one type
 * twice decode to it; encoding takes the lowest slot. Slots of types that have no
 * ML_TYPE number decode as ML_TYPE_COUNT, which cannot be encoded; edits that leave the type alone
 * carry them unchanged.
 */
struct ml_types {
	uint64_t slot_of_type; /* a nibble per ML_TYPE number; 0xf: not in the layout */
	uint64_t type_of_slot; /* a nibble per slot; ML_TYPE_COUNT: a type without a number */
};

/*
 * Fill *types from the register value, or from the format's default when value is 0. Cannot fail.
 */
ML_API void ml_types_init(struct ml_types *types, const struct ml_format *format, uint64_t value);

/* Whether an entry of this format can hold prot exactly (at every leaf level alike). */
ML_API bool ml_format_expressible(const struct ml_format *format, const struct ml_types *types,
				  ml_prot prot);

/* How many ML_SOFT() bits entries of this format have. */
ML_API unsigned ml_format_soft_bits(const struct ml_format *format);

/*
 * Encode one leaf entry. level: where it will stand; pa: aligned to the entry's size at
 * that level; group: it is a member of a contiguous group.
 * Errors: ML_ERR_PROT, ML_ERR_SIZE (no leaf, or no group, at that level), ML_ERR_ALIGN,
 * ML_ERR_PA_RANGE. *pte is written on success only.
 */
ML_API ML_MUST_CHECK int ml_format_encode(const struct ml_format *format,
					  const struct ml_types *types, ml_pa pa, ml_prot prot,
					  unsigned level, bool group, ml_pte *pte);

enum ml_kind {
	ML_KIND_EMPTY,   /* not valid, and all zero */
	ML_KIND_INVALID, /* not valid, holding bits of software's */
	ML_KIND_TABLE,
	ML_KIND_LEAF
};

/* One entry, decoded. */
struct ml_entry {
	enum ml_kind kind;
	ml_pa pa;          /* leaf: the frame; table: the next table */
	ml_prot prot;      /* leaf only */
	bool group;        /* leaf: member of a contiguous group */
	uint64_t residue;  /* bits the library does not name: edits carry them unchanged */
	uint64_t reserved; /* bits set that the format's manual demands to be zero */
};

/* Decode one entry of any level below levels_max. Errors: ML_ERR_SIZE (no such level). */
ML_API ML_MUST_CHECK int ml_format_decode(const struct ml_format *format,
					  const struct ml_types *types, ml_pte pte, unsigned level,
					  struct ml_entry *entry);

/*
 * The plan: a pure function from (va, pa, length, allowed rungs) to runs of equal
 * leaves. Map, the dry run and the tool's explanations all read this one function.
 */
enum ml_why {
	ML_WHY_LARGEST,     /* nothing larger exists in the format */
	ML_WHY_ALIGNMENT,   /* va and pa differ modulo the next larger size: never possible */
	ML_WHY_LENGTH,      /* the whole mapping is shorter than the next larger size */
	ML_WHY_POLICY,      /* the next larger size is not among the allowed rungs */
	ML_WHY_RANGE_START, /* head: the next larger size starts after this run */
	ML_WHY_RANGE_END    /* tail: too little is left for the next larger size */
};

struct ml_plan {
	ml_va va;
	ml_pa pa;
	uint64_t left;   /* bytes not yet planned */
	uint64_t length; /* of the whole mapping, for the reason */
	uint32_t rungs;  /* bit n allows format->rungs[n]; bit 0 is always taken as set */
};

struct ml_plan_run {
	ml_va va;
	ml_pa pa;
	uint64_t count; /* leaves */
	uint8_t rung;
	uint8_t why; /* enum ml_why: what keeps them from being larger */
};

/* The rungs used when a configuration does not name any: all not off_by_default. */
ML_API uint32_t ml_format_default_rungs(const struct ml_format *format);

/*
 * The next run, and step past it. Returns false when nothing is left. va, pa and left
 * must be multiples of the base page and must not wrap; nothing is checked here.
 */
ML_API bool ml_plan_next(const struct ml_format *format, struct ml_plan *plan,
			 struct ml_plan_run *run);

/*
 * How many tables the mapping needs below an empty root of `levels` levels, the root
 * itself not counted. Same conditions as ml_plan_next().
 */
ML_API uint64_t ml_plan_tables(const struct ml_format *format, const struct ml_plan *plan,
			       unsigned levels);

/* Bytes of a table of this level. */
ML_API size_t ml_format_table_bytes(const struct ml_format *format, unsigned level);

#ifdef __cplusplus
}
#endif
#endif
