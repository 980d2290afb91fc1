/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Long ranges in bounded steps: how far the next step goes, and then the ordinary call. */
#include "table/count.h"

/* Entries of level 0 that one step may touch. */
static uint64_t step_entries(const struct ml_table *t, const struct ml_step *step)
{
	const uint64_t tables = step->tables ? step->tables : 1;
	const uint64_t most = ~(uint64_t)0 >> t->format->index_bits[0];

	return ml_min(tables, most) << t->format->index_bits[0];
}

static void step_advance(struct ml_step *step, uint64_t bytes)
{
	step->va += bytes;
	step->pa += bytes;
	step->len -= bytes;
}

/* Whole leaves of the mapping, as many as the step may touch, one at least. */
static uint64_t map_step_bytes(const struct ml_table *t, const struct ml_step *step,
			       const struct ml_op *op)
{
	const struct ml_format *f = t->format;
	const struct ml_extent extent = { step->pa, step->len };
	const struct mapping m = {
		.va = step->va,
		.extents = &extent,
		.count = 1,
		.prot = step->prot,
		.rungs = mapping_rungs(f, t, op, step->va, step->va + (step->len - 1)),
	};
	struct mapping_cursor at = mapping_start(&m);
	uint64_t room = step_entries(t, step), bytes = 0;

	while (room && mapping_left(&m, &at)) {
		const struct mapping_run run = mapping_next(f, t, &m, &at);
		const struct ml_rung *rung = &f->rungs[run.rung];
		const uint64_t leaves = ((run.last - run.va) >> rung->shift) + 1;
		const uint64_t count = ml_min(leaves, ml_max(room >> rung->lg2_entries, 1));

		bytes += count << rung->shift;
		if (count < leaves)
			break;
		room -= ml_min(room, count << rung->lg2_entries);
	}
	return bytes;
}

int ml_map_step(struct ml_table *t, struct ml_step *step, struct ml_op *op)
{
	uint64_t bytes;
	int error = check_change(t->format, t, step->va, step->len);

	if (!error)
		error = check_pa(t->format, t, step->pa, step->len);
	if (error)
		return error;
	bytes = map_step_bytes(t, step, op);
	error = ml_map(t, step->va, bytes, step->pa, step->prot, op);
	if (!error && !is_dry(op))
		step_advance(step, bytes);
	return error;
}

/* So many whole tables' worth, and to the end of the leaf that would be cut. */
static uint64_t unmap_step_bytes(const struct ml_table *t, const struct ml_step *step)
{
	const ml_va last = step->va + (step->len - 1);
	const uint64_t bytes = step_entries(t, step) << t->format->page_shift;
	struct ml_translation leaf;
	ml_va end;

	if (bytes >= step->len || !bytes)
		return step->len;
	end = ml_align_down(step->va, t->format->level_shift[1]) + (bytes - 1);
	if (end >= last || end < step->va)
		return step->len;
	if (ml_translate(t, end, &leaf) == ML_OK)
		end = ml_min(
			last,
			ml_align_last(
				end,
				t->format->rungs[rung_of(t->format, leaf.pte, leaf.level)].shift));
	return end - step->va + 1;
}

int ml_unmap_step(struct ml_table *t, struct ml_step *step, struct ml_op *op)
{
	uint64_t bytes;
	int error = check_change(t->format, t, step->va, step->len);

	if (error)
		return error;
	bytes = unmap_step_bytes(t, step);
	error = ml_unmap(t, step->va, bytes, op);
	if (!error && !is_dry(op))
		step_advance(step, bytes);
	return error;
}

/* The first run of leaves below a root entry of t's own, from index on. */
static bool next_own_run(const struct ml_table *t, unsigned index, struct ml_cursor *rest,
			 struct ml_run *run)
{
	const struct ml_format *f = t->format;
	const unsigned level = root_level(t);

	for (; index < table_entries(f, level); index++) {
		const ml_va va = root_va(f, t, index);
		const struct ml_cursor span = { va, entry_last(f, va, level), false };

		if (is_borrowed(t, index))
			continue;
		*rest = span;
		if (ml_run_next(t, rest, run)) {
			rest->va = run->va;
			return true;
		}
	}
	return false;
}

bool ml_table_fini_step(struct ml_table *t, struct ml_step *step, struct ml_op *op)
{
	struct ml_cursor rest;
	struct ml_run run;

	if (next_own_run(t, 0, &rest, &run)) {
		step->va = rest.va;
		step->len = rest.last - rest.va + 1;
		if (ml_unmap_step(t, step, op) == ML_OK)
			return true;
	}
	ml_table_fini(t, op);
	return false;
}
