/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Putting up address spaces on a board, and answering their faults. */
#include "board_space.h"

#define PAGE_SHIFT 12

uint64_t board_space_faults;

static struct ml_space *used[BOARD_CPUS]; /* on each CPU */
static int locked;

struct ml_frame_pool *board_frames(void)
{
	static uint32_t counts[BOARD_MEMORY_BYTES >> PAGE_SHIFT];
	static struct ml_frame_pool pool;

	if (!pool.memory &&
	    ml_frame_pool_init(&pool, board_pointer(BOARD_MEMORY_PA), BOARD_MEMORY_PA,
			       BOARD_MEMORY_BYTES, PAGE_SHIFT, counts))
		board_die("no frames");
	return &pool;
}

int board_space_init(struct ml_space *s, const struct ml_space_config *wish)
{
	struct ml_space_config config = wish ? *wish : (struct ml_space_config){ 0 };
	int error;

	board_configure(&config.table);
	if (!config.frames) {
		config.frames = &ml_frame_pool_frames;
		config.frames_cookie = board_frames();
	}
	if (!config.last) {
		config.first = BOARD_SPACE_VA;
		config.last = BOARD_SPACE_VA + (BOARD_SPACE_BYTES - 1);
	}
	error = ml_space_init(s, &ISA_FORMAT, &config);
	if (!error)
		board_borrow_kernel(&s->table);
	return error;
}

/* Whoever holds it may be waiting for this CPU to take an invalidation. */
void board_space_lock(void)
{
	while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE))
		isa_relax();
}

void board_space_unlock(void)
{
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
}

bool board_space_answer(const struct board_trap *trap)
{
	static const ml_prot accesses[] = {
		[BOARD_LOAD] = ML_READ,
		[BOARD_STORE] = ML_WRITE,
		[BOARD_FETCH] = ML_EXEC,
	};
	enum ml_fault_result result;

	if (trap->cause == BOARD_CALL || trap->cause >= BOARD_RESERVED)
		return false;
	board_space_lock();
	result = ml_space_fault(used[isa_cpu()], trap->address, accesses[trap->access]);
	board_space_faults++;
	board_space_unlock();
	return result == ML_FAULT_DONE || result == ML_FAULT_SPURIOUS || result == ML_FAULT_RETRY;
}

void board_space_use(struct ml_space *s)
{
	for (unsigned cpu = 0; cpu < BOARD_CPUS; cpu++)
		used[cpu] = s;
	board_retry = s ? board_space_answer : NULL;
	board_use(s ? &s->table : NULL);
}

static void use_here(void *argument)
{
	struct ml_space *s = argument;

	used[isa_cpu()] = s;
	isa_use(ml_table_root(&board_kernel), ml_table_root(&s->table));
}

void board_space_use_on(unsigned cpu, struct ml_space *s)
{
	board_call(cpu, use_here, s);
}
