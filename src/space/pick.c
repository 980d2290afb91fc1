/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Free addresses that let large leaves be used. */
#include "space/space.h"

/* What a search wants: len bytes whose address is `phase` modulo 1 << shift. */
struct wish {
	uint64_t len;
	uint64_t phase;
	unsigned shift;
};

/* The highest or the lowest such address in [first, last]. */
static bool fits(const struct wish *wish, ml_va first, ml_va last, bool lowest, ml_va *va)
{
	const uint64_t unit = ML_BIT(wish->shift);
	ml_va at;

	if (last < first || last - first < wish->len - 1)
		return false;
	if (lowest)
		at = first + ((wish->phase - first) & (unit - 1));
	else
		at = last - (wish->len - 1) - ((last - (wish->len - 1) - wish->phase) & (unit - 1));
	if (at < first || at > last || last - at < wish->len - 1)
		return false;
	*va = at;
	return true;
}

/* In the hole before `range` (NULL: the one behind all), as far as it lies in the window. */
static bool fits_hole(const struct ml_space *s, const struct wish *wish,
		      const struct ml_range *range, const struct ml_range *outer, ml_va *va)
{
	ml_va first = s->first, last = s->last;

	if (range) {
		if (!range->first)
			return false;
		last = ml_min(last, range->first - 1);
		first = ml_max(first, range->first - range->hole);
	} else if (outer) {
		if (outer->last == ~(ml_va)0)
			return false;
		first = ml_max(first, outer->last + 1);
	}
	return fits(wish, first, last, s->bottom_up, va);
}

static bool search(const struct ml_space *s, const struct wish *wish, ml_va *va)
{
	const struct ml_range *range = NULL, *last = ml_ranges_outermost(s->root, 1);

	if (!s->bottom_up && fits_hole(s, wish, NULL, last, va))
		return true;
	while ((range = ml_ranges_hole(s->root, range, s->bottom_up, wish->len)))
		if (fits_hole(s, wish, range, NULL, va))
			return true;
	return s->bottom_up && fits_hole(s, wish, NULL, last, va);
}

static bool is_free(const struct ml_space *s, ml_va va, uint64_t len)
{
	return ml_table_check_range(&s->table, va, len) == ML_OK &&
	       !ml_region_in(s, va, va + (len - 1));
}

int ml_space_pick(const struct ml_space *s, uint64_t len, ml_pa pa, ml_va hint, ml_va *va)
{
	const struct ml_format *f = s->table.format;
	struct wish wish = { .len = len, .phase = pa };
	unsigned rung;

	if (!len)
		return ML_ERR_EMPTY;
	if (!ml_aligned(len | pa, f->page_shift))
		return ML_ERR_ALIGN;
	if (hint && is_free(s, hint, len)) {
		*va = hint;
		return ML_OK;
	}
	for (rung = f->rung_count; rung-- > 0;) {
		wish.shift = f->rungs[rung].shift;
		if (rung && (!ml_space_can_hold(s, rung) || len >> wish.shift == 0))
			continue;
		if (search(s, &wish, va))
			return ML_OK;
	}
	return ML_ERR_NO_SPACE;
}
