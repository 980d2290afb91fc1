/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry-level contract beside others: hardware that marks entries while they change (S1.15,
 * B-77, 4.11.9), and readers without the lock while groups fold and unfold (S1.19, 4.8).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support/entries.h"
#include "support/source.h"
#include "support/strike.h"
#include "t.h"

#define ROUNDS 2000
#define MARKS 20     /* enough of what must happen at the same time, */
#define PATIENCE 200 /* and how many times longer to wait for it */

static const struct ml_table_config config = {
	.fold = ML_FOLD_COMPLETE, .live = true, .track_ad = true, .hardware_ad = true
};

static ml_pte leaf(const struct entries *e, unsigned frame, ml_prot prot)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&e->rig.table, frame * e->step, prot, e->level, &pte), ML_OK);
	return pte;
}

/* ---- hardware ------------------------------------------------------------------------ */

/* A walker that writes to one page, over and over: facts A4, X7. */
struct writer {
	struct entries *e;
	atomic_bool stop;
	atomic_uint marks; /* it has made */
	ml_pte *p;
};

static void *write_on(void *cookie)
{
	struct writer *w = cookie;

	while (!atomic_load(&w->stop))
		if (strike_entry(w->e->rig.facts->format, w->p))
			atomic_fetch_add(&w->marks, 1);
	return NULL;
}

/* What one round does to the entry while the walker may be at it; returns what it was last. */
static ml_pte change(struct entries *e, unsigned which)
{
	struct ml_table *t = &e->rig.table;

	switch (which) {
	case 0:
		ml_ptep_set_wrprotect(t, e->va, e->p, e->level);
		break;
	case 1:
		(void)ml_ptep_set_access_flags(t, e->va, e->p, e->level,
					       leaf(e, 0, ML_READ | ML_ACCESSED), false);
		break;
	case 2:
		(void)ml_ptep_test_and_clear_young(t, e->va, e->p, e->level);
		break;
	default:
		break;
	}
	return ml_ptep_get_and_clear(t, e->va, e->p, e->level);
}

static uint64_t tracked(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return (uint64_t)1 << 40;
}

/* Every mark that the walker made in a round is told when the entry is taken out. */
static void race(enum world world, unsigned which)
{
	struct ml_table_config with_unit = config;
	struct writer w = { .e = NULL };
	const uint64_t rounds = source_amount(ROUNDS);
	uint64_t marked = 0, round = 0;
	struct entries e;
	pthread_t thread;

	with_unit.ad_unit = tracked;
	T_REQUIRE(t_ok(entries_open(&e, world, &with_unit, 0, NULL)));
	w.e = &e;
	w.p = e.p;
	T_REQUIRE(t_eq(pthread_create(&thread, NULL, write_on, &w), 0));
	for (; round < rounds || (marked < MARKS && round < PATIENCE * rounds); round++) {
		ml_pte last;

		ml_set_pte_at(&e.rig.table, e.va, e.p, 0, leaf(&e, 0, ML_RW | ML_ACCESSED));
		for (unsigned spin = (unsigned)round % 64; spin; spin--)
			(void)atomic_load(&w.marks);
		if (round % 16 == 0)
			sched_yield();
		last = change(&e, which);
		marked += (ml_pte_prot(&e.rig.table, last, 0) & ML_DIRTY) != 0;
	}
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	t_eq(atomic_load(&w.marks), marked);
	t_ok(marked > 0);
	t_ok(entries_close(&e, NULL));
}

TEST(no_mark_of_hardware_is_lost)
{
	for (unsigned world = 0; world < WORLDS; world++)
		for (unsigned which = 0; which < 4; which++) {
			T_CONTEXT(worlds[world].name, which);
			race((enum world)world, which);
		}
}

/* ---- readers -------------------------------------------------------------------------- */

struct reader {
	struct entries *e;
	atomic_bool stop;
	uint64_t reads, contended, torn;
	atomic_uint groups;
};

/*
 * Whatever is seen stood there at one time: frames in step with their entries, and the two
 * protections that the writer uses as wholes: a group is writable.
 */
static void read_one(struct reader *r, unsigned i)
{
	const struct entries *e = r->e;
	ml_pte pte = 0;

	r->reads++;
	if (ml_ptep_get_lockless(&e->rig.table, entries_va(e, i), e->p + i, e->level, &pte)) {
		r->contended++;
		return;
	}
	if (!pte)
		return;
	if (ml_pte_pa(&e->rig.table, pte, e->level) != i * e->step)
		r->torn++;
	if (ml_pte_batch_hint(&e->rig.table, entries_va(e, i), e->level, pte) == 1 &&
	    !(pte & entries_hint(e)))
		return;
	atomic_fetch_add(&r->groups, 1);
	if (!(ml_pte_prot(&e->rig.table, pte, e->level) & ML_WRITE))
		r->torn++;
}

static void *read_on(void *cookie)
{
	struct reader *r = cookie;

	for (unsigned i = 0; !atomic_load(&r->stop); i++)
		read_one(r, i & (r->e->size - 1));
	return NULL;
}

TEST(lockless_readers_see_no_torn_group)
{
	for (unsigned world = WORLD_ARM_LOW; world < WORLDS; world++) {
		const uint64_t rounds = source_amount(ROUNDS);
		struct reader r = { .e = NULL };
		struct entries e;
		pthread_t thread;

		T_CONTEXT(worlds[world].name, world);
		T_REQUIRE(t_ok(entries_open(&e, (enum world)world, &config, 0, NULL)));
		r.e = &e;
		ml_set_ptes(&e.rig.table, e.va, e.p, 0, leaf(&e, 0, ML_RW), e.size);
		T_REQUIRE(t_eq(pthread_create(&thread, NULL, read_on, &r), 0));
		for (uint64_t round = 0; round < rounds || (atomic_load(&r.groups) < MARKS &&
							    round < PATIENCE * rounds);
		     round++) {
			const unsigned i = (unsigned)round & (e.size - 1);

			ml_set_pte_at(&e.rig.table, entries_va(&e, i), e.p + i, 0,
				      leaf(&e, i, ML_READ)); /* unfolds */
			ml_set_pte_at(&e.rig.table, entries_va(&e, i), e.p + i, 0,
				      leaf(&e, i, ML_RW)); /* folds */
			if (round % 32 == 0)
				sched_yield();
		}
		atomic_store(&r.stop, true);
		pthread_join(thread, NULL);
		t_eq(r.torn, 0);
		t_ok(r.reads > r.contended && atomic_load(&r.groups) > 0);
		t_eq(entries_folded(&e), e.size);
		t_ok(entries_close(&e, NULL));
	}
}
