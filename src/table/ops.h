/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The algorithms of one format as a table of functions: one indirect call per public call,
 * none per entry. inst/ makes one of these for each format.
 */
#ifndef ML_TABLE_OPS_H
#define ML_TABLE_OPS_H

#include <maxleaf/pte.h>

struct demand;
struct mapping;

struct ml_table_ops {
	/* the public calls, quick cases first, */
	int (*map)(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
		   struct ml_op *op);
	int (*unmap)(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);
	int (*protect)(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
		       struct ml_op *op);
	int (*split)(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op);
	int (*fold)(struct ml_table *t, ml_va va, uint64_t len, unsigned rung, struct ml_op *op);
	int (*trim)(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op);
	int (*harvest)(struct ml_table *t, ml_va va, uint64_t len, struct ml_harvest *wish,
		       struct ml_op *op);
	int (*copy)(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len,
		    ml_prot from_clears, ml_prot copy_clears, struct ml_op *op);
	int (*move)(struct ml_table *t, ml_va from, ml_va to, uint64_t len, struct ml_op *op);
	int (*translate)(const struct ml_table *t, ml_va va, struct ml_translation *translation);
	int (*walk)(const struct ml_table *t, ml_va va, struct ml_walk *walk);
	bool (*run_next)(const struct ml_table *t, struct ml_cursor *cursor, struct ml_run *run);
	/* and what table.c puts together itself */
	int (*map_prepare)(const struct ml_table *t, struct mapping *m, const struct ml_op *op,
			   bool worst, struct demand *demand);
	int (*map_general)(struct ml_table *t, struct mapping *m, struct ml_op *op);
	void (*release_all)(struct ml_table *t, struct ml_op *op);
	int (*share)(struct ml_table *t, struct ml_table *lender, ml_va va, ml_va last,
		     struct ml_op *op);
	int (*check)(const struct ml_table *t, uint64_t most, struct ml_stats *found,
		     struct ml_fault *fault);
	/* the entry-level contract */
	int (*pte_ensure)(struct ml_table *t, ml_va va, uint64_t len, unsigned level,
			  struct ml_op *op);
	ml_pte *(*pte_pointer)(const struct ml_table *t, ml_va va, unsigned level);
	void (*pte_set)(struct ml_table *t, ml_va va, ml_pte *p, unsigned level, ml_pte pte,
			unsigned count);
	ml_pte (*pte_get)(const struct ml_table *t, ml_va va, const ml_pte *p, unsigned level);
	int (*pte_get_lockless)(const struct ml_table *t, ml_va va, const ml_pte *p, unsigned level,
				ml_pte *pte);
	ml_pte (*pte_clear)(struct ml_table *t, ml_va va, ml_pte *p, unsigned level,
			    unsigned count);
	int (*pte_young)(struct ml_table *t, ml_va va, ml_pte *p, unsigned level, bool flush);
	void (*pte_wrprotect)(struct ml_table *t, ml_va va, ml_pte *p, unsigned level,
			      unsigned count);
	bool (*pte_set_access)(struct ml_table *t, ml_va va, ml_pte *p, unsigned level, ml_pte pte,
			       bool dirty);
};

#endif
