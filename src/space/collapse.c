/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Large leaves where small ones are: out of frames that lie in sequence by folding, and out of
 * scattered ones, where they are private and nobody else's, by copying them together.
 */
#include "space/fault.h"

/* An aligned piece of a region that may become one leaf. */
struct unit {
	struct ml_space *s;
	const struct ml_region *region;
	ml_va va;
	uint64_t bytes;
	uint64_t present; /* bytes mapped now */
	ml_prot marks;    /* of any of its leaves */
	ml_pa pa;         /* of the frames that take the place of all others */
};

static struct ml_cursor unit_cursor(const struct unit *unit)
{
	const struct ml_cursor cursor = { unit->va, unit->va + (unit->bytes - 1), false };

	return cursor;
}

/* Whether these pages are nobody else's, and nobody relies on where they are. */
static bool may_move(const struct ml_space *s, const struct ml_run *run)
{
	const struct ml_frames *frames = s->frames;

	if (frames->pinned && frames->pinned(s->frames_cookie, run->pa, run->length))
		return false;
	return frames->exclusive(s->frames_cookie, run->pa, run->length);
}

/* Whether all that there is of it may be moved. */
static bool unit_is_movable(struct unit *unit)
{
	struct ml_cursor cursor = unit_cursor(unit);
	struct ml_run run;

	unit->present = 0;
	unit->marks = 0;
	while (ml_run_next(&unit->s->table, &cursor, &run)) {
		if (!may_move(unit->s, &run))
			return false;
		unit->present += run.length;
		unit->marks |= run.prot & ML_PROT_AD;
	}
	return true;
}

static void copy_unit(const struct unit *unit)
{
	struct ml_cursor cursor = unit_cursor(unit);
	struct ml_run run;

	while (ml_run_next(&unit->s->table, &cursor, &run))
		unit->s->frames->copy(unit->s->frames_cookie, unit->pa + (run.va - unit->va),
				      run.pa, run.length);
}

/* The new frames hold what nothing else does: they are dirty where they may be written. */
static ml_prot unit_prot(const struct unit *unit)
{
	const ml_prot type = unit->region->prot & ML_TYPE_MASK;
	ml_prot prot = ml_space_leaf_prot(unit->s, unit->region, type, false) | unit->marks;

	return unit->region->prot & ML_WRITE ? prot | ML_WRITE | ML_DIRTY : prot;
}

/*
 * Nobody writes to what is copied until it has gone: the right to write goes first, from whole
 * leaves, which takes no table.
 */
static int replace_unit(void *what, struct ml_op *op, uint64_t *tables)
{
	const struct unit *unit = what;
	struct ml_table *t = &unit->s->table;
	int error = ml_protect(t, unit->va, unit->bytes, ML_WRITE, 0, op);

	if (error)
		return error;
	if (!(op->flags & ML_OP_DRY)) {
		copy_unit(unit);
		publish_frames();
	}
	error = ml_map(t, unit->va, unit->bytes, unit->pa, unit_prot(unit), op);
	*tables += op->tables_needed;
	return error;
}

static int move_unit(struct unit *unit)
{
	struct ml_space *s = unit->s;
	const ml_va last = unit->va + (unit->bytes - 1);
	struct ml_op op = ml_space_op(s);
	int error;

	if (!s->frames->alloc(s->frames_cookie, unit->bytes, unit->present < unit->bytes,
			      &unit->pa))
		return ML_ERR_NO_MEMORY;
	op.flags |= ML_OP_REPLACE;
	ml_space_begin(s, unit->va, last);
	error = ml_space_together(&s->table, &op, replace_unit, unit);
	ml_space_end(s, unit->va, last);
	if (error)
		s->frames->put(s->frames_cookie, unit->pa, unit->bytes);
	return error;
}

/*
 * Make the largest leaf that can stand at the unit's address; *next is the last address dealt with.
 * That there are no frames of a size is an error only if there are none of a smaller one, either.
 */
static int collapse_at(struct unit *unit, ml_va last, ml_va *next)
{
	const struct ml_format *f = unit->s->table.format;
	const uint32_t rungs = region_rungs(unit->s, unit->region);
	unsigned rung = f->rung_count;
	struct ml_translation leaf;
	int error = ML_OK;

	*next = ml_align_last(unit->va, f->page_shift);
	if (!ml_translate(&unit->s->table, unit->va, &leaf))
		*next = leaf_last(unit->s, unit->va, &leaf);
	while (--rung) {
		const unsigned shift = f->rungs[rung].shift;
		const ml_va end = ml_align_last(unit->va, shift);

		if (!(rungs >> rung & 1) || !ml_space_can_hold(unit->s, rung) ||
		    !ml_aligned(unit->va, shift) || end > last || end <= *next)
			continue;
		unit->bytes = ML_BIT(shift);
		if (!unit_is_movable(unit))
			continue;
		error = unit->present ? move_unit(unit) : ML_OK;
		if (error != ML_ERR_NO_MEMORY) {
			*next = end;
			break;
		}
	}
	return error;
}

int ml_space_collapse(struct ml_space *s, const struct ml_region *region, ml_va va, ml_va last)
{
	struct unit unit = { .s = s, .region = region, .va = va };
	struct ml_op op = { .context = s->context };
	int error;

	if (region_rungs(s, region) == 1)
		return ML_OK;
	error = ml_fold(&s->table, va, last - va + 1, s->table.format->rung_count - 1u, &op);
	while (!error && region_is_anonymous(region) && s->frames->alloc) {
		ml_va next;

		error = collapse_at(&unit, last, &next);
		if (next >= last)
			break;
		unit.va = next + 1;
	}
	return error;
}
