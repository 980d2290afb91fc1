/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A machine by hand: its memory, its map, and the deeds of a sequence. */
#define T_NO_MAIN
#include <stdio.h>
#include <string.h>

#include "litmus.h"
#include "t.h"

const enum ml_oracle_agent litmus_usual[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
					      ML_ORACLE_NOBODY };

struct map {
	ml_pa pa[PAGES];
	ml_prot prot[PAGES];
	bool never[PAGES];
};

static uint64_t ram[0x100 / 8];
static struct ml_oracle *oracle;
static struct map before, after;

/* ---- the machine ----------------------------------------------------------------------- */

static bool read_ram(void *cookie, ml_pa pa, uint64_t *memory)
{
	(void)cookie;
	if (pa - RAM_PA >= sizeof(ram))
		return false;
	*memory = ram[(pa - RAM_PA) / 8];
	return true;
}

static void promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const struct map *m = map;
	const unsigned number = (unsigned)(va / PAGE);

	if (number >= PAGES)
		return;
	page->mapped = m->prot[number] != 0;
	page->pa = m->pa[number] + va % PAGE;
	page->prot = m->prot[number];
	page->never_faults = m->never[number];
	page->last = va | (PAGE - 1);
}

/* What a leaf promises. */
static void want(struct map *m, uint64_t page, uint64_t entry)
{
	m->pa[page] = entry & 0xff000;
	m->prot[page] = 0;
	if (!entry)
		return;
	m->prot[page] = ML_READ | (entry & 0x100 ? ML_NC : ML_WB);
	m->prot[page] |= entry & 8 ? ML_WRITE : 0;
	m->prot[page] |= entry & USERS ? ML_USER : 0;
	m->prot[page] |= entry & 0x20 ? ML_ACCESSED : 0;
	m->prot[page] |= entry & 0x40 ? ML_DIRTY : 0;
}

static uint64_t *word(uint64_t pa)
{
	return &ram[(pa - RAM_PA) / 8];
}

/* ---- hardware that writes when it is told to ------------------------------------------- */

static enum { RESTS, STRIKES, WRITES } hardware;

/* Whether it acts; in a table that is linked; where; whether it writes: in this order. */
static uint64_t below(void *cookie, uint64_t limit)
{
	const bool writes = hardware == WRITES;

	(void)cookie;
	if (hardware == RESTS)
		return limit - 1;
	hardware = writes ? RESTS : limit > 4 ? WRITES : STRIKES;
	return writes;
}

static uint64_t *memory(void *cookie, ml_pa pa)
{
	(void)cookie;
	return word(pa);
}

static void start(enum ml_oracle_rules rules, const enum ml_oracle_agent *agents, bool marks)
{
	struct ml_model model = { .kind = ML_MODEL_TOY,
				  .levels = 2,
				  .root = ROOT(0),
				  .hardware_accessed = marks,
				  .hardware_dirty = marks,
				  .read = read_ram };
	const struct ml_oracle_actor actor = { .below = below, .memory = memory };
	struct ml_event event = { .kind = ML_EVENT_ALLOC, .address = B(0), .value = TABLE_BYTES };
	static const uint64_t pages[PAGES] = {
		RW(0x20000), RO(0x21000), RW(0x22000) | GROUP, RW(0x23000) | GROUP, RW(0x24000),
		RW(0x25000), RW(0x26000), RW(0x27000),         RW(0x34000),         RW(0x35000),
		RW(0x36000), RW(0x37000), CLEAN(0x38000),      RW(0x39000),         0,
		0,
	};

	memset(ram, 0, sizeof(ram));
	memset(&before, 0, sizeof(before));
	for (unsigned i = 0; i < 4; i++) {
		*word(A(i)) = pages[i];
		*word(B(i)) = RW(0x40000);
		*word(E(i)) = pages[8 + i];
		*word(C(i)) = pages[12 + i];
	}
	for (unsigned i = 0; i < PAGES; i++)
		want(&before, i, pages[i]);
	*word(ROOT(0)) = TABLE(A(0));
	*word(ROOT(1)) = RW(0x24000);
	*word(ROOT(2)) = TABLE(E(0));
	*word(ROOT(3)) = TABLE(C(0));
	*word(OTHER_ROOT(0)) = TABLE(OTHER(0));
	*word(OTHER(0)) = RW(0x50000);
	oracle = ml_oracle_new(rules, agents);
	ml_oracle_enter(oracle, 0, &model, true);
	model.root = OTHER_ROOT(0);
	ml_oracle_enter(oracle, 1, &model, true);
	ml_oracle_event(oracle, &event);
	ml_oracle_act_with(oracle, &actor);
	hardware = RESTS;
}

static void store(enum ml_event_kind kind, uint64_t entry, uint64_t value)
{
	struct ml_event event = {
		.kind = kind, .address = entry, .value = value, .old = *word(entry)
	};

	*word(entry) = value;
	ml_oracle_event(oracle, &event);
}

static void tell(enum ml_event_kind kind, uint64_t address)
{
	struct ml_event event = { .kind = kind, .address = address, .value = TABLE_BYTES };

	ml_oracle_event(oracle, &event);
}

static void invalidate(const struct line *line)
{
	const enum deed deed = line->deed;
	const bool range = deed == FLUSH || deed == LAST;
	struct ml_oracle_invalidation i = {
		.what = { .va = line->a * PAGE,
			  .length = range ? line->b * PAGE : PAGE,
			  .stride_shift = 12,
			  .level = 0xff,
			  .leaves_only = deed == LAST },
		.agents = ML_ORACLE_EVERYWHERE,
	};

	if (deed == HINT)
		i.what.level = (uint8_t)line->b;
	if (deed == STRIDE || deed == RAW)
		i.what.stride_shift = (uint8_t)line->b;
	if (deed == LOCAL)
		i.agents = 1;
	if (deed == SOME)
		i.agents = (uint8_t)line->b;
	if (deed == FOREIGN)
		i.space = 1;
	if (deed == EVERYONES)
		i.space = ML_ORACLE_EVERYWHERE;
	if (deed == RAW_ALL)
		i.what.va = i.what.length = 0;
	i.instruction = deed == RAW || deed == RAW_ALL;
	ml_oracle_invalidate(oracle, &i);
}

static void play(const struct line *line)
{
	static const enum ml_event_kind kinds[] = { [STORE] = ML_EVENT_STORE,
						    [FILL] = ML_EVENT_FILL,
						    [LINK] = ML_EVENT_LINK,
						    [SWAP] = ML_EVENT_EXCHANGE };

	switch (line->deed) {
	case STORE:
	case FILL:
	case LINK:
	case SWAP:
		store(kinds[line->deed], line->a, line->b);
		break;
	case PUBLISH:
		tell(ML_EVENT_PUBLISH, 0);
		break;
	case COMPLETE:
		tell(ML_EVENT_COMPLETE, 0);
		break;
	case FREE:
		tell(ML_EVENT_FREE, line->a);
		break;
	case CPU:
		ml_oracle_issuer(oracle, (unsigned)line->a, 0);
		break;
	case TOLD:
		ml_oracle_told(oracle, line->a * PAGE, PAGE, line->b, 0);
		break;
	case MARK:
		hardware = STRIKES;
		break;
	case WANT:
	case NEVER:
		break;
	default:
		invalidate(line);
		break;
	}
}

/* The letter of the first thing found. */
char litmus_verdict(const struct litmus *litmus, enum ml_oracle_rules rules,
		    const enum ml_oracle_agent *agents, bool marks)
{
	const struct line *line;
	const char *fault;
	char letter;

	start(rules, agents, marks);
	for (line = litmus->lines; line->deed; line++)
		if (line->deed == NEVER)
			before.never[line->a] = true;
	after = before;
	for (line = litmus->lines; line->deed; line++)
		if (line->deed == WANT)
			want(&after, line->a, line->b);
	ml_oracle_begin(oracle, 0, 0, 0);
	for (line = litmus->lines; line->deed; line++)
		play(line);
	ml_oracle_end(oracle, promise, &before, &after);
	fault = ml_oracle_fault(oracle);
	letter = fault ? fault[1] : '-';
	ml_oracle_free(oracle);
	return letter;
}

void litmus_judge(const struct litmus *list, size_t count, const enum ml_oracle_agent *agents,
		  bool marks)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned rules = 0; rules < ML_ORACLE_RULES; rules++) {
			T_CONTEXT(ml_oracle_rules_name(rules), i);
			if (!t_eq(litmus_verdict(&list[i], rules, agents, marks),
				  list[i].verdicts[rules]))
				printf("# %s\n", list[i].name);
		}
}
