/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * That this board would notice: what is not invalidated is still translated as before, on each
 * CPU, so a test that finds it gone has found that it was invalidated there.
 */
#include "board.h"
#include "bodies.h"

#define VA ((ml_va)2048 << 30)

static void lose(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	(void)what;
}

static void lose_last_page(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct ml_invalidation less = *what;

	less.length -= PAGE;
	isa_invalidate(cookie, op, &less);
}

static bool is_stale(unsigned cpu, ml_va va)
{
	const struct board_trap trap = board_probe(cpu, BOARD_LOAD, true, va, 0);

	return trap.cause == BOARD_CALL;
}

/*
 * Two pages, used by every CPU, then unmapped by a platform that invalidates otherwise. A third
 * one keeps their table: without it, more would have to go.
 */
static void unmap_with(void (*invalidate)(void *, struct ml_op *, const struct ml_invalidation *),
		       void (*check)(void))
{
	struct ml_platform platform = board_platform;
	const struct ml_table_config wish = { .platform = &platform };
	struct ml_table t;

	platform.invalidate = invalidate;
	T_REQUIRE(t_eq(board_table_init(&t, &wish), ML_OK));
	board_use(&t);
	t_eq(ml_map(&t, VA, 3 * PAGE, BOARD_MEMORY_PA, USER_RW, NULL), ML_OK);
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		t_ok(is_stale(cpu, VA) && is_stale(cpu, VA + PAGE));
	t_eq(ml_unmap(&t, VA, 2 * PAGE, NULL), ML_OK);
	check();
	board_use(NULL);
	ml_table_fini(&t, NULL);
}

static void check_all_stale(void)
{
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		t_ok(is_stale(cpu, VA) && is_stale(cpu, VA + PAGE));
}

static void check_last_stale(void)
{
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		t_ok(!is_stale(cpu, VA) && is_stale(cpu, VA + PAGE));
}

static void check_none_stale(void)
{
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		t_ok(!is_stale(cpu, VA) && !is_stale(cpu, VA + PAGE));
}

TEST(a_missing_invalidation_would_be_seen)
{
	unmap_with(lose, check_all_stale);
}

TEST(an_invalidation_one_page_short_would_be_seen)
{
	unmap_with(lose_last_page, check_last_stale);
}

TEST(the_boards_own_invalidation_leaves_nothing)
{
	unmap_with(isa_invalidate, check_none_stale);
}
