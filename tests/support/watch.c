/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The adversarial TLB over a rig: which rules hold for it, and what the reference promises. */
#include <stdlib.h>
#include <string.h>

#include "instructions.h"
#include "watch.h"

const enum ml_oracle_agent *watch_agents(bool each_member)
{
	static const enum ml_oracle_agent all[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
						    ML_ORACLE_WALKER, ML_ORACLE_NOBODY };
	static const enum ml_oracle_agent cpus[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
						     ML_ORACLE_NOBODY };

	return each_member ? all : cpus;
}

enum ml_oracle_rules watch_rules(const struct rig *rig, unsigned bbm, unsigned errata)
{
	bbm = errata & ML_ERRATUM_ONE_SIZE ? 0 : bbm;
	if (rig->model.kind == ML_MODEL_X86_64)
		return bbm == 2 ? ML_ORACLE_X86_LENIENT : ML_ORACLE_X86;
	return bbm == 2   ? ML_ORACLE_ARM64_BBM2
	       : bbm == 1 ? ML_ORACLE_ARM64_BBM1
			  : ML_ORACLE_ARM64_BBM0;
}

static void hear(void *cookie, const struct ml_event *event)
{
	struct watch *w = cookie;

	if (event->kind == ML_EVENT_INVALIDATE && w->setting->instructions)
		instructions_issue(w->oracle, w->setting->instructions, w->rig->facts->format, 0,
				   &event->what);
	else
		ml_oracle_event(w->oracle, event);
}

void watch_begin(struct watch *w, struct rig *rig, const struct setting *setting)
{
	struct ml_model model = rig->model;

	model.hardware_accessed = setting->hardware_ad;
	model.hardware_dirty = setting->hardware_ad;
	w->setting = setting;
	w->rig = rig;
	w->oracle = ml_oracle_new(watch_rules(rig, setting->bbm, setting->errata),
				  watch_agents(setting->each_member));
	if (!w->oracle)
		exit(2);
	ml_oracle_enter(w->oracle, 0, &model, rig->table.live);
	w->trace = (struct ml_trace){
		.arena = rig->arena, .watch = hear, .cookie = w, .forget = true
	};
	ml_trace_to(&w->trace);
}

static uint64_t below(void *cookie, uint64_t limit)
{
	struct watch *w = cookie;

	if (w->quiet || w->mark_count == WATCH_MARKS)
		return limit - 1;
	return source_below(&w->hardware, limit);
}

static uint64_t *memory_at(void *cookie, ml_pa pa)
{
	const struct watch *w = cookie;

	return ml_arena_pointer(w->rig->arena, pa, sizeof(uint64_t));
}

static void marked(void *cookie, ml_va va, uint64_t length, ml_pa pa, ml_prot bits)
{
	struct watch *w = cookie;

	reference_protect(w->told, va, va + (length - 1), bits, bits);
	w->marks[w->mark_count++] = (struct watch_mark){ va, length, pa, bits };
}

void watch_hardware(struct watch *w, uint64_t seed, struct reference *before)
{
	const struct ml_oracle_actor actor = { below, memory_at, marked, w };

	w->hardware = source_seeded(seed);
	w->told = before;
	ml_oracle_act_with(w->oracle, &actor);
}

void watch_marks(const struct watch *w, struct reference *after)
{
	for (size_t i = 0; i < w->mark_count; i++) {
		const struct watch_mark *mark = &w->marks[i];

		for (uint64_t at = 0; at < mark->length; at += rig_page(w->rig)) {
			const ml_va va = mark->va + at;
			const struct reference_span *span = reference_find(after, va);

			if (span && span->pa + (va - span->first) == mark->pa + at)
				reference_protect(after, va, va + (rig_page(w->rig) - 1),
						  mark->bits, mark->bits);
		}
	}
}

void watch_operation(struct watch *w, const struct reference *model, ml_prot may_lose)
{
	memcpy(w->before.spans, model->spans, model->count * sizeof(model->spans[0]));
	w->before.count = model->count;
	w->mark_count = 0;
	ml_oracle_begin(w->oracle, 0, 0, may_lose);
}

void watch_told(struct watch *w, const struct ml_run *run)
{
	ml_oracle_told(w->oracle, run->va, run->length, run->pa, run->prot);
}

/* The reference as the oracle asks for it, and what must never fault. */
struct promised {
	const struct reference *reference;
	const struct ml_never_fault *never;
};

/* Addresses up to page->last are alike in this, too. */
static void promise_never(const struct ml_never_fault *never, ml_va va, struct ml_oracle_page *page)
{
	const ml_va end = never->va + (never->len - 1);

	page->never_faults = never->len && va >= never->va && va <= end;
	if (page->never_faults && page->last > end)
		page->last = end;
	else if (never->len && va < never->va && page->last >= never->va)
		page->last = never->va - 1;
}

void watch_promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const struct reference *r = map;
	const size_t index = reference_index(r, va);
	const struct reference_span *span = &r->spans[index];

	if (index == r->count)
		return;
	if (span->first > va) { /* nothing up to there */
		page->last = span->first - 1;
		return;
	}
	page->mapped = true;
	page->last = span->last;
	page->pa = span->pa + (va - span->first);
	page->prot = span->prot;
}

static void promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const struct promised *promised = map;

	watch_promise(promised->reference, va, page);
	promise_never(promised->never, va, page);
}

const char *watch_settled(struct watch *w, const struct reference *model)
{
	const struct promised before = { &w->before, &w->setting->never };
	const struct promised after = { model, &w->setting->never };

	ml_oracle_end(w->oracle, promise, &before, &after);
	return ml_oracle_fault(w->oracle);
}

void watch_live(struct watch *w, bool live)
{
	ml_oracle_live(w->oracle, 0, live);
}

void watch_end(struct watch *w)
{
	ml_trace_to(NULL);
	ml_trace_clear(&w->trace);
	ml_oracle_free(w->oracle);
	w->oracle = NULL;
}
