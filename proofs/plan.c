/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The plan, one step of it from any state: then it holds of every plan. Its addresses go up to and
 * including the end of the space.
 */
#include "format/plan.h"

#include "prove.h"

#define UNWIND 7 /* a turn for each rung, and one to leave */

static struct ml_plan any_plan(void)
{
	struct ml_plan plan;

	plan.va = nondet_uint64_t();
	plan.pa = nondet_uint64_t();
	plan.left = nondet_uint64_t();
	plan.length = nondet_uint64_t();
	plan.rungs = nondet_unsigned();
	ASSUME(ml_aligned(plan.va | plan.pa | plan.left, F->page_shift));
	ASSUME(plan.left <= plan.length);
	ASSUME((wide)plan.va + plan.left <= (wide)1 << 64);
	ASSUME((wide)plan.pa + plan.left <= (wide)1 << 64);
	return plan;
}

/* Whether a leaf of the rung may stand so many bytes from the plan's start. */
static bool may_stand(const struct ml_plan *plan, uint64_t offset, unsigned rung)
{
	const uint64_t bytes = ML_BIT(F->rungs[rung].shift);

	return (rung == 0 || plan->rungs >> rung & 1) && (plan->va + offset) % bytes == 0 &&
	       (plan->pa + offset) % bytes == 0 && offset <= plan->left &&
	       plan->left - offset >= bytes;
}

PROOF(a_step_goes_on_and_its_sums_are_right)
{
	const struct ml_plan plan = any_plan();
	struct ml_plan rest = plan;
	struct ml_plan_run run;
	const bool more = ml_plan_next(F, &rest, &run);
	wide bytes;

	PROVE(more == (plan.left != 0), "until nothing is left");
	if (!more)
		return;
	bytes = (wide)run.count << F->rungs[run.rung].shift;
	PROVE(run.va == plan.va && run.pa == plan.pa, "from where it stands");
	PROVE(bytes > 0 && bytes <= plan.left, "some of what is left");
	PROVE((wide)rest.left + bytes == plan.left - MUTANT(0, 1), "which is so much less");
	PROVE(rest.va == (uint64_t)(plan.va + bytes) && rest.pa == (uint64_t)(plan.pa + bytes),
	      "behind the run");
	PROVE(rest.length == plan.length && rest.rungs == plan.rungs, "of the same plan");
}

PROOF(every_leaf_of_a_run_is_legal_and_the_largest)
{
	const struct ml_plan plan = any_plan();
	const unsigned larger = any_below(ML_RUNG_MAX);
	const uint64_t leaf = nondet_uint64_t();
	struct ml_plan rest = plan;
	struct ml_plan_run run;

	ASSUME(ml_plan_next(F, &rest, &run) && leaf < run.count);
	PROVE(run.rung < F->rung_count, "a rung of the format");
	PROVE(may_stand(&plan, leaf << F->rungs[run.rung].shift, run.rung), "it may stand there");
	ASSUME(larger < F->rung_count && larger > run.rung - MUTANT(0, 1u));
	PROVE(!may_stand(&plan, leaf << F->rungs[run.rung].shift, larger), "no larger one may");
}

PROOF(a_run_ends_where_another_size_begins)
{
	const struct ml_plan plan = any_plan();
	struct ml_plan rest = plan, behind;
	struct ml_plan_run run, next;

	ASSUME(ml_plan_next(F, &rest, &run));
	behind = rest;
	if (ml_plan_next(F, &behind, &next))
		PROVE(next.rung != MUTANT(run.rung, 0), "of two runs that follow");
}

/* The reason, from the whole mapping's start and end. */
static enum ml_why reason(const struct ml_plan *plan, unsigned rung)
{
	const wide end = (wide)plan->va + plan->left;
	uint64_t bytes;
	wide aligned;

	if (rung + 1 == F->rung_count)
		return ML_WHY_LARGEST;
	bytes = ML_BIT(F->rungs[rung + 1].shift);
	if (plan->va % bytes != plan->pa % bytes)
		return ML_WHY_ALIGNMENT;
	if (plan->length < bytes)
		return ML_WHY_LENGTH;
	aligned = ((wide)plan->va + bytes - 1) & ~(wide)(bytes - 1);
	if (aligned + bytes > end)
		return ML_WHY_RANGE_END;
	return plan->rungs >> (rung + 1) & 1 ? ML_WHY_RANGE_START
					     : MUTANT(ML_WHY_POLICY, ML_WHY_LENGTH);
}

PROOF(the_reason_is_right)
{
	const struct ml_plan plan = any_plan();
	struct ml_plan rest = plan;
	struct ml_plan_run run;

	ASSUME(ml_plan_next(F, &rest, &run));
	PROVE(run.why == reason(&plan, run.rung), "why no larger leaf");
}

/*
 * One span more, at one level: it gains the tables that are needed there and that no span before it
 * counted. Spans come in ascending order, so at most the first is counted already.
 */
PROOF(a_span_counts_the_tables_it_is_the_first_to_need)
{
	struct plan_tables sum = { 0, { 0 } };
	const ml_va va = nondet_uint64_t(), last = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max - 1u), other = any_below(F->levels_max);
	const uint64_t first = va >> F->level_shift[level + 1];
	const uint64_t end = last >> F->level_shift[level + 1], before = nondet_uint64_t();

	ASSUME(va <= last && other != level && before <= first + 1);
	sum.counted[level] = before;
	plan_count_span(F, &sum, va, last, level, level + 1);
	PROVE(sum.tables == end - first + MUTANT(before <= first, 1), "its own");
	PROVE(sum.counted[level] == end + 1, "up to its last");
	PROVE(sum.counted[other] == 0, "and of no other level");
}
