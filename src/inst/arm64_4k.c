/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arm64 stage 1, 4K granule, 48-bit (or, with three levels, 39-bit) addresses. */
#define INSTANCE_FORMAT(table) (&ml_format_arm64_4k)

#include "inst/instance.h"

static const struct ml_table_ops arm64_4k_ops = INSTANCE_OPS;

const struct ml_format ml_format_arm64_4k = {
	.name = "arm64-4k",
	.summary = "Arm stage 1, 4K granule, 48-bit addresses",
	.encoding = ML_ENCODING_ARM64,
	.page_shift = 12,
	.levels_min = 3,
	.levels_max = 4,
	.levels_default = 4,
	.pa_bits = 48,
	.soft_bits = 2,
	.break_size = 1,
	.break_group = 1,
	.break_type = 1,
	.bbm_most = 2, /* FEAT_BBM, Arm ARM D8.16.2 */
	.announce_bit = 16,
	.rung_count = 6,
	.index_bits = { 9, 9, 9, 9, 0 },
	.level_shift = { 12, 21, 30, 39, 48 },
	.rungs = { { 12, 0, 0, 0 },
		   { 16, 0, 4, 0 },
		   { 21, 1, 0, 0 },
		   { 25, 1, 4, 0 },
		   { 30, 2, 0, 0 },
		   { 34, 2, 4, 1 } },
	.block_rung = { 0, 2, 4, 0, 0 },
	.group_rung = { 1, 3, 5, 0, 0 },
	.prot_mask = ARM64_PROT_MASK,
	.types_default = 0x0000bb040044f0ff, /* WB TAGGED NC DEV_STRICT DEV WT */
	.level_names = { "L3", "L2", "L1", "L0", "" },
	.ops = &arm64_4k_ops,
};
