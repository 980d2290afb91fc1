/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A machine with a table, stamped memory, places for leaves, and checks on every CPU. */
#include "bodies.h"

bool machine_open(struct machine *m, const struct machine_facts *facts,
		  const struct ml_table_config *wish)
{
	struct ml_table_config config = wish ? *wish : (struct ml_table_config){ 0 };

	if (!machine_begin(m, facts))
		return false;
	machine_configure(m, &config);
	return t_eq(ml_table_init(&m->table, facts->format, &config), ML_OK) &&
	       machine_use(m, &m->table);
}

void machine_close(struct machine *m)
{
	t_eq(ml_table_check(&m->table, NULL), ML_OK);
	machine_use(m, NULL);
	ml_table_fini(&m->table, NULL);
	machine_end(m);
}

void on_each_rung(const struct ml_table_config *wish, bool (*suits)(const struct machine_facts *),
		  const char *reason, void (*body)(struct machine *m, unsigned rung))
{
	const struct machine_facts *facts;
	unsigned machines = 0;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		if (suits && !suits(facts))
			continue;
		machines++;
		T_REQUIRE(machine_open(&m, facts, wish));
		FOR_EACH_RUNG(rung, facts) {
			T_CONTEXT(facts->name, rung);
			body(&m, rung);
		}
		machine_close(&m);
	}
	if (!machines)
		T_SKIP(reason);
}

static volatile uint64_t *word_at(struct machine *m, ml_pa pa)
{
	return (volatile uint64_t *)machine_memory(m) + (pa - m->facts->memory) / 8;
}

uint64_t machine_peek(struct machine *m, ml_pa pa)
{
	return *word_at(m, pa);
}

void machine_poke(struct machine *m, ml_pa pa, uint64_t value)
{
	*word_at(m, pa) = value;
}

void machine_stamp(struct machine *m, ml_pa pa, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += sizeof(uint64_t))
		machine_poke(m, pa + at, pa + at);
}

struct place place_of(const struct machine_facts *facts, unsigned rung, unsigned number)
{
	struct place place = { .rung = rung };
	uint64_t frames;

	place.bytes = (uint64_t)1 << facts->format->rungs[rung].shift;
	place.va = (facts->window + place.bytes - 1) & ~(place.bytes - 1);
	place.va += number * place.bytes;
	frames = facts->memory_bytes / place.bytes;
	place.pa = facts->memory & ~(place.bytes - 1);
	place.pa += frames ? number % frames * place.bytes : 0;
	place.memory = frames ? 0 : facts->memory - place.pa;
	place.readable = frames ? place.bytes : facts->memory_bytes;
	return place;
}

bool place_map(struct machine *m, const struct place *place, ml_prot prot)
{
	return t_eq(ml_map(&m->table, place->va, place->bytes, place->pa, prot, NULL), ML_OK);
}

void place_unmap(struct machine *m, const struct place *place)
{
	t_eq(ml_unmap(&m->table, place->va, place->bytes, NULL), ML_OK);
}

#define SAMPLE_ALL 512 /* pages */
#define SAMPLE_EDGE 17

uint64_t sample_after(uint64_t offset, uint64_t bytes)
{
	const uint64_t page = offset / PAGE, pages = bytes / PAGE;
	const uint64_t step = pages / 128 + 61, edge = pages - SAMPLE_EDGE;

	if (pages <= SAMPLE_ALL || page < SAMPLE_EDGE || page >= edge)
		return offset + PAGE;
	return (page + step < edge ? page + step : edge) * PAGE;
}

/* ---- checks ------------------------------------------------------------------------ */

static const char *const outcomes[] = {
	[MACHINE_OK] = "ok",
	[MACHINE_NOT_MAPPED] = "not mapped",
	[MACHINE_PERMISSION] = "permission",
	[MACHINE_ACCESS_FLAG] = "access flag",
	[MACHINE_OTHER] = "another fault",
	[MACHINE_FAULT] = "a fault",
};

static const char *const accesses[] = { "load", "store", "fetch" };

static void tell(unsigned cpu, enum machine_access access, ml_va va, enum machine_outcome outcome)
{
	T_PRINTF("CPU %u, %s at 0x%llx: %s", cpu, accesses[access], (unsigned long long)va,
		 outcomes[outcome]);
}

bool t_leads_at(struct machine *m, unsigned cpu, ml_va va, ml_pa pa, const char *file, int line)
{
	struct machine_result result;

	machine_poke(m, pa, pa);
	result = machine_probe(m, cpu, MACHINE_USER, MACHINE_LOAD, va, 0);
	if (result.outcome == MACHINE_OK && result.value == pa)
		return true;
	if (t_complain(file, line)) {
		tell(cpu, MACHINE_LOAD, va, result.outcome);
		T_PRINTF(", word 0x%llx, want 0x%llx\n", (unsigned long long)result.value,
			 (unsigned long long)pa);
	}
	return false;
}

bool t_all_lead_at(struct machine *m, ml_va va, ml_pa pa, const char *file, int line)
{
	bool good = true;

	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++)
		good &= t_leads_at(m, cpu, va, pa, file, line);
	return good;
}

bool t_ends_at(struct machine *m, unsigned cpu, enum machine_mode mode, enum machine_access access,
	       ml_va va, enum machine_outcome outcome, const char *file, int line)
{
	const struct machine_result result = machine_probe(m, cpu, mode, access, va, va);
	const bool fault = outcome != MACHINE_OK;

	if ((result.outcome == outcome || (fault && result.outcome == MACHINE_FAULT)) &&
	    (!fault || result.address == va))
		return true;
	if (t_complain(file, line)) {
		tell(cpu, access, va, result.outcome);
		T_PRINTF(" at 0x%llx, want %s%s\n", (unsigned long long)result.address,
			 outcomes[outcome], mode == MACHINE_KERNEL ? " in kernel mode" : "");
	}
	return false;
}

bool t_all_end_at(struct machine *m, enum machine_access access, ml_va va,
		  enum machine_outcome outcome, const char *file, int line)
{
	bool good = true;

	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++)
		good &= t_ends_at(m, cpu, MACHINE_USER, access, va, outcome, file, line);
	return good;
}
