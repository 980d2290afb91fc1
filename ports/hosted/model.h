/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the model MMU's walker asks of each instruction set. */
#ifndef HOSTED_MODEL_H
#define HOSTED_MODEL_H

#include <maxleaf/hosted.h>

#define MODEL_BIT(number) ((uint64_t)1 << (number))
#define MODEL_BITS(high, low) ((MODEL_BIT(high) - MODEL_BIT(low)) | MODEL_BIT(high))

enum model_sort {
	MODEL_INVALID,
	MODEL_TABLE,
	MODEL_LEAF,
	MODEL_BAD /* valid, and a descriptor type that is reserved at its level */
};

/* The tables above a leaf: the AND and the OR of their entries. */
struct model_path {
	uint64_t all;
	uint64_t any;
};

struct model_isa {
	unsigned page_shift;
	unsigned index_bits;
	unsigned pa_bits;
	unsigned lg2_group;           /* lg2 of the entries of a contiguous group; 0: none */
	uint64_t group;               /* the bit that makes a leaf a member */
	uint64_t table_address;       /* bits of a table entry that hold the next table */
	uint64_t accessed_in_tables;  /* the bit of table entries that a walk sets */
	enum ml_model_fault too_wide; /* the fault of an address beyond the physical width */
	bool (*covers)(const struct ml_model *model, ml_va va);
	enum model_sort (*sort)(uint64_t entry, unsigned level);
	/* Bits that must be zero, by sort and level; the physical width aside. */
	uint64_t (*must_be_zero)(enum model_sort sort, unsigned level);
	/* Bits in which this member of a group may differ from the others. */
	uint64_t (*member_differs)(uint64_t entry);
	/* The effective protection and memory type. */
	ml_prot (*prot)(const struct ml_model *model, uint64_t leaf, unsigned level,
			const struct model_path *path);
	/* A/D of an access that is allowed; returns false if the access flag faults. */
	bool (*mark)(const struct ml_model *model, uint64_t leaf, bool write,
		     struct ml_model_result *result);
	/* The leaf as hardware leaves it after an access that is allowed. */
	uint64_t (*marked)(const struct ml_model *model, uint64_t leaf, bool write);
	uint64_t not_translated; /* arm64: the nT bit of blocks; toy has one */
};

extern const struct model_isa ml_model_x86_64;
extern const struct model_isa ml_model_arm64;
extern const struct model_isa ml_model_toy;

const struct model_isa *ml_model_isa(const struct ml_model *model);

/* lg2 of what one entry of this level maps. */
unsigned ml_model_shift(const struct model_isa *isa, unsigned level);

/* Bits of a leaf of this level that hold its frame. */
uint64_t ml_model_frame(const struct model_isa *isa, unsigned level);

/* What a walker takes the entry for: a table, a leaf, or nothing (all that faults). */
enum model_sort ml_model_sort(const struct ml_model *model, uint64_t entry, unsigned level);

#endif
