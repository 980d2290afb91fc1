/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The plan's public face: the next run with its reason, and the tables a whole plan takes. */
#include "format/plan.h"

uint32_t ml_format_default_rungs(const struct ml_format *format)
{
	uint32_t rungs = 0;
	unsigned rung;

	for (rung = 0; rung < format->rung_count; rung++)
		if (!format->rungs[rung].off_by_default)
			rungs |= (uint32_t)1 << rung;
	return rungs;
}

static enum ml_why run_why(const struct ml_format *format, const struct ml_plan *plan,
			   unsigned rung)
{
	const unsigned next = rung + 1u;
	unsigned shift;
	uint64_t head;

	if (next == format->rung_count)
		return ML_WHY_LARGEST;
	shift = format->rungs[next].shift;
	if (!ml_aligned(plan->va ^ plan->pa, shift))
		return ML_WHY_ALIGNMENT;
	if (!(plan->length >> shift))
		return ML_WHY_LENGTH;
	head = (0 - plan->va) & (ML_BIT(shift) - 1);
	if (plan->left < head || !((plan->left - head) >> shift))
		return ML_WHY_RANGE_END;
	if (!(plan->rungs >> next & 1))
		return ML_WHY_POLICY;
	return ML_WHY_RANGE_START;
}

bool ml_plan_next(const struct ml_format *format, struct ml_plan *plan, struct ml_plan_run *run)
{
	unsigned rung;
	uint64_t bytes;

	if (!plan->left)
		return false;
	rung = plan_rung(format, plan->rungs, plan->va, plan->pa, plan->left);
	run->va = plan->va;
	run->pa = plan->pa;
	run->rung = (uint8_t)rung;
	run->why = (uint8_t)run_why(format, plan, rung);
	run->count = plan_count(format, plan->rungs, rung, plan->va, plan->pa, plan->left);
	bytes = run->count << format->rungs[rung].shift;
	plan->va += bytes;
	plan->pa += bytes;
	plan->left -= bytes;
	return true;
}

uint64_t ml_plan_tables(const struct ml_format *format, const struct ml_plan *plan, unsigned levels)
{
	struct ml_plan rest = *plan;
	struct ml_plan_run run;
	struct plan_tables sum = { 0, { 0 } };

	while (ml_plan_next(format, &rest, &run)) {
		const struct ml_rung *rung = &format->rungs[run.rung];

		plan_count_span(format, &sum, run.va, run.va + ((run.count << rung->shift) - 1),
				rung->level, levels - 1);
	}
	return sum.tables;
}
