/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Mistakes that once were made with groups of others (arm64): their members may say that the
 * privileged mode executes what the user writes. It never does (Arm ARM D8.4.1), and to keep it so
 * when writing goes, they change in more than that: members of a live group must not.
 */
#include <maxleaf/pte.h>

#include "support/rig.h"
#include "t.h"

#define PAGE ((uint64_t)4096)
#define COUNT 16
#define GROUP (COUNT * PAGE)
#define TABLES 10

#define VALID ((ml_pte)1)
#define CONTIGUOUS ((ml_pte)1 << 52)
#define PXN ((ml_pte)1 << 53)

static struct rig boot;
static struct ml_table table;

/* Stores that left members of a live group, seen by walkers, that differ in who may execute. */
static unsigned torn;

static void look(void *cookie, const struct ml_event *event)
{
	const ml_pte changed = event->old ^ event->value;

	(void)cookie;
	if (event->kind != ML_EVENT_STORE && event->kind != ML_EVENT_EXCHANGE)
		return;
	torn += event->old & event->value & VALID && event->old & CONTIGUOUS && changed & PXN;
}

/* A group of boot code's, which the user may write, and a live table that has adopted it. */
static ml_pte *put_up(uint8_t bbm)
{
	struct ml_table_config config = { .live = true, .hardware_ad = true, .bbm = bbm };
	ml_pte *p;

	t_eq(rig_open(&boot, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&boot.table, 0, GROUP, 0, ML_RW | ML_USER, NULL), ML_OK);
	p = ml_pte_pointer(&boot.table, 0, 0);
	for (unsigned i = 0; i < COUNT; i++)
		p[i] &= ~PXN;
	config.platform = &boot.arena->platform;
	config.cookie = boot.arena;
	config.levels = boot.facts->levels;
	t_eq(ml_table_adopt(&table, boot.facts->format, &config, ml_table_root(&boot.table),
			    TABLES),
	     ML_OK);
	return p;
}

static void take_down(void)
{
	t_eq(torn, 0);
	t_eq(ml_table_check(&table, NULL), ML_OK);
	ml_table_fini(&table, NULL);
}

static void listen(void)
{
	static struct ml_trace trace;

	torn = 0;
	trace.watch = look;
	trace.forget = true;
	ml_trace_to(&trace);
}

/* Nobody may write any more, and the privileged mode executes no more than before. */
static void is_protected(const ml_pte *p, unsigned first, unsigned count)
{
	ml_trace_to(NULL);
	for (unsigned i = 0; i < COUNT; i++) {
		const ml_prot prot = ml_pte_prot(&table, p[i], 0);
		const bool inside = i >= first && i < first + count;

		t_eq(prot & (ML_WRITE | ML_PEXEC), inside ? 0 : ML_WRITE);
		t_eq(p[i] & (PXN | CONTIGUOUS), inside ? p[0] & CONTIGUOUS ? PXN | CONTIGUOUS : PXN
						       : p[i] & (PXN | CONTIGUOUS));
	}
}

TEST(protecting_changed_who_executes_in_place)
{
	for (uint8_t bbm = 0; bbm <= 2; bbm++)
		for (unsigned first = 0; first < COUNT; first += 5) {
			const unsigned count = first ? COUNT - first : COUNT;
			ml_pte *p = put_up(bbm);

			T_CONTEXT("bbm", bbm);
			listen();
			t_eq(ml_protect(&table, first * PAGE, count * PAGE, ML_WRITE, 0, NULL),
			     ML_OK);
			is_protected(p, first, count);
			take_down();
		}
}

TEST(protecting_entries_changed_who_executes_in_place)
{
	for (uint8_t bbm = 0; bbm <= 2; bbm++)
		for (unsigned first = 0; first < COUNT; first += 5) {
			const unsigned count = first ? COUNT - first : COUNT;
			ml_pte *p = put_up(bbm);

			T_CONTEXT("bbm", bbm);
			listen();
			ml_wrprotect_ptes(&table, first * PAGE, p + first, 0, count);
			is_protected(p, first, count);
			take_down();
		}
}

TEST(copying_changed_who_executes_in_place)
{
	for (uint8_t bbm = 0; bbm <= 2; bbm++) {
		ml_pte *p = put_up(bbm);
		struct rig copy;

		T_CONTEXT("bbm", bbm);
		t_eq(rig_open(&copy, WORLD_ARM_LOW, NULL), ML_OK);
		listen();
		t_eq(ml_copy(&copy.table, &table, 0, GROUP, ML_WRITE, ML_WRITE, NULL), ML_OK);
		is_protected(p, 0, COUNT);
		t_ok(rig_close(&copy));
		take_down();
	}
}

TEST(changing_a_mark_and_writing_changed_who_executes_in_place)
{
	ml_pte *p = put_up(0);

	listen();
	t_eq(ml_protect(&table, 0, GROUP, ML_WRITE | ML_DIRTY, 0, NULL), ML_OK);
	is_protected(p, 0, COUNT);
	take_down();
}

/* Writing was given, and who executes not taken: a group of such entries was as those of others. */
TEST(giving_write_left_execution)
{
	const struct ml_table_config wish = { .live = true, .fold = ML_FOLD_COMPLETE };
	const ml_prot prot = ML_READ | ML_USER | ML_PEXEC;
	ml_pte *p, pte, more;

	t_eq(rig_open(&boot, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&boot.table, 0, PAGE, 0, prot, NULL), ML_OK);
	p = ml_pte_pointer(&boot.table, 0, 0);
	t_eq(ml_pte_make(&boot.table, 0, ML_RW | ML_USER, 0, &more), ML_OK);
	t_eq(p[0] & PXN, 0);
	t_ok(ml_ptep_set_access_flags(&boot.table, 0, p, 0, more, true));
	pte = p[0];
	t_eq(pte & PXN, PXN);
	t_eq(ml_pte_prot(&boot.table, pte, 0) & (prot | ML_WRITE), ML_RW | ML_USER);
	t_ok(rig_close(&boot));
}
