/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Putting up address spaces on a machine, and living in them. */
#include "space.h"

#define TRIES 8

static struct ml_frame_pool frames;
static uint32_t counts[SPACE_BYTES / PAGE];

bool spaces_begin(struct machine *m, const struct machine_facts *facts)
{
	return machine_begin(m, facts) &&
	       t_eq(ml_frame_pool_init(&frames, machine_memory(m), facts->memory, SPACE_BYTES,
				       facts->format->page_shift, counts),
		    ML_OK);
}

void spaces_end(struct machine *m)
{
	t_eq(frames.free_pages + frames.object_pages, frames.pages);
	t_eq(frames.objects_used, 0);
	machine_end(m);
}

/* Raw memory can be read, too. */
static void copy(void *cookie, ml_pa to, ml_pa from, uint64_t bytes)
{
	struct machine *m = cookie;

	for (uint64_t at = 0; at < bytes; at += sizeof(uint64_t))
		machine_poke(m, to + at, machine_peek(m, from + at));
}

static void *object_alloc(void *cookie, size_t bytes)
{
	(void)cookie;
	return ml_frame_pool_frames.object_alloc(&frames, bytes);
}

static void object_free(void *cookie, void *object, size_t bytes)
{
	(void)cookie;
	ml_frame_pool_frames.object_free(&frames, object, bytes);
}

static bool alloc(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	(void)cookie;
	return ml_frame_pool_frames.alloc(&frames, bytes, zero, pa);
}

static void get(void *cookie, ml_pa pa, uint64_t bytes)
{
	(void)cookie;
	ml_frame_pool_frames.get(&frames, pa, bytes);
}

static void put(void *cookie, ml_pa pa, uint64_t bytes)
{
	(void)cookie;
	ml_frame_pool_frames.put(&frames, pa, bytes);
}

static bool exclusive(void *cookie, ml_pa pa, uint64_t bytes)
{
	(void)cookie;
	return ml_frame_pool_frames.exclusive(&frames, pa, bytes);
}

bool space_open(struct machine *m, struct ml_space *s, const struct ml_space_config *wish)
{
	static const struct ml_frames machine_frames = {
		.object_alloc = object_alloc,
		.object_free = object_free,
		.alloc = alloc,
		.get = get,
		.put = put,
		.exclusive = exclusive,
		.copy = copy,
	};
	struct ml_space_config config = wish ? *wish : (struct ml_space_config){ 0 };

	machine_configure(m, &config.table);
	config.frames = &machine_frames;
	config.frames_cookie = m;
	config.first = m->facts->window;
	config.last = config.first + (SPACE_WINDOW - 1);
	return t_eq(ml_space_init(s, m->facts->format, &config), ML_OK);
}

const struct ml_space_config space_of_all_sizes = { .fault_rungs = ~0u };

void in_space(const struct ml_space_config *wish,
	      void (*body)(struct machine *m, struct ml_space *s))
{
	const struct machine_facts *facts;

	FOR_EACH_MACHINE(facts) {
		struct ml_space s;
		struct machine m;

		T_REQUIRE(spaces_begin(&m, facts) && space_open(&m, &s, wish));
		space_use(&m, &s);
		body(&m, &s);
		space_close(&m, &s);
		spaces_end(&m);
	}
}

void space_close(struct machine *m, struct ml_space *s)
{
	t_eq(ml_space_check(s, NULL), ML_OK);
	if (m->used == &s->table)
		machine_use(m, NULL);
	ml_space_fini(s);
}

ml_va space_va(const struct ml_space *s, uint64_t offset)
{
	return s->first + offset;
}

unsigned space_cpu(const struct machine *m, uint64_t offset)
{
	return (unsigned)(offset / PAGE % m->facts->cpus);
}

unsigned space_shift(const struct ml_space *s, ml_va va)
{
	struct ml_translation leaf;

	if (ml_translate(&s->table, va, &leaf))
		return 0;
	return s->table.format->rungs[ml_translation_rung(&s->table, &leaf)].shift;
}

ml_pa space_raw(const struct machine *m)
{
	return m->facts->memory + SPACE_BYTES;
}

bool space_map(struct ml_space *s, uint64_t offset, uint64_t bytes, ml_prot rights)
{
	const struct ml_region_spec spec = { .prot = rights, .may = ML_RIGHTS };

	return t_eq(ml_space_map(s, space_va(s, offset), bytes, &spec, 0, NULL), ML_OK);
}

void space_use(struct machine *m, struct ml_space *s)
{
	machine_use(m, &s->table);
}

enum ml_fault_result space_access(struct machine *m, struct ml_space *s, unsigned cpu,
				  enum machine_access access, ml_va va, uint64_t *value)
{
	static const ml_prot tried[] = { ML_READ, ML_WRITE, ML_EXEC };
	enum ml_fault_result result = ML_FAULT_RETRY;

	for (unsigned i = 0; i < TRIES && result <= ML_FAULT_RETRY; i++) {
		struct machine_result seen =
			machine_probe(m, cpu, MACHINE_USER, access, va, *value);

		if (seen.outcome == MACHINE_OK) {
			*value = seen.value;
			return ML_FAULT_DONE;
		}
		t_ok(seen.outcome != MACHINE_OTHER && seen.address == va);
		result = ml_space_fault(s, va, tried[access]);
	}
	return result <= ML_FAULT_RETRY ? ML_FAULT_RETRY : result; /* and it never ends */
}

/* ---- checks ------------------------------------------------------------------------ */

static void tell(unsigned cpu, ml_va va, enum ml_fault_result result)
{
	T_PRINTF("CPU %u, 0x%llx: fault %u", cpu, (unsigned long long)va, result);
}

bool t_holds_at(struct machine *m, struct ml_space *s, unsigned cpu, ml_va va, uint64_t value,
		const char *file, int line)
{
	uint64_t word = ~value;
	const enum ml_fault_result result = space_access(m, s, cpu, MACHINE_LOAD, va, &word);

	if (result == ML_FAULT_DONE && word == value)
		return true;
	if (t_complain(file, line)) {
		tell(cpu, va, result);
		T_PRINTF(", word 0x%llx, want 0x%llx\n", (unsigned long long)word,
			 (unsigned long long)value);
	}
	return false;
}

bool t_stores_at(struct machine *m, struct ml_space *s, unsigned cpu, ml_va va, uint64_t value,
		 const char *file, int line)
{
	const enum ml_fault_result result = space_access(m, s, cpu, MACHINE_STORE, va, &value);

	if (result == ML_FAULT_DONE)
		return true;
	if (t_complain(file, line)) {
		tell(cpu, va, result);
		T_PRINTF(" of a store\n");
	}
	return false;
}

bool t_denied_at(struct machine *m, struct ml_space *s, enum machine_access access, ml_va va,
		 enum ml_fault_result reason, const char *file, int line)
{
	bool good = true;

	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++) {
		uint64_t value = va;
		const enum ml_fault_result result = space_access(m, s, cpu, access, va, &value);

		if (result == reason)
			continue;
		good = false;
		if (t_complain(file, line)) {
			tell(cpu, va, result);
			T_PRINTF(", want %u\n", reason);
		}
	}
	return good;
}
