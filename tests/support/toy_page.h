/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What one page of a toy table translates to, out of a copy of its memory: by the layout that
 * format/toy.h describes, not by its code.
 */
#ifndef TESTS_TOY_PAGE_H
#define TESTS_TOY_PAGE_H

#include <stdint.h>

struct toy_page {
	uint64_t pte; /* the leaf, with the marks of its whole group; 0: not mapped */
	uint64_t pa;  /* of the page */
	unsigned level;
};

/* The word at pa; memory begins at physical address start. */
uint64_t toy_word(const char *memory, uint64_t start, uint64_t pa);

struct toy_page toy_page(const char *memory, uint64_t start, uint64_t root, unsigned number);

#endif
