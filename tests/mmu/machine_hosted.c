/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The machine as a model: tables in an arena, the model MMU, and for each CPU a TLB that keeps
 * every translation it ever used until an invalidation that covers it has completed. A range
 * that covers a part of a large leaf leaves the rest cached, as pieces; a hint of level or
 * stride that does not fit the leaf invalidates nothing (Arm ARM C5.5, TTL: "no effect is
 * required"). Tables above the leaf are read anew each time: caches of them are not modelled.
 */
#include <stdio.h>
#include <stdlib.h>

#include <maxleaf/hosted.h>

#include "bodies.h"
#include "machine_hosted.h"

#define TIB ((uint64_t)1 << 40)
#define ARENA_BYTES (64 * MIB)
#define MEMORY_PA 0x48000000u
#define MEMORY_BYTES (128 * MIB)
#define CPUS 4
#define PENDING_MOST 16
#define CODE 0x636f6465 /* stands for an instruction */

#define COMMON                                                                                  \
	.cpus = CPUS, .kernel_mode = true, .marks = true, .any_type = true, .translates = true, \
	.memory = MEMORY_PA, .memory_bytes = MEMORY_BYTES

static const struct machine_facts machines[] = {
	{ COMMON, .name = "model x86-64", .format = &ml_format_x86_64, .levels = 4,
	  .hardware_ad = true, .rungs = 7, .window = 0, .window_bytes = 128 * TIB },
	{ COMMON, .name = "model x86-64, 5 levels", .format = &ml_format_x86_64, .levels = 5,
	  .hardware_ad = true, .rungs = 7, .window = 0 - 65536 * TIB, .window_bytes = 65536 * TIB },
	{ COMMON, .name = "model arm64", .format = &ml_format_arm64_4k, .levels = 4,
	  .hardware_ad = true, .rungs = 0x1f, .window = 0, .window_bytes = 256 * TIB },
	{ COMMON, .name = "model arm64, 39 bits, no hardware A/D", .format = &ml_format_arm64_4k,
	  .levels = 3, .rungs = 0x1f, .window = 0, .window_bytes = 512 * GIB },
	{ COMMON, .name = "model arm64, upper half", .format = &ml_format_arm64_4k, .levels = 4,
	  .high = true, .hardware_ad = true, .rungs = 0x1f, .window = 0 - 256 * TIB,
	  .window_bytes = 256 * TIB },
};

/* A translation that a CPU has used: every page of [first, last]. */
struct cached {
	ml_va first, last;
	ml_pa pa;       /* of first */
	uint64_t entry; /* bytes of one entry, of which a group has several */
	unsigned level;
	ml_prot prot;
};

struct tlb {
	struct cached *cached;
	size_t count, room;
};

/* The one machine that is open. */
static struct {
	struct ml_arena arena;
	struct ml_platform platform;
	struct ml_model model;
	struct ml_table lender;
	bool lends;
	struct tlb tlbs[CPUS];
	struct ml_invalidation pending[PENDING_MOST];
	unsigned pending_count;
	uint64_t *memory;
	enum machine_harm harm;
} now;

static _Noreturn void trouble(const char *what)
{
	fprintf(stderr, "maxleaf: model machine: %s\n", what);
	exit(2);
}

const struct machine_facts *machine_facts(unsigned number)
{
	return number < sizeof(machines) / sizeof(machines[0]) ? &machines[number] : NULL;
}

void machine_harm(enum machine_harm harm)
{
	now.harm = harm;
}

/* ---- the TLBs -------------------------------------------------------------------- */

static void tlb_add(struct tlb *tlb, const struct cached *cached)
{
	if (tlb->count == tlb->room) {
		tlb->room = tlb->room ? 2 * tlb->room : 64;
		tlb->cached = realloc(tlb->cached, tlb->room * sizeof(*cached));
		if (!tlb->cached)
			trouble("no memory for a TLB");
	}
	tlb->cached[tlb->count++] = *cached;
}

/* The oldest that covers va, or NULL. */
static struct cached *tlb_find(const struct tlb *tlb, ml_va va)
{
	for (size_t i = 0; i < tlb->count; i++)
		if (va >= tlb->cached[i].first && va <= tlb->cached[i].last)
			return &tlb->cached[i];
	return NULL;
}

static void tlb_remove(struct tlb *tlb, struct cached *cached)
{
	*cached = tlb->cached[--tlb->count];
}

/* Whether the hints of an invalidation let it reach this translation. */
static bool reaches(const struct ml_invalidation *what, const struct cached *cached)
{
	if (what->length == 0)
		return true;
	if (what->level != 0xff && what->level != cached->level)
		return false;
	return cached->entry >= (uint64_t)1 << what->stride_shift;
}

/* Take [first, last] out of *cached: what remains before it and after it. */
static void tlb_cut(struct tlb *tlb, struct cached *cached, ml_va first, ml_va last)
{
	struct cached before = *cached, after = *cached;

	tlb_remove(tlb, cached);
	before.last = first - 1;
	after.pa += last + 1 - after.first;
	after.first = last + 1;
	if (first > before.first)
		tlb_add(tlb, &before);
	if (last < after.last)
		tlb_add(tlb, &after);
}

static void tlb_invalidate(struct tlb *tlb, const struct ml_invalidation *what)
{
	const ml_va last = what->va + what->length - 1; /* of length 0: everything */

	for (size_t i = tlb->count; i-- > 0;) {
		struct cached *cached = &tlb->cached[i];

		if (reaches(what, cached) && cached->first <= last && cached->last >= what->va)
			tlb_cut(tlb, cached, what->va, last);
	}
}

/* ---- the platform: the arena's, with an ear for invalidations --------------------- */

static void complete_pending(void)
{
	for (unsigned cpu = 0; cpu < (now.harm == HARM_ONE_CPU ? 1 : CPUS); cpu++)
		for (unsigned i = 0; i < now.pending_count; i++)
			tlb_invalidate(&now.tlbs[cpu], &now.pending[i]);
	now.pending_count = 0;
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct ml_invalidation done = *what;

	now.arena.platform.invalidate(cookie, op, what);
	if (now.harm == HARM_NO_COMPLETION)
		complete_pending();
	if (now.harm == HARM_NO_INVALIDATION ||
	    (now.harm == HARM_PAGE_SHORT && done.length == PAGE))
		return;
	if (now.harm == HARM_PAGE_SHORT && done.length)
		done.length -= PAGE;
	if (now.pending_count == PENDING_MOST)
		trouble("too many invalidations without completion");
	now.pending[now.pending_count++] = done;
}

static void complete(void *cookie, struct ml_op *op)
{
	now.arena.platform.complete(cookie, op);
	if (now.harm != HARM_NO_COMPLETION)
		complete_pending();
}

/* ---- putting up ------------------------------------------------------------------- */

static void make_hardware(void)
{
	if (now.memory)
		return;
	if (ml_arena_init(&now.arena, ML_ARENA_PA, ARENA_BYTES))
		trouble("no memory for tables");
	now.memory = calloc(1, MEMORY_BYTES);
	if (!now.memory)
		trouble("no memory");
	now.platform = now.arena.platform;
	now.platform.invalidate = invalidate;
	now.platform.complete = complete;
}

static void configure(const struct machine_facts *facts, struct ml_table_config *config)
{
	config->platform = &now.platform;
	config->cookie = &now.arena;
	config->base = ml_arena_base(&now.arena);
	config->levels = facts->levels;
	config->high = facts->high;
	config->live = true;
	config->hardware_ad = facts->hardware_ad;
}

static struct ml_model model_of(const struct machine_facts *facts, const struct ml_table *t)
{
	return (struct ml_model){
		.kind = facts->format == &ml_format_x86_64 ? ML_MODEL_X86_64 : ML_MODEL_ARM64_4K,
		.levels = facts->levels,
		.pa_bits = t->pa_bits,
		.root = ml_table_root(t),
		.types = facts->format->types_default,
		.high = facts->high,
		.hardware_accessed = facts->hardware_ad,
		.hardware_dirty = facts->hardware_ad,
		.read = ml_arena_read,
		.cookie = &now.arena,
	};
}

bool machine_begin(struct machine *m, const struct machine_facts *facts)
{
	make_hardware();
	*m = (struct machine){ .facts = facts };
	return true;
}

void machine_configure(struct machine *m, struct ml_table_config *config)
{
	configure(m->facts, config);
}

/* Nothing tells the tables' translations apart: none stays. */
bool machine_use(struct machine *m, struct ml_table *t)
{
	m->used = t;
	now.pending_count = 0;
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		now.tlbs[cpu].count = 0;
	if (t)
		now.model = model_of(m->facts, t);
	return true;
}

void machine_end(struct machine *m)
{
	(void)m;
	if (now.lends) {
		t_eq(ml_table_check(&now.lender, NULL), ML_OK);
		ml_table_fini(&now.lender, NULL);
	}
	t_eq(now.arena.in_use, 0);
	now.lends = false;
	now.arena.fail_nth = 0;
}

void *machine_memory(struct machine *m)
{
	(void)m;
	return now.memory;
}

/* ---- memory ------------------------------------------------------------------------ */

static uint64_t *memory_word(ml_pa pa)
{
	return pa - MEMORY_PA < MEMORY_BYTES ? &now.memory[(pa - MEMORY_PA) / 8] : NULL;
}

void machine_put_code(struct machine *m, ml_pa pa)
{
	machine_poke(m, pa, CODE);
}

/* ---- one access -------------------------------------------------------------------- */

static uint64_t *entry_at(ml_pa pa)
{
	return ml_arena_pointer(&now.arena, pa, sizeof(uint64_t));
}

/* Intel SDM 4.8: in every table entry on the way down to this level too. */
static void mark_tables(ml_va va, unsigned level)
{
	ml_pa table = now.model.root;

	for (unsigned above = now.model.levels - 1; above > level; above--) {
		uint64_t *entry = entry_at(table + 8 * (va >> (12 + 9 * above) & 511));

		*entry |= 1 << 5;
		table = *entry & ~(uint64_t)0xfff & (((uint64_t)1 << 52) - 1);
	}
}

/* Intel SDM 4.8; Arm ARM D8.5: AF, and AP[2] clear. */
static void mark(ml_va va, const struct ml_model_result *seen)
{
	uint64_t *entry = entry_at(seen->entry_pa);

	if (now.model.kind == ML_MODEL_X86_64) {
		if (seen->sets_accessed)
			mark_tables(va, seen->level);
		*entry |= (seen->sets_accessed ? 1 << 5 : 0) | (seen->sets_dirty ? 1 << 6 : 0);
		return;
	}
	if (seen->sets_accessed)
		*entry |= 1 << 10;
	if (seen->sets_dirty)
		*entry &= ~(uint64_t)(1 << 7);
}

static bool allowed(ml_prot prot, enum machine_mode mode, enum machine_access access)
{
	if (access == MACHINE_FETCH)
		return prot & (mode == MACHINE_USER ? ML_EXEC : ML_PEXEC);
	return (mode == MACHINE_KERNEL || prot & ML_USER) &&
	       (access == MACHINE_LOAD || prot & ML_WRITE);
}

static enum machine_outcome outcome_of(enum ml_model_fault fault)
{
	switch (fault) {
	case ML_MODEL_OK:
		return MACHINE_OK;
	case ML_MODEL_NOT_MAPPED:
		return MACHINE_NOT_MAPPED;
	case ML_MODEL_PERMISSION:
		return MACHINE_PERMISSION;
	case ML_MODEL_ACCESS_FLAG:
		return MACHINE_ACCESS_FLAG;
	default:
		return MACHINE_OTHER;
	}
}

/* Walk the table, mark what hardware marks, and remember the whole leaf. */
static enum machine_outcome walk(struct tlb *tlb, enum machine_mode mode,
				 enum machine_access access, ml_va va, ml_pa *pa)
{
	static const enum ml_model_access accesses[] = { ML_MODEL_READ, ML_MODEL_WRITE,
							 ML_MODEL_EXECUTE };
	struct ml_model_result seen;
	struct cached cached;
	ml_va offset;

	if (ml_model_walk(&now.model, va, accesses[access], mode == MACHINE_USER, &seen))
		return outcome_of(seen.fault);
	mark(va, &seen);
	offset = va & (seen.page_bytes - 1);
	cached = (struct cached){ .first = va - offset,
				  .last = va - offset + seen.page_bytes - 1,
				  .pa = seen.pa - offset,
				  .entry = seen.leaf_bytes,
				  .level = seen.level,
				  .prot = seen.prot };
	if (access == MACHINE_STORE)
		cached.prot |= ML_DIRTY;
	tlb_add(tlb, &cached);
	*pa = seen.pa;
	return MACHINE_OK;
}

/* A store through a clean translation walks again, where hardware marks what is written. */
static enum machine_outcome translate(struct tlb *tlb, enum machine_mode mode,
				      enum machine_access access, ml_va va, ml_pa *pa)
{
	struct cached *cached = tlb_find(tlb, va);

	if (cached && access == MACHINE_STORE && now.model.hardware_dirty &&
	    cached->prot & ML_WRITE && !(cached->prot & ML_DIRTY)) {
		tlb_cut(tlb, cached, va & ~(PAGE - 1), va | (PAGE - 1));
		cached = NULL;
	}
	if (!cached)
		return walk(tlb, mode, access, va, pa);
	*pa = cached->pa + (va - cached->first);
	return allowed(cached->prot, mode, access) ? MACHINE_OK : MACHINE_PERMISSION;
}

struct machine_result machine_probe(struct machine *m, unsigned cpu, enum machine_mode mode,
				    enum machine_access access, ml_va va, uint64_t value)
{
	struct machine_result result = { .address = va };
	uint64_t *word;
	ml_pa pa = 0;

	(void)m;
	result.outcome = translate(&now.tlbs[cpu], mode, access, va, &pa);
	if (result.outcome != MACHINE_OK)
		return result;
	word = memory_word(pa);
	if (!word || (access == MACHINE_FETCH && *word != CODE))
		result.outcome = MACHINE_OTHER;
	else if (access == MACHINE_STORE)
		*word = value;
	else
		result.value = *word;
	return result;
}

bool machine_translate(struct machine *m, ml_va va, ml_pa *pa, ml_prot *type)
{
	struct ml_model_result seen;

	(void)m;
	if (ml_model_walk(&now.model, va, ML_MODEL_READ, true, &seen))
		return false;
	*pa = seen.pa;
	*type = seen.prot & ML_TYPE_MASK;
	return true;
}

/* ---- lending, failing -------------------------------------------------------------- */

/* The second root entry of the window. */
struct ml_table *machine_lender(struct machine *m, ml_va *va, uint64_t *bytes)
{
	const struct machine_facts *facts = m->facts;
	struct ml_table_config config = { 0 };

	configure(facts, &config);
	*bytes = (uint64_t)1 << facts->format->level_shift[facts->levels - 1];
	*va = facts->window + *bytes;
	if (!now.lends && !t_eq(ml_table_init(&now.lender, facts->format, &config), ML_OK))
		return NULL;
	now.lends = true;
	return &now.lender;
}

bool machine_lend(struct machine *m)
{
	uint64_t bytes;
	ml_va va;

	return machine_lender(m, &va, &bytes) &&
	       t_eq(ml_table_share(&m->table, &now.lender, va, bytes, NULL), ML_OK);
}

void machine_fail_nth(struct machine *m, uint64_t nth)
{
	(void)m;
	now.arena.fail_nth = nth;
}
