/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Owners of mappings, and the kinds of spaces that they are mapped in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owner.h"

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

static struct rig rig_of(const struct home *home)
{
	const struct rig rig = { .facts = home->facts,
				 .arena = home->arena,
				 .table = home->space.table };

	return rig;
}

static size_t counts_bytes(const struct home *home)
{
	return home->pool->pages * sizeof(*home->pool->counts);
}

static bool first_is_copied(const struct home *home)
{
	const struct ml_region *first = ml_space_find_from(&home->space, 0);

	return first && first->copied;
}

void state_take(struct state *state, const struct home *home)
{
	const struct rig rig = rig_of(home);

	picture_take(&state->picture, &rig);
	free(state->counts);
	state->counts = malloc(counts_bytes(home));
	if (state->counts)
		memcpy(state->counts, home->pool->counts, counts_bytes(home));
	state->regions = home->space.regions;
	state->mapped = home->space.mapped;
	state->objects = home->pool->objects_used;
	state->copied = first_is_copied(home);
}

bool state_is_as_before(const struct state *state, const struct home *home)
{
	const struct rig rig = rig_of(home);

	return !picture_difference(&state->picture, &rig) && state->counts &&
	       !memcmp(state->counts, home->pool->counts, counts_bytes(home)) &&
	       state->regions == home->space.regions && state->mapped == home->space.mapped &&
	       state->objects == home->pool->objects_used && state->copied == first_is_copied(home);
}

void state_release(struct state *state)
{
	picture_release(&state->picture);
	free(state->counts);
	memset(state, 0, sizeof(*state));
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

uint64_t home_large(const struct home *home)
{
	return (uint64_t)1 << home->facts->coarse_shift;
}
