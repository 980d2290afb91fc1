/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ml_insert_pfn(): one leaf of raw frames, of any size, in and out of fault handlers; and what it
 * does where something stands already.
 */
#include "support/raw.h"
#include "support/state.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

/* ---- out of a fault -------------------------------------------------------------------- */

/* A device of raw frames in sequence; it answers by inserting, at any size below `most`. */
struct device {
	struct ml_mapping mapping;
	ml_pa pa;
	ml_prot type;
	unsigned most; /* largest rung */
	unsigned asked;
	int error; /* of the last insertion */
};

static enum ml_fault_result insert_frames(struct ml_fault_request *request)
{
	struct device *device = request->region->mapping->owner;
	const ml_pa pa = device->pa + request->offset;

	device->asked++;
	if (request->rung > device->most || pa & (request->length - 1))
		return ML_FAULT_FALLBACK;
	device->error = ml_insert_pfn(request->space, request->va, pa, request->rung, device->type,
				      request->access == ML_WRITE);
	request->inserted = true;
	return device->error ? ML_FAULT_BUS : ML_FAULT_DONE;
}

static const struct ml_region_ops device_ops = { .fault = insert_frames, .rungs = ~0u };

static void device_open(struct device *device, const struct home *home, unsigned most)
{
	*device = (struct device){ .pa = home->raw->first, .type = ML_NC, .most = most };
	device->mapping.ops = &device_ops;
	device->mapping.owner = device;
}

/* Every size that the table can hold, by one fault each; the memory type is the handler's. */
TEST(a_handler_inserts_every_size)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_format *f = worlds[world].format;

		for (unsigned rung = 0; rung < f->rung_count; rung++) {
			const uint64_t size = (uint64_t)1 << f->rungs[rung].shift;
			struct device device;
			struct home home;
			unsigned char byte;
			ml_va va;

			raw_home(&home, world, NULL);
			va = raw_va(&home);
			device_open(&device, &home, rung);
			if (!ml_space_can_hold(&home.space, rung)) {
				t_eq(ml_insert_pfn(&home.space, va, 0, rung, ML_NC, false),
				     ML_ERR_SIZE);
				home_leave(&home);
				continue;
			}
			t_eq(raw_map(&home, va, size, RAW_SHARED, &device.mapping), ML_OK);
			*home_byte(&home, device.pa + size / 2 + 5) = 0x5a;
			t_ok(home_load(&home, va + size / 2 + 5, &byte));
			t_eq(byte, 0x5a);
			t_ok(raw_shows(&home, va, size, device.pa, ML_NC, 0));
			t_eq(home_rung(&home, va), rung);
			t_eq(home.faults, 1);
			t_ok(home_store(&home, va + size - 1, 0xa5));
			t_eq(*home_byte(&home, device.pa + size - 1), 0xa5);
			t_eq(home.faults, 1);
			home_leave(&home);
		}
	}
}

/* 5.10, 20: the piece at the end of a device that is no whole leaf comes in smaller ones. */
TEST(sizes_end_with_the_region)
{
	FOR_EACH_WORLD(world)
	{
		struct device device;
		struct home home;
		uint64_t page, len;
		ml_va va;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		page = home_page(&home);
		len = 2 * home_large(&home) - page;
		device_open(&device, &home, ~0u);
		t_eq(raw_map(&home, va, len, RAW_SHARED, &device.mapping), ML_OK);
		for (uint64_t at = 0; at < len; at += page)
			t_ok(home_store(&home, va + at, 1));
		t_ok(raw_shows(&home, va, len, device.pa, ML_NC, 0));
		t_eq(ml_insert_pfn(&home.space, va + home_large(&home),
				   device.pa + home_large(&home), home_large_rung(&home), ML_NC,
				   false),
		     ML_ERR_SIZE);
		home_leave(&home);
	}
}

/* S0.1: page by page, in any order, is a group where the policy says so. */
TEST(pages_that_complete_a_group)
{
	for (unsigned fold = ML_FOLD_MAP; fold <= ML_FOLD_COMPLETE; fold++) {
		const struct ml_table_config table = { .live = true, .fold = (uint8_t)fold };
		struct home home;
		ml_va va;

		raw_home(&home, WORLD_ARM_LOW, &table);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, 64 * K, RAW_SHARED, NULL), ML_OK);
		for (unsigned i = 0, page = 5; i < 16; i++, page = (page + 7) % 16) {
			t_eq(home_rung(&home, va + page * 4 * K), -1);
			t_eq(ml_insert_pfn(&home.space, va + page * 4 * K, G + page * 4 * K, 0,
					   ML_WB, true),
			     ML_OK);
		}
		t_ok(raw_shows(&home, va, 64 * K, G, ML_WB, fold == ML_FOLD_MAP ? 1 : 0));
		home_leave(&home);
	}
}

/* ---- what it refuses ------------------------------------------------------------------- */

static bool none_above(void *most, ml_pa pa, uint64_t length, ml_prot prot)
{
	(void)most;
	(void)prot;
	return pa + length <= (ml_pa)1 << 19;
}

TEST(what_is_refused_changes_nothing)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_space *s;
		struct home home;
		uint64_t size, page;
		unsigned large;
		ml_va va;
		ml_pa pa;

		raw_home(&home, world, NULL);
		s = &home.space;
		va = raw_va(&home);
		pa = home.raw->first;
		size = home_large(&home);
		page = home_page(&home);
		large = home_large_rung(&home);
		t_eq(raw_map(&home, va, size, RAW_SHARED, NULL), ML_OK);
		t_eq(raw_map(&home, va + size, size, RAW_SHARED | ML_REGION_NO_HUGE, NULL), ML_OK);
		t_eq(raw_map(&home, va + 2 * size, page, ML_REGION_RAW, NULL), ML_OK);
		t_eq(raw_map(&home, va + 2 * size + page, page, 0, NULL), ML_OK);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, 77, ML_WB, false), ML_ERR_SIZE);
		NO_CHANGE(&home, ml_insert_pfn(s, va + 1, pa, 0, ML_WB, false), ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa + 1, 0, ML_WB, false), ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_insert_pfn(s, va + page, pa, large, ML_WB, false),
			  ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa + page, large, ML_WB, false),
			  ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_insert_pfn(s, va, 0 - size, large, ML_WB, false),
			  ML_ERR_PA_RANGE);
		NO_CHANGE(&home, ml_insert_pfn(s, va + size, pa, large, ML_WB, false), ML_ERR_SIZE);
		NO_CHANGE(&home, ml_insert_pfn(s, va + 2 * size, pa, large, ML_WB, false),
			  ML_ERR_SIZE);
		NO_CHANGE(&home, ml_insert_pfn(s, va + 2 * size, pa, 0, ML_WB, false),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_insert_pfn(s, va + 2 * size + page, pa, 0, ML_WB, false),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_insert_pfn(s, va + 2 * size + 2 * page, pa, 0, ML_WB, false),
			  ML_ERR_NOT_MAPPED);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, 0, ML_WB | ML_USER, false),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, 0, ML_TYPE(15), false), ML_ERR_PROT);
		t_eq(ml_insert_pfn(s, va + page, pa + page, 0, ML_WB, false), ML_OK);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, large, ML_WB, false), ML_ERR_EXISTS);
		NO_CHANGE(&home, ml_insert_pfn(s, va + page, pa, 0, ML_WB, true), ML_ERR_EXISTS);
		t_eq(ml_insert_pfn(s, va, pa, 0, ML_WB, false), ML_OK);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, large, ML_WB, true), ML_ERR_EXISTS);
		t_eq(ml_space_protect(s, va, size, ML_READ), ML_OK);
		NO_CHANGE(&home, ml_insert_pfn(s, va, pa, 0, ML_WB, true), ML_ERR_ACCESS);
		home_leave(&home);
	}
}

TEST(frames_that_the_owner_refuses)
{
	struct ml_frames frames = home_frame_ops;
	const struct ml_space_config wish = { .frames = &frames };

	frames.allowed = none_above;
	FOR_EACH_WORLD(world)
	{
		struct home home;
		ml_va va;

		t_eq(home_open(&home, world, &wish), ML_OK);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, home_large(&home), RAW_SHARED, NULL), ML_OK);
		NO_CHANGE(&home, ml_insert_pfn(&home.space, va, (ml_pa)1 << 19, 0, ML_WB, false),
			  ML_ERR_ACCESS);
		t_eq(ml_insert_pfn(&home.space, va, 0, home_large_rung(&home), ML_WB, false),
		     home_large(&home) <= (ml_pa)1 << 19 ? ML_OK : ML_ERR_ACCESS);
		home_leave(&home);
	}
}

/* The last page of the space, and the first behind the last region. */
TEST(the_ends_of_the_space)
{
	struct home home;
	const ml_va last = 0 - (ml_va)(4 * K);

	raw_home(&home, WORLD_ARM_HIGH, NULL);
	t_eq(raw_map(&home, last, 4 * K, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_insert_pfn(&home.space, last, G, 0, ML_WB, false), ML_OK);
	t_eq(ml_insert_pfn(&home.space, 0, G, 0, ML_WB, false), ML_ERR_CANONICAL);
	t_eq(ml_insert_pfn(&home.space, last - 4 * K, G, 0, ML_WB, false), ML_ERR_NOT_MAPPED);
	home_leave(&home);
}

/* ---- over what is there ---------------------------------------------------------------- */

/* Take the right to write from entries, as an owner does that wants to hear of the first write. */
static void write_notify(struct home *home, ml_va va, uint64_t len)
{
	t_eq(ml_protect(&home->space.table, va, len, ML_WRITE | ML_PROT_AD, 0, NULL), ML_OK);
}

/* 5.3: the same frame is made writable by a write, and by nothing else. */
TEST(a_write_upgrades_the_same_frame)
{
	FOR_EACH_WORLD(world)
	{
		const unsigned rungs[] = { 0, worlds[world].format->group_rung[0],
					   worlds[world].format->block_rung[1] };

		for (unsigned i = 0; i < 3; i++) {
			struct home home;
			uint64_t size;
			ml_va va;
			ml_pa pa;

			raw_home(&home, world, NULL);
			va = raw_va(&home);
			pa = home.raw->first;
			size = (uint64_t)1 << home.facts->format->rungs[rungs[i]].shift;
			t_eq(raw_map(&home, va, size, RAW_SHARED, NULL), ML_OK);
			t_eq(ml_insert_pfn(&home.space, va, pa, rungs[i], ML_NC, false), ML_OK);
			write_notify(&home, va, size);
			NO_CHANGE(&home, ml_insert_pfn(&home.space, va, pa, rungs[i], ML_NC, false),
				  ML_OK);
			NO_CHANGE(&home,
				  ml_insert_pfn(&home.space, va, pa + size, rungs[i], ML_NC, true),
				  ML_ERR_EXISTS);
			t_eq(ml_insert_pfn(&home.space, va, pa, rungs[i], ML_NC, true), ML_OK);
			t_eq(home_prot(&home, va) & (ML_WRITE | ML_PROT_AD), ML_WRITE | ML_PROT_AD);
			t_ok(raw_shows(&home, va, size, pa, ML_NC, 0));
			NO_CHANGE(&home, ml_insert_pfn(&home.space, va, pa, rungs[i], ML_NC, true),
				  ML_OK);
			home_leave(&home);
		}
	}
}

/* A page in a large leaf: all of the leaf that the region has, and no split for less. */
TEST(a_write_upgrades_the_leaf_around)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t size, page;
		ml_va va;
		ml_pa pa;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		pa = home.raw->first;
		size = home_large(&home);
		page = home_page(&home);
		t_eq(raw_map(&home, va, size, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, size, pa, ML_NC), ML_OK);
		write_notify(&home, va, size);
		t_eq(ml_insert_pfn(&home.space, va + page, pa + page, 0, ML_NC, true), ML_OK);
		t_ok(raw_shows(&home, va, size, pa, ML_NC, 0));
		t_ok(home_prot(&home, va + size - page) & ML_WRITE);
		/* half of the leaf is another region's */
		write_notify(&home, va, size);
		t_eq(ml_space_advise(&home.space, va, size / 2, ML_ADVISE_NO_HUGE), ML_OK);
		t_eq(home.space.regions, 2);
		t_eq(home_rung(&home, va), home_large_rung(&home));
		t_eq(ml_insert_pfn(&home.space, va + size / 2, pa + size / 2, 0, ML_NC, true),
		     ML_OK);
		t_ok(home_prot(&home, va + size - page) & ML_WRITE);
		t_ok(!(home_prot(&home, va + size / 2 - page) & ML_WRITE));
		home_leave(&home);
	}
}

/* Marks are those of the access, where the table leaves them to us. */
TEST(the_access_is_marked)
{
	const struct ml_table_config table = { .live = true, .track_ad = true };

	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		ml_va va;

		raw_home(&home, world, &table);
		va = raw_va(&home);
		page = home_page(&home);
		t_eq(raw_map(&home, va, 3 * page, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_insert_pfn(&home.space, va, 0, 0, ML_WB, false), ML_OK);
		t_eq(ml_insert_pfn(&home.space, va + page, 0, 0, ML_WB, true), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va + 2 * page, page, 0, ML_WB), ML_OK);
		t_eq(home_prot(&home, va) & ML_PROT_AD, ML_ACCESSED);
		t_eq(home_prot(&home, va + page) & ML_PROT_AD, ML_PROT_AD);
		t_eq(home_prot(&home, va + 2 * page) & ML_PROT_AD, 0);
		t_ok(home_prot(&home, va) & ML_WRITE);
		home_leave(&home);
	}
}

/* A private region that shows raw frames: read where they are, and written to in a copy. */
TEST(a_private_region_writes_to_a_copy)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_translation copy;
		struct device device;
		struct home home;
		unsigned char byte;
		uint64_t size, page;
		ml_va va;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		size = home_large(&home);
		page = home_page(&home);
		device_open(&device, &home, ~0u);
		t_eq(raw_map(&home, va, size, ML_REGION_MIXED, &device.mapping), ML_OK);
		*home_byte(&home, device.pa + page) = 0x33;
		*home_byte(&home, device.pa + page + 1) = 0x11;
		t_ok(home_load(&home, va + page + 1, &byte));
		t_eq(byte, 0x11);
		t_eq(home_rung(&home, va), home_large_rung(&home));
		t_ok(!(home_prot(&home, va) & ML_WRITE));
		t_ok(home_store(&home, va + page, 0x22));
		t_ok(home_load(&home, va + page + 1, &byte));
		t_eq(byte, 0x11);
		t_eq(*home_byte(&home, device.pa + page), 0x33);
		t_ok(!(home_prot(&home, va + page) & ML_SPECIAL));
		t_ok(home_prot(&home, va) & ML_SPECIAL);
		t_eq(ml_insert_pfn(&home.space, va + page, device.pa + page, 0, ML_NC, false),
		     ML_ERR_EXISTS);
		/* the copy's own frame, as if it were raw */
		t_eq(ml_translate(&home.space.table, va + page, &copy), ML_OK);
		t_eq(ml_insert_pfn(&home.space, va + page, copy.pa, 0, ML_NC, false),
		     ML_ERR_EXISTS);
		t_eq(ml_insert_pfn(&home.space, va, device.pa, 0, ML_NC, true), ML_OK);
		t_ok(!(home_prot(&home, va) & ML_WRITE));
		home_leave(&home);
	}
}

/* S4.8: a table that is not there once does not make the insertion fail, but at a base page. */
TEST(a_missing_table)
{
	const struct ml_table_config table = { .live = true, .guaranteed = true };

	for (unsigned rung = 0; rung < 2; rung++)
		for (unsigned nth = 1; nth <= 4; nth++) {
			struct home home;
			ml_va va;
			int error;

			raw_home(&home, WORLD_X86_4, &table);
			va = raw_va(&home);
			t_eq(raw_map(&home, va, 2 * M, RAW_SHARED, NULL), ML_OK);
			home.arena->fail_nth = nth;
			error = ml_insert_pfn(&home.space, va, G, rung, ML_NC, true);
			home.arena->fail_nth = 0;
			t_eq(error, rung || nth == 4 ? ML_OK : ML_ERR_NO_MEMORY);
			t_eq(home_rung(&home, va) >= 0, !error);
			home_leave(&home);
			raw_home(&home, WORLD_X86_4, &table);
			t_eq(raw_map(&home, va, 2 * M, RAW_SHARED, NULL), ML_OK);
			home.arena->in_use_limit = home.arena->in_use + nth - 1;
			error = ml_insert_pfn(&home.space, va, G, rung, ML_NC, true);
			home.arena->in_use_limit = 0;
			t_eq(error, nth <= 3 ? ML_ERR_NO_MEMORY : ML_OK);
			t_eq(home.space.table.stats.tables, nth <= 3 ? 1 : rung ? 3 : 4);
			home_leave(&home);
		}
}
