/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The algorithms of one format as a table of functions: one indirect call per public call,
 * none per entry. inst/ makes one of these for each format.
 */
#ifndef ML_TABLE_OPS_H
#define ML_TABLE_OPS_H

#include <maxleaf/table.h>

struct demand;
struct gather;
struct mapping;
struct mapping_run;
struct supply;

struct place;

struct ml_table_ops {
	/* the public calls, quick cases first, */
	int (*map)(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
		   struct ml_op *op);
	int (*unmap)(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);
	int (*protect)(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
		       struct ml_op *op);
	int (*split)(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op);
	int (*fold)(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op);
	int (*translate)(const struct ml_table *t, ml_va va, struct ml_translation *translation);
	int (*walk)(const struct ml_table *t, ml_va va, struct ml_walk *walk);
	bool (*run_next)(const struct ml_table *t, struct ml_cursor *cursor, struct ml_run *run);
	/* and the parts that several of them share */
	int (*map_prepare)(const struct ml_table *t, struct mapping *m, const struct ml_op *op, bool worst,
			   struct demand *demand);
	void (*descend)(const struct ml_table *t, ml_va va, unsigned stop, struct place *at);
	int (*map_one_extent)(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
			      struct ml_op *op);
	int (*map_general)(struct ml_table *t, struct mapping *m, struct ml_op *op);
	int (*translate_general)(const struct ml_table *t, ml_va va,
				 struct ml_translation *translation);
	void (*unmap_range)(struct gather *g, struct supply *supply, ml_va va, ml_va last);
	int (*unmap_general)(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);
	void (*folded)(struct ml_table *t, ml_va va, ml_pte *entry, ml_pte pte, unsigned level);
	void (*fold_ends)(struct gather *g, ml_va va, ml_va last);
	void (*store_large)(struct gather *g, struct supply *supply, const struct mapping_run *run,
			    ml_pte bits);
	void (*flush)(struct gather *g);
	void (*release_all)(struct ml_table *t, struct ml_op *op);
	int (*share)(struct ml_table *t, struct ml_table *lender, ml_va va, ml_va last,
		     struct ml_op *op);
	int (*check)(const struct ml_table *t, uint64_t most, struct ml_stats *found,
		     struct ml_fault *fault);
};

#endif
