/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Many random cases in a process of their own, which may die; the first that fails is shrunk and
 * printed. What was done in each world is printed, too.
 */
#ifndef TESTS_CAMPAIGN_H
#define TESTS_CAMPAIGN_H

#include "shrink.h"

struct campaign {
	struct judge *judge;
	uint64_t seed, cases;
	size_t length;                          /* actions of a case at most */
	void (*amend)(struct setting *setting); /* NULL: settings stay as they are drawn */
};

/* What came of it. */
struct campaign_result {
	bool good; /* every case was run and held */
	uint64_t operations, refusals;
};

struct campaign_result campaign_run(const struct campaign *c);

#endif
