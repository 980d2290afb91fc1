/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Random sequences of operations on every format, judged after every step. ML_TEST_OPS=
 * says how many operations, SEED= repeats a run; what fails is shrunk and printed.
 */
#include "support/campaign.h"
#include "t.h"

#define OPERATIONS 1000000
#define CASE_LENGTH 200

static struct judge judge;

TEST(random_sequences_agree_with_the_model)
{
	const struct campaign campaign = {
		.judge = &judge,
		.seed = t_seed(20251201),
		.cases = (source_amount(OPERATIONS) + CASE_LENGTH - 1) / CASE_LENGTH,
		.length = CASE_LENGTH,
	};
	const struct campaign_result result = campaign_run(&campaign);

	if (t_ok(result.good))
		t_ok(result.refusals > result.operations / 50);
}
