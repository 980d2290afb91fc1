/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * User programs on every other CPU live in one space, their faults answered where they are taken,
 * while this CPU unmaps, protects, moves, collapses and forks what they use. On a board of one CPU
 * a program, what is done to it and its fork take turns.
 *
 * A fork shows the program's memory as it was at one moment, and nothing of what comes later.
 *
 * Two areas. In the one nothing may be lost: each program counts in words of its own, and keeps
 * books. In the other everything is lost again and again: a word holds its own address or nothing,
 * and whoever reads anything else reads another page.
 */
#include "board_space.h"
#include "t.h"

#define PAGE ((uint64_t)4096)
#define PAGES 1024u
#define BYTES (PAGES * PAGE)
#define KEPT BOARD_SPACE_VA
#define LOST (BOARD_SPACE_VA + ((uint64_t)1 << 30))
#define SPARE (BOARD_SPACE_VA + ((uint64_t)2 << 30))
#define STEPS 240
#define STEPS_A_FORK 12
#define ROUNDS 200
#define ROUNDS_A_FORK 10
#define ACCESSES_A_STEP 20 /* of each user */
#define CHILD_ACCESSES 100

/* One program: seen by it, and read by this CPU. */
struct user {
	uint64_t state, number;
	uint64_t most; /* accesses; then it ends */
	uint64_t accesses, wrong;
	uint32_t added[PAGES]; /* to its word of each page of KEPT */
};

static struct user users[BOARD_CPUS] BOARD_USER_DATA;

static struct {
	struct ml_space space, child;
	uint64_t state;
	unsigned first, end; /* the space's users; whoever is not 0 is on the CPU of this number */
	uint32_t copy[BOARD_CPUS][PAGES]; /* what the child has of the users' */
	struct board_trap ends[BOARD_CPUS];
} stress;

/* ---- users ----------------------------------------------------------------------------- */

static BOARD_USER_TEXT void use(void *argument)
{
	struct user *user = argument;

	while (user->accesses < __atomic_load_n(&user->most, __ATOMIC_RELAXED)) {
		const uint64_t number = user->state =
			user->state * 6364136223846793005u + 1442695040888963407u;
		const uint64_t page = number >> 33 & (PAGES - 1);
		volatile uint64_t *kept = (uint64_t *)(KEPT + page * PAGE) + user->number;
		volatile uint64_t *lost = (uint64_t *)(LOST + page * PAGE) + user->number;
		const uint64_t value = *lost;

		user->wrong += value && value != (uintptr_t)lost;
		if (number >> 63)
			*lost = (uintptr_t)lost;
		*kept += 1;
		user->added[page]++;
		user->accesses++;
		ISA_YIELD();
	}
	isa_call(0);
}

/* What is not allowed now, or not there, will be: this CPU goes on to change. */
static bool retry(const struct board_trap *trap)
{
	const bool known = trap->address - KEPT < BYTES || trap->address - LOST < BYTES;

	if (board_space_answer(trap))
		return true;
	isa_relax();
	return known && (trap->cause == BOARD_NOT_MAPPED || trap->cause == BOARD_PERMISSION);
}

static void run_user(void *argument)
{
	const struct user *user = argument;

	stress.ends[user->number] = board_run_user(use, argument);
}

/* ---- what is done to them ---------------------------------------------------------------- */

static uint64_t below(uint64_t limit)
{
	return t_random(&stress.state) % limit;
}

static void map(ml_va va, uint64_t bytes)
{
	static const struct ml_region_spec spec = { .prot = ML_RW, .may = ML_RIGHTS };

	t_eq(ml_space_map(&stress.space, va, bytes, &spec, 0, NULL), ML_OK);
}

static void give_back(void)
{
	t_eq(ml_space_protect(&stress.space, KEPT, BYTES, ML_RW), ML_OK);
}

static void move(ml_va from, ml_va to, uint64_t bytes)
{
	t_eq(ml_space_move(&stress.space, from, bytes, bytes, ML_MOVE_MAY | ML_MOVE_FIXED, &to),
	     ML_OK);
}

static void step(void)
{
	static const uint64_t sizes[] = { 1, 1, 16, 40, 512, 512, 1024 };
	const uint64_t pages = sizes[below(7)], bytes = pages * PAGE;
	const uint64_t at = below(PAGES / pages) * bytes;

	switch (below(6)) {
	case 0:
		t_eq(ml_space_advise(&stress.space, LOST + at, bytes, ML_ADVISE_DONTNEED), ML_OK);
		break;
	case 1:
		t_eq(ml_space_unmap(&stress.space, LOST + at, bytes), ML_OK);
		map(LOST + at, bytes);
		break;
	case 2:
		t_eq(ml_space_protect(&stress.space, KEPT + at, bytes, ML_READ), ML_OK);
		break;
	case 3:
		t_eq(ml_space_protect(&stress.space, KEPT + at, bytes, 0), ML_OK);
		break;
	case 4:
		give_back();
		move(KEPT + at, SPARE, bytes);
		move(SPARE, KEPT + at, bytes);
		break;
	default:
		give_back();
	}
}

/* While nobody waits for anything: all of it is written to. */
static void collapse(void)
{
	const ml_va va = KEPT + below(BYTES >> 21) * ((uint64_t)2 << 20);

	t_eq(ml_space_advise(&stress.space, va, (uint64_t)2 << 20, ML_ADVISE_COLLAPSE), ML_OK);
}

/* The word of a user as a space has it. */
static uint64_t word_in(const struct ml_space *s, const struct user *user, uint64_t page)
{
	struct ml_translation leaf;

	if (ml_translate(&s->table, KEPT + page * PAGE, &leaf))
		return 0;
	return ((const volatile uint64_t *)board_pointer(leaf.pa))[user->number];
}

/* It is what users had put there then: they say so after they have. */
static void fork_now(void)
{
	static const struct ml_space_config wish = { .fault_rungs = ~0u };
	uint64_t wrong = 0;

	for (unsigned i = stress.first; i < stress.end; i++)
		for (uint64_t page = 0; page < PAGES; page++)
			stress.copy[i][page] =
				__atomic_load_n(&users[i].added[page], __ATOMIC_ACQUIRE);
	t_eq(board_space_init(&stress.child, &wish), ML_OK);
	t_eq(ml_space_fork(&stress.child, &stress.space), ML_OK);
	for (unsigned i = stress.first; i < stress.end; i++) {
		for (uint64_t page = 0; page < PAGES; page++) {
			const uint64_t word = word_in(&stress.child, &users[i], page);

			wrong += word - stress.copy[i][page] >
				 1 + users[i].added[page] - stress.copy[i][page];
			stress.copy[i][page] = (uint32_t)word;
		}
	}
	t_eq(wrong, 0);
}

/* And so it stays. */
static void end_fork(void)
{
	uint64_t wrong = 0;

	for (unsigned i = stress.first; i < stress.end; i++)
		for (uint64_t page = 0; page < PAGES; page++)
			wrong += word_in(&stress.child, &users[i], page) != stress.copy[i][page];
	t_eq(wrong, 0);
	t_eq(ml_space_check(&stress.child, NULL), ML_OK);
	ml_space_fini(&stress.child);
}

/* ---- the test ---------------------------------------------------------------------------- */

static bool begin(unsigned first, unsigned end)
{
	static const struct ml_space_config wish = { .fault_rungs = ~0u };

	for (unsigned cpu = 0; cpu < BOARD_CPUS; cpu++)
		users[cpu] = (struct user){ .state = t_random(&stress.state), .number = cpu };
	board_space_faults = 0;
	stress.first = first;
	stress.end = end;
	if (!t_eq(board_space_init(&stress.space, &wish), ML_OK))
		return false;
	map(KEPT, BYTES);
	map(LOST, BYTES);
	board_space_use(&stress.space);
	if (first) /* else nobody changes anything beside the program */
		board_retry = retry;
	return true;
}

/* What is in the memory is what its user says that it put there. */
static void check_user(const struct ml_space *s, const struct user *user)
{
	uint64_t different = 0;

	for (uint64_t page = 0; page < PAGES; page++)
		different += word_in(s, user, page) != user->added[page];
	t_eq(different, 0);
	t_eq(user->wrong, 0);
	t_eq(stress.ends[user->number].cause, BOARD_CALL);
}

static void end(void)
{
	struct ml_frame_pool *frames = board_frames();

	t_eq(ml_space_check(&stress.space, NULL), ML_OK);
	t_eq(ml_table_check(&board_kernel, NULL), ML_OK);
	board_space_use(NULL);
	ml_space_fini(&stress.space);
	t_eq(frames->free_pages + frames->object_pages, frames->pages);
	t_eq(board_pages_used, 0);
}

/* One CPU: it changes the program's memory, and then is the program. */
static void take_turns(void)
{
	struct user *user = &users[0];

	step();
	give_back();
	user->most += ACCESSES_A_STEP;
	run_user(user);
	t_eq(stress.ends[0].cause, BOARD_CALL);
	collapse();
}

static void tell(uint64_t accesses, uint64_t least_faults)
{
	T_PRINTF("# %lu accesses, %lu faults answered\n", accesses, board_space_faults);
	t_ok(board_space_faults > least_faults);
}

TEST(a_program_lives_in_a_space)
{
	stress.state = t_seed(20261120);
	T_REQUIRE(begin(0, 1));
	for (uint64_t i = 0; i < ROUNDS && !t_state.complaints; i++)
		take_turns();
	check_user(&stress.space, &users[0]);
	tell(users[0].accesses, ROUNDS);
	end();
}

static void locked(void (*change)(void))
{
	board_space_lock();
	change();
	board_space_unlock();
}

/* Invalidations that interrupt the users without a pause would leave them no time. */
static void let_users_run(void)
{
	locked(give_back);
	for (unsigned cpu = stress.first; cpu < stress.end; cpu++) {
		const uint64_t before = __atomic_load_n(&users[cpu].accesses, __ATOMIC_RELAXED);

		while (__atomic_load_n(&users[cpu].accesses, __ATOMIC_RELAXED) - before <
		       ACCESSES_A_STEP)
			isa_relax();
	}
}

static void start_users(void)
{
	for (unsigned cpu = stress.first; cpu < stress.end; cpu++) {
		users[cpu].most = UINT64_MAX;
		board_start(cpu, run_user, &users[cpu]);
	}
}

static void stop_users(uint64_t least_faults)
{
	uint64_t accesses = 0;

	for (unsigned cpu = stress.first; cpu < stress.end; cpu++) {
		__atomic_store_n(&users[cpu].most, 0, __ATOMIC_RELAXED);
		board_wait(cpu);
		T_CONTEXT("user on CPU", cpu);
		check_user(&stress.space, &users[cpu]);
		accesses += users[cpu].accesses;
	}
	T_CONTEXT(NULL, 0);
	tell(accesses, least_faults);
}

TEST(programs_on_all_cpus_share_a_space)
{
	const uint64_t steps = T_OPTION("ML_TEST_STEPS", STEPS);

	stress.state = t_seed(20261120);
	if (board_cpus < 2)
		T_SKIP("there is one CPU alone");
	T_REQUIRE(begin(1, board_cpus));
	start_users();
	for (uint64_t i = 0; i < steps && !t_state.complaints; i++) {
		locked(step);
		if (i % 4 == 0) {
			let_users_run();
			locked(collapse);
		}
	}
	let_users_run();
	stop_users(steps);
	end();
}

/* The child's program counts in words that the parent's have not. */
static void run_child(unsigned number, unsigned cpu)
{
	struct user *user = &users[number];
	uint64_t wrong = 0;

	*user = (struct user){ .state = t_random(&stress.state),
			       .number = number,
			       .most = CHILD_ACCESSES };
	board_space_use_on(cpu, &stress.child);
	if (cpu == isa_cpu()) {
		run_user(user);
	} else {
		board_start(cpu, run_user, user);
		let_users_run();
		board_wait(cpu);
	}
	board_space_use_on(cpu, &stress.space);
	check_user(&stress.child, user);
	for (uint64_t page = 0; page < PAGES; page++)
		wrong += word_in(&stress.space, user, page);
	t_eq(wrong, 0);
}

TEST(a_program_and_its_forks_take_turns)
{
	stress.state = t_seed(20261120);
	T_REQUIRE(begin(0, 1));
	for (uint64_t i = 0; i < ROUNDS / ROUNDS_A_FORK && !t_state.complaints; i++) {
		take_turns();
		fork_now();
		take_turns();
		run_child(1, isa_cpu());
		take_turns();
		end_fork();
	}
	check_user(&stress.space, &users[0]);
	tell(users[0].accesses, ROUNDS);
	end();
}

TEST(forks_run_beside_their_parent)
{
	const uint64_t forks = T_OPTION("ML_TEST_STEPS", STEPS) / STEPS_A_FORK + 1;
	const unsigned last = board_cpus - 1;

	stress.state = t_seed(20261120);
	if (board_cpus < 3)
		T_SKIP("there are two CPUs at most");
	T_REQUIRE(begin(1, last));
	start_users();
	for (uint64_t i = 0; i < forks && !t_state.complaints; i++) {
		let_users_run();
		locked(fork_now);
		run_child(last, last);
		locked(end_fork);
	}
	stop_users(forks);
	end();
}
