/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Making and printing sequences. Addresses are drawn to hurt: near the boundaries of every
 * leaf size, with frames in step or just out of it, at both ends of every table.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sequence.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define T ((uint64_t)1 << 40)
#define LAST(bytes) (0 - (uint64_t)(bytes))
#define ARM_HIGH LAST(256 * T)

const struct world_facts worlds[WORLDS] = {
	{ "x86-64, 4 levels",
	  &ml_format_x86_64,
	  4,
	  false,
	  21,
	  128 * T - 1,
	  LAST(128 * T),
	  { { 0, 8 * M, false },
	    { G - 4 * M, 8 * M, false },
	    { 512 * G - 4 * M, 8 * M, false },
	    { 128 * T - 4 * M, 4 * M, false },
	    { LAST(4 * M), 4 * M, false },
	    { 64 * G - 2 * G, 4 * G, true } } },
	{ "x86-64, 5 levels",
	  &ml_format_x86_64,
	  5,
	  false,
	  21,
	  64 * 1024 * T - 1,
	  LAST(64 * 1024 * T),
	  { { 0, 8 * M, false },
	    { 256 * T - 4 * M, 8 * M, false },
	    { 64 * 1024 * T - 4 * M, 4 * M, false },
	    { LAST(64 * 1024 * T), 4 * M, false },
	    { LAST(4 * M), 4 * M, false },
	    { LAST(4 * G), 4 * G, true } } },
	{ "arm64-4k, low half",
	  &ml_format_arm64_4k,
	  4,
	  false,
	  21,
	  256 * T - 1,
	  0,
	  { { 0, 8 * M, false },
	    { G - 64 * M, 128 * M, true },
	    { 512 * G - 4 * M, 8 * M, false },
	    { 256 * T - 4 * M, 4 * M, false },
	    { 256 * T - 64 * M, 64 * M, true },
	    { 64 * G - 2 * G, 4 * G, true } } },
	{ "arm64-4k, high half",
	  &ml_format_arm64_4k,
	  4,
	  true,
	  21,
	  0,
	  ARM_HIGH,
	  { { ARM_HIGH, 8 * M, false },
	    { ARM_HIGH + G - 4 * M, 8 * M, false },
	    { LAST(4 * M), 4 * M, false },
	    { LAST(64 * M), 64 * M, true },
	    { LAST(4 * G), 4 * G, true },
	    { LAST(512 * G + 4 * M), 8 * M, false } } },
	{ "toy",
	  &ml_format_toy,
	  2,
	  false,
	  14,
	  64 * K - 1,
	  0,
	  { { 0, 64 * K, false },
	    { 0, 64 * K, false },
	    { 0, 64 * K, false },
	    { 0, 64 * K, false },
	    { 0, 64 * K, false },
	    { 32 * K, 32 * K, false } } },
};

/* The first rung that stands above level 0. */
static unsigned coarse_rung(const struct world_facts *facts)
{
	unsigned rung = 0;

	while (facts->format->rungs[rung].shift < facts->coarse_shift)
		rung++;
	return rung;
}

/* A coarse window has millions of pages: they are mapped in large leaves, or not at all. */
static void make_coarse(struct setting *setting)
{
	const struct world_facts *facts = &worlds[setting->world];

	if (setting->rungs)
		setting->rungs |= 1u << coarse_rung(facts);
	if (setting->ad_shift && setting->ad_shift < facts->coarse_shift)
		setting->ad_shift = facts->coarse_shift;
	if (setting->unit_shift && setting->unit_shift < facts->coarse_shift)
		setting->unit_shift = facts->coarse_shift;
}

/* One function for each unit: the callback's cookie is the arena. */
#define UNIT(shift)                                          \
	static uint64_t unit_##shift(void *cookie, ml_pa pa) \
	{                                                    \
		(void)cookie;                                \
		(void)pa;                                    \
		return (uint64_t)1 << (shift);               \
	}
UNIT(12)
UNIT(13)
UNIT(14)
UNIT(15)
UNIT(16)
UNIT(21)

struct ml_table_config setting_config(const struct setting *setting)
{
	static uint64_t (*const units[])(void *, ml_pa) = {
		[12] = unit_12, [13] = unit_13, [14] = unit_14,
		[15] = unit_15, [16] = unit_16, [21] = unit_21,
	};
	const struct ml_table_config config = {
		.rungs = setting->rungs,
		.pa_bits = setting->pa_bits,
		.fold = setting->fold,
		.live = setting->live,
		.guaranteed = setting->guaranteed,
		.deposit_one = setting->deposit_one,
		.refaultable = setting->refaultable ? ML_SOFT(0) : 0,
		.track_ad = setting->track_ad,
		.hardware_ad = setting->hardware_ad,
		.each_member = setting->each_member,
		.bbm = setting->bbm,
		.errata = setting->errata,
		.ad_unit = setting->ad_shift ? units[setting->ad_shift] : NULL,
		.lock_unit = setting->unit_shift ? (uint64_t)1 << setting->unit_shift : 0,
		.ops = setting->any ? &ml_table_ops_any : NULL,
	};

	return config;
}

bool setting_is_hitless(const struct setting *setting)
{
	return setting->bbm == 2 && !(setting->errata & ML_ERRATUM_ONE_SIZE);
}

bool setting_never_faults(const struct setting *setting, ml_va first, ml_va last)
{
	const struct ml_never_fault *never = &setting->never;

	return never->len && first <= never->va + (never->len - 1) && last >= never->va;
}

/* How the table changes while it is live: half of them as the most careful ones do. */
static void draw_policy(struct source *s, struct setting *setting)
{
	const struct window *w = &worlds[setting->world].windows[setting->window];
	const struct ml_format *f = worlds[setting->world].format;
	unsigned piece;

	setting->bbm = (uint8_t)(source_chance(s, 1, 2) ? 1 + source_below(s, 2) : 0);
	setting->errata = (uint8_t)(source_chance(s, 1, 4) ? source_below(s, 16) : 0);
	setting->each_member = source_chance(s, 1, 4);
	if (w->coarse) {
		setting->errata &= (uint8_t)~ML_ERRATUM_SMALL_EXEC;
		return;
	}
	if (!source_chance(s, 1, 4))
		return;
	piece = f->rungs[source_below(s, f->rung_count)].shift;
	if (w->bytes >> piece < 2)
		piece = f->page_shift;
	setting->never.piece = (uint64_t)1 << piece;
	setting->never.va = w->first + (source_below(s, w->bytes >> piece) << piece);
	setting->never.len = w->bytes - (setting->never.va - w->first);
	setting->never.len = (1 + source_below(s, setting->never.len >> piece)) << piece;
}

struct setting sequence_setting(struct source *s)
{
	static const uint8_t units[] = { 0, 0, 0, 0, 12, 15, 16, 21 };
	static const uint8_t likely[] = { WORLD_X86_4,   WORLD_X86_4,    WORLD_X86_5, WORLD_ARM_LOW,
					  WORLD_ARM_LOW, WORLD_ARM_HIGH, WORLD_TOY,   WORLD_TOY };
	struct setting setting = { .world = likely[source_below(s, 8)] };
	const struct ml_format *f = worlds[setting.world].format;

	setting.fold = (uint8_t)source_below(s, 3);
	setting.live = source_chance(s, 1, 2);
	setting.guaranteed = setting.fold == ML_FOLD_BLOCK || source_chance(s, 1, 3);
	setting.track_ad = source_chance(s, 1, 2);
	setting.hardware_ad = source_chance(s, 1, 3);
	setting.any = source_chance(s, 1, 8);
	setting.hooked = source_chance(s, 1, 8);
	if (source_chance(s, 1, 4))
		setting.rungs = 1u | (uint32_t)source_below(s, (uint64_t)1 << f->rung_count);
	if (source_chance(s, 1, 4) && setting.world != WORLD_TOY)
		setting.pa_bits = 40;
	setting.ad_shift = units[source_below(s, 8)];
	if (setting.world == WORLD_TOY && setting.ad_shift)
		setting.ad_shift = (uint8_t)(12 + source_below(s, 4));
	setting.window = (uint8_t)source_below(s, WORLD_WINDOWS);
	if (!setting.guaranteed && source_chance(s, 1, 4))
		setting.unit_shift = f->rungs[source_below(s, f->rung_count)].shift;
	if (worlds[setting.world].windows[setting.window].coarse)
		make_coarse(&setting);
	draw_policy(s, &setting);
	setting.deposit_one = setting.guaranteed && source_chance(s, 1, 2);
	setting.refaultable = setting.guaranteed && source_chance(s, 1, 2);
	return setting;
}

/* A page of the window, most often near a boundary of some leaf size. */
static ml_va draw_page(struct source *s, const struct ml_format *f, const struct window *w)
{
	const uint64_t page = (uint64_t)1 << f->page_shift;
	unsigned shift = f->rungs[source_below(s, f->rung_count)].shift;
	uint64_t offset;

	if (w->bytes >> shift == 0)
		shift = f->page_shift;
	offset = source_below(s, w->bytes >> shift) << shift;
	switch (source_below(s, 8)) {
	case 0:
		offset += page;
		break;
	case 1:
		offset -= page;
		break;
	case 2:
		offset += source_below(s, 20) * page;
		break;
	default:
		break;
	}
	return w->first + offset % w->bytes;
}

static uint64_t draw_length(struct source *s, const struct ml_format *f, const struct window *w,
			    ml_va va)
{
	const uint64_t page = (uint64_t)1 << f->page_shift;
	const uint64_t most = w->bytes - (va - w->first);
	uint64_t len;

	switch (source_below(s, 4)) {
	case 0:
		len = page * (source_chance(s, 1, 2) ? 1 : 1 + source_below(s, 3));
		break;
	case 1: {
		ml_va end = draw_page(s, f, w);

		len = end > va ? end - va : va - end + page;
		break;
	}
	default:
		len = (1 + source_below(s, 3)) << f->rungs[source_below(s, f->rung_count)].shift;
		break;
	}
	return len < most ? len : most;
}

/* Frames follow addresses, so that separate mappings continue each other, unless shifted. */
static ml_pa draw_frame(struct source *s, const struct setting *setting, ml_va va)
{
	const struct world_facts *facts = &worlds[setting->world];
	const struct window *w = &facts->windows[setting->window];
	const struct ml_format *f = facts->format;
	const unsigned bits = setting->pa_bits ? setting->pa_bits : f->pa_bits;
	const uint64_t mask = ((uint64_t)1 << (bits - 1)) - 1;
	const bool near_end = source_chance(s, 1, 16);
	unsigned shift = f->rungs[source_below(s, f->rung_count)].shift;
	uint64_t delta = 0;

	if (w->coarse && shift < facts->coarse_shift)
		shift = facts->coarse_shift;
	if (source_chance(s, 3, 8))
		delta = (1 + source_below(s, 3)) << shift;
	return ((va + delta) & mask) + (near_end ? mask + 1 : 0);
}

static ml_prot draw_prot(struct source *s, const struct setting *setting)
{
	static const ml_prot usual[] = {
		ML_RW,
		ML_RW,
		ML_RW | ML_USER,
		ML_READ,
		ML_READ | ML_USER | ML_EXEC,
		ML_RW | ML_NC,
		ML_RW | ML_DEV_STRICT | ML_SPECIAL,
		ML_READ | ML_PEXEC | ML_GLOBAL,
	};
	const ml_prot limits = worlds[setting->world].format->prot_mask;
	ml_prot prot = usual[source_chance(s, 1, 2) ? 0 : source_below(s, 8)];

	if (setting->world == WORLD_TOY)
		prot &= ~(ml_prot)ML_TYPE_MASK;
	if (source_chance(s, 1, 32))
		prot ^= (ml_prot)1 << source_below(s, 24); /* perhaps nothing a format can hold */
	else
		prot &= limits;
	if (setting->refaultable && source_chance(s, 1, 2))
		prot |= ML_SOFT(0);
	if (setting->track_ad && source_chance(s, 1, 2))
		prot |= prot & ML_WRITE ? ML_PROT_AD : ML_ACCESSED;
	return prot;
}

static void draw_change(struct source *s, struct action *a)
{
	static const ml_prot masks[] = {
		ML_WRITE,   ML_WRITE,   ML_ACCESSED,  ML_PROT_AD, ML_USER,
		ML_SPECIAL, ML_SOFT(0), ML_TYPE_MASK, ML_GLOBAL,  ML_PEXEC
	};

	a->mask = masks[source_below(s, sizeof(masks) / sizeof(masks[0]))];
	a->prot = source_chance(s, 1, 2) ? a->mask : 0;
	if (a->mask == ML_TYPE_MASK)
		a->prot = a->prot ? ML_NC : ML_WB;
	if (source_chance(s, 1, 64))
		a->prot |= ML_WRITE;
}

static void draw_extents(struct source *s, const struct setting *setting, struct action *a)
{
	const struct ml_format *f = worlds[setting->world].format;
	uint64_t left = a->len;
	ml_pa pa = a->pa;
	ml_va va = a->va;

	a->extent_count = (uint8_t)(1 + source_below(s, ACTION_EXTENTS_MOST));
	for (unsigned i = 0; i < a->extent_count; i++) {
		const uint64_t pages = left >> f->page_shift;
		uint64_t length = left;

		if (i + 1u < a->extent_count && pages > 1)
			length = (1 + source_below(s, pages - 1)) << f->page_shift;
		else
			a->extent_count = (uint8_t)(i + 1);
		a->extents[i] = (struct ml_extent){ pa, length };
		left -= length;
		va += length;
		pa = source_chance(s, 1, 2) ? pa + length : draw_frame(s, setting, va);
	}
}

/* Where a range moves: most often at a distance of some leaf size, and not over itself. */
static void draw_target(struct source *s, const struct world_facts *facts, const struct window *w,
			struct action *a)
{
	const struct ml_format *f = facts->format;
	const uint64_t distance = (1 + source_below(s, 6))
				  << f->rungs[source_below(s, f->rung_count)].shift;
	uint64_t between;

	a->to = draw_page(s, f, w);
	if (source_chance(s, 2, 3))
		a->to = w->first + (a->va - w->first + distance) % w->bytes;
	if (w->coarse)
		a->to = a->va + ((a->to - a->va) >> facts->coarse_shift << facts->coarse_shift);
	between = a->to > a->va ? a->to - a->va : a->va - a->to;
	if (a->len > between && !source_chance(s, 1, 16))
		a->len = between;
	if (a->len > w->bytes - (a->to - w->first))
		a->len = w->bytes - (a->to - w->first);
}

/* One thing wrong with the arguments. */
static void draw_flaw(struct source *s, const struct setting *setting, struct action *a)
{
	const struct world_facts *facts = &worlds[setting->world];

	switch (source_below(s, 6)) {
	case 0:
		a->len = 0;
		break;
	case 1:
		a->va += 1 + source_below(s, 255);
		break;
	case 2:
		a->len += 0x800;
		break;
	case 3:
		a->pa = (ml_pa)1 << facts->format->pa_bits;
		break;
	case 4:
		a->va = LAST(8 * K);
		a->len = 16 * K;
		break;
	default:
		a->va = facts->low_last ? facts->low_last - 4 * K + 1 : facts->high_first - 4 * K;
		a->len = 8 * K;
		break;
	}
}

struct action sequence_action(struct source *s, const struct setting *setting)
{
	static const uint8_t likely[] = {
		ACTION_MAP,   ACTION_MAP,      ACTION_MAP,        ACTION_MAP,     ACTION_EXTENTS,
		ACTION_UNMAP, ACTION_UNMAP,    ACTION_UNMAP,      ACTION_PROTECT, ACTION_PROTECT,
		ACTION_SPLIT, ACTION_FOLD,     ACTION_MOVE,       ACTION_MOVE,    ACTION_MOVE,
		ACTION_TOUCH, ACTION_MAP_STEP, ACTION_UNMAP_STEP, ACTION_LIVE,
	};
	const struct ml_format *f = worlds[setting->world].format;
	const struct window *w = &worlds[setting->world].windows[setting->window];
	struct action a = { .kind = likely[source_below(s, sizeof(likely))] };

	a.va = draw_page(s, f, w);
	a.write = source_chance(s, 1, 2);
	if (a.kind == ACTION_TOUCH || a.kind == ACTION_LIVE)
		return a;
	a.len = draw_length(s, f, w, a.va);
	a.pa = draw_frame(s, setting, a.va);
	a.prot = draw_prot(s, setting);
	a.rung = (uint8_t)source_below(s, f->rung_count);
	a.replace = source_chance(s, 3, 8);
	a.sink = source_chance(s, 1, 2);
	a.feed = (uint8_t)(source_chance(s, 1, 4) ? source_below(s, 4) : FEED_PLATFORM);
	a.bare = !a.replace && !a.sink && !a.feed && source_chance(s, 1, 2);
	a.fail = (uint8_t)(source_chance(s, 1, 8) ? 1 + source_below(s, 6) : 0);
	if (a.kind == ACTION_PROTECT)
		draw_change(s, &a);
	if (a.kind == ACTION_MOVE)
		draw_target(s, &worlds[setting->world], w, &a);
	if (w->coarse && a.rung < coarse_rung(&worlds[setting->world]))
		a.rung = (uint8_t)coarse_rung(&worlds[setting->world]);
	if (source_chance(s, 1, 32))
		draw_flaw(s, setting, &a);
	else if (a.kind == ACTION_EXTENTS)
		draw_extents(s, setting, &a);
	if (!a.bare && source_chance(s, 1, 8))
		a.rungs = (uint32_t)source_below(s, (uint64_t)1 << f->rung_count);
	if (a.rungs && w->coarse)
		a.rungs |= 1u << coarse_rung(&worlds[setting->world]);
	return a;
}

void sequence_print_setting(const struct setting *setting)
{
	static const char *const folds[] = { "map", "complete", "block" };

	printf("# table: %s, fold %s%s%s%s%s%s%s%s%s, rungs 0x%" PRIx32
	       ", pa bits %u, A/D unit 2^%u, "
	       "lock unit 2^%u, window %u\n",
	       worlds[setting->world].name, folds[setting->fold], setting->live ? ", live" : "",
	       setting->guaranteed ? ", guaranteed" : "", setting->deposit_one ? " one step" : "",
	       setting->refaultable ? " unless marked" : "",
	       setting->track_ad ? ", tracks A/D" : "",
	       setting->hardware_ad ? ", hardware A/D" : "", setting->any ? ", any" : "",
	       setting->hooked ? ", hooked" : "", setting->rungs, setting->pa_bits,
	       setting->ad_shift, setting->unit_shift, setting->window);
	printf("# its walkers: BBM %u, errata 0x%x%s", setting->bbm, setting->errata,
	       setting->each_member ? ", each member" : "");
	if (setting->instructions)
		printf(", invalidations %s",
		       setting->instructions == 2 ? "by range" : "one by one");
	if (setting->never.len)
		printf(", never fault 0x%" PRIx64 "+0x%" PRIx64 " in pieces of 0x%" PRIx64,
		       setting->never.va, setting->never.len, setting->never.piece);
	putchar('\n');
}

void sequence_print_action(size_t number, const struct action *a)
{
	static const char *const names[ACTIONS] = { "map",        "extents", "unmap", "protect",
						    "split",      "fold",    "move",  "map-step",
						    "unmap-step", "touch",   "live" };
	static const char *const feeds[] = { "", " reserve", " short", " prepare" };

	printf("# %3zu %s va 0x%" PRIx64, number, names[a->kind], a->va);
	if (a->kind == ACTION_TOUCH || a->kind == ACTION_LIVE) {
		printf("%s\n", a->write ? " write" : "");
		return;
	}
	printf(" len 0x%" PRIx64 " pa 0x%" PRIx64 " prot 0x%" PRIx64, a->len, a->pa, a->prot);
	if (a->kind == ACTION_MOVE)
		printf(" to 0x%" PRIx64, a->to);
	if (a->kind == ACTION_PROTECT)
		printf(" mask 0x%" PRIx64, a->mask);
	if (a->kind == ACTION_SPLIT || a->kind == ACTION_FOLD)
		printf(" rung %u", a->rung);
	printf("%s%s%s%s", a->bare ? " bare" : "", a->replace ? " replace" : "",
	       a->sink ? " sink" : "", feeds[a->feed]);
	if (a->fail)
		printf(" fail %u", a->fail);
	if (a->rungs)
		printf(" rungs 0x%" PRIx32, a->rungs);
	for (unsigned i = 0; i < a->extent_count; i++)
		printf(" [0x%" PRIx64 "+0x%" PRIx64 "]", a->extents[i].pa, a->extents[i].length);
	putchar('\n');
}
