/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Users on every other CPU read and write at random, while this one splits, folds, protects,
 * removes, moves and harvests what they use.
 *
 * Every word holds the address it is seen at (a user may change the low twelve bits): whoever
 * reads through a translation that is no more reads another page's words. A user counts each store
 * to a page before and after it; a store that began after one harvest and ended before the next
 * must be reported as dirty by that.
 */
#include "board.h"
#include "t.h"

#define PAGE ((uint64_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))
#define PAGES 8192u
#define BASE ((ml_va)2048 << 30)
#define BYTES (PAGES * PAGE)
#define STEPS 600
#define TURNS 4
#define ACCESSES_A_STEP 20 /* of each user */
#define USER_RW (ML_RW | ML_USER | ML_ACCESSED)

/* One user: seen by it, and read by this CPU. */
struct user {
	uint64_t state;
	uint64_t stop;
	uint64_t loads, stores;
	uint64_t wrong; /* words of another page, the first: */
	uint64_t wrong_va, wrong_value;
	uint32_t begun[PAGES], ended[PAGES]; /* stores */
};

static struct user users[BOARD_CPUS] BOARD_USER_DATA;

/* What this CPU knows. */
static struct {
	struct ml_table table;
	uint64_t state;
	uint32_t frame[PAGES];             /* number of the frame behind each page */
	uint32_t begun[BOARD_CPUS][PAGES]; /* stores when it had been harvested last, */
	uint32_t ended[BOARD_CPUS][PAGES]; /* and when the harvest that runs began */
	bool dirty[PAGES];                 /* found by the harvest that runs */
	uint64_t harvested, lost;
	struct board_trap ends[BOARD_CPUS];
} stress;

static uint64_t faults[BOARD_CPUS];

/* ---- users ----------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void user_store(struct user *user, uint64_t page,
							     volatile uint64_t *word, uint64_t low)
{
	user->begun[page]++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*word = ((uintptr_t)word & ~(PAGE - 1)) | low;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	user->ended[page]++;
	user->stores++;
}

static inline __attribute__((always_inline)) void user_load(struct user *user,
							    const volatile uint64_t *word)
{
	const uint64_t value = *word;

	user->loads++;
	if (((value ^ (uintptr_t)word) & ~(PAGE - 1)) == 0 || user->wrong++)
		return;
	user->wrong_va = (uintptr_t)word;
	user->wrong_value = value;
}

static BOARD_USER_TEXT void use(void *argument)
{
	struct user *user = argument;

	while (!__atomic_load_n(&user->stop, __ATOMIC_RELAXED)) {
		uint64_t number = user->state =
			user->state * 6364136223846793005u + 1442695040888963407u;
		uint64_t page = number >> 33 & (PAGES - 1);
		uint64_t *word = (uint64_t *)(BASE + page * PAGE) + (number >> 47 & (WORDS - 1));

		if (number >> 62)
			user_load(user, word);
		else
			user_store(user, page, word, number >> 50 & (PAGE - 1));
		ISA_YIELD();
	}
	isa_call(user->wrong);
}

/* A page that is being changed is not there for a moment: try again. */
static bool retry(const struct board_trap *trap)
{
	if (trap->address < BASE || trap->address >= BASE + BYTES ||
	    (trap->cause != BOARD_NOT_MAPPED && trap->cause != BOARD_PERMISSION))
		return false;
	faults[isa_cpu()]++;
	isa_relax();
	return true;
}

static void run_user(void *argument)
{
	stress.ends[isa_cpu()] = board_run_user(use, argument);
}

/* ---- what is done to them ---------------------------------------------------------------- */

static uint64_t below(uint64_t limit)
{
	return t_random(&stress.state) % limit;
}

static volatile uint64_t *frame_words(uint32_t page)
{
	return board_pointer(BOARD_MEMORY_PA + stress.frame[page] * PAGE);
}

/* Map pages whose frames follow one another in one call each. */
static void map_pages(uint32_t first, uint32_t count)
{
	for (uint32_t page = first, end = first; page < first + count; page = end) {
		while (++end < first + count &&
		       stress.frame[end] == stress.frame[page] + (end - page))
			;
		t_eq(ml_map(&stress.table, BASE + page * PAGE, (end - page) * PAGE,
			    BOARD_MEMORY_PA + stress.frame[page] * PAGE, USER_RW, NULL),
		     ML_OK);
	}
}

/* A harvest begins: what has been stored by now it must tell, if no earlier one did. */
static void open_account(uint32_t first, uint32_t count)
{
	for (unsigned cpu = 1; cpu < board_cpus; cpu++)
		for (uint32_t page = first; page < first + count; page++)
			stress.ended[cpu][page] =
				__atomic_load_n(&users[cpu].ended[page], __ATOMIC_ACQUIRE);
}

static void close_account(uint32_t first, uint32_t count)
{
	for (uint32_t page = first; page < first + count; page++) {
		stress.harvested += stress.dirty[page];
		for (unsigned cpu = 1; cpu < board_cpus; cpu++) {
			const uint32_t stores = stress.ended[cpu][page] - stress.begun[cpu][page];

			if ((int32_t)stores > 0 && !stress.dirty[page])
				stress.lost++;
			stress.begun[cpu][page] =
				__atomic_load_n(&users[cpu].begun[page], __ATOMIC_ACQUIRE);
		}
		stress.dirty[page] = false;
	}
}

static void harvest(uint32_t first, uint32_t count)
{
	static uint64_t dirty[PAGES / 64];
	struct ml_harvest harvest = { .dirty = dirty, .clear = ML_DIRTY };

	for (uint32_t word = 0; word < PAGES / 64; word++)
		dirty[word] = 0;
	open_account(first, count);
	t_eq(ml_harvest(&stress.table, BASE + first * PAGE, count * PAGE, &harvest, NULL), ML_OK);
	for (uint32_t i = 0; i < count; i++)
		stress.dirty[first + i] = dirty[i / 64] >> (i % 64) & 1;
	close_account(first, count);
}

/* The same by hand: no store while the marks are read, and clean when the next is allowed. */
static void harvest_protected(uint32_t first, uint32_t count)
{
	const ml_va va = BASE + first * PAGE;

	open_account(first, count);
	t_eq(ml_protect(&stress.table, va, count * PAGE, ML_WRITE, 0, NULL), ML_OK);
	for (uint32_t page = first; page < first + count; page++) {
		struct ml_translation found;

		if (t_eq(ml_translate(&stress.table, BASE + page * PAGE, &found), ML_OK))
			stress.dirty[page] = ml_translation_prot(&stress.table, &found) & ML_DIRTY;
	}
	close_account(first, count);
	t_eq(ml_protect(&stress.table, va, count * PAGE, ML_WRITE | ML_DIRTY, ML_WRITE, NULL),
	     ML_OK);
}

static void hear(void *cookie, const struct ml_run *run)
{
	(void)cookie;
	for (uint64_t at = 0; run->prot & ML_DIRTY && at < run->length; at += PAGE)
		stress.dirty[(run->va + at - BASE) / PAGE] = true;
}

static void unmap_pages(uint32_t first, uint32_t count)
{
	struct ml_op op = { .sink = hear };

	open_account(first, count);
	t_eq(ml_unmap(&stress.table, BASE + first * PAGE, count * PAGE, &op), ML_OK);
	close_account(first, count);
}

/* Two blocks change their frames; the words go along with the pages. */
static void swap(uint32_t one, uint32_t other, uint32_t count)
{
	unmap_pages(one, count);
	unmap_pages(other, count);
	for (uint32_t i = 0; i < count; i++) {
		volatile uint64_t *a = frame_words(one + i), *b = frame_words(other + i);
		const uint32_t frame = stress.frame[one + i];

		for (unsigned word = 0; word < WORDS; word++) {
			const uint64_t value = a[word];

			a[word] = b[word];
			b[word] = value;
		}
		stress.frame[one + i] = stress.frame[other + i];
		stress.frame[other + i] = frame;
	}
	map_pages(one, count);
	map_pages(other, count);
}

static void step(void)
{
	static const uint32_t sizes[] = { 1, 1, 16, 16, 40, 512, 512, 1024 };
	const unsigned rungs = stress.table.format->rung_count;
	const uint32_t count = sizes[below(8)];
	const uint32_t first = (uint32_t)below(PAGES / count) * count;
	const ml_va va = BASE + first * PAGE;

	switch (below(8)) {
	case 0:
		t_eq(ml_split(&stress.table, va, count * PAGE, (unsigned)below(rungs), NULL),
		     ML_OK);
		break;
	case 1:
	case 2:
		t_eq(ml_fold(&stress.table, va, count * PAGE, stress.table.format->rung_count - 1u,
			     NULL),
		     ML_OK);
		break;
	case 3:
		t_eq(ml_protect(&stress.table, va, count * PAGE, ML_USER, 0, NULL), ML_OK);
		t_eq(ml_protect(&stress.table, va, count * PAGE, ML_USER, ML_USER, NULL), ML_OK);
		break;
	case 4:
		unmap_pages(first, count);
		map_pages(first, count);
		break;
	case 5:
		if (first)
			swap(0, first, count);
		break;
	case 6:
		harvest_protected(first, count);
		break;
	default:
		harvest(first, count);
	}
}

/* ---- the table ---------------------------------------------------------------------------- */

/*
 * Between a break and its make, and between a removal and what follows, users run. Without this
 * they would where each CPU has a thread of its own, and hardly where one thread emulates all.
 */
static void complete(void *cookie, struct ml_op *op)
{
	isa_complete(cookie, op);
	for (unsigned i = 0; i < TURNS; i++)
		isa_relax();
}

/* ---- the test ---------------------------------------------------------------------------- */

static uint64_t unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return BYTES;
}

static bool begin(uint8_t fold)
{
	static struct ml_platform platform;
	const struct ml_table_config wish = { .platform = &platform,
					      .track_ad = true,
					      .ad_unit = unit,
					      .fold = fold,
					      .guaranteed = fold == ML_FOLD_BLOCK };

	platform = board_platform;
	platform.complete = complete;

	for (uint32_t page = 0; page < PAGES; page++) {
		stress.frame[page] = page;
		for (unsigned word = 0; word < WORDS; word++)
			frame_words(page)[word] = BASE + page * PAGE;
	}
	for (unsigned cpu = 0; cpu < BOARD_CPUS; cpu++) {
		users[cpu] = (struct user){ .state = t_random(&stress.state) };
		for (uint32_t page = 0; page < PAGES; page++)
			stress.begun[cpu][page] = 0;
		faults[cpu] = 0;
	}
	stress.harvested = stress.lost = 0;
	if (!t_eq(board_table_init(&stress.table, &wish), ML_OK))
		return false;
	board_use(&stress.table);
	map_pages(0, PAGES);
	board_retry = retry;
	for (unsigned cpu = 1; cpu < board_cpus; cpu++)
		board_start(cpu, run_user, &users[cpu]);
	return true;
}

static uint64_t accesses(const struct user *user)
{
	return __atomic_load_n(&user->loads, __ATOMIC_RELAXED) +
	       __atomic_load_n(&user->stores, __ATOMIC_RELAXED);
}

/* Invalidations that interrupt the users without a pause would leave them no time. */
static void let_users_run(void)
{
	for (unsigned cpu = 1; cpu < board_cpus; cpu++) {
		const uint64_t before = accesses(&users[cpu]);

		while (accesses(&users[cpu]) - before < ACCESSES_A_STEP)
			isa_relax();
	}
}

static void check_users(void)
{
	for (unsigned cpu = 1; cpu < board_cpus; cpu++) {
		T_CONTEXT("user on CPU", cpu);
		__atomic_store_n(&users[cpu].stop, 1, __ATOMIC_RELAXED);
		board_wait(cpu);
		t_eq(stress.ends[cpu].cause, BOARD_CALL);
		if (!t_eq(users[cpu].wrong, 0))
			T_PRINTF("# at 0x%llx it read 0x%llx\n",
				 (unsigned long long)users[cpu].wrong_va,
				 (unsigned long long)users[cpu].wrong_value);
	}
	T_CONTEXT(NULL, 0);
}

static void check_words(void)
{
	uint64_t wrong = 0;

	for (uint32_t page = 0; page < PAGES; page++)
		for (unsigned word = 0; word < WORDS; word++)
			wrong += (frame_words(page)[word] & ~(PAGE - 1)) != BASE + page * PAGE;
	t_eq(wrong, 0);
}

/* What must have happened at all, or nothing was stressed. */
struct seen {
	uint64_t faults, splits, folds, kernel_splits, kernel_folds;
};

static void tell(const char *policy, const struct ml_stats *before, struct seen *seen)
{
	const struct ml_stats *user = &stress.table.stats, *kernel = &board_kernel.stats;
	uint64_t loads = 0, stores = 0, retried = 0;

	for (unsigned cpu = 1; cpu < board_cpus; cpu++) {
		loads += users[cpu].loads;
		stores += users[cpu].stores;
		retried += faults[cpu];
	}
	T_PRINTF("# fold %s: %lu loads, %lu stores, %lu faults tried again; %lu dirty pages "
		 "harvested\n",
		 policy, loads, stores, retried, stress.harvested);
	T_PRINTF("# %lu splits, %lu folds; in the direct map %lu splits, %lu folds\n", user->splits,
		 user->folds, kernel->splits - before->splits, kernel->folds - before->folds);
	t_ok(loads && stores && stress.harvested);
	seen->faults += retried;
	seen->splits += user->splits;
	seen->folds += user->folds;
	seen->kernel_splits += kernel->splits - before->splits;
	seen->kernel_folds += kernel->folds - before->folds;
}

static void end(void)
{
	board_retry = NULL;
	t_eq(ml_table_check(&stress.table, NULL), ML_OK);
	t_eq(ml_table_check(&board_kernel, NULL), ML_OK);
	board_use(NULL);
	ml_table_fini(&stress.table, NULL);
	t_eq(board_pages_used, 0);
}

TEST(users_on_all_cpus_never_see_another_page)
{
	static const char *const policies[] = { "map", "complete", "block" };
	const uint64_t steps = T_OPTION("ML_TEST_STEPS", STEPS);
	struct seen seen = { 0 };

	stress.state = t_seed(20261120);
	if (!board_kernel.hardware_ad)
		T_SKIP("dirty is not set by this CPU");
	if (board_cpus < 2)
		T_SKIP("there is one CPU alone");
	for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
		const struct ml_stats before = board_kernel.stats;

		T_REQUIRE(begin(fold));
		for (uint64_t i = 0; i < steps && !t_state.complaints; i++) {
			step();
			let_users_run();
		}
		check_users();
		harvest(0, PAGES);
		t_eq(stress.lost, 0);
		check_words();
		tell(policies[fold], &before, &seen);
		end();
	}
	t_ok(seen.faults && seen.splits && seen.folds && seen.kernel_splits && seen.kernel_folds);
}
