/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* toy: small enough that every state can be visited. */
#define INSTANCE_FORMAT(table) (&ml_format_toy)

#include "inst/instance.h"

static const struct ml_table_ops toy_ops = INSTANCE_OPS;

const struct ml_format ml_format_toy = {
	.name = "toy",
	.summary = "two levels of four entries, groups of two: for exhaustive tests",
	.encoding = ML_ENCODING_TOY,
	.page_shift = 12,
	.levels_min = 2,
	.levels_max = 2,
	.levels_default = 2,
	.pa_bits = 20,
	.soft_bits = 1,
	.break_size = 1,
	.break_group = 1,
	.break_type = 1,
	.bbm_most = 2,
	.announce_bit = 12,
	.rung_count = 4,
	.index_bits = { 2, 2, 0, 0, 0 },
	.level_shift = { 12, 14, 16, 16, 16 },
	.rungs = { { 12, 0, 0, 0 }, { 13, 0, 1, 0 }, { 14, 1, 0, 0 }, { 15, 1, 1, 0 } },
	.block_rung = { 0, 2, 0, 0, 0 },
	.group_rung = { 1, 3, 0, 0, 0 },
	.prot_mask = TOY_PROT_MASK,
	.level_names = { "leaf", "root", "", "", "" },
	.ops = &toy_ops,
};
