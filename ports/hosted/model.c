/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The model MMU's walker: goes down as the manuals say, changes nothing, and reports what an
 * access would meet. It must not include anything of src/: it judges what is there.
 */
#define _DEFAULT_SOURCE
#include <endian.h>
#include <string.h>

#include "model.h"

const struct model_isa *ml_model_isa(const struct ml_model *model)
{
	switch (model->kind) {
	case ML_MODEL_X86_64:
		return &ml_model_x86_64;
	case ML_MODEL_ARM64_4K:
		return &ml_model_arm64;
	default:
		return &ml_model_toy;
	}
}

unsigned ml_model_shift(const struct model_isa *isa, unsigned level)
{
	return isa->page_shift + isa->index_bits * level;
}

uint64_t ml_model_frame(const struct model_isa *isa, unsigned level)
{
	return MODEL_BIT(isa->pa_bits) - MODEL_BIT(ml_model_shift(isa, level));
}

static bool read_entry(const struct ml_model *model, ml_pa pa, uint64_t *entry)
{
	uint64_t memory;

	if (!model->read(model->cookie, pa, &memory))
		return false;
	*entry = le64toh(memory);
	return true;
}

static bool too_wide(const struct ml_model *model, const struct model_isa *isa, ml_pa pa)
{
	return pa >> (model->pa_bits ? model->pa_bits : isa->pa_bits) != 0;
}

/* What is wrong with an entry by itself. */
static enum ml_model_fault entry_fault(const struct ml_model *model, const struct model_isa *isa,
				       uint64_t entry, unsigned level)
{
	const enum model_sort sort = isa->sort(entry, level);

	if (sort == MODEL_INVALID)
		return ML_MODEL_NOT_MAPPED;
	if (sort == MODEL_BAD || entry & isa->must_be_zero(sort, level))
		return ML_MODEL_RESERVED;
	/* The upper end of the address is the same in tables and leaves. */
	return too_wide(model, isa, entry & isa->table_address) ? isa->too_wide : ML_MODEL_OK;
}

enum model_sort ml_model_sort(const struct ml_model *model, uint64_t entry, unsigned level)
{
	const struct model_isa *isa = ml_model_isa(model);

	return entry_fault(model, isa, entry, level) ? MODEL_INVALID : isa->sort(entry, level);
}

/* Whether every member of the group around result->entry_pa says the same (Arm ARM D8.7.1). */
static bool group_agrees(const struct ml_model *model, const struct model_isa *isa,
			 const struct ml_model_result *result)
{
	const uint64_t address = ml_model_frame(isa, result->level);
	const uint64_t differs = isa->member_differs(result->entry) | address;
	const uint64_t bytes = MODEL_BIT(ml_model_shift(isa, result->level));
	const uint64_t members = MODEL_BIT(isa->lg2_group);
	const ml_pa first_pa = result->entry_pa & ~(members * sizeof(uint64_t) - 1);
	const ml_pa first_frame = result->entry & address & ~(members * bytes - 1);

	for (uint64_t i = 0; i < members; i++) {
		uint64_t member;

		if (!read_entry(model, first_pa + i * sizeof(uint64_t), &member))
			return false;
		if ((member ^ result->entry) & ~differs)
			return false;
		if ((member & address) != first_frame + i * bytes)
			return false;
	}
	return true;
}

static bool access_allowed(ml_prot prot, enum ml_model_access access, bool user)
{
	if (access == ML_MODEL_EXECUTE)
		return prot & (user ? ML_EXEC : ML_PEXEC);
	if (user && !(prot & ML_USER))
		return false;
	return access == ML_MODEL_READ || prot & ML_WRITE;
}

/* Go down to a leaf, or to what ends the walk earlier. */
static enum ml_model_fault descend(const struct ml_model *model, const struct model_isa *isa,
				   ml_va va, struct model_path *path,
				   struct ml_model_result *result)
{
	ml_pa table = model->root;

	for (unsigned level = model->levels; level-- > 0;) {
		const uint64_t index =
			va >> ml_model_shift(isa, level) & (MODEL_BIT(isa->index_bits) - 1);
		enum ml_model_fault fault;

		result->level = level;
		result->entry_pa = table + index * sizeof(uint64_t);
		if (!read_entry(model, result->entry_pa, &result->entry))
			return ML_MODEL_BUS;
		fault = entry_fault(model, isa, result->entry, level);
		if (fault || isa->sort(result->entry, level) == MODEL_LEAF)
			return fault;
		path->all &= result->entry;
		path->any |= result->entry;
		table = result->entry & isa->table_address;
	}
	return ML_MODEL_BUS; /* not reached: an entry of level 0 is never a table */
}

static enum ml_model_fault walk(const struct ml_model *model, ml_va va, enum ml_model_access access,
				bool user, struct ml_model_result *result)
{
	const struct model_isa *isa = ml_model_isa(model);
	struct model_path path = { ~(uint64_t)0, 0 };
	enum ml_model_fault fault;

	if (!isa->covers(model, va))
		return ML_MODEL_CANONICAL;
	fault = descend(model, isa, va, &path, result);
	if (fault)
		return fault;
	result->leaf_bytes = MODEL_BIT(ml_model_shift(isa, result->level));
	result->page_bytes = result->leaf_bytes;
	result->pa = (result->entry & ml_model_frame(isa, result->level)) +
		     (va & (result->leaf_bytes - 1));
	result->prot = isa->prot(model, result->entry, result->level, &path);
	result->contiguous = (result->entry & isa->group) != 0;
	if (result->contiguous) {
		if (!group_agrees(model, isa, result))
			return ML_MODEL_GROUP;
		result->page_bytes <<= isa->lg2_group;
	}
	result->sets_accessed = (~path.all & isa->accessed_in_tables) != 0;
	if (!isa->mark(model, result->entry, access == ML_MODEL_WRITE, result))
		return ML_MODEL_ACCESS_FLAG;
	return access_allowed(result->prot, access, user) ? ML_MODEL_OK : ML_MODEL_PERMISSION;
}

enum ml_model_fault ml_model_walk(const struct ml_model *model, ml_va va,
				  enum ml_model_access access, bool user,
				  struct ml_model_result *result)
{
	memset(result, 0, sizeof(*result));
	result->fault = walk(model, va, access, user, result);
	if (result->fault) {
		result->sets_accessed = false;
		result->sets_dirty = false;
	}
	return result->fault;
}

const char *ml_model_fault_name(enum ml_model_fault fault)
{
	static const char *const names[] = {
		[ML_MODEL_OK] = "ok",
		[ML_MODEL_CANONICAL] = "not canonical",
		[ML_MODEL_NOT_MAPPED] = "not mapped",
		[ML_MODEL_RESERVED] = "reserved bit set",
		[ML_MODEL_ADDRESS_SIZE] = "address size",
		[ML_MODEL_BUS] = "no memory at the table",
		[ML_MODEL_GROUP] = "contiguous group not uniform",
		[ML_MODEL_ACCESS_FLAG] = "access flag",
		[ML_MODEL_PERMISSION] = "permission",
	};

	return (unsigned)fault < sizeof(names) / sizeof(names[0]) ? names[fault] : "?";
}
