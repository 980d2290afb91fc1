/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The adversarial TLB over spaces: who is told what, and what every call must come to. */
#include <stdlib.h>

#include "life_watch.h"
#include "watch.h"

static struct life_watch *listener; /* frames pass by without a word of whose they are */

static void complain(struct life_watch *w, const char *what)
{
	if (!life_watch_fault(w))
		w->what = what;
}

/* ---- frames that go ---------------------------------------------------------------- */

/* Whether a table that runs maps the page. */
static bool is_mapped(const struct life_watch *w, ml_pa pa)
{
	for (unsigned process = 0; process < w->homes->rules.processes; process++) {
		const struct ml_table *t = &w->homes->homes[process].space.table;
		struct ml_cursor cursor = { 0, ~(ml_va)0, false };
		struct ml_run run;

		while (w->homes->alive[process] && ml_run_next(t, &cursor, &run))
			if (pa - run.pa < run.length)
				return true;
	}
	return false;
}

/* A page that has no owner any more is anybody's at once. */
static void check_put(struct life_watch *w, ml_pa pa)
{
	const struct home *home = &w->homes->homes[0];

	if (home->arena->pending)
		complain(w, "a reference goes before an invalidation is complete");
	if (ml_frame_references(home->pool, pa) != 1)
		return;
	w->frames_freed++;
	if (ml_oracle_holds(w->oracle, pa, LIFE_PAGE_BYTES))
		complain(w, "a frame is given up that may be held");
	if (is_mapped(w, pa))
		complain(w, "a frame is given up that is mapped");
}

static void put_heard(void *pool, ml_pa pa, uint64_t length)
{
	for (uint64_t at = 0; listener && at < length; at += LIFE_PAGE_BYTES)
		check_put(listener, pa + at);
	home_frame_ops.put(pool, pa, length);
}

/* ---- frames that come -------------------------------------------------------------- */

static void note_filled(ml_pa pa, uint64_t length)
{
	if (!listener)
		return;
	listener->filled = pa;
	listener->filled_bytes = length;
}

static bool alloc_heard(void *pool, uint64_t bytes, bool zero, ml_pa *pa)
{
	const bool good = home_frame_ops.alloc(pool, bytes, zero, pa);

	if (good && zero)
		note_filled(*pa, bytes);
	return good;
}

static void copy_heard(void *pool, ml_pa to, ml_pa from, uint64_t length)
{
	home_frame_ops.copy(pool, to, from, length);
	note_filled(to, length);
}

#define FRAME_BITS 0x0000fffffffff000u /* where both formats of real CPUs hold the frame */

/*
 * Whoever finds a leaf goes on to what it leads to: that must have been stored before, in the eyes
 * of all CPUs. An exchange, and the link of a table, see to that themselves.
 */
static void hear(void *cookie, const struct ml_event *event)
{
	struct life_watch *w = cookie;

	if (event->kind == ML_EVENT_PUBLISH)
		w->filled_bytes = 0;
	if (event->kind == ML_EVENT_STORE &&
	    (event->value & FRAME_BITS) - w->filled < w->filled_bytes)
		complain(w, "an entry is stored before what its frame holds can be seen");
	ml_oracle_event(w->oracle, event);
}

void life_watch_wish(struct ml_space_config *config)
{
	static struct ml_frames frames;

	frames = home_frame_ops;
	frames.put = put_heard;
	frames.alloc = alloc_heard;
	frames.copy = copy_heard;
	config->frames = &frames;
	config->table.live = true;
}

/* ---- hardware ---------------------------------------------------------------------- */

static uint64_t below(void *cookie, uint64_t limit)
{
	struct life_watch *w = cookie;

	return w->mark_count == LIFE_WATCH_MARKS ? limit - 1 : source_below(&w->hardware, limit);
}

static uint64_t *memory_at(void *cookie, ml_pa pa)
{
	const struct life_watch *w = cookie;

	return ml_arena_pointer(w->homes->homes[0].arena, pa, sizeof(uint64_t));
}

static void marked(void *cookie, ml_va va, uint64_t length, ml_pa pa, ml_prot bits)
{
	struct life_watch *w = cookie;

	w->marks[w->mark_count++] = (struct life_mark){ va, length, pa, bits };
}

/* What the table says now, of any size. */
static void look(const struct life_watch *w, unsigned process, struct reference *r)
{
	struct ml_cursor cursor = { 0, ~(ml_va)0, false };
	struct ml_run run;

	for (r->count = 0; ml_run_next(&w->homes->homes[process].space.table, &cursor, &run);) {
		if (r->count == REFERENCE_SPANS)
			abort();
		r->spans[r->count++] = (struct reference_span){ run.va, run.va + (run.length - 1),
								run.pa, run.prot };
	}
}

/* Whether the page is elsewhere now, as the call says, without what was marked. */
static bool lost_on_the_way(const struct life_watch *w, ml_va va, ml_pa pa, ml_prot bits)
{
	const ml_va there = w->move_to + (va - w->move_from);
	const struct reference_span *span = reference_find(&w->after, there);

	if (va - w->move_from >= w->move_bytes)
		return false;
	return !span || span->pa + (there - span->first) != pa || bits & ~span->prot;
}

/* Marks whose page is where it was are the oracle's to find; of what is gone nobody asks. */
static void resolve_marks(struct life_watch *w)
{
	for (size_t i = 0; i < w->mark_count; i++) {
		const struct life_mark *mark = &w->marks[i];

		for (uint64_t at = 0; at < mark->length; at += LIFE_PAGE_BYTES) {
			const ml_va va = mark->va + at;
			const ml_pa pa = mark->pa + at;
			const struct reference_span *span = reference_find(&w->after, va);

			if (span && span->pa + (va - span->first) == pa)
				continue;
			if (lost_on_the_way(w, va, pa, mark->bits))
				complain(w, "a mark did not go along with its page");
			ml_oracle_told(w->oracle, va, LIFE_PAGE_BYTES, pa, mark->bits);
		}
	}
}

/* ---- calls ------------------------------------------------------------------------- */

static void begin(struct life_watch *w, unsigned process, ml_prot may_lose)
{
	look(w, process, &w->before);
	w->mark_count = 0;
	w->move_bytes = 0;
	ml_oracle_begin(w->oracle, 0, process, may_lose);
}

static void end(struct life_watch *w, unsigned process)
{
	look(w, process, &w->after);
	resolve_marks(w);
	ml_oracle_end(w->oracle, watch_promise, &w->before, &w->after);
}

static void change_begins(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	const struct life_ear *ear = (const struct life_ear *)(const void *)notifier;

	(void)va;
	(void)len;
	if (ear->watch->by_ear)
		begin(ear->watch, ear->process, ML_PROT_AD);
}

static void change_ends(struct ml_notifier *notifier, ml_va va, uint64_t len)
{
	const struct life_ear *ear = (const struct life_ear *)(const void *)notifier;

	(void)va;
	(void)len;
	if (ear->watch->by_ear)
		end(ear->watch, ear->process);
}

/* The CPUs run this process, too, from now on. */
static void enter(struct life_watch *w, unsigned process)
{
	struct home *home = &w->homes->homes[process];
	struct life_ear *ear = &w->ears[process];

	*ear = (struct life_ear){ { change_begins, change_ends, NULL }, w, process };
	ml_space_notify(&home->space, &ear->notifier);
	ml_oracle_enter(w->oracle, process, &home->model, true);
}

void life_watch_begin(struct life_watch *w, struct life_homes *homes, uint64_t seed)
{
	const struct ml_oracle_actor actor = { below, memory_at, marked, w };
	const struct rig rig = { .model = homes->homes[0].model };

	w->homes = homes;
	if (homes->rules.processes > ML_ORACLE_SPACES)
		homes->rules.processes = ML_ORACLE_SPACES;
	w->oracle =
		ml_oracle_new(watch_rules(&rig, homes->wish.table.bbm, homes->wish.table.errata),
			      watch_agents(false));
	if (!w->oracle)
		abort();
	w->hardware = source_seeded(seed);
	w->frames_freed = 0;
	w->filled_bytes = 0;
	w->by_ear = false;
	w->what = NULL;
	enter(w, 0);
	ml_oracle_act_with(w->oracle, &actor);
	w->trace = (struct ml_trace){
		.arena = homes->homes[0].arena, .watch = hear, .cookie = w, .forget = true
	};
	ml_trace_to(&w->trace);
	listener = w;
}

/* What a call takes out for good need not keep its marks: nobody asked for them. */
static ml_prot may_lose(const struct life_action *a)
{
	const bool shrinks =
		a->kind == LIFE_MOVE && !(a->flags & ML_MOVE_FIXED) && a->new_pages < a->pages;
	const bool takes_out = a->kind == LIFE_UNMAP || shrinks ||
			       (a->kind == LIFE_MAP && a->flags & ML_MAP_REPLACE) ||
			       (a->kind == LIFE_ADVISE && a->advice == ML_ADVISE_DONTNEED);

	return takes_out ? ML_PROT_AD : 0;
}

static void note_move(struct life_watch *w, const struct life_action *a, uint32_t to)
{
	const ml_va first = w->homes->homes[a->process].space.first;
	const uint32_t pages = a->pages < a->new_pages ? a->pages : a->new_pages;

	w->move_from = first + (uint64_t)a->at * LIFE_PAGE_BYTES;
	w->move_to = first + (uint64_t)to * LIFE_PAGE_BYTES;
	w->move_bytes = (uint64_t)pages * LIFE_PAGE_BYTES;
}

int life_watch_do(struct life_watch *w, const struct life_action *a, uint32_t *to, uint8_t *byte)
{
	int found;

	if (a->kind == LIFE_EXIT) { /* walkers leave a table before it is freed */
		ml_oracle_leave(w->oracle, a->process);
		return life_homes_do(w->homes, a, to, byte);
	}
	w->by_ear = a->kind == LIFE_REVOKE;
	if (!w->by_ear)
		begin(w, a->process, may_lose(a));
	found = life_homes_do(w->homes, a, to, byte);
	if (a->kind == LIFE_MOVE && !found)
		note_move(w, a, *to);
	if (!w->by_ear)
		end(w, a->process);
	w->by_ear = false;
	if (a->kind == LIFE_FORK && !found && *to < w->homes->rules.processes)
		enter(w, *to);
	return found;
}

const char *life_watch_fault(const struct life_watch *w)
{
	return w->what ? w->what : ml_oracle_fault(w->oracle);
}

void life_watch_end(struct life_watch *w)
{
	listener = NULL;
	ml_trace_to(NULL);
	ml_trace_clear(&w->trace);
	ml_oracle_free(w->oracle);
	w->oracle = NULL;
}
