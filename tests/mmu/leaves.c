/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Each leaf size maps the right frame, word by word, and nothing beside it. */
#include "bodies.h"

static bool in_window(const struct machine_facts *facts, ml_va va)
{
	return va - facts->window < facts->window_bytes;
}

/* The first, a middle and the last word of the pages of a range, on CPUs in turn. */
static void check_words(struct machine *m, ml_va va, ml_pa pa, uint64_t bytes)
{
	unsigned probe = 0;

	for (uint64_t at = 0; at < bytes; at = sample_after(at, bytes)) {
		t_leads(m, probe++ % m->facts->cpus, va + at, pa + at);
		t_leads(m, probe++ % m->facts->cpus, va + at + PAGE / 2 + 8,
			pa + at + PAGE / 2 + 8);
		t_leads(m, probe++ % m->facts->cpus, va + at + PAGE - 8, pa + at + PAGE - 8);
	}
}

static void check_neighbours(struct machine *m, const struct place *place)
{
	if (in_window(m->facts, place->va - 8))
		t_unmapped(m, place->va - 8);
	if (in_window(m->facts, place->va + place->bytes))
		t_unmapped(m, place->va + place->bytes);
}

static void check_place(struct machine *m, const struct place *place)
{
	struct ml_translation found;

	T_REQUIRE(place_map(m, place, USER_RW));
	t_eq(ml_translate(&m->table, place->va, &found), ML_OK);
	t_eq(ml_translation_rung(&m->table, &found), place->rung);
	check_words(m, place_va(place, 0), place_pa(place, 0), place->readable);
	check_neighbours(m, place);
	place_unmap(m, place);
	t_unmapped(m, place_va(place, 0));
}

/* The first two leaves of the window, and the last. */
static void check_places(struct machine *m, unsigned rung)
{
	const ml_va end = m->facts->window + m->facts->window_bytes;
	struct place place = place_of(m->facts, rung, 0);

	check_place(m, &place);
	place = place_of(m->facts, rung, 1);
	check_place(m, &place);
	place.va = (end & ~(place.bytes - 1)) - place.bytes;
	check_place(m, &place);
}

TEST(each_leaf_size_maps_its_frame)
{
	on_each_rung(NULL, NULL, NULL, check_places);
}

/* Stores go where loads come from. */
static void store_on_every_cpu(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 0);
	const uint64_t last = place.readable - 8;

	T_REQUIRE(place_map(m, &place, USER_RW));
	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++) {
		machine_probe(m, cpu, MACHINE_USER, MACHINE_STORE, place_va(&place, last - 8 * cpu),
			      7 + cpu);
		t_eq(machine_peek(m, place_pa(&place, last - 8 * cpu)), 7 + cpu);
	}
	place_unmap(m, &place);
}

TEST(each_leaf_size_is_written_through)
{
	on_each_rung(NULL, NULL, NULL, store_on_every_cpu);
}

/* The largest leaf with smaller ones before it and behind it, each of these sizes once. */
static void check_mixture(struct machine *m, uint32_t rungs, unsigned largest)
{
	const struct place place = place_of(m->facts, largest, 1);
	uint64_t before = 0, after = PAGE;
	ml_pa pa = place.pa;

	for (unsigned rung = 0; rung < largest; rung++)
		if (rungs & 1u << rung)
			before += (uint64_t)1 << m->facts->format->rungs[rung].shift;
	if (pa < m->facts->memory + before) {
		after += before;
		before = 0;
	}
	t_eq(ml_map(&m->table, place.va - before, before + place.bytes + after, pa - before,
		    USER_RW, NULL),
	     ML_OK);
	check_words(m, place.va - before, pa - before, before);
	check_words(m, place_va(&place, 0), place_pa(&place, 0), place.readable);
	if (pa + place.bytes + after <= m->facts->memory + m->facts->memory_bytes)
		check_words(m, place.va + place.bytes, pa + place.bytes, after);
	t_unmapped(m, place.va + place.bytes + after);
	t_unmapped(m, place.va - before - 8);
	t_eq(ml_unmap(&m->table, place.va - before, before + place.bytes + after, NULL), ML_OK);
	t_unmapped(m, place_va(&place, 0));
}

static unsigned largest_of(uint32_t rungs)
{
	unsigned rung = 0;

	while (rungs >> (rung + 1))
		rung++;
	return rung;
}

/* Whichever sizes are allowed, the frames are the same. */
TEST(any_sizes_lead_to_the_same_frames)
{
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts)
		for (uint32_t rungs = 1; rungs <= facts->rungs; rungs += 2) {
			const struct ml_table_config wish = { .rungs = rungs };

			if (rungs & ~facts->rungs)
				continue;
			T_CONTEXT(facts->name, rungs);
			T_REQUIRE(machine_open(&m, facts, &wish));
			check_mixture(&m, rungs, largest_of(rungs));
			machine_close(&m);
		}
}
