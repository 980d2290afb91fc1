/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Every algorithm of the table floor as a function of one format. The including file defines
 * INSTANCE_FORMAT(t), its descriptor as a constant expression (or t->format), and gets
 * `instance_ops`. Each function is one line: the code is in table/.
 */
#include "table/check.h"
#include "table/map.h"
#include "table/protect.h"
#include "table/read.h"
#include "table/resize.h"
#include "table/share.h"

static int instance_map(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
			struct ml_op *op)
{
	return table_map(INSTANCE_FORMAT(t), t, va, len, pa, prot, op);
}

static void instance_descend(const struct ml_table *t, ml_va va, unsigned stop, struct place *at)
{
	*at = walk_down(INSTANCE_FORMAT(t), t, va, stop);
}

static int instance_map_one_extent(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa,
				   ml_prot prot, struct ml_op *op)
{
	return map_one_extent(INSTANCE_FORMAT(t), t, va, len, pa, prot, op);
}

static int instance_map_general(struct ml_table *t, struct mapping *m, struct ml_op *op)
{
	return table_map_general(INSTANCE_FORMAT(t), t, m, op);
}

static int instance_map_prepare(const struct ml_table *t, struct mapping *m,
				const struct ml_op *op, bool worst, struct demand *demand)
{
	uint64_t bytes;

	return prepare_mapping(INSTANCE_FORMAT(t), t, op, worst, m, &bytes, demand);
}

static int instance_unmap(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return table_unmap(INSTANCE_FORMAT(t), t, va, len, op);
}

static int instance_unmap_general(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	return table_unmap_general(INSTANCE_FORMAT(t), t, va, len, op);
}

static void instance_unmap_range(struct gather *g, struct supply *supply, ml_va va, ml_va last)
{
	unmap_range(INSTANCE_FORMAT(g->t), g, supply, va, last);
}

static void instance_folded(struct ml_table *t, ml_va va, ml_pte *entry, ml_pte pte,
			    unsigned level)
{
	map_fold(INSTANCE_FORMAT(t), t, va, entry, pte, level);
}

static void instance_fold_ends(struct gather *g, ml_va va, ml_va last)
{
	fold_ends(INSTANCE_FORMAT(g->t), g, va, last);
}

static int instance_protect(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask,
			    ml_prot value, struct ml_op *op)
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

static int instance_translate(const struct ml_table *t, ml_va va,
			      struct ml_translation *translation)
{
	return table_translate(INSTANCE_FORMAT(t), t, va, translation);
}

static int instance_translate_general(const struct ml_table *t, ml_va va,
				      struct ml_translation *translation)
{
	return translate_general(INSTANCE_FORMAT(t), t, va, translation);
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

static void instance_store_large(struct gather *g, struct supply *supply,
				 const struct mapping_run *run, ml_pte bits)
{
	store_run(INSTANCE_FORMAT(g->t), g, supply, run, bits);
}

static void instance_flush(struct gather *g)
{
	gather_flush(INSTANCE_FORMAT(g->t), g);
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

#define INSTANCE_OPS                                                                      \
	{                                                                                 \
		.map = instance_map, .map_general = instance_map_general,                 \
		.map_prepare = instance_map_prepare, .unmap = instance_unmap,             \
		.unmap_general = instance_unmap_general,                                  \
		.descend = instance_descend, .map_one_extent = instance_map_one_extent,   \
		.translate_general = instance_translate_general,                          \
		.unmap_range = instance_unmap_range,                                      \
		.folded = instance_folded, .fold_ends = instance_fold_ends,               \
		.protect = instance_protect,                                              \
		.split = instance_split, .fold = instance_fold,                           \
		.translate = instance_translate, .walk = instance_walk,                   \
		.run_next = instance_run_next, .store_large = instance_store_large,       \
		.flush = instance_flush, .release_all = instance_release_all,             \
		.share = instance_share, .check = instance_check,                         \
	}
