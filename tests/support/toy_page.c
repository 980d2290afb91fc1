/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Toy's layout, read once more. */
#include <stdbool.h>
#include <string.h>

#include "toy_page.h"

#define VALID 1u
#define LEAF 2u
#define GROUP 4u
#define MARKS 0x60u /* accessed, dirty */
#define PAGE_BYTES ((uint64_t)0x1000)

uint64_t toy_word(const char *memory, uint64_t start, uint64_t pa)
{
	uint64_t word;

	memcpy(&word, memory + (pa - start), sizeof(word));
	return word;
}

/* The entry at index of a table, with the marks of its group. */
static uint64_t entry_at(const char *memory, uint64_t start, uint64_t table, unsigned index,
			 unsigned level)
{
	const uint64_t pte = toy_word(memory, start, table + 8 * index);
	const uint64_t other = toy_word(memory, start, table + 8 * (index ^ 1));
	const uint64_t step = PAGE_BYTES << 2 * level;

	if (pte & GROUP && pte & LEAF && ((pte ^ other ^ step) & ~(uint64_t)MARKS) == 0)
		return pte | (other & MARKS);
	return pte;
}

struct toy_page toy_page(const char *memory, uint64_t start, uint64_t root, unsigned number)
{
	uint64_t pte = entry_at(memory, start, root, number / 4, 1);
	const bool table = (pte & (VALID | LEAF)) == VALID;
	const uint64_t inside = table ? 0 : number % 4 * PAGE_BYTES;

	if (table)
		pte = entry_at(memory, start, pte & 0xfffe0, number % 4, 0);
	if (!(pte & VALID))
		return (struct toy_page){ 0, 0, 0 };
	return (struct toy_page){ pte, (pte & (table ? 0xff000 : 0xfc000)) + inside,
				  table ? 0 : 1 };
}
