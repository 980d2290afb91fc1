/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* x86-64: four levels, or five with LA57; 4K, 2M and 1G leaves. */
#define INSTANCE_FORMAT(table) (&ml_format_x86_64)

#include "inst/instance.h"

static const struct ml_table_ops x86_64_ops = INSTANCE_OPS;

const struct ml_format ml_format_x86_64 = {
	.name = "x86-64",
	.summary = "Intel and AMD 64-bit paging, four or five levels",
	.encoding = ML_ENCODING_X86_64,
	.page_shift = 12,
	.levels_min = 4,
	.levels_max = 5,
	.levels_default = 4,
	.pa_bits = 52,
	.sign_extended = 1,
	.soft_bits = 6,
	.break_size = 1, /* AMD erratum 383, Intel CVE-2018-12207 */
	.bbm_most = 2,   /* without them, either size serves: Intel SDM 4.10.2.4 */
	.rung_count = 3,
	.index_bits = { 9, 9, 9, 9, 9 },
	.level_shift = { 12, 21, 30, 39, 48 },
	.rungs = { { 12, 0, 0, 0 }, { 21, 1, 0, 0 }, { 30, 2, 0, 0 } },
	.block_rung = { 0, 1, 2, 0, 0 },
	.prot_mask = X86_PROT_MASK,
	.types_default = 0x0407050600070106, /* WB WC UC- UC WB WP UC- WT (X1) */
	.level_names = { "PT", "PD", "PDPT", "PML4", "PML5" },
	.ops = &x86_64_ops,
};
