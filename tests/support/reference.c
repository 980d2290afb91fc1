/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The flat reference model: an array of spans, sorted, never overlapping, each as long as
 * it can be. Every change cuts at both ends, edits whole spans, and joins again.
 */
#include <string.h>

#include "reference.h"

void reference_clear(struct reference *r)
{
	r->count = 0;
}

size_t reference_index(const struct reference *r, ml_va va)
{
	size_t low = 0;
	size_t high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->spans[middle].last < va)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct reference_span *reference_find(const struct reference *r, ml_va va)
{
	size_t i = reference_index(r, va);

	return i < r->count && r->spans[i].first <= va ? &r->spans[i] : NULL;
}

uint64_t reference_bytes(const struct reference *r, ml_va first, ml_va last)
{
	uint64_t bytes = 0;

	for (size_t i = reference_index(r, first); i < r->count && r->spans[i].first <= last; i++) {
		const struct reference_span *s = &r->spans[i];
		ml_va from = s->first > first ? s->first : first;
		ml_va to = s->last < last ? s->last : last;

		bytes += to - from + 1;
	}
	return bytes;
}

static void open_gap(struct reference *r, size_t at, size_t spans)
{
	if (r->count + spans > REFERENCE_SPANS)
		__builtin_trap(); /* the test is too large for its model; boards have no exit() */
	memmove(&r->spans[at + spans], &r->spans[at], (r->count - at) * sizeof(r->spans[0]));
	r->count += spans;
}

static void close_gap(struct reference *r, size_t at, size_t spans)
{
	memmove(&r->spans[at], &r->spans[at + spans],
		(r->count - at - spans) * sizeof(r->spans[0]));
	r->count -= spans;
}

/* Make va the start of a span if anything is mapped there; the index of what follows. */
static size_t cut(struct reference *r, ml_va va)
{
	size_t i = reference_index(r, va);

	if (i == r->count || r->spans[i].first >= va)
		return i;
	open_gap(r, i, 1);
	r->spans[i].last = va - 1;
	r->spans[i + 1].pa += va - r->spans[i].first;
	r->spans[i + 1].first = va;
	return i + 1;
}

static size_t cut_after(struct reference *r, ml_va last)
{
	return last == UINT64_MAX ? r->count : cut(r, last + 1);
}

static bool continues(const struct reference_span *a, const struct reference_span *b)
{
	return a->last + 1 == b->first && a->prot == b->prot &&
	       a->pa + (a->last - a->first) + 1 == b->pa;
}

/* Join the spans from..to with each other and with both neighbours. */
static void join(struct reference *r, size_t from, size_t to)
{
	size_t kept = from > 0 ? from - 1 : 0;
	size_t end = to + 1 < r->count ? to + 1 : r->count;
	size_t next = kept + 1;

	for (; next < end; next++) {
		if (continues(&r->spans[kept], &r->spans[next]))
			r->spans[kept].last = r->spans[next].last;
		else
			r->spans[++kept] = r->spans[next];
	}
	if (next > kept + 1 && next <= r->count)
		close_gap(r, kept + 1, next - kept - 1);
}

void reference_remove(struct reference *r, ml_va first, ml_va last)
{
	size_t from = cut(r, first);
	size_t to = cut_after(r, last);

	close_gap(r, from, to - from);
}

void reference_map(struct reference *r, ml_va first, ml_va last, ml_pa pa, ml_prot prot)
{
	size_t at;

	reference_remove(r, first, last);
	at = reference_index(r, first);
	open_gap(r, at, 1);
	r->spans[at] = (struct reference_span){ first, last, pa, prot };
	join(r, at, at + 1);
}

void reference_move(struct reference *r, ml_va first, ml_va last, ml_va to)
{
	ml_va va = first;

	for (;;) {
		const size_t i = reference_index(r, va);
		struct reference_span s;

		if (i == r->count || r->spans[i].first > last)
			return;
		s = r->spans[i];
		if (s.first < first) {
			s.pa += first - s.first;
			s.first = first;
		}
		s.last = s.last < last ? s.last : last;
		reference_remove(r, s.first, s.last);
		reference_map(r, to + (s.first - first), to + (s.last - first), s.pa, s.prot);
		if (s.last == last)
			return;
		va = s.last + 1;
	}
}

void reference_protect(struct reference *r, ml_va first, ml_va last, ml_prot mask, ml_prot value)
{
	size_t from = cut(r, first);
	size_t to = cut_after(r, last);

	for (size_t i = from; i < to; i++)
		r->spans[i].prot = (r->spans[i].prot & ~mask) | value;
	join(r, from, to);
}

static ml_prot all_ad(const struct reference *r, ml_va first, ml_va last)
{
	ml_prot ad = 0;

	for (size_t i = reference_index(r, first); i < r->count && r->spans[i].first <= last; i++)
		ad |= r->spans[i].prot & ML_PROT_AD;
	return ad;
}

void reference_share_ad(struct reference *r, ml_va first, ml_va last)
{
	reference_protect(r, first, last, ML_PROT_AD, all_ad(r, first, last));
}

bool reference_has_run(const struct reference *r, const struct ml_run *run)
{
	ml_va last = run->va + run->length - 1;
	ml_va va = run->va;
	size_t i = reference_index(r, va);

	for (; i < r->count; i++) {
		const struct reference_span *s = &r->spans[i];

		if (s->first > va || ((s->prot ^ run->prot) & ~ML_PROT_AD) != 0 ||
		    s->pa + (va - s->first) != run->pa + (va - run->va))
			return false;
		if (s->last >= last)
			return (run->prot & ML_PROT_AD) == all_ad(r, run->va, last);
		va = s->last + 1;
	}
	return false;
}
