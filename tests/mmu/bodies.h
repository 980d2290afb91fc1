/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the bodies of this folder share: a word of memory holds its own physical address, so that
 * a load tells which frame a translation leads to. They run unchanged on every machine, with no
 * C library but memcpy and its like.
 */
#ifndef TESTS_BODIES_H
#define TESTS_BODIES_H

#ifndef T_NO_MAIN
#define T_NO_MAIN
#endif

#include "t.h"
#include "machine.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PAGE (4 * KIB) /* of every format that has a machine */
#define USER_RW (ML_USER | ML_RW)
#define USER_RO (ML_USER | ML_READ)

/* The memory itself, a word of it, past every table under test. */
uint64_t machine_peek(struct machine *m, ml_pa pa);
void machine_poke(struct machine *m, ml_pa pa, uint64_t value);

/* Write its own address into every word of [pa, pa + bytes). */
void machine_stamp(struct machine *m, ml_pa pa, uint64_t bytes);

/* The leaf sizes that a machine can map, in ascending order. */
#define FOR_EACH_RUNG(rung, facts)                                               \
	for (unsigned(rung) = 0; (rung) < (facts)->format->rung_count; (rung)++) \
		if ((facts)->rungs & 1u << (rung))

/*
 * The body for each leaf size of each machine that suits (NULL: all do), on an empty table like
 * `wish` for each machine. Where no machine suits the test is skipped for this reason.
 */
void on_each_rung(const struct ml_table_config *wish, bool (*suits)(const struct machine_facts *),
		  const char *reason, void (*body)(struct machine *m, unsigned rung));

/* One leaf, where it may stand, and which part of it is memory. */
struct place {
	unsigned rung;
	ml_va va;
	ml_pa pa;
	uint64_t bytes;    /* of the leaf */
	uint64_t memory;   /* offset of the memory in it, */
	uint64_t readable; /* and bytes */
};

/*
 * Leaf number `number` of the window, of this size, onto the number-th frame of this size; where
 * the memory has not so many, onto the first again.
 */
struct place place_of(const struct machine_facts *facts, unsigned rung, unsigned number);

/* The va and pa of an offset into the readable part. */
static inline ml_va place_va(const struct place *place, uint64_t offset)
{
	return place->va + place->memory + offset;
}

static inline ml_pa place_pa(const struct place *place, uint64_t offset)
{
	return place->pa + place->memory + offset;
}

/* Map the place with these bits; false, with a complaint, if that failed. */
bool place_map(struct machine *m, const struct place *place, ml_prot prot);

/* Unmap all of it; complains if that failed. */
void place_unmap(struct machine *m, const struct place *place);

/* The page to look at after that at `offset`: all of a small range, a sample of a large one. */
uint64_t sample_after(uint64_t offset, uint64_t bytes);

/* ---- checks: true if they hold, else they complain ----------------------------------- */

/* A user load on this CPU gives the word at pa, which is stamped first. */
#define t_leads(m, cpu, va, pa) t_leads_at((m), (cpu), (va), (pa), __FILE__, __LINE__)
bool t_leads_at(struct machine *m, unsigned cpu, ml_va va, ml_pa pa, const char *file, int line);

/* The same on every CPU. */
#define t_all_lead(m, va, pa) t_all_lead_at((m), (va), (pa), __FILE__, __LINE__)
bool t_all_lead_at(struct machine *m, ml_va va, ml_pa pa, const char *file, int line);

/* A user access ends with this outcome; a fault names va. */
#define t_ends(m, cpu, access, va, outcome) \
	t_ends_at((m), (cpu), MACHINE_USER, (access), (va), (outcome), __FILE__, __LINE__)
bool t_ends_at(struct machine *m, unsigned cpu, enum machine_mode mode, enum machine_access access,
	       ml_va va, enum machine_outcome outcome, const char *file, int line);

/* The same on every CPU. */
#define t_all_end(m, access, va, outcome) \
	t_all_end_at((m), (access), (va), (outcome), __FILE__, __LINE__)
bool t_all_end_at(struct machine *m, enum machine_access access, ml_va va,
		  enum machine_outcome outcome, const char *file, int line);

/* Nothing is mapped there, on any CPU. */
#define t_unmapped(m, va) t_all_end((m), MACHINE_LOAD, (va), MACHINE_NOT_MAPPED)

#endif
