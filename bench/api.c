/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The library as workloads call it, and calls that do nothing: what a loop costs without. */
#include "bench.h"

const struct bench_api bench_library = {
	.map = ml_map,
	.unmap = ml_unmap,
	.protect = ml_protect,
	.translate = ml_translate,
	.harvest = ml_harvest,
	.set_ptes = ml_set_ptes,
	.set_pte_at = ml_set_pte_at,
	.pte_clear = ml_pte_clear,
	.take_out = ml_get_and_clear_full_ptes,
	.wrprotect_ptes = ml_wrprotect_ptes,
	.young = ml_ptep_test_and_clear_young,
	.copy = ml_copy,
	.move = ml_move,
	.flush_range = ml_flush_range,
	.remap = ml_remap_pfn_range,
	.space_protect = ml_space_protect,
	.space_fork = ml_space_fork,
	.space_unmap_step = ml_space_unmap_step,
	.find = ml_space_find,
};

static int no_map(struct ml_table *t, ml_va va, uint64_t len, ml_pa pa, ml_prot prot,
		  struct ml_op *op)
{
	(void)t, (void)va, (void)len, (void)pa, (void)prot, (void)op;
	return 0;
}

static int no_unmap(struct ml_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	(void)t, (void)va, (void)len, (void)op;
	return 0;
}

static int no_protect(struct ml_table *t, ml_va va, uint64_t len, ml_prot mask, ml_prot value,
		      struct ml_op *op)
{
	(void)t, (void)va, (void)len, (void)mask, (void)value, (void)op;
	return 0;
}

static int no_translate(const struct ml_table *t, ml_va va, struct ml_translation *translation)
{
	(void)t, (void)va, (void)translation;
	return 0;
}

static int no_harvest(struct ml_table *t, ml_va va, uint64_t len, struct ml_harvest *harvest,
		      struct ml_op *op)
{
	(void)t, (void)va, (void)len, (void)harvest, (void)op;
	return 0;
}

static void no_set_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte,
			unsigned count)
{
	(void)t, (void)va, (void)ptep, (void)level, (void)pte, (void)count;
}

static void no_set_pte_at(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level, ml_pte pte)
{
	(void)t, (void)va, (void)ptep, (void)level, (void)pte;
}

static void no_pte_clear(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	(void)t, (void)va, (void)ptep, (void)level;
}

static ml_pte no_take_out(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			  unsigned count)
{
	(void)t, (void)va, (void)ptep, (void)level, (void)count;
	return 0;
}

static void no_wrprotect_ptes(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level,
			      unsigned count)
{
	(void)t, (void)va, (void)ptep, (void)level, (void)count;
}

static int no_young(struct ml_table *t, ml_va va, ml_pte *ptep, unsigned level)
{
	(void)t, (void)va, (void)ptep, (void)level;
	return 0;
}

static int no_copy(struct ml_table *to, struct ml_table *from, ml_va va, uint64_t len,
		   ml_prot from_clears, ml_prot copy_clears, struct ml_op *op)
{
	(void)to, (void)from, (void)va, (void)len, (void)from_clears, (void)copy_clears, (void)op;
	return 0;
}

static int no_move(struct ml_table *t, ml_va from, ml_va to, uint64_t len, struct ml_op *op)
{
	(void)t, (void)from, (void)to, (void)len, (void)op;
	return 0;
}

static void no_flush_range(struct ml_table *t, ml_va va, uint64_t len, unsigned level, bool wait)
{
	(void)t, (void)va, (void)len, (void)level, (void)wait;
}

static int no_remap(struct ml_space *s, ml_va va, uint64_t len, ml_pa pa, ml_prot type)
{
	(void)s, (void)va, (void)len, (void)pa, (void)type;
	return 0;
}

static int no_space_protect(struct ml_space *s, ml_va va, uint64_t len, ml_prot prot)
{
	(void)s, (void)va, (void)len, (void)prot;
	return 0;
}

static int no_space_fork(struct ml_space *child, struct ml_space *parent)
{
	(void)child, (void)parent;
	return 0;
}

static int no_space_unmap_step(struct ml_space *s, struct ml_step *step)
{
	(void)s;
	step->len = 0;
	return 0;
}

static struct ml_region *no_find(const struct ml_space *s, ml_va va)
{
	(void)va;
	return (struct ml_region *)(void *)s->root;
}

const struct bench_api bench_empty = {
	.map = no_map,
	.unmap = no_unmap,
	.protect = no_protect,
	.translate = no_translate,
	.harvest = no_harvest,
	.set_ptes = no_set_ptes,
	.set_pte_at = no_set_pte_at,
	.pte_clear = no_pte_clear,
	.take_out = no_take_out,
	.wrprotect_ptes = no_wrprotect_ptes,
	.young = no_young,
	.copy = no_copy,
	.move = no_move,
	.flush_range = no_flush_range,
	.remap = no_remap,
	.space_protect = no_space_protect,
	.space_fork = no_space_fork,
	.space_unmap_step = no_space_unmap_step,
	.find = no_find,
};
