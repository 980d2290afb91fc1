/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Hardware that marks an entry at the worst moment. */
#include "strike.h"

static struct {
	struct rig *rig;
	ml_va va;
	uint64_t n;
	bool marked;
} now;

static void turn(const void *entry, bool writes)
{
	struct ml_model_result seen;

	if (!writes || ml_model_walk(&now.rig->model, now.va, ML_MODEL_READ, false, &seen) ||
	    entry != ml_arena_pointer(now.rig->arena, seen.entry_pa, sizeof(ml_pte)) || now.n--)
		return;
	now.marked = rig_touch(now.rig, now.va, true, &seen) && seen.prot & ML_WRITE;
}

void strike_begin(struct rig *rig, ml_va va, uint64_t n)
{
	now.rig = rig;
	now.va = va;
	now.n = n;
	now.marked = false;
	ml_doors.turn = turn;
}

bool strike_end(void)
{
	ml_doors.turn = NULL;
	return now.marked;
}

bool strike_entry(const struct ml_format *format, ml_pte *entry)
{
	const bool arm = format->encoding == ML_ENCODING_ARM64;
	const ml_pte write = arm ? (ml_pte)1 << 51 : format->encoding == ML_ENCODING_TOY ? 8 : 2;
	const ml_pte dirty = arm ? (ml_pte)1 << 7 : (ml_pte)1 << 6;
	ml_pte old = __atomic_load_n(entry, __ATOMIC_RELAXED);

	if (!(old & 1) || !(old & write) || !(old & dirty) == arm)
		return false;
	return __atomic_compare_exchange_n(entry, &old, old ^ dirty, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}
