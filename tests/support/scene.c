/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A table, its judges, and the events of each call. */
#include <stdlib.h>

#include "scene.h"

struct scene scene;

static void hear(void *cookie, const struct ml_event *event)
{
	struct scene *s = cookie;

	if (s->count < SCENE_EVENTS)
		s->events[s->count++] = *event;
	s->order.trace.watch(s->order.trace.cookie, event);
	s->judge.watch.trace.watch(s->judge.watch.trace.cookie, event);
	if (s->look)
		s->look(s, event);
}

static const char *verdict(void)
{
	if (scene.judge.failed)
		return scene.judge.message;
	if (scene.order.failed)
		return scene.order.message;
	return scene.seen;
}

const char *scene_open(enum world world, const struct setting *setting)
{
	struct ml_table_config wish = { .live = true };
	struct setting plain = { 0 };
	const struct ml_format *f = worlds[world].format;

	if (setting)
		plain = *setting;
	plain.world = world;
	plain.live = true;
	scene.judge.watched = true;
	scene.look = NULL;
	scene.seen = NULL;
	scene.order.failed = false;
	if (!judge_open(&scene.judge, &plain, 1))
		return verdict();
	wish.bbm = plain.bbm;
	wish.errata = plain.errata;
	order_begin(&scene.order, &scene.judge.rig, &wish);
	scene.trace = (struct ml_trace){
		.arena = scene.judge.rig.arena, .watch = hear, .cookie = &scene, .forget = true
	};
	ml_trace_to(&scene.trace);
	scene.va = worlds[world].low_last ? 0 : worlds[world].high_first;
	scene.page = (uint64_t)1 << f->page_shift;
	scene.group = f->group_rung[0] ? (uint64_t)1 << f->rungs[f->group_rung[0]].shift : 0;
	scene.block = (uint64_t)1 << f->level_shift[1];
	return NULL;
}

const char *scene_close(void)
{
	const char *wrong = verdict();

	order_end(&scene.order);
	if (!judge_close(&scene.judge))
		wrong = wrong ? wrong : scene.judge.message;
	return wrong;
}

const char *scene_do(const struct action *action)
{
	const uint64_t refusals = scene.judge.refusals;
	bool good;

	scene.count = 0;
	scene.judge.actions = 3; /* every byte is compared, every time */
	order_operation(&scene.order);
	good = judge_action(&scene.judge, action) && order_settled(&scene.order);
	scene.refused = scene.judge.refusals != refusals;
	if (good && ml_table_check(&scene.judge.rig.table, NULL))
		return "ml_table_check() finds fault";
	return verdict();
}

const char *scene_map(ml_va va, uint64_t len, ml_pa pa, ml_prot prot)
{
	return scene_do(&(struct action){
		.kind = ACTION_MAP, .va = va, .len = len, .pa = pa, .prot = prot });
}

const char *scene_replace(ml_va va, uint64_t len, ml_pa pa, ml_prot prot)
{
	return scene_do(&(struct action){ .kind = ACTION_MAP,
					  .va = va,
					  .len = len,
					  .pa = pa,
					  .prot = prot,
					  .replace = true,
					  .sink = true });
}

const char *scene_unmap(ml_va va, uint64_t len)
{
	return scene_do(
		&(struct action){ .kind = ACTION_UNMAP, .va = va, .len = len, .sink = true });
}

const char *scene_drop(ml_va va, uint64_t len)
{
	return scene_do(&(struct action){ .kind = ACTION_UNMAP, .va = va, .len = len });
}

const char *scene_protect(ml_va va, uint64_t len, ml_prot mask, ml_prot value)
{
	return scene_do(&(struct action){
		.kind = ACTION_PROTECT, .va = va, .len = len, .mask = mask, .prot = value });
}

static uint8_t rung_of_bytes(uint64_t leaf)
{
	return (uint8_t)rig_rung(&scene.judge.rig, (unsigned)__builtin_ctzll(leaf));
}

const char *scene_split(ml_va va, uint64_t len, uint64_t leaf)
{
	return scene_do(&(struct action){
		.kind = ACTION_SPLIT, .va = va, .len = len, .rung = rung_of_bytes(leaf) });
}

const char *scene_fold(ml_va va, uint64_t len, uint64_t leaf)
{
	return scene_do(&(struct action){
		.kind = ACTION_FOLD, .va = va, .len = len, .rung = rung_of_bytes(leaf) });
}

const char *scene_touch(ml_va va, bool write)
{
	return scene_do(&(struct action){ .kind = ACTION_TOUCH, .va = va, .write = write });
}

uint64_t scene_leaf(ml_va va)
{
	struct ml_model_result seen;

	if (ml_model_walk(&scene.judge.rig.model, va, ML_MODEL_READ, false, &seen) != ML_MODEL_OK &&
	    seen.fault != ML_MODEL_PERMISSION)
		return 0;
	return seen.page_bytes;
}

size_t scene_next(size_t from, enum ml_event_kind kind)
{
	while (from < scene.count && scene.events[from].kind != kind)
		from++;
	return from;
}

size_t scene_events(enum ml_event_kind kind)
{
	size_t events = 0;

	for (size_t i = scene_next(0, kind); i < scene.count; i = scene_next(i + 1, kind))
		events++;
	return events;
}

const struct ml_invalidation *scene_invalidation(size_t number)
{
	static const struct ml_invalidation none;
	size_t i = scene_next(0, ML_EVENT_INVALIDATE);

	while (number-- && i < scene.count)
		i = scene_next(i + 1, ML_EVENT_INVALIDATE);
	return i < scene.count ? &scene.events[i].what : &none;
}

ml_pte *scene_entry(ml_va va, unsigned level)
{
	return rig_entry(&scene.judge.rig, va, level);
}
