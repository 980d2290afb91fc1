/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Drawing operations that meet each other: a range not much larger than the memory behind it. */
#include "random_ops.h"
#include "t.h"

#define MIB ((uint64_t)1 << 20)

static uint64_t below(struct random_ops *r, uint64_t limit)
{
	return t_random(&r->state) % limit;
}

static bool chance(struct random_ops *r, unsigned in, unsigned of)
{
	return below(r, of) < in;
}

uint64_t random_ops_memory(const struct machine_facts *facts)
{
	return facts->memory_bytes < 64 * MIB ? facts->memory_bytes : 64 * MIB;
}

bool random_ops_open(struct random_ops *r, const struct machine_facts *facts, uint64_t seed)
{
	struct ml_table_config wish = { 0 };

	r->state = seed;
	r->done = r->refused = 0;
	r->bytes = 2 * random_ops_memory(facts);
	if (r->bytes > facts->window_bytes)
		r->bytes = facts->window_bytes;
	/* Across what a second-level table covers, half on each side, where there is room. */
	r->first = facts->window;
	if (facts->window_bytes >= 2048 * MIB)
		r->first += 1024 * MIB - r->bytes / 2;
	reference_clear(&r->model);
	wish.fold = (uint8_t)below(r, 3);
	wish.guaranteed = wish.fold == ML_FOLD_BLOCK || chance(r, 1, 3);
	wish.track_ad = facts->hardware_ad && chance(r, 1, 3);
	if (chance(r, 1, 3))
		wish.rungs =
			facts->rungs & (1u | (uint32_t)below(r, 1u << facts->format->rung_count));
	else
		wish.rungs = facts->rungs;
	wish.rungs |= 1;
	wish.ops = chance(r, 1, 8) ? &ml_table_ops_any : NULL;
	return machine_open(&r->machine, facts, &wish);
}

/* Where leaves of the machine's sizes begin, or a page beside that. */
static ml_va draw_start(struct random_ops *r)
{
	const struct ml_format *f = r->machine.facts->format;
	const uint64_t page = (uint64_t)1 << f->page_shift;
	unsigned shift = f->rungs[below(r, f->rung_count)].shift;
	uint64_t offset;

	if (r->bytes >> shift == 0)
		shift = f->page_shift;
	offset = below(r, r->bytes >> shift) << shift;
	if (chance(r, 1, 4))
		offset += below(r, 20) * page;
	return r->first + offset % r->bytes;
}

static uint64_t draw_length(struct random_ops *r, ml_va va)
{
	const struct ml_format *f = r->machine.facts->format;
	const uint64_t most = r->bytes - (va - r->first);
	uint64_t length = (1 + below(r, 3)) << f->rungs[below(r, f->rung_count)].shift;

	if (chance(r, 1, 4))
		length = (1 + below(r, 40)) << f->page_shift;
	return length < most ? length : most;
}

/* In step with the address for every size, mostly; the run must end inside the memory. */
static ml_pa draw_frame(struct random_ops *r, ml_va va, uint64_t *length)
{
	const struct machine_facts *facts = r->machine.facts;
	const struct ml_format *f = facts->format;
	const uint64_t bytes = random_ops_memory(facts);
	uint64_t offset = (va - r->first) % bytes;

	if (chance(r, 1, 3))
		offset += (1 + below(r, 3)) << f->rungs[below(r, f->rung_count)].shift;
	offset %= bytes;
	if (*length > bytes - offset)
		*length = bytes - offset;
	return facts->memory + offset;
}

static ml_prot draw_prot(struct random_ops *r)
{
	static const ml_prot some[] = { ML_READ,           ML_RW,           ML_RW,
					ML_READ | ML_USER, ML_RW | ML_USER, ML_RW | ML_USER,
					ML_READ | ML_USER };

	static const ml_prot types[] = { ML_NC, ML_DEV, ML_DEV_STRICT };
	ml_prot prot = chance(r, 1, 8) ? some[below(r, 3)] : some[3 + below(r, 4)];

	if (r->machine.facts->any_type && chance(r, 1, 6))
		prot |= types[below(r, 3)];
	return prot | ML_PROT_AD;
}

static void step_map(struct random_ops *r, ml_va va, uint64_t length)
{
	struct ml_op op = { .flags = chance(r, 1, 2) ? ML_OP_REPLACE : 0 };
	const ml_pa pa = draw_frame(r, va, &length);
	const ml_prot prot = draw_prot(r);
	const bool meets = reference_bytes(&r->model, va, va + length - 1) != 0;
	const bool refused = meets && !(op.flags & ML_OP_REPLACE);

	t_eq(ml_map(&r->machine.table, va, length, pa, prot, &op), refused ? ML_ERR_EXISTS : ML_OK);
	if (!refused)
		reference_map(&r->model, va, va + length - 1, pa, prot);
	r->refused += refused;
}

static void step_protect(struct random_ops *r, ml_va va, uint64_t length)
{
	const ml_prot mask = chance(r, 1, 2) ? ML_WRITE : ML_USER;
	const ml_prot value = chance(r, 2, 3) ? mask : 0;

	t_eq(ml_protect(&r->machine.table, va, length, mask, value, NULL), ML_OK);
	reference_protect(&r->model, va, va + length - 1, mask, value);
}

void random_ops_step(struct random_ops *r)
{
	struct ml_table *t = &r->machine.table;
	const ml_va va = draw_start(r);
	const uint64_t length = draw_length(r, va);
	const unsigned rung = (unsigned)below(r, r->machine.facts->format->rung_count);
	int error;

	r->done++;
	switch (below(r, 10)) {
	case 0:
	case 1:
		t_eq(ml_unmap(t, va, length, NULL), ML_OK);
		reference_remove(&r->model, va, va + length - 1);
		break;
	case 2:
	case 3:
		step_protect(r, va, length);
		break;
	case 4:
		t_eq(ml_split(t, va, length, rung, NULL), ML_OK);
		break;
	case 5:
		error = ml_fold(t, va, length, rung, NULL);
		t_ok(error == ML_OK || (error == ML_ERR_SIZE && !(t->rungs >> rung & 1)));
		break;
	default:
		step_map(r, va, length);
	}
}

ml_va random_ops_address(struct random_ops *r)
{
	const struct reference_span *span;
	ml_va va = r->first + below(r, r->bytes);

	if (r->model.count && chance(r, 2, 3)) {
		span = &r->model.spans[below(r, r->model.count)];
		va = span->first + below(r, span->last - span->first + 1);
		if (chance(r, 1, 4))
			va = chance(r, 1, 2) ? span->first : span->last;
		else if (chance(r, 1, 4))
			va = chance(r, 1, 2) ? span->first - 8 : span->last + 1;
	}
	return va & ~(ml_va)7;
}

void random_ops_close(struct random_ops *r)
{
	machine_close(&r->machine);
}
