/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Accessed and dirty: set by the machine's hardware, or faults where it does not; cleared by
 * protect for every CPU at once; kept when memory becomes read-only.
 */
#include "bodies.h"

#define NO_MARKS "no machine here honours accessed and dirty"

static const struct ml_table_config tracking = { .track_ad = true };

static bool has_marks(const struct machine_facts *facts)
{
	return facts->marks;
}

static bool has_hardware(const struct machine_facts *facts)
{
	return facts->hardware_ad;
}

/* The marks of the leaf at va, as the library reads them. */
static ml_prot marks_at(const struct machine *m, ml_va va)
{
	struct ml_translation found;

	if (!t_eq(ml_translate(&m->table, va, &found), ML_OK))
		return 0;
	return ml_translation_prot(&m->table, &found) & ML_PROT_AD;
}

static int set_marks(struct machine *m, const struct place *place, ml_prot mask, ml_prot value)
{
	return ml_protect(&m->table, place->va, place->bytes, mask, value, NULL);
}

/* Where an access falls: somewhere else in the leaf for each CPU. */
static uint64_t spot(const struct place *place, unsigned cpu)
{
	return (place->readable / 4 * cpu & ~(PAGE - 1)) + 8 * cpu;
}

/* What each use of a fresh leaf does to its marks. */
static void check_hardware(struct machine *m, const struct place *place, unsigned cpu)
{
	const ml_va va = place_va(place, spot(place, cpu));

	t_eq(marks_at(m, place->va), 0);
	t_leads(m, cpu, va, place_pa(place, spot(place, cpu)));
	t_eq(marks_at(m, place->va), ML_ACCESSED);
	t_ends(m, cpu, MACHINE_STORE, va, MACHINE_OK);
	t_eq(marks_at(m, place->va), ML_PROT_AD);
	t_eq(marks_at(m, place->va + place->bytes - PAGE), ML_PROT_AD);
}

/* Every use faults until software has set the mark, and then works. */
static void check_software(struct machine *m, const struct place *place, unsigned cpu)
{
	const ml_va va = place_va(place, spot(place, cpu));

	t_all_end(m, MACHINE_LOAD, va, MACHINE_ACCESS_FLAG);
	t_ends(m, cpu, MACHINE_STORE, va, MACHINE_ACCESS_FLAG);
	t_eq(marks_at(m, place->va), 0);
	t_eq(set_marks(m, place, ML_ACCESSED, ML_ACCESSED), ML_OK);
	t_all_lead(m, va, place_pa(place, spot(place, cpu)));
	t_all_end(m, MACHINE_STORE, va, MACHINE_PERMISSION);
	t_eq(marks_at(m, place->va), ML_ACCESSED);
	t_eq(set_marks(m, place, ML_DIRTY, ML_DIRTY), ML_OK);
	t_all_end(m, MACHINE_STORE, va, MACHINE_OK);
}

static void use_on_every_cpu(struct machine *m, unsigned rung)
{
	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++) {
		const struct place place = place_of(m->facts, rung, cpu % 2);

		T_REQUIRE(place_map(m, &place, USER_RW));
		if (m->facts->hardware_ad)
			check_hardware(m, &place, cpu);
		else
			check_software(m, &place, cpu);
		place_unmap(m, &place);
	}
}

TEST(use_marks_each_leaf_size)
{
	on_each_rung(&tracking, has_marks, NO_MARKS, use_on_every_cpu);
}

/* After a harvest no CPU writes through what it had cached: each marks anew, or faults. */
static void check_harvest(struct machine *m, const struct place *place, unsigned cpu)
{
	const ml_va va = place_va(place, spot(place, cpu));
	const bool hardware = m->facts->hardware_ad;

	t_eq(set_marks(m, place, ML_PROT_AD, ML_PROT_AD), ML_OK);
	for (unsigned other = 0; other < m->facts->cpus; other++) {
		t_ends(m, other, MACHINE_STORE, va, MACHINE_OK);
		t_ends(m, other, MACHINE_STORE, place_va(place, spot(place, other)), MACHINE_OK);
	}
	t_eq(set_marks(m, place, ML_DIRTY, 0), ML_OK);
	t_eq(marks_at(m, place->va), ML_ACCESSED);
	t_ends(m, cpu, MACHINE_STORE, va, hardware ? MACHINE_OK : MACHINE_PERMISSION);
	t_eq(marks_at(m, place->va), hardware ? ML_PROT_AD : ML_ACCESSED);
	t_eq(set_marks(m, place, ML_PROT_AD, 0), ML_OK);
	t_eq(marks_at(m, place->va), 0);
	t_ends(m, cpu, MACHINE_LOAD, va, hardware ? MACHINE_OK : MACHINE_ACCESS_FLAG);
	t_eq(marks_at(m, place->va), hardware ? ML_ACCESSED : 0);
}

static void harvest_on_every_cpu(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);

	T_REQUIRE(place_map(m, &place, USER_RW));
	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++)
		check_harvest(m, &place, cpu);
	place_unmap(m, &place);
}

TEST(clearing_marks_reaches_every_cpu)
{
	on_each_rung(&tracking, has_marks, NO_MARKS, harvest_on_every_cpu);
}

/* Read-only memory that was written stays dirty, and is not writable for that. */
static void write_and_protect(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);
	const ml_va va = place_va(&place, PAGE - 8);

	T_REQUIRE(place_map(m, &place, USER_RW | (m->facts->hardware_ad ? 0 : ML_PROT_AD)));
	t_all_end(m, MACHINE_STORE, va, MACHINE_OK);
	t_eq(set_marks(m, &place, ML_WRITE, 0), ML_OK);
	t_all_end(m, MACHINE_STORE, va, MACHINE_PERMISSION);
	t_all_lead(m, va, place_pa(&place, PAGE - 8));
	t_eq(marks_at(m, place.va), ML_PROT_AD);
	t_eq(set_marks(m, &place, ML_WRITE, ML_WRITE), ML_OK);
	t_eq(marks_at(m, place.va), ML_PROT_AD);
	t_all_end(m, MACHINE_STORE, va, MACHINE_OK);
	place_unmap(m, &place);
}

TEST(dirty_outlives_the_permission_to_write)
{
	on_each_rung(&tracking, has_marks, NO_MARKS, write_and_protect);
}

/* The pieces of a leaf that was written are dirty; folded, it is what any of them was since. */
static void check_pieces(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);
	const ml_va first = place_va(&place, 0), last = place_va(&place, place.readable - PAGE);

	if (rung == 0)
		return;
	T_REQUIRE(place_map(m, &place, USER_RW));
	t_ends(m, 0, MACHINE_STORE, first, MACHINE_OK);
	t_eq(ml_split(&m->table, last, PAGE, 0, NULL), ML_OK);
	t_eq(ml_split(&m->table, first, PAGE, 0, NULL), ML_OK);
	t_eq(marks_at(m, last), ML_PROT_AD);
	t_eq(set_marks(m, &place, ML_DIRTY, 0), ML_OK);
	t_ends(m, m->facts->cpus - 1, MACHINE_STORE, last, MACHINE_OK);
	t_eq(marks_at(m, first), ML_ACCESSED);
	t_eq(marks_at(m, last), ML_PROT_AD);
	t_eq(ml_fold(&m->table, place.va, place.bytes, place.rung, NULL), ML_OK);
	t_eq(marks_at(m, first), ML_PROT_AD);
	place_unmap(m, &place);
}

TEST(marks_go_through_split_and_fold)
{
	on_each_rung(&tracking, has_hardware, "no machine here sets accessed and dirty by hardware",
		     check_pieces);
}
