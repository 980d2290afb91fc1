/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What cases are made of: what stands there at first, and the calls on a range; and their sum. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define T_NO_MAIN
#include "passing.h"
#include "t.h"

const struct passing_setup passing_starts[PASSING_STARTS] = {
	{ .count = 0 },
	{ .calls = { { PASS_MAP, 0, 1, 0 } }, .count = 1 },
	{ .calls = { { PASS_MAP, 0, 2, 0 } }, .count = 1 },
	{ .calls = { { PASS_MAP, 0, 3, 0 }, { PASS_MAP, 3, 1, 0 } }, .count = 2 },
	{ .calls = { { PASS_MAP, 0, 4, 0 } }, .count = 1 },
	{ .calls = { { PASS_MAP, 0, 4, 0 }, { PASS_PROTECT, 1, 1, 0 } }, .count = 2 },
	{ .calls = { { PASS_MAP, 0, 4, 0 }, { PASS_SPLIT, 0, 4, 0 } }, .count = 2 },
	{ .calls = { { PASS_MAP, 0, 8, 0 } }, .count = 1 },
	{ .calls = { { PASS_MAP, 0, 8, 0 }, { PASS_SPLIT, 0, 8, 1 } }, .count = 2 },
	{ .calls = { { PASS_MAP, 0, 8, 0 }, { PASS_UNMAP, 2, 3, 0 } }, .count = 2 },
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

bool passing_change(unsigned number, uint8_t first, uint8_t pages, struct passing_call *c)
{
	static const struct passing_call calls[] = {
		{ .kind = PASS_MAP },
		{ .kind = PASS_REPLACE },
		{ .kind = PASS_UNMAP },
		{ .kind = PASS_UNMAP_TOLD },
		{ .kind = PASS_PROTECT },
		{ .kind = PASS_RELAX },
		{ .kind = PASS_RETYPE },
		{ .kind = PASS_SPLIT, .rung = 0 },
		{ .kind = PASS_SPLIT, .rung = 1 },
		{ .kind = PASS_SPLIT, .rung = 2 },
		{ .kind = PASS_FOLD, .rung = 1 },
		{ .kind = PASS_FOLD, .rung = 2 },
		{ .kind = PASS_FOLD, .rung = 3 },
		{ .kind = PASS_HARVEST },
		{ .kind = PASS_TRIM },
	};

	if (number >= COUNT(calls))
		return false;
	*c = calls[number];
	c->first = first;
	c->pages = pages;
	return true;
}

/* Those after PASS_WRPROTECT take one entry. */
bool passing_edit(unsigned number, uint8_t first, uint8_t pages, struct passing_call *c)
{
	const unsigned kind = PASS_SET + number;

	if (first / 4 != (first + pages - 1) / 4 ||
	    kind > (pages == 1 ? PASS_FLIP : PASS_WRPROTECT))
		return false;
	*c = (struct passing_call){ (uint8_t)kind, first, pages, 0 };
	return true;
}

void passing_make_live(struct passing_setup *setup, unsigned way)
{
	setup->live = way > 0;
	setup->bbm = way ? (uint8_t)(way - 1) : 0;
}

void passing_tell(const char *what)
{
	t_ok(passing_sum.orders >= passing_sum.cases);
	printf("# %s: all %" PRIu64 " cases, %" PRIu64 " orders (%" PRIu64 " more broken off)\n",
	       what, passing_sum.cases, passing_sum.orders, passing_sum.broken);
	memset(&passing_sum, 0, sizeof(passing_sum));
}
