/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * For tests of groups: a body run on every format and level that has them, live, under the order
 * judge, with short names for what such a body does. To be included by a test's main file alone.
 */
#ifndef TESTS_GROUPED_H
#define TESTS_GROUPED_H

#include "entries.h"
#include "t.h"

static struct order order; /* large */
static bool unjudged;      /* two tables at once: the judge knows one */

/* Every world and level that has groups; *e is put up live, folding by itself, judged. */
static inline bool next_grouped(struct entries *e, const struct ml_table_config *wish,
				unsigned *number)
{
	struct ml_table_config config = *wish;

	for (; *number < WORLDS * 3; ++*number) {
		const struct world_facts *facts = &worlds[*number / 3];
		const unsigned level = *number % 3;

		if (level >= facts->levels || !facts->format->group_rung[level])
			continue;
		T_CONTEXT(facts->name, level);
		config.rungs = ((uint32_t)1 << facts->format->rung_count) - 1;
		if (!t_ok(entries_open(e, (enum world)(*number / 3), &config, level,
				       unjudged ? NULL : &order)))
			return false;
		++*number;
		return true;
	}
	T_CONTEXT(NULL, 0);
	return false;
}

/* Nothing mixed at any instant, no order broken, no account wrong; and taken down. */
static inline void settle(struct entries *e)
{
	ml_flush_range(&e->rig.table, e->va, e->count * e->step, e->level, true);
	t_ok(e->mixed == NULL);
	t_ok(entries_groups(e, true) == NULL);
	t_eq(ml_table_check(&e->rig.table, NULL), ML_OK);
	if (!unjudged && !t_ok(order_settled(&order)))
		printf("# %s\n", order.message);
	t_ok(entries_close(e, unjudged ? NULL : &order));
}

/* A second table like the first. */
static inline bool open_like(struct entries *e, const struct entries *first)
{
	const struct ml_table_config config = { .fold = first->rig.table.fold,
						.live = first->rig.table.live,
						.rungs = first->rig.table.rungs };

	return entries_open(e, (enum world)(first->rig.facts - worlds), &config, first->level,
			    NULL);
}

static const struct ml_table_config folding
	__attribute__((unused)) = { .fold = ML_FOLD_COMPLETE, .live = true };

#define FOR_EACH_GROUPED(e, wish) \
	for (unsigned e##_number = 0; next_grouped(&(e), (wish), &e##_number); settle(&(e)))

static inline ml_pte leaf(const struct entries *e, unsigned frame, ml_prot prot)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&e->rig.table, frame * e->step, prot, e->level, &pte), ML_OK);
	return pte;
}

static inline void set(struct entries *e, unsigned index, ml_pte pte, unsigned count)
{
	ml_set_ptes(&e->rig.table, entries_va(e, index), e->p + index, e->level, pte, count);
}

static inline ml_pte get(const struct entries *e, unsigned index)
{
	return ml_ptep_get(&e->rig.table, entries_va(e, index), e->p + index, e->level);
}

static inline ml_prot prot_at(const struct entries *e, unsigned index)
{
	return ml_pte_prot(&e->rig.table, get(e, index), e->level);
}

static inline bool maps(const struct entries *e, unsigned index, unsigned frame)
{
	const ml_pte pte = get(e, index);

	return ml_pte_kind(&e->rig.table, pte, e->level) == ML_KIND_LEAF &&
	       ml_pte_pa(&e->rig.table, pte, e->level) == frame * e->step;
}

/* One folded group at the start: its frames are its indices. */
static inline void fold_first(struct entries *e, ml_prot prot)
{
	set(e, 0, leaf(e, 0, prot), e->size);
	t_eq(entries_folded(e), e->size);
}

static inline uint64_t invalidations(const struct entries *e)
{
	return e->rig.table.stats.invalidations;
}

static uint64_t unit; /* what ad_unit answers; in bytes */

static inline uint64_t tell_unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return unit;
}

#endif
