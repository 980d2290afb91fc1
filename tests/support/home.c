/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Putting up address spaces for tests, and living in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define T_NO_MAIN
#include "home.h"
#include "t.h"

#define FRAMES_PA 0x80000000u
#define FRAMES_BYTES ((uint64_t)64 << 20)
#define RAW_PA 0x100000000u /* large enough for a leaf of 1G, touched sparsely */
#define RAW_BYTES ((uint64_t)4 << 30)
#define TOY_FRAMES_PA 0x40000u
#define TOY_FRAMES_BYTES 0x40000u
#define TOY_RAW_PA 0x80000u
#define TOY_RAW_BYTES 0x80000u

static char *memory_of(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("maxleaf: home: mmap");
		exit(2);
	}
	return memory;
}

struct ml_frame_pool *home_frames(enum world world)
{
	static struct ml_frame_pool pools[2];
	const bool toy = world == WORLD_TOY;
	const uint64_t bytes = toy ? TOY_FRAMES_BYTES : FRAMES_BYTES;
	struct ml_frame_pool *pool = &pools[toy];

	if (!pool->memory &&
	    ml_frame_pool_init(pool, memory_of(bytes), toy ? TOY_FRAMES_PA : FRAMES_PA, bytes, 12,
			       calloc(bytes >> 12, sizeof(uint32_t))))
		exit(2);
	return pool;
}

struct home_raw *home_raw(enum world world)
{
	static struct home_raw raws[2] = { { RAW_PA, RAW_BYTES, NULL },
					   { TOY_RAW_PA, TOY_RAW_BYTES, NULL } };
	struct home_raw *raw = &raws[world == WORLD_TOY];

	if (!raw->memory)
		raw->memory = memory_of(raw->bytes);
	return raw;
}

static unsigned char *byte_at(const struct ml_frame_pool *pool, ml_pa pa)
{
	const struct home_raw *raw =
		home_raw(pool == home_frames(WORLD_TOY) ? WORLD_TOY : WORLD_X86_4);
	void *byte = ml_frame_pointer(pool, pa);

	if (byte)
		return byte;
	if (pa - raw->first < raw->bytes)
		return (unsigned char *)raw->memory + (pa - raw->first);
	fprintf(stderr, "maxleaf: home: no memory at %llx\n", (unsigned long long)pa);
	exit(2);
}

unsigned char *home_byte(const struct home *home, ml_pa pa)
{
	return byte_at(home->pool, pa);
}

uint64_t home_fail_nth;

static bool fails(void)
{
	return home_fail_nth && --home_fail_nth == 0;
}

static bool frames_alloc(void *pool, uint64_t bytes, bool zero, ml_pa *pa)
{
	return !fails() && ml_frame_pool_frames.alloc(pool, bytes, zero, pa);
}

static void *object_alloc(void *pool, size_t bytes)
{
	return fails() ? NULL : ml_frame_pool_frames.object_alloc(pool, bytes);
}

static void object_free(void *pool, void *object, size_t bytes)
{
	ml_frame_pool_frames.object_free(pool, object, bytes);
}

static void frames_get(void *pool, ml_pa pa, uint64_t length)
{
	ml_frame_pool_frames.get(pool, pa, length);
}

static void frames_put(void *pool, ml_pa pa, uint64_t length)
{
	ml_frame_pool_frames.put(pool, pa, length);
}

static bool frames_exclusive(void *pool, ml_pa pa, uint64_t length)
{
	return ml_frame_pool_frames.exclusive(pool, pa, length);
}

static bool frames_pin(void *pool, ml_pa pa, uint64_t length)
{
	return ml_frame_pool_frames.pin(pool, pa, length);
}

static void frames_unpin(void *pool, ml_pa pa, uint64_t length)
{
	ml_frame_pool_frames.unpin(pool, pa, length);
}

static bool frames_pinned(void *pool, ml_pa pa, uint64_t length)
{
	return ml_frame_pool_frames.pinned(pool, pa, length);
}

static void frames_copy(void *pool, ml_pa to, ml_pa from, uint64_t length)
{
	memcpy(byte_at(pool, to), byte_at(pool, from), length);
}

const struct ml_frames home_frame_ops = {
	.object_alloc = object_alloc,
	.object_free = object_free,
	.alloc = frames_alloc,
	.get = frames_get,
	.put = frames_put,
	.exclusive = frames_exclusive,
	.pin = frames_pin,
	.unpin = frames_unpin,
	.pinned = frames_pinned,
	.copy = frames_copy,
};

struct rig home_rig(const struct home *home)
{
	const struct rig rig = { .facts = home->facts,
				 .arena = home->arena,
				 .table = home->space.table };

	return rig;
}

static void fill_model(struct home *home)
{
	struct rig rig = home_rig(home);

	rig_model(&rig);
	home->model = rig.model;
}

int home_open(struct home *home, enum world world, const struct ml_space_config *wish)
{
	struct ml_space_config config = wish ? *wish : (struct ml_space_config){ 0 };
	const struct window *window = &worlds[world].windows[0];
	int error;

	home->facts = &worlds[world];
	home->arena = rig_arena(world);
	home->pool = home_frames(world);
	home->raw = home_raw(world);
	home->faults = 0;
	config.table.platform = &home->arena->platform;
	config.table.cookie = home->arena;
	config.table.base = ml_arena_base(home->arena);
	config.table.levels = home->facts->levels;
	config.table.high = home->facts->high;
	config.frames = config.frames ? config.frames : &home_frame_ops;
	config.frames_cookie = home->pool;
	if (!config.last) {
		config.first = window->first;
		config.last = window->first + (window->bytes - 1);
	}
	error = ml_space_init(&home->space, home->facts->format, &config);
	if (!error)
		fill_model(home);
	return error;
}

bool home_close(struct home *home)
{
	const uint64_t own = home->space.table.stats.tables + home->space.table.spare.count;
	const uint64_t in_use = home->arena->in_use;

	ml_space_fini(&home->space);
	return home->arena->in_use == in_use - own;
}

bool home_is_empty(enum world world)
{
	const struct ml_frame_pool *pool = home_frames(world);

	return !rig_arena(world)->in_use && pool->free_pages + pool->object_pages == pool->pages &&
	       !pool->objects_used;
}

/*
 * What an access leaves on its leaf, where hardware does; a CPU that marks nothing is not let
 * through to what has no mark (the model's x86-64 and toy always mark).
 */
static bool mark(const struct home *home, const struct ml_model_result *seen, bool write)
{
	const bool lacks = !(seen->prot & ML_ACCESSED) || seen->sets_dirty;
	const struct rig rig = { .model = home->model };

	if (lacks && home->space.table.hardware_ad)
		rig_mark(&rig, ml_arena_pointer(home->arena, seen->entry_pa, sizeof(ml_pte)),
			 write);
	return !lacks || home->space.table.hardware_ad;
}

/* One access; the byte's place, or NULL. */
static unsigned char *reach(struct home *home, ml_va va, bool write)
{
	struct ml_model_result seen;
	unsigned tries;

	for (tries = 0; tries < 8; tries++) {
		const enum ml_model_access access = write ? ML_MODEL_WRITE : ML_MODEL_READ;

		if (ml_model_walk(&home->model, va, access, true, &seen) == ML_MODEL_OK &&
		    mark(home, &seen, write))
			return home_byte(home, seen.pa);
		home->faults++;
		home->fault = ml_space_fault(&home->space, va, write ? ML_WRITE : ML_READ);
		if (home->fault > ML_FAULT_RETRY)
			return NULL;
	}
	return NULL;
}

bool home_load(struct home *home, ml_va va, unsigned char *byte)
{
	const unsigned char *place = reach(home, va, false);

	if (place)
		*byte = *place;
	return place;
}

bool home_store(struct home *home, ml_va va, unsigned char byte)
{
	unsigned char *place = reach(home, va, true);

	if (place)
		*place = byte;
	return place;
}

uint64_t home_page(const struct home *home)
{
	return (uint64_t)1 << home->facts->format->page_shift;
}

uint64_t home_large(const struct home *home)
{
	return (uint64_t)1 << home->facts->coarse_shift;
}

int home_large_rung(const struct home *home)
{
	const struct rig rig = home_rig(home);

	return (int)rig_rung(&rig, home->facts->coarse_shift);
}

int home_rung(const struct home *home, ml_va va)
{
	struct ml_translation leaf;

	if (ml_translate(&home->space.table, va, &leaf))
		return -1;
	return (int)ml_translation_rung(&home->space.table, &leaf);
}

int home_best_rung(const struct home *home, ml_va va, ml_va first, uint64_t len, uint32_t rungs)
{
	const struct ml_format *f = home->facts->format;
	int rung = (int)f->rung_count;

	while (--rung > 0) {
		const uint64_t bytes = (uint64_t)1 << f->rungs[rung].shift;
		const ml_va start = va & ~(bytes - 1);

		if (rungs >> rung & 1 && start >= first && start + (bytes - 1) <= first + (len - 1))
			break;
	}
	return rung;
}

bool home_is_sound(const struct home *home)
{
	struct ml_fault fault = { 0 };
	const int error = ml_space_check(&home->space, &fault);

	if (error)
		printf("# %s: %s at %llx, level %u\n", ml_error_name(error),
		       fault.what ? fault.what : "", (unsigned long long)fault.va, fault.level);
	return !error;
}

/* ---- steps of tests -------------------------------------------------------------------- */

const struct ml_region_spec home_memory = { .prot = ML_RW | ML_WB, .may = ML_RIGHTS };
const struct ml_region_spec home_device = {
	.prot = ML_RW | ML_NC,
	.may = ML_RW,
	.flags = ML_REGION_SHARED | ML_REGION_RAW,
};

void home_map(struct home *home, ml_va va, uint64_t len, const struct ml_region_spec *spec)
{
	t_eq(ml_space_map(&home->space, va, len, spec, 0, NULL), ML_OK);
}

void home_map_raw(struct home *home, ml_va va, uint64_t len, ml_pa pa)
{
	home_map(home, va, len, &home_device);
	t_eq(ml_remap_pfn_range(&home->space, va, len, pa, ML_NC), ML_OK);
}

void home_move(struct home *home, ml_va va, uint64_t len, uint64_t new_len, ml_va to)
{
	const ml_va wanted = to;

	t_eq(ml_space_move(&home->space, va, len, new_len, ML_MOVE_MAY | ML_MOVE_FIXED, &to),
	     ML_OK);
	t_eq(to, wanted);
}

void home_leave(struct home *home)
{
	t_ok(home_is_sound(home));
	t_ok(home_close(home));
	t_ok(home_is_empty((enum world)(home->facts - worlds)));
}

struct ml_translation home_leaf(const struct home *home, ml_va va)
{
	struct ml_translation leaf = { 0 };

	t_eq(ml_translate(&home->space.table, va, &leaf), ML_OK);
	return leaf;
}

ml_prot home_prot(const struct home *home, ml_va va)
{
	const struct ml_translation leaf = home_leaf(home, va);

	return ml_translation_prot(&home->space.table, &leaf);
}

unsigned char home_read(struct home *home, ml_va va)
{
	unsigned char byte = 0xee;

	t_ok(home_load(home, va, &byte));
	return byte;
}

void home_fail(const struct home *home, unsigned n)
{
	home->arena->fail_nth = n & 1 ? (n + 1) / 2 : 0;
	home_fail_nth = n & 1 ? 0 : n / 2;
}
