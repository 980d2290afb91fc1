/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Owners of mappings, and the kinds of spaces that they are mapped in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T_NO_MAIN
#include "owner.h"
#include "t.h"

static const struct ml_space_config kinds[OWNER_KINDS] = {
	{ .table = { .live = false } },
	{ .table = { .live = true, .guaranteed = true, .fold = ML_FOLD_COMPLETE } },
	{ .table = { .live = true, .track_ad = true } },
	{ .table = { .live = true,
		     .track_ad = true,
		     .hardware_ad = true,
		     .fold = ML_FOLD_BLOCK,
		     .guaranteed = true } },
	{ .table = { .live = true, .guaranteed = true, .refaultable = ML_SOFT(0) } },
	{ .table = { .live = true,
		     .track_ad = true,
		     .each_member = true,
		     .guaranteed = true,
		     .refaultable = ML_SOFT(0),
		     .fold = ML_FOLD_COMPLETE } },
};

struct ml_space_config owner_kind(unsigned kind)
{
	struct ml_space_config config = kinds[kind];

	config.fault_rungs = ~0u;
	return config;
}

void owner_home(struct home *home, enum world world, unsigned kind, const struct ml_frames *frames)
{
	struct ml_space_config config = owner_kind(kind);

	config.frames = frames;
	if (home_open(home, world, &config)) {
		fprintf(stderr, "maxleaf: owner: no home\n");
		exit(2);
	}
	home->model.hardware_accessed = config.table.hardware_ad;
	home->model.hardware_dirty = config.table.hardware_ad;
}

static enum ml_fault_result answer(struct ml_fault_request *request)
{
	struct owner *owner = request->region->mapping->owner;

	if (!owner->asked++)
		owner->first = *request;
	owner->last = *request;
	if (request->rung > owner->most)
		return ML_FAULT_FALLBACK;
	if (owner->answer != ML_FAULT_DONE)
		return owner->answer;
	if (request->offset + request->length + owner->skew > owner->bytes)
		return ML_FAULT_BUS;
	request->inserted = owner->inserts;
	request->raw = owner->raw;
	request->pa = owner->pa + request->offset + owner->skew;
	if (!owner->raw && !owner->inserts)
		ml_frame_pool_frames.get(owner->home->pool, request->pa, request->length);
	return ML_FAULT_DONE;
}

static void fill(struct owner *owner)
{
	const uint64_t page = home_page(owner->home);
	uint64_t at;

	for (at = 0; at < owner->bytes; at += page)
		memset(home_byte(owner->home, owner->pa + at), (int)(at / page + 1), page);
}

void owner_open(struct owner *owner, struct home *home, bool raw)
{
	memset(owner, 0, sizeof(*owner));
	owner->ops.fault = answer;
	owner->ops.rungs = ~0u;
	owner->mapping.ops = &owner->ops;
	owner->mapping.owner = owner;
	owner->home = home;
	owner->raw = raw;
	owner->most = ML_RUNG_MAX;
	owner->bytes = 2 * home_large(home);
	owner->pa = home->raw->first;
	if (!raw && !ml_frame_pool_frames.alloc(home->pool, owner->bytes, false, &owner->pa)) {
		fprintf(stderr, "maxleaf: owner: no memory\n");
		exit(2);
	}
	fill(owner);
}

bool owner_close(struct owner *owner)
{
	struct ml_frame_pool *pool = owner->home->pool;
	bool alone = true;

	if (!owner->raw) {
		alone = ml_frame_pool_frames.exclusive(pool, owner->pa, owner->bytes);
		ml_frame_pool_frames.put(pool, owner->pa, owner->bytes);
	}
	return alone && !owner->mapping.regions;
}

bool owner_is_untouched(const struct owner *owner)
{
	const uint64_t page = home_page(owner->home);
	uint64_t at;

	for (at = 0; at < owner->bytes; at++)
		if (*home_byte(owner->home, owner->pa + at) != (unsigned char)(at / page + 1))
			return false;
	return true;
}

struct ml_region_spec owner_region(struct owner *owner, unsigned flags)
{
	const struct ml_region_spec spec = { .prot = ML_RW | ML_WB,
					     .may = ML_RIGHTS,
					     .flags = flags | (owner->raw ? ML_REGION_RAW : 0),
					     .mapping = &owner->mapping };

	return spec;
}

void owner_move_in(struct owner *owner, struct home *home, enum world world, unsigned kind,
		   bool raw, unsigned flags, const struct ml_frames *frames)
{
	struct ml_region_spec spec;

	owner_home(home, world, kind, frames);
	owner_open(owner, home, raw);
	spec = owner_region(owner, flags);
	home_map(home, home->space.first, owner->bytes, &spec);
}

void owner_leave(struct owner *owner)
{
	t_ok(home_is_sound(owner->home));
	t_ok(home_close(owner->home));
	t_ok(owner_close(owner));
	t_ok(home_is_empty((enum world)(owner->home->facts - worlds)));
}

bool owner_page_holds(struct home *home, ml_va va, unsigned char byte)
{
	uint64_t i;

	for (i = 0; i < home_page(home); i++) {
		unsigned char found = (unsigned char)~byte;

		if (!home_load(home, va + i, &found) || found != byte)
			return false;
	}
	return true;
}
