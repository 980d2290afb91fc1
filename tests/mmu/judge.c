/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Telling a table to a judge outside. */
#include "board.h"
#include "judge.h"
#include "random_ops.h"
#include "t.h"
#include "words.h"

#define QUESTIONS 1000
#define STEPS 150

static struct random_ops ops;

/*
 * A page that user mode may not read is left out: some monitors look with the rights of the CPU,
 * which is in user mode.
 */
static void tell_addresses(bool lie)
{
	for (unsigned told = 0; told < QUESTIONS;) {
		const ml_va va = random_ops_address(&ops);
		const struct reference_span *span = reference_find(&ops.model, va);
		const ml_pa pa = span ? span->pa + (va - span->first) : 0;

		if (span && !(span->prot & ML_USER))
			continue;
		if (span)
			board_printf("judge va 0x%lx pa 0x%lx\n", va,
				     lie && told > QUESTIONS / 2 ? pa ^ 0x1000 : pa);
		else
			board_printf("judge va 0x%lx pa none\n", va);
		lie = lie && !(span && told > QUESTIONS / 2);
		told++;
	}
}

static void tell_flags(ml_prot prot)
{
	static const struct {
		ml_prot bit;
		const char *name;
	} flags[] = { { ML_WRITE, "w" },  { ML_USER, "u" },     { ML_EXEC | ML_PEXEC, "x" },
		      { ML_GLOBAL, "g" }, { ML_ACCESSED, "a" }, { ML_DIRTY, "d" } };

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (prot & flags[i].bit)
			board_printf("%s,", flags[i].name);
	board_printf("t%u\n", ML_TYPE_OF(prot));
}

/* The leaves of [run->va, ...), one by one: the run has their accessed and dirty OR-ed. */
static void tell_leaves(const struct ml_table *t, const struct ml_run *run, bool lie)
{
	const unsigned shift = t->format->rungs[run->rung].shift;

	for (uint64_t at = 0; at < run->length; at += (uint64_t)1 << shift) {
		struct ml_translation found;

		if (ml_translate(t, run->va + at, &found))
			board_die("judge: 0x%lx is in a run and not mapped", run->va + at);
		board_printf("judge leaf 0x%lx 0x%lx %u ", run->va + at,
			     lie ? found.pa ^ (ml_pa)1 << 30 : found.pa, shift);
		tell_flags(ml_translation_prot(t, &found));
		lie = false;
	}
}

/* A borrower's walk goes through what it borrowed: the kernel's leaves are told, too. */
static void tell_table(const struct ml_table *t, bool lie)
{
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_run run;

	while (ml_run_next(t, &cursor, &run)) {
		tell_leaves(t, &run, lie);
		lie = false;
	}
}

static BOARD_USER_TEXT void stay(void *argument)
{
	(void)argument;
	for (;;)
		__asm__ volatile("");
}

_Noreturn void judge_serve(bool lie)
{
	if (!random_ops_open(&ops, machine_facts(0), word_number("SEED", 20261120)))
		board_die("judge: no table");
	while (ops.done < STEPS)
		random_ops_step(&ops);
	if (t_state.complaints)
		board_die("judge: the table and the model disagree");
	tell_addresses(lie);
	tell_table(&ops.machine.table, lie);
	board_printf("judge ready\n");
	board_run_user(stay, NULL);
	board_die("judge: user mode came back");
}
