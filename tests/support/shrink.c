/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Cases: drawing, running, shrinking and printing them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shrink.h"

void case_draw(struct test_case *c, struct source *s, size_t most)
{
	c->setting = sequence_setting(s);
	c->probe_seed = source_below(s, 1u << 16);
	c->count = 0;
	while (c->count < most && c->count < CASE_ACTIONS && source_more(s))
		c->actions[c->count++] = sequence_action(s, &c->setting);
}

const char *case_run(const struct test_case *c, struct judge *j)
{
	bool good = judge_open(j, &c->setting, c->probe_seed);

	for (size_t i = 0; good && i < c->count; i++)
		good = judge_action(j, &c->actions[i]);
	if (good)
		good = judge_close(j);
	return good ? NULL : j->message;
}

static _Noreturn void run_alone(const struct test_case *c, struct judge *j, bool loud)
{
	int nowhere = open("/dev/null", O_WRONLY);
	const char *wrong;

	if (!loud && nowhere >= 0)
		dup2(nowhere, STDERR_FILENO);
	wrong = case_run(c, j);
	if (wrong && loud)
		printf("# %s\n", wrong);
	fflush(stdout);
	_exit(wrong != NULL);
}

bool case_fails(const struct test_case *c, struct judge *j, bool loud)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		run_alone(c, j, loud);
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("maxleaf: shrink");
		exit(2);
	}
	return status != 0;
}

static void leave_out(struct test_case *c, size_t at, size_t count)
{
	memmove(&c->actions[at], &c->actions[at + count],
		(c->count - at - count) * sizeof(c->actions[0]));
	c->count -= count;
}

/* One pass with chunks of this size; true if anything could be left out. */
static bool shrink_by(struct test_case *c, struct judge *j, size_t chunk)
{
	static struct test_case tried;
	bool shorter = false;

	for (size_t at = 0; at + chunk <= c->count;) {
		tried = *c;
		leave_out(&tried, at, chunk);
		if (case_fails(&tried, j, false)) {
			*c = tried;
			shorter = true;
		} else {
			at += chunk;
		}
	}
	return shorter;
}

void case_shrink(struct test_case *c, struct judge *j)
{
	for (size_t chunk = c->count / 2; chunk > 0;) {
		if (!shrink_by(c, j, chunk) || chunk > 1)
			chunk /= 2;
	}
}

void case_print(const struct test_case *c)
{
	sequence_print_setting(&c->setting);
	for (size_t i = 0; i < c->count; i++)
		sequence_print_action(i, &c->actions[i]);
}
