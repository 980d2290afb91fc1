/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The process port as a machine: this process's own MMU, one CPU, user mode, write-back memory.
 * The formats are those whose tables can cover its addresses. The memory is sparse: what no test
 * touches takes no room.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <maxleaf/process.h>

#include "bodies.h"

#define MEMORY_PA (8 * GIB)

#if defined(__aarch64__)
#define CODE 0xd65f03c0 /* ret */
#else
#define CODE 0xc3 /* ret */
#endif

/* Wide enough for the largest leaf twice; only the formats differ. */
static struct ml_process process;
static struct ml_platform platform; /* the port's, with an allocation that can fail */
static const struct ml_platform *port;
static uint64_t fail_nth;
static uint64_t *memory; /* all of it, for peek and poke */

static struct machine_facts machines[] = {
	{ .name = "process x86-64", .format = &ml_format_x86_64, .rungs = 7 },
	{ .name = "process arm64", .format = &ml_format_arm64_4k, .rungs = 0x1f },
};

static void *table_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	if (fail_nth && --fail_nth == 0)
		return NULL;
	return port->table_alloc(cookie, op, bytes, pa);
}

/* Once; a failure is found when the first machine is opened. */
static bool make_process(void)
{
	static const struct ml_process_config config = { .window_bytes = 3 * GIB,
							 .memory_bytes = GIB,
							 .memory_pa = MEMORY_PA };
	void *view;

	if (memory)
		return true;
	if (!t_eq(ml_process_init(&process, &config), ML_OK))
		return false;
	view = mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		    process.memory_fd, 0);
	if (!t_ok(view != MAP_FAILED))
		return false;
	memory = view;
	return true;
}

const struct machine_facts *machine_facts(unsigned number)
{
	struct machine_facts *facts = &machines[number];

	if (number >= sizeof(machines) / sizeof(machines[0]) || !make_process())
		return NULL;
	facts->levels = 4;
	facts->cpus = 1;
	facts->memory = process.memory_pa;
	facts->memory_bytes = process.memory_bytes;
	facts->window = process.window_va;
	facts->window_bytes = process.window_bytes;
	return facts;
}

bool machine_begin(struct machine *m, const struct machine_facts *facts)
{
	alarm(120); /* a fault that is never answered repeats for ever */
	*m = (struct machine){ .facts = facts };
	return true;
}

void machine_configure(struct machine *m, struct ml_table_config *config)
{
	(void)m;
	ml_process_configure(&process, config);
	port = config->platform;
	platform = *port;
	platform.table_alloc = table_alloc;
}

/* The port knows its tables by their platform. */
bool machine_use(struct machine *m, struct ml_table *t)
{
	if (m->used)
		ml_process_detach(&process, m->used);
	m->used = t;
	if (!t)
		return true;
	t->platform = port;
	if (!t_eq(ml_process_attach(&process, t), ML_OK))
		return false;
	t->platform = &platform;
	return true;
}

void machine_end(struct machine *m)
{
	(void)m;
	fail_nth = 0;
	t_eq(process.pool.used, 0);
	t_eq(fallocate(process.memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, GIB), 0);
}

void *machine_memory(struct machine *m)
{
	(void)m;
	return memory;
}

void machine_put_code(struct machine *m, ml_pa pa)
{
	char *word = (char *)&memory[(pa - MEMORY_PA) / 8];

	machine_poke(m, pa, CODE);
	__builtin___clear_cache(word, word + sizeof(uint64_t));
}

/* The port refuses an access and does not tell why. */
struct machine_result machine_probe(struct machine *m, unsigned cpu, enum machine_mode mode,
				    enum machine_access access, ml_va va, uint64_t value)
{
	static const enum ml_process_access accesses[] = { ML_PROCESS_LOAD, ML_PROCESS_STORE,
							   ML_PROCESS_FETCH };
	struct machine_result result = { .address = va };

	(void)m;
	if (cpu != 0 || mode != MACHINE_USER)
		result.outcome = MACHINE_OTHER;
	else if (ml_process_probe(&process, accesses[access], va, &value))
		result.outcome = MACHINE_FAULT;
	else
		result.value = value;
	return result;
}

bool machine_translate(struct machine *m, ml_va va, ml_pa *pa, ml_prot *type)
{
	(void)m;
	(void)va;
	(void)pa;
	(void)type;
	return false;
}

/* One table translates a window. */
struct ml_table *machine_lender(struct machine *m, ml_va *va, uint64_t *bytes)
{
	(void)m;
	(void)va;
	(void)bytes;
	return NULL;
}

bool machine_lend(struct machine *m)
{
	(void)m;
	return false;
}

void machine_fail_nth(struct machine *m, uint64_t nth)
{
	(void)m;
	fail_nth = nth;
}
