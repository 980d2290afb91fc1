/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Coroutines, and the search through their orders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <maxleaf/hosted.h>

#include "explore.h"

#define STACK_BYTES (256u << 10)
#define CHOICES_MOST 4096

/* Words that a task read and wrote. */
struct touched {
	uint64_t read[EXPLORE_WORDS / 64], written[EXPLORE_WORDS / 64];
};

struct task {
	ucontext_t context;
	char *stack;
	bool done;
	struct touched known; /* in the searches so far: what is switched at */
	struct touched found; /* in this one, too */
};

/* At a choice, which of how many ways is taken: 0 goes on, or on to the next in turn. */
struct choice {
	uint8_t taken, ways;
	uint16_t step; /* of the run, for people */
};

static struct {
	struct explore *e;
	struct task tasks[EXPLORE_TASKS];
	ucontext_t home;
	unsigned running, left, depth, step;
	bool stale;
	struct choice choices[CHOICES_MOST];
} now;

static bool has(const uint64_t *words, size_t word)
{
	return words[word / 64] >> (word % 64) & 1;
}

static void put(uint64_t *words, size_t word)
{
	words[word / 64] |= (uint64_t)1 << (word % 64);
}

/* Whether another task's accesses to the word and this one do not commute. */
static bool matters(size_t word, bool writes)
{
	for (unsigned i = 0; i < now.e->tasks; i++) {
		const struct touched *other = &now.tasks[i].known;

		if (i != now.running &&
		    (has(other->written, word) || (writes && has(other->read, word))))
			return true;
	}
	return false;
}

/* The task that is `way` after the running one, of those not done. */
static unsigned task_after(unsigned way)
{
	unsigned number = now.running;

	while (way) {
		number = (number + 1) % now.e->tasks;
		way -= !now.tasks[number].done;
	}
	return number;
}

static unsigned tasks_left(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < now.e->tasks; i++)
		count += !now.tasks[i].done;
	return count;
}

static unsigned choose(unsigned ways)
{
	struct choice *choice = &now.choices[now.depth];

	if (ways < 2)
		return 0;
	if (now.depth == CHOICES_MOST) {
		fprintf(stderr, "maxleaf: explore: too many choices\n");
		exit(2);
	}
	if (!choice->ways) {
		choice->taken = 0;
		choice->ways = (uint8_t)ways;
	}
	choice->step = (uint16_t)now.step;
	now.depth++;
	return choice->taken;
}

static void switch_to(unsigned number)
{
	ucontext_t *from = &now.tasks[now.running].context;

	now.running = number;
	swapcontext(from, &now.tasks[number].context);
}

/* The running task could go on, and may be switched away from. */
static void preempt(void)
{
	const unsigned way = choose(now.left ? tasks_left() : 1);

	if (!way)
		return;
	now.left--;
	switch_to(task_after(way));
}

void explore_settle(void)
{
	if (now.stale && now.e->moment)
		now.e->moment(now.e->cookie);
	now.stale = false;
}

void explore_turn(void)
{
	now.step++;
	explore_settle();
	preempt();
}

/* Before every access to an entry. */
static void accessing(const void *entry, bool writes)
{
	const size_t offset = (size_t)((const char *)entry - (const char *)now.e->memory);
	const size_t word = offset / sizeof(uint64_t);
	struct touched *found = &now.tasks[now.running].found;

	now.step++;
	explore_settle();
	if (offset < now.e->bytes) {
		put(writes ? found->written : found->read, word);
		if (matters(word, writes))
			preempt();
	}
	now.stale |= writes;
}

static void task_main(void)
{
	now.e->task(now.e->cookie, now.running);
	now.tasks[now.running].done = true;
	if (!tasks_left())
		setcontext(&now.home);
	switch_to(task_after(1 + choose(tasks_left())));
	abort();
}

static void start(struct task *task)
{
	task->done = false;
	getcontext(&task->context);
	task->context.uc_stack.ss_sp = task->stack;
	task->context.uc_stack.ss_size = STACK_BYTES;
	task->context.uc_link = NULL;
	makecontext(&task->context, task_main, 0);
}

static void run_once(void)
{
	now.left = now.e->preemptions;
	now.depth = 0;
	now.step = 0;
	now.stale = false;
	now.e->begin(now.e->cookie);
	for (unsigned i = 0; i < now.e->tasks; i++)
		start(&now.tasks[i]);
	now.running = 0;
	now.running = choose(now.e->tasks);
	ml_doors.turn = accessing;
	swapcontext(&now.home, &now.tasks[now.running].context);
	ml_doors.turn = NULL;
	explore_settle();
	now.e->runs++;
	now.e->failed = !now.e->end(now.e->cookie);
}

/* Go back to the last choice that has another way; false when there is none. */
static bool next_run(void)
{
	while (now.depth) {
		struct choice *choice = &now.choices[now.depth - 1];

		if (++choice->taken < choice->ways)
			return true;
		choice->ways = 0;
		now.depth--;
	}
	return false;
}

static bool search(void)
{
	bool learnt = false;

	memset(now.choices, 0, sizeof(now.choices));
	do
		run_once();
	while (!now.e->failed && next_run());
	for (unsigned i = 0; i < now.e->tasks; i++) {
		struct task *task = &now.tasks[i];

		learnt |= memcmp(&task->known, &task->found, sizeof(task->known)) != 0;
		task->known = task->found;
	}
	return learnt;
}

void explore(struct explore *e)
{
	now.e = e;
	e->runs = 0;
	e->failed = false;
	for (unsigned i = 0; i < e->tasks; i++) {
		struct task *task = &now.tasks[i];

		memset(&task->known, 0, sizeof(task->known));
		memset(&task->found, 0, sizeof(task->found));
		if (!task->stack)
			task->stack = malloc(STACK_BYTES);
		if (!task->stack)
			exit(2);
	}
	while (search() && !e->failed)
		;
}

void explore_print(void)
{
	printf("# choices:");
	for (unsigned i = 0; i < now.depth; i++)
		if (now.choices[i].taken || i == 0)
			printf(" step %u: way %u of %u;", now.choices[i].step, now.choices[i].taken,
			       now.choices[i].ways);
	printf("\n");
}
