/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Programs that live in address spaces, on this machine's own MMU: their loads and stores are
 * instructions of this process, and what faults goes to ml_space_fault(). A fork is another window
 * onto the same physical memory, with the same addresses in it.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <maxleaf/frames.h>
#include <maxleaf/process.h>

#include "t.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define PAGE (4 * KIB)
#define WINDOW_BYTES (64 * MIB)
#define MEMORY_BYTES (64 * MIB)
#define MEMORY_PA (256 * MIB)
#define SIZES 0x1fu /* of anonymous memory: all that fit */

/* The machine: memory, and one lock for all spaces on it. */
static struct {
	struct ml_frame_pool frames;
	pthread_mutex_t lock;
	char *view;
	uint32_t counts[MEMORY_BYTES / PAGE];
} machine = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct program {
	struct ml_process process;
	struct ml_space space;
	enum ml_fault_result result; /* of its last fault */
	bool forgive;                /* what is not allowed at the moment: try again until it is */
};

/* ---- putting up --------------------------------------------------------------------- */

static bool answer(void *cookie, ml_va va, ml_prot access)
{
	struct program *program = cookie;
	enum ml_fault_result result;

	pthread_mutex_lock(&machine.lock);
	result = ml_space_fault(&program->space, va, access);
	program->result = result;
	pthread_mutex_unlock(&machine.lock);
	if (program->forgive && result != ML_FAULT_NO_MEMORY) {
		sched_yield();
		return true;
	}
	return result == ML_FAULT_DONE || result == ML_FAULT_SPURIOUS;
}

/* The first program brings the machine with it. */
static bool make_machine(const struct program *first)
{
	void *view = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			  first->process.memory_fd, 0);

	if (!t_ok(view != MAP_FAILED))
		return false;
	machine.view = view;
	return t_eq(ml_frame_pool_init(&machine.frames, view, MEMORY_PA, MEMORY_BYTES, 12,
				       machine.counts),
		    ML_OK);
}

/* parent: NULL, or whose memory and addresses it has. */
static bool begin(struct program *program, struct program *parent,
		  const struct ml_table_config *wish)
{
	const struct ml_process_config config = {
		.window_bytes = WINDOW_BYTES,
		.window_va = parent ? parent->process.window_va : 0,
		.memory_bytes = parent ? 0 : MEMORY_BYTES,
		.memory_pa = MEMORY_PA,
		.memory_of = parent ? &parent->process : NULL,
		.fault = answer,
		.fault_cookie = program,
	};
	struct ml_space_config space = { .fault_rungs = SIZES };

	alarm(120); /* a fault that is never answered repeats for ever */
	*program = (struct program){ .result = ML_FAULT_DONE };
	if (!t_eq(ml_process_init(&program->process, &config), ML_OK))
		return false;
	if (!parent && !make_machine(program))
		return false;
	space.table = wish ? *wish : space.table;
	ml_process_configure(&program->process, &space.table);
	space.frames = &ml_frame_pool_frames;
	space.frames_cookie = &machine.frames;
	space.first = program->process.window_va;
	space.last = space.first + (WINDOW_BYTES - 1);
	return t_eq(ml_space_init(&program->space, ml_process_format(), &space), ML_OK) &&
	       t_eq(ml_process_attach(&program->process, &program->space.table), ML_OK);
}

static void end(struct program *program)
{
	const bool last = !program->process.memory_bytes || program->process.owns_memory;

	pthread_mutex_lock(&machine.lock);
	t_eq(ml_space_check(&program->space, NULL), ML_OK);
	ml_process_detach(&program->process, &program->space.table);
	ml_space_fini(&program->space);
	pthread_mutex_unlock(&machine.lock);
	t_eq(program->process.pool.used, 0);
	if (last) {
		t_eq(machine.frames.free_pages + machine.frames.object_pages, machine.frames.pages);
		t_eq(machine.frames.objects_used, 0);
		munmap(machine.view, MEMORY_BYTES);
	}
	ml_process_fini(&program->process);
}

/* ---- what programs do ------------------------------------------------------------------ */

static ml_va va_of(const struct program *program, uint64_t offset)
{
	return program->process.window_va + offset;
}

/* A word of the window, as this process reaches it. */
static volatile uint64_t *word(const struct program *program, uint64_t offset)
{
	return (volatile uint64_t *)(void *)(program->process.window + offset);
}

/* A number that faults change: they are no calls that a compiler would see. */
static uint64_t now(const uint64_t *number)
{
	return *(const volatile uint64_t *)number;
}

static uint64_t free_frames(void)
{
	return now(&machine.frames.free_pages);
}

static int map(struct program *program, uint64_t offset, uint64_t length)
{
	static const struct ml_region_spec spec = { .prot = ML_RW, .may = ML_RIGHTS };

	return ml_space_map(&program->space, va_of(program, offset), length, &spec, 0, NULL);
}

static int protect(struct program *program, uint64_t offset, uint64_t length, ml_prot prot)
{
	return ml_space_protect(&program->space, va_of(program, offset), length, prot);
}

/* The access is refused, and for this reason. */
static bool refused(struct program *program, enum ml_process_access access, uint64_t offset,
		    enum ml_fault_result reason)
{
	uint64_t value = 0;

	return t_eq(ml_process_probe(&program->process, access, va_of(program, offset), &value),
		    ML_ERR_REFUSED) &&
	       t_eq(program->result, reason);
}

static uint64_t leaves(const struct program *program, unsigned shift)
{
	const struct ml_format *f = program->space.table.format;
	struct ml_space_stats stats;
	unsigned rung = 0;

	ml_space_stats(&program->space, &stats);
	while (rung < f->rung_count && f->rungs[rung].shift != shift)
		rung++;
	return rung < f->rung_count ? stats.leaves[rung] : 0;
}

/* ---- one program ------------------------------------------------------------------------ */

TEST(memory_appears_where_it_is_touched)
{
	struct program p;
	uint64_t at;

	T_REQUIRE(begin(&p, NULL, NULL));
	t_eq(map(&p, 0, 8 * MIB), ML_OK);
	t_eq(map(&p, 32 * MIB, 5 * PAGE), ML_OK);
	for (at = 0; at < 4 * MIB; at += PAGE)
		t_eq(*word(&p, at), 0);
	for (at = 0; at < 5 * PAGE; at += 8)
		*word(&p, 32 * MIB + at) = at;
	t_eq(leaves(&p, 21), 2);
	t_eq(leaves(&p, 12), 5);
	t_eq(now(&p.process.stats.asked), 7);
	t_eq(now(&p.process.stats.refused), 0);
	for (at = 0; at < 5 * PAGE; at += 8)
		t_eq(*word(&p, 32 * MIB + at), at);
	t_ok(refused(&p, ML_PROCESS_LOAD, 32 * MIB + 5 * PAGE, ML_FAULT_NO_REGION));
	t_ok(refused(&p, ML_PROCESS_STORE, 8 * MIB, ML_FAULT_NO_REGION));
	t_ok(refused(&p, ML_PROCESS_FETCH, 0, ML_FAULT_ACCESS));
	t_eq(now(&p.process.stats.refused), 3);
	end(&p);
}

TEST(rights_are_those_of_the_region)
{
	struct program p;

	T_REQUIRE(begin(&p, NULL, NULL));
	t_eq(map(&p, 0, 4 * MIB), ML_OK);
	*word(&p, 0) = 1;
	*word(&p, MIB) = 2;
	t_eq(protect(&p, MIB, PAGE, ML_READ), ML_OK);
	t_ok(refused(&p, ML_PROCESS_STORE, MIB, ML_FAULT_ACCESS));
	t_eq(*word(&p, MIB), 2);
	*word(&p, MIB - 8) = 3;
	*word(&p, MIB + PAGE) = 4;
	t_eq(protect(&p, MIB, PAGE, 0), ML_OK);
	t_ok(refused(&p, ML_PROCESS_LOAD, MIB, ML_FAULT_ACCESS));
	t_eq(protect(&p, 0, 4 * MIB, ML_RW), ML_OK);
	*word(&p, MIB) += 5;
	t_eq(*word(&p, MIB), 7);
	t_eq(*word(&p, 0) + *word(&p, MIB - 8) + *word(&p, MIB + PAGE), 8);
	t_eq(ml_space_unmap(&p.space, va_of(&p, MIB), PAGE), ML_OK);
	t_ok(refused(&p, ML_PROCESS_LOAD, MIB, ML_FAULT_NO_REGION));
	t_eq(*word(&p, MIB + PAGE), 4);
	t_eq(map(&p, MIB, PAGE), ML_OK);
	t_eq(*word(&p, MIB), 0);
	end(&p);
}

/* What the program did since the last time, a bit for each page. */
static void harvested(struct program *p, uint64_t accessed, uint64_t dirty)
{
	uint64_t seen[2] = { 0, 0 };
	struct ml_harvest harvest = { .accessed = &seen[0],
				      .dirty = &seen[1],
				      .clear = ML_PROT_AD };

	t_eq(ml_harvest(&p->space.table, va_of(p, 0), 8 * PAGE, &harvest, NULL), ML_OK);
	t_eq(seen[0], accessed);
	t_eq(seen[1], dirty);
}

static uint64_t unit(void *cookie, ml_pa pa)
{
	(void)cookie;
	(void)pa;
	return PAGE;
}

TEST(marks_are_what_the_program_did)
{
	const struct ml_table_config wish = { .track_ad = true, .ad_unit = unit };
	struct program p;
	uint64_t at;

	T_REQUIRE(begin(&p, NULL, &wish));
	t_eq(map(&p, 0, 8 * PAGE), ML_OK);
	for (at = 0; at < 4; at++)
		*word(&p, at * PAGE) = at;
	for (at = 3; at < 7; at++)
		t_eq(*word(&p, at * PAGE), at & 3 & -(at < 4));
	harvested(&p, 0x7f, 0x0f);
	harvested(&p, 0, 0);
	t_eq(*word(&p, PAGE), 1);
	*word(&p, 6 * PAGE) = 6;
	harvested(&p, 0x42, 0x40);
	*word(&p, PAGE) += 2;
	harvested(&p, 0x02, 0x02);
	t_eq(*word(&p, PAGE), 3);
	end(&p);
}

TEST(memory_goes_where_it_is_moved)
{
	struct program p;
	ml_va va;

	T_REQUIRE(begin(&p, NULL, NULL));
	t_eq(map(&p, 0, 2 * MIB), ML_OK);
	*word(&p, 0) = 1;
	*word(&p, 2 * MIB - 8) = 2;
	va = va_of(&p, 8 * MIB);
	t_eq(ml_space_move(&p.space, va_of(&p, 0), 2 * MIB, 2 * MIB, ML_MOVE_MAY | ML_MOVE_FIXED,
			   &va),
	     ML_OK);
	t_eq(leaves(&p, 21), 1);
	t_eq(*word(&p, 8 * MIB), 1);
	t_eq(*word(&p, 10 * MIB - 8), 2);
	t_ok(refused(&p, ML_PROCESS_LOAD, 0, ML_FAULT_NO_REGION));
	t_eq(ml_space_move(&p.space, va, 2 * MIB, 4 * MIB, 0, &va), ML_OK);
	*word(&p, 12 * MIB - 8) += 3;
	t_eq(*word(&p, 12 * MIB - 8), 3);
	t_eq(ml_space_move(&p.space, va, 4 * MIB, PAGE, 0, &va), ML_OK);
	t_ok(refused(&p, ML_PROCESS_STORE, 8 * MIB + PAGE, ML_FAULT_NO_REGION));
	t_eq(*word(&p, 8 * MIB), 1);
	end(&p);
}

/* ---- threads ------------------------------------------------------------------------------ */

#define USERS 3
#define KEPT 0          /* nothing is ever lost there, */
#define LOST (32 * MIB) /* and there everything, again and again */
#define SPARE (48 * MIB)
#define AREA (4 * MIB)
#define AREA_PAGES (AREA / PAGE)
#define STEPS 240
#define ACCESSES 3000 /* of one user, every fourth step: most pages are written to */

/* One thread: word `number` of each page is its own. */
struct user {
	struct program *program;
	unsigned number;
	bool stop;
	uint64_t state;
	uint32_t added[AREA_PAGES];
	uint64_t accesses, wrong;
};

/* A word of what is lost holds its own address or nothing. */
static void *use(void *argument)
{
	struct user *user = argument;

	while (!__atomic_load_n(&user->stop, __ATOMIC_RELAXED)) {
		const uint64_t random = t_random(&user->state), page = random % AREA_PAGES;
		const uint64_t at = page * PAGE + user->number * 8;
		volatile uint64_t *lost = word(user->program, LOST + at);
		const uint64_t value = *lost;

		user->wrong += value && value != (uintptr_t)lost;
		if (random >> 63)
			*lost = (uintptr_t)lost;
		*word(user->program, KEPT + at) += 1;
		user->added[page]++;
		__atomic_fetch_add(&user->accesses, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
	return t_random(state) % limit;
}

static int move(struct program *p, uint64_t from, uint64_t to, uint64_t bytes)
{
	ml_va va = va_of(p, to);

	return ml_space_move(&p->space, va_of(p, from), bytes, bytes, ML_MOVE_MAY | ML_MOVE_FIXED,
			     &va);
}

/* Out of one region: what is used there faults until it is back. */
static void there_and_back(struct program *p, uint64_t at, uint64_t bytes)
{
	t_eq(protect(p, KEPT, AREA, ML_RW), ML_OK);
	t_eq(move(p, at, SPARE, bytes), ML_OK);
	t_eq(move(p, SPARE, at, bytes), ML_OK);
}

/* What happens to memory while it is used; under the lock. */
static void step(struct program *p, uint64_t *state)
{
	static const uint64_t sizes[] = { 1, 1, 16, 33, 512, 512, 1024 };
	const uint64_t pages = sizes[below(state, 7)];
	const uint64_t at = below(state, AREA_PAGES / pages) * pages * PAGE, bytes = pages * PAGE;
	const ml_va lost = va_of(p, LOST + at);

	switch (below(state, 5)) {
	case 4:
		there_and_back(p, KEPT + at, bytes);
		break;
	case 0:
		t_eq(ml_space_advise(&p->space, lost, bytes, ML_ADVISE_DONTNEED), ML_OK);
		break;
	case 1:
		t_eq(ml_space_unmap(&p->space, lost, bytes), ML_OK);
		t_eq(map(p, LOST + at, bytes), ML_OK);
		break;
	case 2:
		t_eq(protect(p, KEPT + at, bytes, ML_READ), ML_OK);
		break;
	default:
		t_eq(protect(p, KEPT + at, bytes, 0), ML_OK);
	}
}

/* While nobody waits for anything: all of it is written to. */
static void collapse(struct program *p, uint64_t *state)
{
	const uint64_t at = below(state, AREA / (2 * MIB)) * 2 * MIB;

	t_eq(ml_space_advise(&p->space, va_of(p, KEPT + at), 2 * MIB, ML_ADVISE_COLLAPSE), ML_OK);
}

static void locked(struct program *p, void (*change)(struct program *p, uint64_t *state),
		   uint64_t *state)
{
	pthread_mutex_lock(&machine.lock);
	change(p, state);
	pthread_mutex_unlock(&machine.lock);
}

/* All that users wait for is there. */
static void give_back(struct program *p, uint64_t *state)
{
	(void)state;
	t_eq(protect(p, KEPT, AREA, ML_RW), ML_OK);
}

/* Who changes without a pause leaves no time to use what there is. */
static void wait_for(const struct user *user)
{
	const uint64_t before = __atomic_load_n(&user->accesses, __ATOMIC_RELAXED);

	while (__atomic_load_n(&user->accesses, __ATOMIC_RELAXED) - before < ACCESSES)
		sched_yield();
}

static struct user users[USERS];
static pthread_t threads[USERS];

static void start_users(struct program *p, uint64_t *state)
{
	t_eq(map(p, KEPT, AREA), ML_OK);
	t_eq(map(p, LOST, AREA), ML_OK);
	p->forgive = true;
	for (unsigned i = 0; i < USERS; i++) {
		users[i] = (struct user){ .program = p, .number = i, .state = t_random(state) };
		t_eq(pthread_create(&threads[i], NULL, use, &users[i]), 0);
	}
}

/* What is in the memory is what they say that they put there. */
static void stop_users(struct program *p)
{
	uint64_t accesses = 0;

	for (unsigned i = 0; i < USERS; i++) {
		uint64_t different = 0;

		__atomic_store_n(&users[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(threads[i], NULL);
		for (uint64_t page = 0; page < AREA_PAGES; page++)
			different += *word(p, KEPT + page * PAGE + i * 8) != users[i].added[page];
		t_eq(different, 0);
		t_eq(users[i].wrong, 0);
		accesses += users[i].accesses;
	}
	printf("# %llu accesses, %llu faults asked, %llu fills\n", (unsigned long long)accesses,
	       (unsigned long long)p->process.stats.asked,
	       (unsigned long long)p->process.stats.fills);
}

TEST(threads_use_what_another_changes)
{
	uint64_t state = t_seed(20261120);
	struct program p;

	T_REQUIRE(begin(&p, NULL, NULL));
	start_users(&p, &state);
	for (unsigned i = 0; i < STEPS; i++) {
		locked(&p, step, &state);
		if (i % 4 == 0) {
			locked(&p, give_back, &state);
			wait_for(&users[i / 4 % USERS]);
			locked(&p, collapse, &state);
		}
	}
	locked(&p, give_back, &state);
	stop_users(&p);
	end(&p);
}

/* ---- forks -------------------------------------------------------------------------------- */

#define OWN (USERS * 8) /* a word of each page that no user has */
#define FORKS 16

TEST(a_fork_lives_in_a_window_of_its_own)
{
	struct program p, q;
	uint64_t at, frames;

	T_REQUIRE(begin(&p, NULL, NULL));
	t_eq(map(&p, 0, 4 * MIB), ML_OK);
	for (at = 0; at < 4 * MIB; at += PAGE)
		*word(&p, at) = at;
	T_REQUIRE(begin(&q, &p, NULL));
	frames = free_frames();
	t_eq(ml_space_fork(&q.space, &p.space), ML_OK);
	t_eq(free_frames(), frames);
	t_ok(p.process.window != q.process.window);
	for (at = 0; at < 4 * MIB; at += PAGE)
		t_eq(*word(&q, at), at);
	t_eq(leaves(&q, 21), 2);
	*word(&q, PAGE) = 1;
	*word(&p, 2 * PAGE) = 2;
	t_eq(free_frames(), frames - 2);
	t_eq(*word(&p, PAGE), PAGE);
	t_eq(*word(&q, 2 * PAGE), 2 * PAGE);
	t_eq(leaves(&q, 21), 1);
	end(&q);
	*word(&p, 3 * PAGE) = 3; /* nobody else's any more */
	t_eq(free_frames(), frames);
	t_eq(*word(&p, 2 * PAGE), 2);
	end(&p);
}

static void fork_into(struct program *p, struct program *q)
{
	pthread_mutex_lock(&machine.lock);
	t_eq(ml_space_fork(&q->space, &p->space), ML_OK);
	pthread_mutex_unlock(&machine.lock);
}

/* What the child has of the users' is what they had put there at one moment. */
static void check_copy(struct program *q, uint32_t copy[USERS][AREA_PAGES],
		       uint32_t before[USERS][AREA_PAGES])
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < USERS; i++) {
		for (uint64_t page = 0; page < AREA_PAGES; page++) {
			const uint64_t value = *word(q, KEPT + page * PAGE + i * 8);
			const uint32_t after =
				__atomic_load_n(&users[i].added[page], __ATOMIC_ACQUIRE);

			wrong += value < before[i][page] || value > after + 1ull;
			copy[i][page] = (uint32_t)value;
		}
	}
	t_eq(wrong, 0);
}

/* The child lives on its own: what it has changes by nobody but itself. */
static void live_apart(struct program *q, uint32_t copy[USERS][AREA_PAGES], uint64_t mark)
{
	uint64_t wrong = 0;

	for (uint64_t page = 0; page < AREA_PAGES; page += 1 + page % 3)
		*word(q, KEPT + page * PAGE + OWN) = mark + page;
	wait_for(&users[mark % USERS]);
	for (uint64_t page = 0; page < AREA_PAGES; page++)
		for (unsigned i = 0; i < USERS; i++)
			wrong += *word(q, KEPT + page * PAGE + i * 8) != copy[i][page];
	for (uint64_t page = 0; page < AREA_PAGES; page += 1 + page % 3)
		wrong += *word(q, KEPT + page * PAGE + OWN) != mark + page;
	t_eq(wrong, 0);
}

TEST(forks_of_a_program_that_goes_on)
{
	static uint32_t before[USERS][AREA_PAGES], copy[USERS][AREA_PAGES];
	uint64_t state = t_seed(20261120), page, wrong = 0;
	struct program p, q;

	T_REQUIRE(begin(&p, NULL, NULL));
	start_users(&p, &state);
	for (unsigned i = 0; i < FORKS; i++) {
		wait_for(&users[i % USERS]);
		T_REQUIRE(begin(&q, &p, NULL));
		for (unsigned j = 0; j < USERS; j++)
			for (page = 0; page < AREA_PAGES; page++)
				before[j][page] =
					__atomic_load_n(&users[j].added[page], __ATOMIC_ACQUIRE);
		fork_into(&p, &q);
		check_copy(&q, copy, before);
		live_apart(&q, copy, i + 1);
		end(&q);
	}
	stop_users(&p);
	for (page = 0; page < AREA_PAGES; page++)
		wrong += *word(&p, KEPT + page * PAGE + OWN) != 0;
	t_eq(wrong, 0);
	end(&p);
}
