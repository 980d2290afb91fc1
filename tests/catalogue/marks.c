/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Section E: entries that are not present, and what marks the others. */
#include <stdlib.h>
#include <string.h>

#include <maxleaf/pte.h>

#include "catalogue.h"
#include "support/entries.h"

static struct entries entries;
static struct order order;

static const struct ml_table_config marking = {
	.live = true, .track_ad = true, .hardware_ad = true, .fold = ML_FOLD_COMPLETE
};

static bool put_up(enum world world, unsigned level)
{
	T_REQUIRE_VALUE(entries_open(&entries, world, &marking, level, &order), false);
	return true;
}

static void take_down(void)
{
	t_eq(ml_unmap(&entries.rig.table, entries.va, entries.count * entries.step, NULL), ML_OK);
	t_ok(!order.failed);
	t_ok(entries_close(&entries, &order));
}

static ml_pte leaf_of(ml_prot prot, unsigned level)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&entries.rig.table, 0, prot, level, &pte), ML_OK);
	return pte;
}

static ml_pte software_of(enum ml_software kind)
{
	ml_pte pte = 0;

	t_eq(ml_software_make(&entries.rig.table, kind, 0x123456789a, &pte), ML_OK);
	return pte;
}

TEST(b_71_an_entry_that_was_not_present_became_present)
{
	FOR_EACH_WORLD(world)
	for (unsigned kind = ML_SOFTWARE_SWAP; kind <= ML_SOFTWARE_PROT_NONE; kind++) {
		struct ml_table *t = &entries.rig.table;
		ml_pte marker = 0, hidden = 0;

		T_REQUIRE(put_up(world, 0));
		if (kind == ML_SOFTWARE_PROT_NONE)
			t_eq(ml_pte_prot_none(t, leaf_of(ML_RW, 0), 0, &marker), ML_OK);
		else
			marker = software_of(kind);
		ml_set_pte_at(t, entries.va, entries.p, 0, marker);
		t_eq(ml_pte_prot_none(t, marker, 0, &hidden), ML_ERR_ARGUMENT);
		ml_ptep_set_wrprotect(t, entries.va, entries.p, 0);
		ml_wrprotect_ptes(t, entries.va, entries.p, 0, 2);
		t_eq(ml_ptep_test_and_clear_young(t, entries.va, entries.p, 0), 0);
		t_ok(!ml_ptep_set_access_flags(t, entries.va, entries.p, 0,
					       leaf_of(ML_RW | ML_PROT_AD, 0), true));
		t_eq(ml_protect(t, entries.va, 8 * K, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_split(t, entries.va, 8 * K, 0, NULL), ML_OK);
		t_eq(ml_fold(t, entries.va, 8 * K, 1, NULL), ML_OK);
		t_eq(entries.p[0], marker);
		t_eq(entries.p[1], 0);
		take_down();
	}
}

/*
 * A reader of member 3 (toy: 1) while its group changes. Without the lock it may find nothing there
 * for a moment, or be told to come again; it is never told of another frame, of marks that nobody
 * made, nor of an entry of software's that nobody made.
 */
static struct {
	unsigned member, reads, astray;
} reader;

static void count_bytes(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	t_eq(run->pa, reader.member * entries.step);
}

static void read_member(void *cookie, const struct ml_event *event)
{
	ml_pte pte = 0;
	int error;

	(void)cookie;
	(void)event;
	error = ml_ptep_get_lockless(&entries.rig.table, entries_va(&entries, reader.member),
				     entries.p + reader.member, 0, &pte);
	reader.reads++;
	if (error == ML_ERR_CONTENDED || !pte)
		return;
	reader.astray += ml_pte_kind(&entries.rig.table, pte, 0) != ML_KIND_LEAF ||
			 ml_pte_pa(&entries.rig.table, pte, 0) != reader.member * entries.step ||
			 ml_pte_prot(&entries.rig.table, pte, 0) & ML_PROT_AD;
}

/* The lock is free again: whoever takes it finds the leaf, and takes it out. */
static void still_there(void)
{
	const ml_va va = entries_va(&entries, reader.member);
	struct ml_op op = { .flags = 0, .sink = count_bytes };

	t_ok(reader.reads > 1);
	t_eq(reader.astray, 0);
	t_eq(ml_unmap(&entries.rig.table, va, entries.step, &op), ML_OK);
	t_eq(op.bytes, entries.step);
}

/* A folded group with a reader of one of its members. */
static bool put_read_group(enum world world, struct ml_trace *trace)
{
	T_REQUIRE_VALUE(entries_open(&entries, world, &marking, 0, NULL), false);
	ml_set_ptes(&entries.rig.table, entries.va, entries.p, 0, leaf_of(ML_RW | ML_USER, 0),
		    entries.size);
	t_eq(entries_folded(&entries), entries.size);
	reader.member = entries.size > 3 ? 3 : 1;
	reader.reads = reader.astray = 0;
	trace->arena = entries.rig.arena;
	ml_trace_to(trace);
	return true;
}

TEST(b_72_an_entry_that_was_broken_for_a_moment_looked_empty)
{
	struct ml_trace trace = { .watch = read_member, .forget = true };

	FOR_EACH_WORLD_WITH_GROUPS(world)
	{
		T_REQUIRE(put_read_group(world, &trace));
		ml_pte_clear(&entries.rig.table, entries.va, entries.p, 0);
		ml_set_pte_at(&entries.rig.table, entries.va, entries.p, 0,
			      leaf_of(ML_RW | ML_USER, 0));
		ml_trace_to(NULL);
		t_eq(entries_folded(&entries), entries.size);
		still_there();
		t_ok(entries_close(&entries, NULL));
	}
}

TEST(b_73_the_window_of_a_protect_looked_empty)
{
	struct ml_trace trace = { .watch = read_member, .forget = true };
	static const ml_prot masks[] = { ML_USER, ML_WRITE, ML_TYPE_MASK };

	for (unsigned i = 0; i < 6; i++)
		FOR_EACH_WORLD_WITH_GROUPS(world)
		{
			const ml_prot mask = masks[i / 2];

			T_REQUIRE(put_read_group(world, &trace));
			/* the whole group, or all of it but the first page */
			t_eq(ml_protect(&entries.rig.table, entries_va(&entries, i & 1),
					(entries.size - (i & 1)) * entries.step, mask,
					mask == ML_TYPE_MASK ? ML_NC : 0, NULL),
			     ML_OK);
			ml_trace_to(NULL);
			still_there();
			t_ok(entries_close(&entries, NULL));
		}
}

TEST(b_74_the_state_of_a_huge_entry_was_misread)
{
	FOR_EACH_WORLD(world)
	for (unsigned level = 0; level < 2; level++) {
		const struct ml_table *t = &entries.rig.table;
		ml_pte leaf, hidden = 0;

		T_REQUIRE(put_up(world, level));
		leaf = leaf_of(ML_RW, level);
		t_eq(ml_pte_prot_none(t, leaf, level, &hidden), ML_OK);
		t_eq(ml_pte_kind(t, 0, level), ML_KIND_EMPTY);
		t_eq(ml_pte_kind(t, leaf, level), ML_KIND_LEAF);
		t_eq(ml_pte_kind(t, hidden, level), ML_KIND_INVALID);
		t_eq(ml_software_kind(t, leaf), ML_SOFTWARE_NO);
		t_eq(ml_software_kind(t, 0), ML_SOFTWARE_NO);
		if (worlds[world].format->break_type) /* broken for a moment */
			t_eq(ml_software_kind(t, leaf & ~(ml_pte)1), ML_SOFTWARE_NO);
		t_eq(ml_software_kind(t, hidden), ML_SOFTWARE_PROT_NONE);
		for (unsigned kind = ML_SOFTWARE_SWAP; kind <= ML_SOFTWARE_OWNER; kind++) {
			const ml_pte pte = software_of(kind);

			t_eq(ml_pte_kind(t, pte, level), ML_KIND_INVALID);
			t_eq(ml_software_kind(t, pte), kind);
			t_eq(ml_software_payload(t, pte), 0x123456789a);
			t_eq(ml_pte_batch_hint(t, entries.va, level, pte), 1);
			t_eq(ml_pte_restore(t, pte), pte);
		}
		take_down();
	}
}

TEST(b_75_a_large_leaf_that_may_not_be_accessed_was_no_leaf)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_table *t = &entries.rig.table;
		struct ml_translation found;
		ml_pte leaf = 0, hidden = 0;

		T_REQUIRE(put_up(world, 1));
		t_eq(ml_pte_make(t, 2 * entries.step, ML_RW | ML_PROT_AD, 1, &leaf), ML_OK);
		t_eq(ml_pte_prot_none(t, leaf, 1, &hidden), ML_OK);
		ml_set_pte_at(t, entries.va, entries.p, 1, hidden);
		hidden = ml_ptep_get(t, entries.va, entries.p, 1);
		t_eq(ml_software_kind(t, hidden), ML_SOFTWARE_PROT_NONE);
		t_eq(ml_pte_pa(t, hidden, 1), 2 * entries.step);
		t_eq(ml_pte_prot(t, hidden, 1), ML_RW | ML_PROT_AD);
		t_eq(ml_pte_restore(t, hidden), leaf);
		t_eq(ml_translate(t, entries.va, &found), ML_ERR_NOT_MAPPED);
		t_eq(ml_map(t, entries.va, entries.step, 0, ML_RW, NULL), ML_ERR_EXISTS);
		take_down();
	}
}

TEST(b_76_a_page_that_nobody_may_write_was_dirty)
{
	FOR_EACH_WORLD(world)
	{
		const struct setting settings[] = { { .track_ad = false }, { .track_ad = true } };
		struct ml_model_result seen;

		for (unsigned i = 0; i < 2; i++) {
			T_REQUIRE(fine(scene_open(world, &settings[i])));
			fine(scene_map(scene.va, scene.page, 0, ML_READ | ML_ACCESSED));
			ml_model_walk(&scene.judge.rig.model, scene.va, ML_MODEL_READ, false,
				      &seen);
			t_eq(seen.prot & ML_DIRTY, 0);
			t_ok(!seen.shadow_stack);
			fine(scene_touch(scene.va, true));
			ml_model_walk(&scene.judge.rig.model, scene.va, ML_MODEL_READ, false,
				      &seen);
			t_eq(seen.prot & ML_DIRTY, 0);
			fine(scene_close());
		}
		T_REQUIRE(put_up(world, 0));
		ml_set_pte_at(&entries.rig.table, entries.va, entries.p, 0, leaf_of(ML_READ, 0));
		t_ok(ml_ptep_set_access_flags(&entries.rig.table, entries.va, entries.p, 0,
					      leaf_of(ML_READ | ML_ACCESSED, 0), false));
		t_eq(ml_pte_prot(&entries.rig.table, entries.p[0], 0), ML_READ | ML_ACCESSED);
		take_down();
	}
}

/* Every state, through every call that keeps it; the flat model compares. */
static void keep_state(enum world world, ml_prot state)
{
	T_REQUIRE(fine(scene_open(world, &(struct setting){ .track_ad = true })));
	fine(scene_map(scene.va, scene.block, 0, ML_READ | ML_USER | state));
	fine(scene_protect(scene.va, scene.block, ML_USER, 0));
	fine(scene_split(scene.va, scene.block, scene.page));
	fine(scene_protect(scene.va, 2 * scene.page, ML_WRITE, 0));
	fine(scene_protect(scene.va, scene.page, ML_ACCESSED, 0));
	fine(scene_protect(scene.va, 2 * scene.page, ML_WRITE, ML_WRITE));
	fine(scene_protect(scene.va, scene.block, ML_WRITE | ML_USER, ML_USER));
	fine(scene_protect(scene.va, scene.block, ML_ACCESSED, ML_ACCESSED));
	fine(scene_fold(scene.va, scene.block, scene.block));
	fine(scene_protect(scene.va, scene.block, ML_WRITE, ML_WRITE));
	fine(scene_protect(scene.va, scene.block, ML_WRITE, 0));
	fine(scene_protect(scene.va, scene.block, ML_DIRTY, 0));
	fine(scene_close());
}

TEST(b_77_a_dirty_mark_was_lost_when_rights_changed)
{
	FOR_EACH_WORLD(world)
	for (unsigned i = 0; i < 8; i++) {
		const ml_prot state =
			(i & 1 ? ML_WRITE : 0) | (i & 2 ? ML_ACCESSED : 0) | (i & 4 ? ML_DIRTY : 0);
		struct ml_table *t = &entries.rig.table;

		if ((state & (ML_WRITE | ML_DIRTY)) == ML_DIRTY)
			continue; /* comes by itself when writing is taken away */
		keep_state(world, state);
		T_REQUIRE(put_up(world, 0));
		ml_set_pte_at(t, entries.va, entries.p, 0, leaf_of(ML_READ | state, 0));
		ml_ptep_set_wrprotect(t, entries.va, entries.p, 0);
		t_eq(ml_pte_prot(t, entries.p[0], 0), (ML_READ | state) & ~ML_WRITE);
		ml_ptep_set_access_flags(t, entries.va, entries.p, 0,
					 leaf_of(ML_RW | ML_ACCESSED, 0), true);
		t_eq(ml_pte_prot(t, entries.p[0], 0), ML_RW | ML_ACCESSED | (state & ML_DIRTY));
		take_down();
	}
}

/* Whoever changes a leaf that hardware may mark meanwhile does it in one access. */
static void note_plain_store(void *cookie, const struct ml_event *event)
{
	unsigned *plain = cookie;
	const ml_pte *entry = event->pointer;

	if (entry < entries.p || entry >= entries.p + entries.count)
		return; /* a table goes */
	if ((event->kind == ML_EVENT_STORE || event->kind == ML_EVENT_LINK) && event->old & 1)
		++*plain;
}

TEST(b_78_hardware_marked_a_leaf_between_load_and_store)
{
	for (unsigned level = 0; level < 2; level++)
		FOR_EACH_WORLD(world)
		{
			struct ml_table *t = &entries.rig.table;
			unsigned plain = 0;
			struct ml_trace trace = { .watch = note_plain_store,
						  .cookie = &plain,
						  .forget = true };
			const ml_pte more = ML_RW | ML_PROT_AD;
			struct ml_op op = { .sink = count_bytes };

			T_REQUIRE(t_ok(entries_open(&entries, world, &marking, level, NULL)));
			ml_set_ptes(t, entries.va, entries.p, level, leaf_of(ML_RW, level),
				    entries.count);
			reader.member = entries.count - 1;
			trace.arena = entries.rig.arena;
			ml_trace_to(&trace);
			ml_ptep_set_access_flags(t, entries.va, entries.p, level,
						 leaf_of(more, level), true);
			ml_ptep_test_and_clear_young(t, entries.va, entries.p, level);
			ml_wrprotect_ptes(t, entries.va, entries.p, level, entries.count);
			t_eq(ml_protect(t, entries.va, 2 * entries.step, ML_ACCESSED, ML_ACCESSED,
					NULL),
			     ML_OK);
			ml_ptep_get_and_clear(t, entries.va, entries.p, level);
			ml_get_and_clear_full_ptes(t, entries_va(&entries, 1), entries.p + 1, level,
						   entries.count - 2);
			t_eq(ml_unmap(t, entries_va(&entries, reader.member), entries.step, &op),
			     ML_OK);
			ml_trace_to(NULL);
			t_ok(trace.kinds[ML_EVENT_EXCHANGE] > entries.count);
			t_eq(plain, 0);
			t_ok(entries_close(&entries, NULL));
		}
}

/* A second memory that holds what the events say was stored, and nothing else. */
static char *shadow;

static void store_again(void *cookie, const struct ml_event *event)
{
	const struct ml_arena *arena = cookie;
	const uint64_t at = event->address - arena->pa;

	if (event->kind == ML_EVENT_ALLOC)
		memcpy(shadow + at, event->pointer, event->value);
	if (event->kind > ML_EVENT_EXCHANGE)
		return;
	t_eq(event->address % 8, 0);
	memcpy(shadow + at, &event->value, 8);
}

TEST(b_79_an_entry_was_written_in_pieces_or_past_the_door)
{
	FOR_EACH_WORLD(world)
	{
		struct rig rig;
		struct ml_trace trace = { .watch = store_again, .forget = true };
		const ml_va va = worlds[world].low_last ? 0 : worlds[world].high_first;
		const uint64_t block = (uint64_t)1 << worlds[world].format->level_shift[1];
		const size_t bytes = ml_format_table_bytes(worlds[world].format, 0);
		ml_pa root;

		t_eq(rig_open(&rig, world, &marking), ML_OK);
		root = ml_table_root(&rig.table) - rig.arena->pa;
		shadow = calloc(1, rig.arena->bytes);
		memcpy(shadow + root, rig.arena->memory + root, bytes);
		trace.arena = rig.arena;
		trace.cookie = rig.arena;
		ml_trace_to(&trace);
		t_eq(ml_map(&rig.table, va, 2 * block, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, va + 4 * K, block, ML_WRITE, 0, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, va, 2 * block, ML_USER, ML_USER, NULL), ML_OK);
		t_eq(ml_unmap(&rig.table, va + block / 2, 4 * K, NULL), ML_OK);
		t_eq(ml_map(&rig.table, va + block / 2, 4 * K, block / 2, ML_RW, NULL), ML_OK);
		t_eq(ml_split(&rig.table, va, 2 * block, 0, NULL), ML_OK);
		ml_trace_to(NULL);
		for (size_t at = 0; at < rig.arena->next; at += bytes)
			if (ml_arena_pointer(rig.arena, rig.arena->pa + at, bytes))
				t_ok(memcmp(shadow + at, rig.arena->memory + at, bytes) == 0);
		free(shadow);
		t_ok(rig_close(&rig));
	}
}

TEST(b_80_an_entry_was_reached_by_the_wrong_address)
{
	FOR_EACH_WORLD(world)
	{
		T_REQUIRE(fine(scene_open(world, &(struct setting){ .hooked = true })));
		fine(scene_map(scene.va, scene.block, 0, ML_RW | ML_PROT_AD));
		fine(scene_protect(scene.va, scene.page, ML_WRITE, 0));
		for (size_t i = 0; i < scene.count; i++)
			t_ok(scene.events[i].kind > ML_EVENT_EXCHANGE || scene.events[i].address);
		fine(scene_unmap(scene.va, scene.block));
		fine(scene_close());
	}
}
