/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Fuzz target: bytes become a table and a sequence of operations, judged like those of
 * tests/random.c. The first bytes choose the table, the rest the operations.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/shrink.h"

#include "fuzzer.h"

#define ACTIONS_MOST 64

static struct judge judge;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct test_case test_case;
	struct source source = source_bytes(data, size);
	const char *wrong;

	if (size == 0)
		return 0;
	case_draw(&test_case, &source, ACTIONS_MOST);
	wrong = case_run(&test_case, &judge);
	if (wrong) {
		case_print(&test_case);
		printf("# %s\n", wrong);
		fflush(stdout);
		abort();
	}
	return 0;
}
