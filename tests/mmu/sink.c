/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a sink hears: everything that was removed, once, with the marks of its use, and not before
 * the last CPU has lost it.
 */
#include "bodies.h"

struct hearing {
	struct machine *m;
	const struct place *place;
	uint64_t bytes;
	ml_prot marks;
};

/* By now no CPU gets at the old frame through any word that it has used. */
static void hear(void *cookie, const struct ml_run *run)
{
	struct hearing *hearing = cookie;
	const struct place *place = hearing->place;
	struct machine *m = hearing->m;

	hearing->bytes += run->length;
	hearing->marks |= run->prot & ML_PROT_AD;
	t_eq(run->pa - run->va, place->pa - place->va);
	for (uint64_t at = 0; at < place->readable; at = sample_after(at, place->readable))
		for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++) {
			struct machine_result seen;

			if (place_va(place, at) - run->va >= run->length)
				continue;
			seen = machine_probe(m, cpu, MACHINE_USER, MACHINE_LOAD,
					     place_va(place, at), 0);
			t_ok(seen.outcome != MACHINE_OK || seen.value != place_pa(place, at));
		}
}

/* Every CPU uses the leaf; `writer` writes to it. */
static void use(struct machine *m, const struct place *place, bool writes, unsigned writer)
{
	for (uint64_t at = 0; at < place->readable; at = sample_after(at, place->readable))
		t_all_lead(m, place_va(place, at), place_pa(place, at));
	if (writes)
		t_ends(m, writer, MACHINE_STORE, place_va(place, place->readable - 8), MACHINE_OK);
}

static ml_prot expected_marks(const struct machine_facts *facts, bool writes)
{
	if (!facts->hardware_ad)
		return ML_PROT_AD; /* as it was mapped */
	return writes ? ML_PROT_AD : ML_ACCESSED;
}

/* Unmapped, or replaced by other frames. */
static void check_removal(struct machine *m, const struct place *place, bool replaces, bool writes)
{
	struct hearing hearing = { m, place, 0, 0 };
	struct ml_op op = { .sink = hear, .sink_cookie = &hearing };
	const ml_prot marks = m->facts->hardware_ad ? 0 : ML_PROT_AD;

	T_REQUIRE(place_map(m, place, USER_RW | marks));
	use(m, place, writes, place->rung % m->facts->cpus);
	if (replaces) {
		op.flags = ML_OP_REPLACE;
		t_eq(ml_map(&m->table, place->va, place->bytes, place->pa ^ place->bytes,
			    USER_RO | ML_ACCESSED, &op),
		     ML_OK);
		t_all_end(m, MACHINE_STORE, place_va(place, 0), MACHINE_PERMISSION);
	} else {
		t_eq(ml_unmap(&m->table, place->va, place->bytes, &op), ML_OK);
		t_unmapped(m, place_va(place, place->readable - 8));
	}
	t_eq(hearing.bytes, place->bytes);
	t_eq(hearing.marks, expected_marks(m->facts, writes));
	if (replaces)
		place_unmap(m, place);
}

static void check_removals(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);

	for (unsigned way = 0; way < 4; way++) {
		T_CONTEXT(m->facts->name, rung * 10 + way);
		check_removal(m, &place, way & 1, way & 2);
	}
}

TEST(a_sink_hears_when_all_cpus_have_lost_it)
{
	static const struct ml_table_config tracking = { .track_ad = true };

	on_each_rung(&tracking, NULL, NULL, check_removals);
}

/* Several pages of different use in one call: reported are all, and only what was removed. */
TEST(a_sink_hears_of_pages_in_pieces)
{
	static const struct ml_table_config small = { .rungs = 1 };
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		struct place whole = place_of(facts, 0, 16), part;
		struct hearing hearing = { &m, &part, 0, 0 };
		struct ml_op op = { .sink = hear, .sink_cookie = &hearing };

		T_REQUIRE(machine_open(&m, facts, &small));
		whole.readable = whole.bytes = MIB;
		T_REQUIRE(place_map(&m, &whole, USER_RW));
		part = whole;
		part.va += 3 * PAGE;
		part.pa += 3 * PAGE;
		part.readable = part.bytes = 61 * PAGE;
		use(&m, &part, true, 0);
		t_all_lead(&m, part.va - 8, part.pa - 8);
		t_all_lead(&m, part.va + part.bytes, part.pa + part.bytes);
		t_eq(ml_unmap(&m.table, part.va, part.bytes, &op), ML_OK);
		t_eq(hearing.bytes, part.bytes);
		use(&m, &(struct place){ .va = whole.va, .pa = whole.pa, .readable = 3 * PAGE },
		    true, 0);
		t_all_lead(&m, part.va + part.bytes, part.pa + part.bytes);
		t_unmapped(&m, part.va);
		t_unmapped(&m, part.va + part.bytes - 8);
		machine_close(&m);
	}
}
