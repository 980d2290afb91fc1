/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Shrink, grow and move: first where it goes and whether it may, then all that can fail, then the
 * entries, and the regions last.
 */
#include "space/space.h"

struct moving {
	struct ml_space *s;
	ml_va from;
	uint64_t from_len;
	ml_va to;
	uint64_t to_len;
	struct cuts cuts, room; /* at the old place, and where FIXED makes room */
};

static bool overlap(ml_va a, uint64_t a_len, ml_va b, uint64_t b_len)
{
	return a <= b + (b_len - 1) && b <= a + (a_len - 1);
}

/* Whether the region ends there and nothing follows so soon. */
static bool can_grow(const struct ml_space *s, const struct ml_region *region, ml_va last,
		     uint64_t more)
{
	return region->range.last == last && last != ~(ml_va)0 &&
	       ml_table_check_range(&s->table, last + 1, more) == ML_OK &&
	       !ml_region_in(s, last + 1, last + more);
}

static bool may_grow(const struct ml_region *region)
{
	return !(region->flags & ML_REGION_FIXED_SIZE) &&
	       (!region_is_raw(region) || ml_region_refaultable(region));
}

static ml_va last_of(ml_va va, uint64_t len)
{
	return va + (len - 1);
}

/* What goes along; the rest of the old place is unmapped. */
static uint64_t moved_length(const struct moving *m)
{
	return ml_min(m->from_len, m->to_len);
}

/*
 * Unmap the new place, or what stays behind of the old one; or count the tables of that. Tables
 * that are at the new place now may be gone then.
 */
static int clear(struct ml_space *s, ml_va va, uint64_t len, struct ml_op *op, uint64_t *tables)
{
	int error;

	if (!len || !ml_region_in(s, va, last_of(va, len)))
		return ML_OK;
	op->flags |= ML_OP_EMPTIED;
	error = ml_unmap(&s->table, va, len, op);
	*tables += op->tables_needed;
	return error;
}

/* All changes of the table, or the tables that they take together. */
static int move_leaves(void *what, struct ml_op *op, uint64_t *tables)
{
	const struct moving *m = what;
	const uint64_t len = moved_length(m);
	int error;

	error = clear(m->s, m->to, m->to_len, op, tables);
	if (!error)
		error = clear(m->s, m->from + len, m->from_len - len, op, tables);
	if (error)
		return error;
	error = ml_move(&m->s->table, m->from, m->to, len, op);
	*tables += op->tables_needed;
	return error;
}

/* Everything that can fail, and then the entries. */
static int moving_leaves(struct ml_space *s, struct moving *m)
{
	struct ml_op op = ml_space_op(s);
	int error;

	ml_space_begin(s, m->from, last_of(m->from, m->from_len));
	ml_space_begin(s, m->to, last_of(m->to, m->to_len));
	error = ml_space_together(&s->table, &op, move_leaves, m);
	ml_space_end(s, m->to, last_of(m->to, m->to_len));
	ml_space_end(s, m->from, last_of(m->from, m->from_len));
	return error;
}

/* The regions follow. */
static void moving_regions(struct ml_space *s, struct moving *m)
{
	struct ml_region *region;

	ml_cuts_make(s, &m->cuts);
	ml_cuts_make(s, &m->room);
	ml_regions_close(s, m->to, last_of(m->to, m->to_len));
	region = ml_space_find(s, m->from);
	ml_region_detach(region);
	ml_region_attach(region, m->to, m->to_len);
	if (region->mapping && region->mapping->ops->moved)
		region->mapping->ops->moved(region, m->from);
	ml_regions_merge(s, m->to, last_of(m->to, m->to_len));
}

static int move_to(struct ml_space *s, struct moving *m)
{
	int error = ml_cuts_prepare(s, m->from, last_of(m->from, m->from_len), &m->cuts);

	if (error)
		return error;
	error = ml_cuts_prepare(s, m->to, last_of(m->to, m->to_len), &m->room);
	if (!error) {
		error = moving_leaves(s, m);
		if (error)
			ml_cuts_drop(s, &m->room);
	}
	if (error) {
		ml_cuts_drop(s, &m->cuts);
		return error;
	}
	moving_regions(s, m);
	return ML_OK;
}

/* Where it stands: shorter, as it is, or longer where there is room. Else ML_ERR_NO_SPACE. */
static int resize(struct ml_space *s, struct ml_region *region, const struct moving *m)
{
	const ml_va last = last_of(m->from, m->from_len);

	if (m->to_len < m->from_len)
		return ml_space_unmap(s, m->from + m->to_len, m->from_len - m->to_len);
	if (m->to_len == m->from_len)
		return ML_OK;
	if (!can_grow(s, region, last, m->to_len - m->from_len))
		return ML_ERR_NO_SPACE;
	ml_region_resize(region, region->range.first, m->from + (m->to_len - 1));
	ml_regions_merge(s, m->from, m->from + (m->to_len - 1));
	return ML_OK;
}

/* Whether what it is to show goes beyond all offsets. */
static bool shows_beyond(const struct ml_region *region, const struct moving *m)
{
	const uint64_t offset = region_offset(region, m->from);

	return !region_is_anonymous(region) && offset + (m->to_len - 1) < offset;
}

static int check_move(const struct ml_space *s, const struct moving *m, unsigned flags,
		      struct ml_region **region)
{
	int error = ml_table_check_range(&s->table, m->from, m->from_len);

	if (!error && flags & ML_MOVE_FIXED)
		error = ml_table_check_range(&s->table, m->to, m->to_len);
	else if (!error)
		error = !m->to_len                                            ? ML_ERR_EMPTY
			: !ml_aligned(m->to_len, s->table.format->page_shift) ? ML_ERR_ALIGN
									      : ML_OK;
	if (error)
		return error;
	if (flags & ~(ML_MOVE_MAY | ML_MOVE_FIXED) || flags == ML_MOVE_FIXED)
		return ML_ERR_ARGUMENT;
	*region = ml_region_around(s, m->from, last_of(m->from, m->from_len));
	if (!*region)
		return ML_ERR_NOT_MAPPED;
	if (m->to_len <= m->from_len)
		return ML_OK;
	if (!may_grow(*region))
		return ML_ERR_REFUSED;
	return shows_beyond(*region, m) ? ML_ERR_WRAP : ML_OK;
}

int ml_space_move(struct ml_space *s, ml_va old, uint64_t old_len, uint64_t new_len, unsigned flags,
		  ml_va *va)
{
	struct moving m = {
		.s = s, .from = old, .from_len = old_len, .to = *va, .to_len = new_len
	};
	struct ml_region *region;
	int error = check_move(s, &m, flags, &region);

	if (error)
		return error;
	if (!(flags & ML_MOVE_FIXED)) {
		m.to = old;
		error = resize(s, region, &m);
		if (error == ML_ERR_NO_SPACE && flags & ML_MOVE_MAY)
			error = ml_space_pick(s, new_len, old, 0, &m.to);
		else if (!error)
			*va = old;
		if (error || m.to == old)
			return error;
	} else if (overlap(old, old_len, m.to, new_len)) {
		return ML_ERR_ARGUMENT;
	}
	error = move_to(s, &m);
	if (!error)
		*va = m.to;
	return error;
}
