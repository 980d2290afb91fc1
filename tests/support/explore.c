/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Coroutines, and the search through their orders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <maxleaf/hosted.h>

#include "explore.h"

#define STACK_BYTES (256u << 10)
#define NODES_MOST 4096
#define TURN EXPLORE_WORDS /* a word that stands for all but entries */

/* Words that a task read and wrote. */
struct touched {
	uint64_t read[EXPLORE_WORDS / 64 + 1], written[EXPLORE_WORDS / 64 + 1];
};

struct task {
	ucontext_t context;
	char *stack;
	bool done;
	bool writes;          /* what it waits to do, */
	size_t word;          /* and with which word */
	unsigned steps;       /* it has waited for */
	struct touched known; /* in the searches so far: what is waited for */
	struct touched found; /* in this one, too */
};

/* A point at which every task waits: which of them goes on, and which others need not. */
struct node {
	uint8_t taken, waiting, asleep;
	uint16_t step; /* of the run, for people */
};

static struct {
	struct explore *e;
	struct task tasks[EXPLORE_TASKS];
	ucontext_t home;
	unsigned running, depth, length, step;
	bool stale;
	struct node nodes[NODES_MOST];
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

/* ---- in tasks ---------------------------------------------------------------------- */

void explore_settle(void)
{
	if (now.stale && now.e->moment)
		now.e->moment(now.e->cookie);
	now.stale = false;
}

unsigned explore_running(void)
{
	return now.running;
}

/* Whether the rest of the task is one step. */
static bool is_rushing(const struct task *task)
{
	const unsigned most = now.e->steps[task - now.tasks];

	return most && task->steps >= most;
}

/* Wait until it is this task's turn, if that makes a difference. */
static void wait_with(size_t word, bool writes)
{
	struct task *task = &now.tasks[now.running];

	now.step++;
	explore_settle();
	put(writes ? task->found.written : task->found.read, word);
	if (is_rushing(task) || !matters(word, writes))
		return;
	task->steps++;
	task->word = word;
	task->writes = writes;
	swapcontext(&task->context, &now.home);
}

void explore_turn(void)
{
	wait_with(TURN, true);
}

/* Before every access to an entry. */
static void accessing(const void *entry, bool writes)
{
	const size_t offset = (size_t)((const char *)entry - (const char *)now.e->memory);

	if (offset < now.e->bytes)
		wait_with(offset / sizeof(uint64_t), writes);
	else
		explore_settle();
	if (now.e->access)
		now.e->access(now.e->cookie, now.running);
	now.stale |= writes;
}

static void task_main(void)
{
	now.e->task(now.e->cookie, now.running);
	explore_settle();
	now.tasks[now.running].done = true;
	setcontext(&now.home);
	abort();
}

/* ---- orders ------------------------------------------------------------------------ */

static void resume(unsigned number)
{
	now.running = number;
	swapcontext(&now.home, &now.tasks[number].context);
}

static void start(unsigned number)
{
	struct task *task = &now.tasks[number];

	task->done = false;
	task->steps = 0;
	getcontext(&task->context);
	task->context.uc_stack.ss_sp = task->stack;
	task->context.uc_stack.ss_size = STACK_BYTES;
	task->context.uc_link = NULL;
	makecontext(&task->context, task_main, 0);
	resume(number);
}

static bool commute(const struct task *a, const struct task *b)
{
	if (is_rushing(a) || is_rushing(b))
		return false;
	return a->word != b->word || !(a->writes || b->writes);
}

static uint8_t tasks_waiting(void)
{
	uint8_t waiting = 0;

	for (unsigned i = 0; i < now.e->tasks; i++)
		waiting |= (uint8_t)(!now.tasks[i].done << i);
	return waiting;
}

/* Take the last task that is not asleep; false if all are. */
static bool take(struct node *node)
{
	const unsigned ready = node->waiting & ~node->asleep & 0xffu;

	if (!ready)
		return false;
	node->taken = (uint8_t)(31 - __builtin_clz(ready));
	return true;
}

/* What stays asleep after the node's step: tasks to whose next access it makes no difference. */
static uint8_t asleep_after(const struct node *node)
{
	uint8_t asleep = 0;

	for (unsigned i = 0; i < now.e->tasks; i++)
		if (node->asleep >> i & 1 && commute(&now.tasks[i], &now.tasks[node->taken]))
			asleep |= (uint8_t)(1u << i);
	return asleep;
}

/* Where the run stands, as before; or a new node. False: nothing new would follow. */
static bool reach(uint8_t waiting, uint8_t asleep)
{
	struct node *node = &now.nodes[now.depth];

	if (now.depth < now.length)
		return true;
	if (now.depth == NODES_MOST) {
		fprintf(stderr, "maxleaf: explore: too many steps\n");
		exit(2);
	}
	*node = (struct node){ 0, waiting, asleep, (uint16_t)now.step };
	if (!take(node))
		return false;
	now.length++;
	return true;
}

/* Run; whether to the end. */
static bool run_tasks(void)
{
	uint8_t waiting, asleep = 0;

	for (unsigned i = 0; i < now.e->tasks; i++)
		start(i);
	while ((waiting = tasks_waiting())) {
		if (!reach(waiting, asleep))
			return false;
		asleep = asleep_after(&now.nodes[now.depth]);
		resume(now.nodes[now.depth++].taken);
	}
	return true;
}

static void run_once(void)
{
	bool whole;

	now.depth = 0;
	now.step = 0;
	now.stale = false;
	now.e->begin(now.e->cookie);
	ml_doors.turn = accessing;
	whole = run_tasks();
	ml_doors.turn = NULL;
	now.e->runs += whole;
	now.e->broken += !whole;
	now.e->failed = whole && !now.e->end(now.e->cookie);
}

/* Go back to the last node at which another task may go on; false when there is none. */
static bool next_run(void)
{
	for (; now.length; now.length--) {
		struct node *node = &now.nodes[now.length - 1];

		node->asleep |= (uint8_t)(1u << node->taken);
		if (take(node))
			return true;
	}
	return false;
}

static bool search(void)
{
	bool learnt = false;

	now.length = 0;
	now.e->runs = 0;
	now.e->broken = 0;
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
	printf("# order:");
	for (unsigned i = 0; i < now.length; i++)
		if (i == 0 || now.nodes[i].taken != now.nodes[i - 1].taken)
			printf(" from step %u task %u;", now.nodes[i].step, now.nodes[i].taken);
	printf("\n");
}
