/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A whole case: a setting and its actions. Running one in a process of its own survives
 * assertions and crashes; what fails is made as short as it can be.
 */
#ifndef TESTS_SHRINK_H
#define TESTS_SHRINK_H

#include "judge.h"

#define CASE_ACTIONS 256

struct test_case {
	struct setting setting;
	uint64_t probe_seed;
	size_t count;
	struct action actions[CASE_ACTIONS];
};

/* Draw a case of at most `most` actions. */
void case_draw(struct test_case *c, struct source *s, size_t most);

/* Run it here; NULL, or what was wrong. */
const char *case_run(const struct test_case *c, struct judge *j);

/* Run it in a process of its own, without output unless `loud`; true if it failed or died. */
bool case_fails(const struct test_case *c, struct judge *j, bool loud);

/* Leave out every action without which the case still fails (delta debugging, Zeller 2002). */
void case_shrink(struct test_case *c, struct judge *j);

void case_print(const struct test_case *c);

#endif
