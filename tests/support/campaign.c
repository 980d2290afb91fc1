/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The worker tells how far it got in memory that outlives it. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"

struct progress {
	uint64_t number; /* of the case that runs */
	uint64_t operations[WORLDS];
	uint64_t refusals;
	bool done;
};

static struct test_case test_case;

static void draw(const struct campaign *c, uint64_t number)
{
	struct source s = source_seeded(c->seed + number * 0x9e3779b97f4a7c15);

	case_draw(&test_case, &s, c->length);
	if (c->amend)
		c->amend(&test_case.setting);
}

static _Noreturn void work(const struct campaign *c, struct progress *progress)
{
	for (; progress->number < c->cases; progress->number++) {
		draw(c, progress->number);
		if (case_run(&test_case, c->judge))
			_exit(1);
		progress->operations[test_case.setting.world] += test_case.count;
		progress->refusals = c->judge->refusals;
	}
	progress->done = true;
	_exit(0);
}

static void report(const struct campaign *c, uint64_t number)
{
	draw(c, number);
	printf("# case %" PRIu64 " fails: shrinking it\n", number);
	case_shrink(&test_case, c->judge);
	case_print(&test_case);
	case_fails(&test_case, c->judge, true);
}

struct campaign_result campaign_run(const struct campaign *c)
{
	struct campaign_result result = { .good = false };
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t worker;

	if (progress == MAP_FAILED)
		return result;
	fflush(stdout);
	worker = fork();
	if (worker == 0)
		work(c, progress);
	result.good = worker > 0 && waitpid(worker, &status, 0) == worker && status == 0 &&
		      progress->done;
	for (unsigned world = 0; world < WORLDS; world++) {
		printf("# %s: %" PRIu64 " operations\n", worlds[world].name,
		       progress->operations[world]);
		result.operations += progress->operations[world];
	}
	result.refusals = progress->refusals;
	printf("# %" PRIu64 " operations, %" PRIu64 " of them refused\n", result.operations,
	       result.refusals);
	if (!result.good && worker > 0)
		report(c, progress->number);
	munmap(progress, sizeof(*progress));
	return result;
}
