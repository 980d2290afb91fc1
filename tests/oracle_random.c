/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random sequences on every format under the adversarial TLB: live tables, hardware that marks and
 * hardware that does not. ML_TEST_OPS= says how many operations, SEED= repeats a run; what fails is
 * shrunk and printed.
 */
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/shrink.h"
#include "t.h"

#define OPERATIONS 200000
#define CASE_LENGTH 100

/* What the worker tells its parent, in shared memory. */
struct progress {
	uint64_t number; /* of the case that runs */
	uint64_t operations[WORLDS];
};

static struct judge judge = { .watched = true };
static struct test_case test_case;

static void draw(uint64_t seed, uint64_t number)
{
	struct source s = source_seeded(seed + number * 0x9e3779b97f4a7c15);

	case_draw(&test_case, &s, CASE_LENGTH);
	test_case.setting.live = true;
}

static _Noreturn void work(uint64_t seed, uint64_t cases, struct progress *progress)
{
	for (; progress->number < cases; progress->number++) {
		draw(seed, progress->number);
		if (case_run(&test_case, &judge))
			_exit(1);
		progress->operations[test_case.setting.world] += test_case.count;
	}
	_exit(0);
}

/* The worker's tables died with it. */
static void report(uint64_t seed, uint64_t number)
{
	draw(seed, number);
	printf("# case %" PRIu64 " fails: shrinking it\n", number);
	case_shrink(&test_case, &judge);
	case_print(&test_case);
	case_fails(&test_case, &judge, true);
}

TEST(random_sequences_rely_on_no_luck)
{
	const uint64_t seed = t_seed(20251204);
	const uint64_t cases = (source_amount(OPERATIONS * 5) / 5 + CASE_LENGTH - 1) / CASE_LENGTH;
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t operations = 0;
	int status = 0;
	pid_t worker;

	T_REQUIRE(t_ok(progress != MAP_FAILED));
	fflush(stdout);
	worker = fork();
	if (worker == 0)
		work(seed, cases, progress);
	T_REQUIRE(t_ok(worker > 0 && waitpid(worker, &status, 0) == worker));
	for (unsigned world = 0; world < WORLDS; world++) {
		printf("# %s: %" PRIu64 " operations\n", worlds[world].name,
		       progress->operations[world]);
		operations += progress->operations[world];
	}
	if (!t_ok(status == 0))
		report(seed, progress->number);
	else
		t_ok(operations >= cases * (CASE_LENGTH / 2));
	munmap(progress, sizeof(*progress));
}
