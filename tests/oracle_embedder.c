/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the contracts leave to the embedder, under the adversarial TLB: done right, and each duty
 * once neglected, which must be found, by letter (hosted.h). Two of toy's tables out of one pool,
 * two CPUs and a lazy one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maxleaf/pte.h>

#include "support/heard_pool.h"
#include "t.h"

#define PAGE ((uint64_t)0x1000)
#define PAGES 16
#define SPACES 2
#define TABLES 24
#define TABLE_BYTES 32
#define POOL_PA 0x10000u
#define FRAMES 0x40000u

/* What the embedder may get wrong. */
enum neglect {
	NOTHING,
	NO_FLUSH,     /* ml_flush_range() is not called */
	NO_WAIT,      /* it does not wait, nor does anybody else */
	OTHER_WAITS,  /* another CPU waits */
	WRONG_LEVEL,  /* it names a level that the leaf is not of */
	SHORT_FLUSH,  /* one page is left out */
	NO_BROADCAST, /* the platform drops invalidations */
	OWN_SPACE,    /* the platform invalidates for the lender alone */
};

struct flat {
	ml_pa pa[PAGES];
	ml_prot prot[PAGES];
	bool never[PAGES];
};

static struct {
	struct ml_table tables[SPACES];
	struct ml_pool pool;
	struct ml_platform platform; /* heard_pool_platform, but for what may be neglected */
	struct ml_trace trace;
	struct flat before[SPACES], maps[SPACES];
	enum neglect neglect;
	unsigned space; /* whose operation runs */
	bool lent;      /* the lender's platform tells all spaces */
	_Alignas(TABLE_BYTES) char memory[TABLES * TABLE_BYTES];
} world;

/* ---- the world --------------------------------------------------------------------- */

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	const bool all = world.lent && world.neglect != OWN_SPACE;
	const struct ml_oracle_invalidation invalidation = {
		.what = *what,
		.agents = ML_ORACLE_EVERYWHERE,
		.space = all ? ML_ORACLE_EVERYWHERE : (uint8_t)world.space,
	};

	(void)cookie;
	(void)op;
	if (world.neglect != NO_BROADCAST)
		ml_oracle_invalidate(heard_pool.oracle, &invalidation);
}

static uint64_t one_unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return (uint64_t)1 << 20;
}

static void open_space(unsigned space, bool hardware)
{
	const struct ml_table_config wish = {
		.platform = &world.platform,
		.cookie = &world.pool,
		.base = ml_pool_base(&world.pool),
		.fold = ML_FOLD_COMPLETE,
		.live = true,
		.track_ad = true,
		.hardware_ad = hardware,
		.ad_unit = one_unit,
	};
	struct ml_model model = { .kind = ML_MODEL_TOY,
				  .levels = 2,
				  .hardware_accessed = hardware,
				  .hardware_dirty = hardware,
				  .read = heard_pool_read };

	t_eq(ml_table_init(&world.tables[space], &ml_format_toy, &wish), ML_OK);
	model.root = ml_table_root(&world.tables[space]);
	ml_oracle_enter(heard_pool.oracle, space, &model, true);
}

static void promise(const void *map, ml_va va, struct ml_oracle_page *page)
{
	const struct flat *flat = map;
	const uint64_t number = va / PAGE;

	if (number >= PAGES)
		return;
	page->last = va | (PAGE - 1);
	page->mapped = flat->prot[number] != 0;
	page->never_faults = flat->never[number];
	page->pa = flat->pa[number] + va % PAGE;
	page->prot = flat->prot[number];
}

static void begin(unsigned space, ml_prot may_lose)
{
	world.space = space;
	memcpy(world.before, world.maps, sizeof(world.maps));
	ml_oracle_begin(heard_pool.oracle, 0, space, may_lose);
}

/* The letter of what was found first, in this space and what the others hold; '-': nothing. */
static char verdict(void)
{
	const char *fault;

	for (unsigned i = 0; i < SPACES; i++) {
		const unsigned space = (world.space + i) % SPACES;

		if (i)
			ml_oracle_begin(heard_pool.oracle, 0, space, 0);
		ml_oracle_end(heard_pool.oracle, promise, &world.before[space], &world.maps[space]);
	}
	fault = ml_oracle_fault(heard_pool.oracle);
	return fault ? fault[1] : '-';
}

static void note(unsigned space, unsigned first, unsigned pages, ml_pa pa, ml_prot prot)
{
	for (unsigned i = 0; i < pages; i++) {
		world.maps[space].pa[first + i] = pa + i * PAGE;
		world.maps[space].prot[first + i] = prot;
	}
}

static void map(unsigned space, unsigned first, unsigned pages, ml_prot prot)
{
	const ml_pa pa = FRAMES + first * PAGE;

	begin(space, 0);
	t_eq(ml_map(&world.tables[space], first * PAGE, pages * PAGE, pa, prot, NULL), ML_OK);
	note(space, first, pages, pa, prot);
	t_eq(verdict(), '-');
}

/*
 * Two tables; in the first, pages 0 to 7 but 3, of which 0 and 1 are a group, and 4 to 7 a block.
 */
static void put_up(enum neglect neglect, bool hardware)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
						       ML_ORACLE_NOBODY };

	memset(&world, 0, sizeof(world));
	heard_pool.oracle = ml_oracle_new(ML_ORACLE_ARM64_BBM0, agents);
	if (!heard_pool.oracle)
		exit(2);
	world.trace = (struct ml_trace){ .watch = heard_pool_hear, .forget = true };
	ml_trace_to(&world.trace);
	world.platform = heard_pool_platform;
	world.platform.invalidate = invalidate;
	heard_pool.pool = &world.pool;
	t_eq(ml_pool_init(&world.pool, world.memory, POOL_PA, sizeof(world.memory), TABLE_BYTES),
	     ML_OK);
	for (unsigned space = 0; space < SPACES; space++)
		open_space(space, hardware);
	map(0, 0, 2, ML_RW | ML_PROT_AD);
	map(0, 2, 1, ML_RW | ML_PROT_AD);
	map(0, 4, 4, ML_RW | ML_PROT_AD);
	world.neglect = neglect;
}

static void take_down(void)
{
	ml_trace_to(NULL);
	ml_oracle_free(heard_pool.oracle);
}

static ml_pte *entry(unsigned page)
{
	return ml_pte_pointer(&world.tables[0], page * PAGE, 0);
}

/* The flush that the calls of pte.h leave to their caller, as well as it is done here. */
static void flush(unsigned first, unsigned pages)
{
	const bool wait = world.neglect != NO_WAIT && world.neglect != OTHER_WAITS;
	const unsigned level = world.neglect == WRONG_LEVEL ? 1 : 0;

	if (world.neglect == NO_FLUSH)
		return;
	ml_flush_range(&world.tables[0], first * PAGE,
		       (pages - (world.neglect == SHORT_FLUSH)) * PAGE, level, wait);
	if (world.neglect != OTHER_WAITS)
		return;
	ml_oracle_issuer(heard_pool.oracle, 1, 0);
	ml_flush_wait(&world.tables[0]);
	ml_oracle_issuer(heard_pool.oracle, 0, 0);
}

/* ---- flushing after calls of pte.h -------------------------------------------------- */

static void clear_group(void)
{
	(void)ml_get_and_clear_full_ptes(&world.tables[0], 0, entry(0), 0, 2);
	note(0, 0, 2, 0, 0);
	flush(0, 2);
}

static void clear_page(void)
{
	ml_pte_clear(&world.tables[0], 2 * PAGE, entry(2), 0);
	note(0, 2, 1, 0, 0);
	flush(2, 1);
}

/* Its group unfolds first, and the other member stays. */
static void clear_member(void)
{
	(void)ml_ptep_get_and_clear(&world.tables[0], 0, entry(0), 0);
	note(0, 0, 1, 0, 0);
	flush(0, 1);
}

static void protect_group(void)
{
	ml_wrprotect_ptes(&world.tables[0], 0, entry(0), 0, 2);
	note(0, 0, 2, FRAMES, ML_READ | ML_PROT_AD);
	flush(0, 2);
}

static void protect_member(void)
{
	ml_ptep_set_wrprotect(&world.tables[0], PAGE, entry(1), 0);
	note(0, 1, 1, FRAMES + PAGE, ML_READ | ML_PROT_AD);
	flush(1, 1);
}

/* Page 2 goes, and another frame comes in its place. */
static void reuse_entry(void)
{
	ml_pte pte = 0;

	clear_page();
	t_eq(ml_pte_make(&world.tables[0], FRAMES + 9 * PAGE, ML_RW | ML_PROT_AD, 0, &pte), ML_OK);
	ml_set_pte_at(&world.tables[0], 2 * PAGE, entry(2), 0, pte);
	note(0, 2, 1, FRAMES + 9 * PAGE, ML_RW | ML_PROT_AD);
}

/* Page 2 goes, and its frame is given to somebody else. */
static void reuse_frame(void)
{
	clear_page();
	ml_oracle_told(heard_pool.oracle, 2 * PAGE, PAGE, FRAMES + 2 * PAGE, ML_RW | ML_PROT_AD);
}

/* All of a table goes, and the table with it: trim has the link forgotten, not the leaves. */
static void free_table(void)
{
	(void)ml_get_and_clear_full_ptes(&world.tables[0], 0, entry(0), 0, 3);
	note(0, 0, 3, 0, 0);
	flush(0, 3);
	t_eq(ml_table_trim(&world.tables[0], 0, 4 * PAGE, NULL), ML_OK);
}

/* Stale accessed costs no correctness: not flushing it is allowed, if walkers see the store. */
static void age(void)
{
	t_eq(ml_ptep_test_and_clear_young(&world.tables[0], 0, entry(0), 0), 1);
	note(0, 0, 2, FRAMES, ML_RW | ML_DIRTY);
	heard_pool_tell(ML_EVENT_PUBLISH, NULL);
	flush(0, 2);
}

static void age_and_flush(void)
{
	t_eq(ml_ptep_clear_flush_young(&world.tables[0], 0, entry(0), 0), 1);
	note(0, 0, 2, FRAMES, ML_RW | ML_DIRTY);
}

static void set_entry(void)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&world.tables[0], FRAMES + 3 * PAGE, ML_RW | ML_PROT_AD, 0, &pte), ML_OK);
	ml_set_ptes(&world.tables[0], 3 * PAGE, entry(3), 0, pte, 1);
	note(0, 3, 1, FRAMES + 3 * PAGE, ML_RW | ML_PROT_AD); /* and a group folds */
}

/* Writing comes back after a fault: who holds the old right faults for ever. */
static void grant(void)
{
	ml_pte pte = 0;

	t_eq(ml_pte_make(&world.tables[0], FRAMES + 2 * PAGE, ML_RW | ML_PROT_AD, 0, &pte), ML_OK);
	ml_ptep_set_wrprotect(&world.tables[0], 2 * PAGE, entry(2), 0);
	ml_flush_range(&world.tables[0], 2 * PAGE, PAGE, 0, true);
	note(0, 2, 1, FRAMES + 2 * PAGE, ML_READ | ML_PROT_AD);
	t_eq(verdict(), '-');
	begin(0, 0);
	t_ok(ml_ptep_set_access_flags(&world.tables[0], 2 * PAGE, entry(2), 0, pte, true));
	note(0, 2, 1, FRAMES + 2 * PAGE, ML_RW | ML_PROT_AD);
}

static void harvest(void)
{
	struct ml_harvest all = { .clear = ML_PROT_AD };

	t_eq(ml_harvest(&world.tables[0], 0, 8 * PAGE, &all, NULL), ML_OK);
	t_eq(all.dirty_pages, 7);
	note(0, 0, 3, FRAMES, ML_RW);
	note(0, 4, 4, FRAMES + 4 * PAGE, ML_RW);
}

static void look(void)
{
	struct ml_harvest all = { .clear = 0 };

	t_eq(ml_harvest(&world.tables[0], 0, 8 * PAGE, &all, NULL), ML_OK);
	t_eq(all.dirty_pages, 7);
}

static const struct {
	const char *name;
	void (*play)(void);
	enum neglect neglect;
	char verdict;
} duties[] = {
	{ "a group is cleared", clear_group, NOTHING, '-' },
	{ "... and not flushed", clear_group, NO_FLUSH, 'a' },
	{ "... and nobody waits", clear_group, NO_WAIT, 'a' },
	{ "... and another CPU waits", clear_group, OTHER_WAITS, 'a' },
	{ "... and the level is wrong", clear_group, WRONG_LEVEL, 'a' },
	{ "a page is cleared", clear_page, NOTHING, '-' },
	{ "... and not flushed", clear_page, NO_FLUSH, 'a' },
	{ "... and no page is flushed", clear_page, SHORT_FLUSH, 'a' },
	{ "a member is cleared", clear_member, NOTHING, '-' },
	{ "... and not flushed", clear_member, NO_FLUSH, 'a' },
	{ "... and what unfolds it is not heard", clear_member, NO_BROADCAST, 'b' },
	{ "a group is write-protected", protect_group, NOTHING, '-' },
	{ "... and not flushed", protect_group, NO_FLUSH, 'a' },
	{ "a member is write-protected", protect_member, NOTHING, '-' },
	{ "... and what unfolds it was flush enough", protect_member, NO_FLUSH, '-' },
	{ "... and that is not heard", protect_member, NO_BROADCAST, 'b' },
	{ "an entry is used again", reuse_entry, NOTHING, '-' },
	{ "... and not flushed before", reuse_entry, NO_FLUSH, 'b' },
	{ "... and nobody waits before", reuse_entry, NO_WAIT, 'b' },
	{ "a frame is used again", reuse_frame, NOTHING, '-' },
	{ "... and not flushed before", reuse_frame, NO_FLUSH, 'a' },
	{ "... and another CPU waits", reuse_frame, OTHER_WAITS, 'a' },
	{ "a table is emptied and trimmed", free_table, NOTHING, '-' },
	{ "... and its leaves are not flushed", free_table, NO_FLUSH, 'a' },
	{ "... and nothing is heard", free_table, NO_BROADCAST, 'e' },
	{ "a group ages", age, NOTHING, '-' },
	{ "... and is not flushed: that may be", age, NO_FLUSH, '-' },
	{ "a group ages, and is flushed", age_and_flush, NOTHING, '-' },
	{ "an entry completes a group", set_entry, NOTHING, '-' },
	{ "... and what folds it is not heard", set_entry, NO_BROADCAST, 'b' },
	{ "writing comes back", grant, NOTHING, '-' },
	{ "marks are read", look, NOTHING, '-' },
	{ "... and nothing need be heard", look, NO_BROADCAST, '-' },
	{ "marks are harvested", harvest, NOTHING, '-' },
	{ "... and nothing is heard", harvest, NO_BROADCAST, 'f' },
};

TEST(what_the_caller_of_an_entry_owes)
{
	for (unsigned i = 0; i < sizeof(duties) / sizeof(duties[0]); i++)
		for (unsigned hardware = 0; hardware < 2; hardware++) {
			T_CONTEXT(duties[i].name, i);
			put_up(duties[i].neglect, hardware);
			begin(0, 0);
			duties[i].play();
			if (!t_eq(verdict(), duties[i].verdict))
				printf("# %s\n", ml_oracle_fault(heard_pool.oracle));
			take_down();
		}
}

/* ---- tables that are lent ------------------------------------------------------------ */

/* The first table lends pages 8 to 15, of which 8 to 11 are pages and 12 to 15 a block. */
static void lend(enum neglect neglect)
{
	put_up(NOTHING, true);
	begin(0, 0);
	t_eq(ml_table_share(&world.tables[1], &world.tables[0], 8 * PAGE, 8 * PAGE, NULL), ML_OK);
	world.lent = true;
	t_eq(verdict(), '-');
	world.neglect = neglect;
}

static void note_both(unsigned first, unsigned pages, ml_pa pa, ml_prot prot)
{
	for (unsigned space = 0; space < SPACES; space++)
		note(space, first, pages, pa, prot);
}

static void lender_maps(void)
{
	const ml_pa pa = FRAMES + 8 * PAGE;

	begin(0, 0);
	t_eq(ml_map(&world.tables[0], 8 * PAGE, 4 * PAGE, pa, ML_RW | ML_PROT_AD, NULL), ML_OK);
	note_both(8, 4, pa, ML_RW | ML_PROT_AD);
}

static void lender_unmaps(void)
{
	lender_maps();
	t_eq(verdict(), '-');
	begin(0, ML_PROT_AD);
	t_eq(ml_unmap(&world.tables[0], 10 * PAGE, 2 * PAGE, NULL), ML_OK);
	note_both(10, 2, 0, 0);
}

static void lender_protects(void)
{
	struct ml_op op = { 0 };

	lender_maps();
	t_eq(verdict(), '-');
	begin(0, 0);
	t_eq(ml_protect(&world.tables[0], 8 * PAGE, 4 * PAGE, ML_WRITE, 0, &op), ML_OK);
	note_both(8, 4, FRAMES + 8 * PAGE, ML_READ | ML_PROT_AD);
}

static void lender_clears_an_entry(void)
{
	lender_maps();
	t_eq(verdict(), '-');
	begin(0, ML_PROT_AD);
	ml_pte_clear(&world.tables[0], 8 * PAGE, entry(8), 0);
	ml_flush_range(&world.tables[0], 8 * PAGE, PAGE, 0, true);
	note_both(8, 1, 0, 0);
}

static void lender_harvests(void)
{
	struct ml_harvest all = { .clear = ML_PROT_AD };

	lender_maps();
	t_eq(verdict(), '-');
	begin(0, 0);
	t_eq(ml_harvest(&world.tables[0], 8 * PAGE, 4 * PAGE, &all, NULL), ML_OK);
	note_both(8, 4, FRAMES + 8 * PAGE, ML_RW);
}

/* What is no longer mapped leaves its tables where they are: trim frees none that is lent. */
static void lender_trims(void)
{
	lender_unmaps();
	t_eq(verdict(), '-');
	begin(0, ML_PROT_AD);
	(void)ml_get_and_clear_full_ptes(&world.tables[0], 8 * PAGE, entry(8), 0, 2);
	ml_flush_range(&world.tables[0], 8 * PAGE, 2 * PAGE, 0, true);
	t_eq(ml_table_trim(&world.tables[0], 0, PAGES * PAGE, NULL), ML_OK);
	note_both(8, 2, 0, 0);
}

static const struct {
	const char *name;
	void (*play)(void);
	enum neglect neglect;
	char verdict;
} loans[] = {
	{ "the lender maps", lender_maps, OWN_SPACE, '-' },
	{ "the lender unmaps", lender_unmaps, NOTHING, '-' },
	{ "... for itself alone", lender_unmaps, OWN_SPACE, 'a' },
	{ "the lender protects", lender_protects, NOTHING, '-' },
	{ "... for itself alone", lender_protects, OWN_SPACE, 'a' },
	{ "the lender clears an entry", lender_clears_an_entry, NOTHING, '-' },
	{ "... for itself alone", lender_clears_an_entry, OWN_SPACE, 'b' },
	{ "the lender harvests", lender_harvests, NOTHING, '-' },
	{ "... for itself alone", lender_harvests, OWN_SPACE, 'f' },
	{ "the lender trims", lender_trims, NOTHING, '-' },
};

TEST(what_the_platform_of_a_lender_owes)
{
	for (unsigned i = 0; i < sizeof(loans) / sizeof(loans[0]); i++) {
		T_CONTEXT(loans[i].name, i);
		lend(loans[i].neglect);
		loans[i].play();
		if (!t_eq(verdict(), loans[i].verdict))
			printf("# %s\n", ml_oracle_fault(heard_pool.oracle));
		take_down();
	}
}

/* ---- what must never fault ------------------------------------------------------------ */

/* Two pages that are one piece; `count` of them are write-protected. */
static char protect_piece(unsigned count)
{
	struct ml_never_fault range = { .va = 0, .len = 4 * PAGE, .piece = 2 * PAGE };

	put_up(NOTHING, true);
	t_eq(ml_never_fault(&world.tables[0], &range), ML_OK);
	for (unsigned i = 0; i < 3; i++)
		world.maps[0].never[i] = true;
	begin(0, 0);
	ml_wrprotect_ptes(&world.tables[0], 0, entry(0), 0, count);
	note(0, 0, count, FRAMES, ML_READ | ML_PROT_AD);
	flush(0, count);
	return verdict();
}

/* A piece is changed as a whole; a part of it would be broken, which an assertion says. */
TEST(what_the_caller_owes_where_nothing_may_fault)
{
	int status = 0;
	pid_t child;

	t_eq(protect_piece(2), '-');
	take_down();
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		protect_piece(1);
		_exit(0);
	}
	t_ok(child > 0 && waitpid(child, &status, 0) == child);
	t_ok(WIFSIGNALED(status) || WEXITSTATUS(status) > 1);
}
