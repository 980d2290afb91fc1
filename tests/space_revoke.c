/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ml_unmap_mapping_range(): an owner takes a range of its bytes out of every space, and what
 * private regions wrote to stays where it is.
 */
#include "support/raw.h"
#include "support/state.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define MARK ML_SOFT(0)

/* An owner of raw frames in sequence, or of counted ones, which it keeps a reference on. */
struct owner {
	struct ml_mapping mapping;
	struct home *home;
	bool counted;
	ml_pa pa;
	uint64_t len;
	int locked, locks;
};

static enum ml_fault_result show(struct ml_fault_request *request)
{
	struct owner *owner = request->region->mapping->owner;

	if (request->offset + request->length > owner->len ||
	    (owner->pa + request->offset) & (request->length - 1))
		return ML_FAULT_FALLBACK;
	request->pa = owner->pa + request->offset;
	request->raw = !owner->counted;
	if (owner->counted)
		home_frame_ops.get(owner->home->pool, request->pa, request->length);
	return ML_FAULT_DONE;
}

static void lock(void *cookie)
{
	struct owner *owner = cookie;

	t_eq(owner->locked++, 0);
	owner->locks++;
}

static void unlock(void *cookie)
{
	struct owner *owner = cookie;

	t_eq(--owner->locked, 0);
}

static const struct ml_region_ops faulting = {
	.fault = show,
	.rungs = ~0u,
	.lock = lock,
	.unlock = unlock,
};
static const struct ml_region_ops plain = { .lock = lock, .unlock = unlock };

static void owner_open(struct owner *owner, struct home *home, const struct ml_region_ops *ops,
		       bool counted, uint64_t len)
{
	*owner = (struct owner){ .home = home, .counted = counted, .len = len };
	owner->mapping = (struct ml_mapping){ ops, owner, NULL };
	owner->pa = home->raw->first;
	if (counted)
		t_ok(home_frame_ops.alloc(home->pool, len, true, &owner->pa));
	for (uint64_t at = 0; at < len; at += home_page(home))
		*home_byte(home, owner->pa + at) = (unsigned char)(1 + at / home_page(home));
}

static void owner_close(struct owner *owner)
{
	t_ok(!owner->mapping.regions);
	t_eq(owner->locked, 0);
	if (owner->counted)
		home_frame_ops.put(owner->home->pool, owner->pa, owner->len);
}

static void leave(struct home *home, struct owner *owner)
{
	t_ok(home_is_sound(home));
	t_ok(home_close(home));
	owner_close(owner);
	t_ok(home_is_empty((enum world)(home->facts - worlds)));
}

static void open_home(struct home *home, enum world world, bool guaranteed, ml_prot mark)
{
	const struct ml_space_config wish = {
		.table = { .live = true, .guaranteed = guaranteed, .refaultable = mark },
	};

	t_eq(home_open(home, world, &wish), ML_OK);
}

static void show_region(struct home *home, struct owner *owner, ml_va va, uint64_t len,
			unsigned flags, uint64_t offset)
{
	const struct ml_region_spec spec = { .prot = ML_RW,
					     .may = ML_RW,
					     .flags = flags,
					     .offset = offset,
					     .mapping = &owner->mapping };

	t_eq(ml_space_map(&home->space, va, len, &spec, 0, NULL), ML_OK);
}

static bool is_mapped(const struct home *home, ml_va va)
{
	return home_rung(home, va) >= 0;
}

/* Every page read once: the byte of the owner's page. */
static void read_all(struct home *home, ml_va va, uint64_t len, uint64_t offset)
{
	const uint64_t page = home_page(home);

	for (uint64_t at = 0; at < len; at += page) {
		unsigned char byte = 0;

		t_ok(home_load(home, va + at, &byte));
		t_eq(byte, (unsigned char)(1 + (offset + at) / page));
	}
}

/* A region shows `len` bytes from `offset`: what of it is mapped after [gone, last] was revoked. */
static void check_revoked(const struct home *home, ml_va va, uint64_t len, uint64_t offset,
			  uint64_t gone, uint64_t last)
{
	for (uint64_t at = 0; at < len; at += home_page(home)) {
		const bool inside = offset + at >= gone && offset + at <= last;

		t_eq(is_mapped(home, va + at), !inside);
	}
}

/* Three regions in two spaces, one of them twice; every range of the owner's bytes. */
static void revoke_everywhere(enum world world, bool counted, uint64_t first, uint64_t len)
{
	struct home homes[2];
	struct owner owner;
	uint64_t page, size, last;
	ml_va va;

	open_home(&homes[0], world, true, MARK);
	open_home(&homes[1], world, true, MARK);
	va = raw_va(&homes[0]);
	page = home_page(&homes[0]);
	size = 8 * page;
	last = len ? (first + len) * page - 1 : UINT64_MAX;
	owner_open(&owner, &homes[0], &faulting, counted, size);
	show_region(&homes[0], &owner, va, size, ML_REGION_SHARED | (counted ? 0 : ML_REGION_RAW),
		    0);
	show_region(&homes[0], &owner, va + size, size / 2, counted ? 0 : ML_REGION_MIXED,
		    size / 2);
	show_region(&homes[1], &owner, va, size / 2,
		    ML_REGION_SHARED | (counted ? 0 : ML_REGION_RAW), 2 * page);
	read_all(&homes[0], va, size, 0);
	read_all(&homes[0], va + size, size / 2, size / 2);
	read_all(&homes[1], va, size / 2, 2 * page);
	owner.locks = 0;
	t_eq(ml_unmap_mapping_range(&owner.mapping, first * page, len * page, false), ML_OK);
	t_eq(owner.locks, 1);
	check_revoked(&homes[0], va, size, 0, first * page, last);
	check_revoked(&homes[0], va + size, size / 2, size / 2, first * page, last);
	check_revoked(&homes[1], va, size / 2, 2 * page, first * page, last);
	for (unsigned i = 0; i < 2; i++)
		t_ok(home_is_sound(&homes[i]));
	t_eq(homes[0].space.regions + homes[1].space.regions, 3);
	read_all(&homes[0], va, size, 0);
	read_all(&homes[1], va, size / 2, 2 * page);
	for (unsigned i = 0; i < 2; i++)
		ml_space_fini(&homes[i].space);
	owner_close(&owner);
	t_ok(home_is_empty(world));
}

TEST(every_range_in_every_space)
{
	FOR_EACH_WORLD(world)
	{
		for (uint64_t first = 0; first <= 8; first++)
			for (uint64_t len = 0; len <= 9 - first; len++) {
				revoke_everywhere(world, false, first, len);
				revoke_everywhere(world, true, first, len);
			}
	}
}

static bool is_copied(unsigned page)
{
	return page == 1 || page == 2 || page == 5;
}

/* Some pages of a private region are written to, and then the owner takes back all. */
static void revoke_copies(enum world world, const struct ml_region_ops *ops, unsigned class,
			  ml_prot mark, bool even_copies)
{
	struct home home;
	struct owner owner;
	uint64_t page;
	ml_va va;

	open_home(&home, world, true, mark);
	va = raw_va(&home);
	page = home_page(&home);
	owner_open(&owner, &home, ops, !class, 8 * page);
	show_region(&home, &owner, va, 8 * page, class, 0);
	if (!ops->fault)
		t_eq(ml_remap_pfn_range(&home.space, va, 8 * page, owner.pa, ML_WB), ML_OK);
	read_all(&home, va, 8 * page, 0);
	for (unsigned i = 0; i < 8; i++)
		if (is_copied(i))
			t_ok(home_store(&home, va + i * page, (unsigned char)(0x80 + i)));
	t_ok(home_is_sound(&home));
	t_eq(ml_unmap_mapping_range(&owner.mapping, 0, 0, even_copies), ML_OK);
	for (unsigned i = 0; i < 8; i++)
		t_eq(is_mapped(&home, va + i * page), is_copied(i) && !even_copies);
	for (unsigned i = 0; i < 8; i++) {
		const bool kept = is_copied(i) && !even_copies;
		unsigned char byte = 0;

		T_CONTEXT("page", i);
		if (!kept && !ops->fault) {
			t_ok(!home_load(&home, va + i * page, &byte));
			t_eq(home.fault, ML_FAULT_BUS);
		} else if (t_ok(home_load(&home, va + i * page, &byte))) {
			t_eq(byte, kept ? 0x80 + i : 1 + i);
		}
	}
	leave(&home, &owner);
}

TEST(private_copies_stay)
{
	FOR_EACH_WORLD(world)
	{
		for (unsigned even = 0; even < 2; even++) {
			revoke_copies(world, &plain, ML_REGION_RAW, 0, even);
			revoke_copies(world, &plain, ML_REGION_MIXED, 0, even);
			revoke_copies(world, &plain, ML_REGION_RAW, MARK, even);
			revoke_copies(world, &plain, ML_REGION_MIXED, MARK, even);
			revoke_copies(world, &faulting, ML_REGION_RAW, 0, even);
			revoke_copies(world, &faulting, ML_REGION_RAW, MARK, even);
			revoke_copies(world, &faulting, ML_REGION_MIXED, MARK, even);
			revoke_copies(world, &faulting, 0, MARK, even);
		}
	}
}

/* Without a mark, what the owner showed and what was copied look alike: nothing is guessed. */
TEST(copies_that_cannot_be_told)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		struct owner owner;
		uint64_t page;
		ml_va va;

		open_home(&home, world, true, 0);
		va = raw_va(&home);
		page = home_page(&home);
		owner_open(&owner, &home, &faulting, true, 4 * page);
		show_region(&home, &owner, va, 4 * page, 0, 0);
		show_region(&home, &owner, va + 8 * page, 2 * page, ML_REGION_SHARED, 0);
		read_all(&home, va, 4 * page, 0);
		t_eq(ml_unmap_mapping_range(&owner.mapping, 0, page, false), ML_OK);
		t_ok(!is_mapped(&home, va));
		t_ok(home_store(&home, va + 3 * page, 0x99));
		read_all(&home, va + 8 * page, 2 * page, 0);
		NO_CHANGE(&home, ml_unmap_mapping_range(&owner.mapping, 0, page, false),
			  ML_ERR_REFUSED);
		t_eq(ml_unmap_mapping_range(&owner.mapping, 4 * page, 0, false), ML_OK);
		t_eq(ml_unmap_mapping_range(&owner.mapping, 0, 0, true), ML_OK);
		t_ok(raw_is_empty(&home, va, 10 * page));
		leave(&home, &owner);
	}
}

/* A part of a leaf: split in place with the table that the leaf owns, or taken out whole. */
TEST(a_part_of_a_large_leaf)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		struct owner owner;
		uint64_t size, page;
		ml_va va;

		open_home(&home, world, true, 0);
		va = raw_va(&home);
		size = home_large(&home);
		page = home_page(&home);
		owner_open(&owner, &home, &plain, false, size);
		show_region(&home, &owner, va, size, RAW_SHARED, 0);
		t_eq(ml_remap_pfn_range(&home.space, va, size, owner.pa, ML_NC), ML_OK);
		home.arena->in_use_limit = home.arena->in_use;
		t_eq(ml_unmap_mapping_range(&owner.mapping, page, page, false), ML_OK);
		home.arena->in_use_limit = 0;
		t_ok(raw_shows(&home, va, page, owner.pa, ML_NC, 0));
		t_ok(raw_is_empty(&home, va + page, page));
		t_ok(raw_shows(&home, va + 2 * page, size - 2 * page, owner.pa + 2 * page, ML_NC,
			       0));
		leave(&home, &owner);
	}
}

/* What a notifier heard between begin and end. */
struct listener {
	struct ml_notifier notifier;
	ml_va va, last;
	unsigned begun, ended;
};

static void hear_begin(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	struct listener *listener = (struct listener *)(void *)notifier;

	if (!listener->begun++ || va < listener->va)
		listener->va = va;
	if (listener->begun == 1 || va + (len - 1) > listener->last)
		listener->last = va + (len - 1);
}

static void hear_end(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	(void)va;
	(void)len;
	((struct listener *)(void *)notifier)->ended++;
}

/* No table to split a leaf that comes back: all of it goes, and whoever listens hears of all. */
static void goes_whole(enum world world, bool guaranteed, ml_prot mark)
{
	struct listener heard = { .notifier = { .begin = hear_begin, .end = hear_end } };
	struct home home;
	struct owner owner;
	uint64_t size, page;
	ml_va va;

	open_home(&home, world, guaranteed, mark);
	va = raw_va(&home);
	size = home_large(&home);
	page = home_page(&home);
	owner_open(&owner, &home, &faulting, false, size);
	show_region(&home, &owner, va, size, RAW_SHARED, 0);
	read_all(&home, va, size, 0);
	t_eq(home_rung(&home, va), home_large_rung(&home));
	ml_space_notify(&home.space, &heard.notifier);
	home.arena->in_use_limit = home.arena->in_use;
	t_eq(ml_unmap_mapping_range(&owner.mapping, page, page, false), ML_OK);
	home.arena->in_use_limit = 0;
	ml_space_unnotify(&home.space, &heard.notifier);
	t_ok(raw_is_empty(&home, va, size));
	t_eq(heard.va, va);
	t_eq(heard.last, va + size - 1);
	t_eq(heard.begun, heard.ended);
	read_all(&home, va, size, 0);
	leave(&home, &owner);
}

TEST(a_leaf_that_comes_back_goes_whole)
{
	FOR_EACH_WORLD(world)
	{
		goes_whole(world, false, 0);
		goes_whole(world, true, MARK);
	}
}

/* One that does not come back stays, and the call says so; what went before stays out. */
TEST(a_leaf_that_does_not_come_back_stays)
{
	struct home home;
	struct owner owner;
	ml_va va;

	open_home(&home, WORLD_X86_4, false, 0);
	va = raw_va(&home);
	owner_open(&owner, &home, &plain, false, 2 * M);
	show_region(&home, &owner, va, 2 * M, RAW_SHARED, 0);
	t_eq(ml_remap_pfn_range(&home.space, va, 2 * M, owner.pa, ML_NC), ML_OK);
	home.arena->in_use_limit = home.arena->in_use;
	t_eq(ml_unmap_mapping_range(&owner.mapping, 4 * K, 4 * K, false), ML_ERR_NO_MEMORY);
	home.arena->in_use_limit = 0;
	t_ok(raw_shows(&home, va, 2 * M, owner.pa, ML_NC, 0));
	leave(&home, &owner);
}

TEST(ranges_that_make_no_sense)
{
	struct home home;
	struct owner owner;
	ml_va va;

	open_home(&home, WORLD_X86_4, false, 0);
	va = raw_va(&home);
	owner_open(&owner, &home, &faulting, false, 8 * K);
	t_eq(ml_unmap_mapping_range(&owner.mapping, 123, 0, false), ML_OK);
	show_region(&home, &owner, va, 8 * K, RAW_SHARED, 0);
	read_all(&home, va, 8 * K, 0);
	t_eq(ml_unmap_mapping_range(&owner.mapping, 1, 0, false), ML_ERR_ALIGN);
	t_eq(ml_unmap_mapping_range(&owner.mapping, 0, 1, false), ML_ERR_ALIGN);
	t_eq(ml_unmap_mapping_range(&owner.mapping, 8 * K, 0 - 4 * K, false), ML_ERR_WRAP);
	t_eq(ml_unmap_mapping_range(&owner.mapping, 8 * K, 0, true), ML_OK);
	t_ok(is_mapped(&home, va) && is_mapped(&home, va + 4 * K));
	t_eq(ml_unmap_mapping_range(&owner.mapping, 0 - 4 * K, 4 * K, true), ML_OK);
	t_ok(is_mapped(&home, va));
	leave(&home, &owner);
}
