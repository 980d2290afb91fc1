/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random sequences on every format under the adversarial TLB: live tables, hardware that marks and
 * hardware that does not, invalidations as they are asked for, and as instructions with ranges and
 * without. ML_TEST_OPS= says how many operations, SEED= repeats a run; what fails is
 * shrunk and printed.
 */
#include "support/campaign.h"
#include "support/instructions.h"
#include "t.h"

#define OPERATIONS 200000
#define CASE_LENGTH 100

static struct judge judge = { .watched = true };

/* Live, and invalidated in each way that there is. */
static void make_live(struct setting *setting)
{
	setting->live = true;
	setting->instructions =
		(setting->window + setting->bbm + setting->fold) % INSTRUCTIONS_KINDS;
}

TEST(random_sequences_rely_on_no_luck)
{
	const struct campaign campaign = {
		.judge = &judge,
		.seed = t_seed(20251204),
		.cases = (source_amount(OPERATIONS * 5) / 5 + CASE_LENGTH - 1) / CASE_LENGTH,
		.length = CASE_LENGTH,
		.amend = make_live,
	};
	const struct campaign_result result = campaign_run(&campaign);

	if (t_ok(result.good))
		t_ok(result.operations >= campaign.cases * (CASE_LENGTH / 2));
}
