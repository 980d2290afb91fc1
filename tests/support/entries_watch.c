/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Events of entries for the adversarial TLB, and their flat model as it asks for it. */
#include <stdlib.h>
#include <string.h>

#include "entries_watch.h"
#include "watch.h"

static struct {
	void (*next)(void *cookie, const struct ml_event *event);
	void *cookie;
} listener;

static void hear(void *cookie, const struct ml_event *event)
{
	struct entries_watch *w = cookie;

	ml_oracle_event(w->oracle, event);
	listener.next(listener.cookie, event);
}

void entries_watch_begin(struct entries_watch *w, const struct entries *e, struct order *order,
			 const struct ml_table_config *wish)
{
	struct ml_model model = e->rig.model;

	w->oracle = NULL;
	if (!wish->live)
		return;
	model.hardware_accessed = wish->hardware_ad;
	model.hardware_dirty = wish->hardware_ad;
	w->entries = e;
	w->order = order;
	w->oracle = ml_oracle_new(watch_rules(&e->rig, wish->bbm, wish->errata),
				  watch_agents(wish->each_member));
	if (!w->oracle)
		exit(2);
	ml_oracle_enter(w->oracle, 0, &model, true);
	listener.next = order->trace.watch;
	listener.cookie = order->trace.cookie;
	order->trace.watch = hear;
	order->trace.cookie = w;
}

void entries_watch_operation(struct entries_watch *w, ml_prot may_lose)
{
	if (!w->oracle)
		return;
	memcpy(w->before, w->entries->flat, sizeof(w->before));
	ml_oracle_begin(w->oracle, 0, 0, may_lose);
}

/* What a model of the entries promises. */
struct promised {
	const struct entries *entries;
	const struct flat *flat;
};

static void promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const struct promised *p = map;
	const struct entries *e = p->entries;
	const uint64_t index = (va - e->va) / e->step;
	const struct flat *flat = &p->flat[index];

	if (va < e->va && page->last >= e->va)
		page->last = e->va - 1;
	if (va < e->va || index >= e->count)
		return;
	page->last = entries_va(e, (unsigned)index) + (e->step - 1);
	page->mapped = flat->prot && !flat->hidden;
	page->pa = flat->pa + (va & (e->step - 1));
	page->prot = flat->prot;
}

const char *entries_watch_settled(struct entries_watch *w)
{
	const struct promised before = { w->entries, w->before };
	const struct promised after = { w->entries, w->oracle ? w->entries->flat : NULL };

	if (!w->oracle)
		return NULL;
	ml_oracle_end(w->oracle, promise, &before, &after);
	return ml_oracle_fault(w->oracle);
}

void entries_watch_end(struct entries_watch *w)
{
	if (!w->oracle)
		return;
	w->order->trace.watch = listener.next;
	w->order->trace.cookie = listener.cookie;
	ml_oracle_free(w->oracle);
	w->oracle = NULL;
}
