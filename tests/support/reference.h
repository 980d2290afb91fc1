/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The flat reference model: for every page its frame and protection, and nothing else. It
 * knows no levels, no entries and no leaf sizes. Pages that continue each other are kept as
 * one span, so a gigabyte costs as little as a page.
 */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include <maxleaf/table.h>

#define REFERENCE_SPANS 8192

/* Pages first..last (inclusive bytes) on frames from pa on. */
struct reference_span {
	ml_va first;
	ml_va last;
	ml_pa pa;
	ml_prot prot;
};

struct reference {
	size_t count;
	struct reference_span spans[REFERENCE_SPANS];
};

void reference_clear(struct reference *r);

/* The first span that ends at or after va, as an index; r->count if there is none. */
size_t reference_index(const struct reference *r, ml_va va);

/* The span around va, or NULL. */
const struct reference_span *reference_find(const struct reference *r, ml_va va);

/* Bytes mapped in first..last. */
uint64_t reference_bytes(const struct reference *r, ml_va first, ml_va last);

/* Forget what is mapped in first..last. */
void reference_remove(struct reference *r, ml_va first, ml_va last);

/* Map first..last over whatever is there. */
void reference_map(struct reference *r, ml_va first, ml_va last, ml_pa pa, ml_prot prot);

/* What is mapped in first..last is mapped at `to` and on instead; they do not overlap. */
void reference_move(struct reference *r, ml_va first, ml_va last, ml_va to);

/* Replace the bits of mask by value in every page of first..last. */
void reference_protect(struct reference *r, ml_va first, ml_va last, ml_prot mask, ml_prot value);

/* One leaf covers first..last: all its pages share the accessed and dirty bits of any. */
void reference_share_ad(struct reference *r, ml_va first, ml_va last);

/*
 * Whether run says what the model says about its range: the same frames and protection on
 * every page, accessed and dirty as they are OR-ed over it.
 */
bool reference_has_run(const struct reference *r, const struct ml_run *run);

#endif
