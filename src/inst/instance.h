/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Every algorithm of the table floor as a function of one format. The including file defines
 * INSTANCE_FORMAT(t), its descriptor as a constant expression (or t->format), and gets
 * `instance_ops`. Each function is one line: the code is in table/.
 */
#include "table/check.h"
#include "table/copy.h"
#include "table/harvest.h"
#include "table/map.h"
#include "table/move.h"
#include "table/ops.h"
#include "table/pte.h"
#include "table/protect.h"
#include "table/read.h"
#include "table/split.h"
#include "table/share.h"
#include "table/trim.h"

static int instance_map(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
			struct ml_op *op)
{
	return table_map(INSTANCE_FORMAT(t), t, va, len, pa, prot, op);
}

static int instance_map_general(struct ml_table *t, struct mapping *m, struct ml_op *op)
{
	return table_map_general(INSTANCE_FORMAT(t), t, m, op);
}

static int instance_map_prepare(const struct ml_table *t, struct mapping *m, const struct ml_op *op,
				bool worst, struct demand *demand)
{
	uint64_t bytes;

	return prepare_mapping(INSTANCE_FORMAT(t), t, op, worst, m, &bytes, demand);
}

static int instance_unmap(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return table_unmap(INSTANCE_FORMAT(t), t, va, len, op);
}

static int instance_protect(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
			    struct ml_op *op)
{
	return table_protect(INSTANCE_FORMAT(t), t, va, len, mask, value, op);
}

static int instance_split(struct ml_table *t, ml_va va, uint64_t len, unsigned rung,
			  struct ml_op *op)
{
	return table_split(INSTANCE_FORMAT(t), t, va, len, rung, op);
}

static int instance_fold(struct ml_table *t, ml_va va, uint64_t len, unsigned rung,
			 struct ml_op *op)
{
	return table_fold(INSTANCE_FORMAT(t), t, va, len, rung, op);
}

static int instance_trim(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return table_trim(INSTANCE_FORMAT(t), t, va, len, op);
}

static int instance_harvest(struct ml_table *t, ml_va va, uint64_t len, struct ml_harvest *wish,
			    struct ml_op *op)
{
	return table_harvest(INSTANCE_FORMAT(t), t, va, len, wish, op);
}

static int instance_copy(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len,
			 ml_prot from_clears, ml_prot copy_clears, struct ml_op *op)
{
	return table_copy(INSTANCE_FORMAT(from), to, from, va, len, from_clears, copy_clears, op);
}

static int instance_move(struct ml_table *t, ml_va from, ml_va to, uint64_t len, struct ml_op *op)
{
	return table_move(INSTANCE_FORMAT(t), t, from, to, len, op);
}

static int instance_translate(const struct ml_table *t, ml_va va,
			      struct ml_translation *translation)
{
	return table_translate(INSTANCE_FORMAT(t), t, va, translation);
}

static int instance_walk(const struct ml_table *t, ml_va va, struct ml_walk *walk)
{
	return table_walk(INSTANCE_FORMAT(t), t, va, walk);
}

static bool instance_run_next(const struct ml_table *t, struct ml_cursor *cursor,
			      struct ml_run *run)
{
	return table_run_next(INSTANCE_FORMAT(t), t, cursor, run);
}

static void instance_release_all(struct ml_table *t, struct ml_op *op)
{
	table_release_all(INSTANCE_FORMAT(t), t, op);
}

static int instance_share(struct ml_table *t, struct ml_table *lender, ml_va va, ml_va last,
			  struct ml_op *op)
{
	return table_share(INSTANCE_FORMAT(t), t, lender, va, last, op);
}

static int instance_check(const struct ml_table *t, uint64_t most, struct ml_stats *found,
			  struct ml_fault *fault)
{
	return table_check(INSTANCE_FORMAT(t), t, most, found, fault);
}

static int instance_pte_ensure(struct ml_table *t, ml_va va, uint64_t len, unsigned level,
			       struct ml_op *op)
{
	return pte_ensure(INSTANCE_FORMAT(t), t, va, len, level, op);
}

static ml_pte *instance_pte_pointer(const struct ml_table *t, ml_va va, unsigned level)
{
	return pte_pointer(INSTANCE_FORMAT(t), t, va, level);
}

static void instance_pte_set(struct ml_table *t, ml_va va, ml_pte *p, unsigned level, ml_pte pte,
			     unsigned count)
{
	pte_set(INSTANCE_FORMAT(t), t, va, p, level, pte, count);
}

static ml_pte instance_pte_get(const struct ml_table *t, ml_va va, const ml_pte *p, unsigned level)
{
	(void)t;
	return pte_get(INSTANCE_FORMAT(t), va, p, level);
}

static int instance_pte_get_lockless(const struct ml_table *t, ml_va va, const ml_pte *p,
				     unsigned level, ml_pte *pte)
{
	(void)t;
	return pte_get_lockless(INSTANCE_FORMAT(t), va, p, level, pte);
}

static ml_pte instance_pte_clear(struct ml_table *t, ml_va va, ml_pte *p, unsigned level,
				 unsigned count)
{
	return pte_clear(INSTANCE_FORMAT(t), t, va, p, level, count);
}

static int instance_pte_young(struct ml_table *t, ml_va va, ml_pte *p, unsigned level, bool flush)
{
	return pte_young(INSTANCE_FORMAT(t), t, va, p, level, flush);
}

static void instance_pte_wrprotect(struct ml_table *t, ml_va va, ml_pte *p, unsigned level,
				   unsigned count)
{
	pte_wrprotect(INSTANCE_FORMAT(t), t, va, p, level, count);
}

static bool instance_pte_set_access(struct ml_table *t, ml_va va, ml_pte *p, unsigned level,
				    ml_pte pte, bool dirty)
{
	return pte_set_access(INSTANCE_FORMAT(t), t, va, p, level, pte, dirty);
}

#define INSTANCE_OPS                                                                             \
	{                                                                                        \
		.map = instance_map, .unmap = instance_unmap, .protect = instance_protect,       \
		.split = instance_split, .fold = instance_fold, .translate = instance_translate, \
		.walk = instance_walk, .run_next = instance_run_next,                            \
		.map_prepare = instance_map_prepare, .map_general = instance_map_general,        \
		.release_all = instance_release_all, .share = instance_share,                    \
		.pte_ensure = instance_pte_ensure, .pte_pointer = instance_pte_pointer,          \
		.pte_set = instance_pte_set, .pte_get = instance_pte_get,                        \
		.pte_get_lockless = instance_pte_get_lockless, .pte_clear = instance_pte_clear,  \
		.pte_young = instance_pte_young, .pte_wrprotect = instance_pte_wrprotect,        \
		.pte_set_access = instance_pte_set_access, .check = instance_check,              \
		.harvest = instance_harvest, .trim = instance_trim, .copy = instance_copy,       \
		.move = instance_move,                                                           \
	}
