/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Leaves may be global and carry an id else: what spares either is no use here. */
#include "instructions.h"
#include "invlpg.h"
#include "tlbi.h"

#define ANY_LEVEL 0xff

/* Where an instruction goes. */
struct target {
	struct ml_oracle *oracle;
	uint8_t space;
	uint8_t shift; /* lg2 of the smallest leaf that was asked for */
};

/* One that drops every leaf around [first, last], and perhaps the way there. */
static void drop(const struct target *t, ml_va first, ml_va last, uint8_t level, bool tables)
{
	const struct ml_oracle_invalidation i = {
		.what = { .va = first,
			  .length = last - first + 1,
			  .stride_shift = t->shift,
			  .level = level,
			  .leaves_only = !tables },
		.agents = ML_ORACLE_EVERYWHERE,
		.space = t->space,
		.instruction = true,
	};

	ml_oracle_invalidate(t->oracle, &i);
}

static void drop_all(const struct target *t)
{
	const struct ml_oracle_invalidation i = { .agents = ML_ORACLE_EVERYWHERE,
						  .space = t->space,
						  .instruction = true };

	ml_oracle_invalidate(t->oracle, &i);
}

static void issue_arm64(const struct target *t, bool ranges, const struct ml_invalidation *what)
{
	const struct ml_tlb_arm64 space = {
		.page_shift = 12,
		.tags = ML_TLB_ONE_OR_GLOBAL,
		.asid = 0x3a07,
		.has_ttl = true,
		.has_range = ranges,
	};
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op op;

	ml_tlb_arm64_start(&cursor, &space, what);
	while (ml_tlb_arm64_next(&cursor, &op)) {
		const struct tlbi_dropped d = tlbi_decode(&space, &op, what->stride_shift);

		if (!d.globals || !(d.all_asids || d.asid == space.asid))
			continue;
		if (d.all)
			drop_all(t);
		else
			drop(t, d.first, d.last, d.level ? (uint8_t)(3 - d.level) : ANY_LEVEL,
			     d.tables);
	}
}

static void issue_x86_64(const struct target *t, bool ranges, const struct ml_invalidation *what)
{
	const struct ml_tlb_x86_64 space = {
		.tags = ML_TLB_ONE_OR_GLOBAL,
		.current = true,
		.pcids = true,
		.pcid = 0xa07,
		.spares_globals = !ranges,
		.invlpgb = ranges,
		.invlpgb_most = ranges ? 7 : 0,
	};
	struct ml_tlb_x86_64_cursor cursor;
	struct ml_tlb_x86_64_op op;

	ml_tlb_x86_64_start(&cursor, &space, what);
	while (ml_tlb_x86_64_next(&cursor, &op)) {
		const struct invlpg_dropped d = invlpg_decode(&space, &op, what->stride_shift);

		if (!d.scope.here || !d.scope.globals)
			continue;
		if (d.all)
			drop_all(t);
		else
			drop(t, d.first, d.last, ANY_LEVEL, d.scope.tables_here);
	}
}

/* toy has an instruction for an address, with a hint, and one for all. */
static void issue_toy(const struct target *t, const struct ml_invalidation *what)
{
	const uint64_t step = (uint64_t)1 << t->shift;

	if (!what->length)
		drop_all(t);
	for (uint64_t at = 0; at < what->length; at += step)
		drop(t, what->va + at, what->va + at, what->level, !what->leaves_only);
}

void instructions_issue(struct ml_oracle *oracle, enum instructions kind,
			const struct ml_format *format, unsigned space,
			const struct ml_invalidation *what)
{
	const struct target t = { oracle, (uint8_t)space, what->stride_shift };
	const bool ranges = kind == INSTRUCTIONS_RANGES;

	if (format->encoding == ML_ENCODING_ARM64)
		issue_arm64(&t, ranges, what);
	else if (format->encoding == ML_ENCODING_X86_64)
		issue_x86_64(&t, ranges, what);
	else
		issue_toy(&t, what);
}
