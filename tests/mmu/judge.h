/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The board's half of a judgement from outside: tell what is mapped, and stay there. */
#ifndef TESTS_MMU_JUDGE_H
#define TESTS_MMU_JUDGE_H

#include <stdbool.h>

/*
 * Fill a table by random operations, print what it must translate, one line each:
 *
 *   judge va 0x... pa 0x...|none    an address, as the flat model has it
 *   judge leaf VA PA LG2-BYTES FLAGS   an entry that is a leaf, of all that the root translates
 *   judge ready
 *
 * and run in user mode on that table for ever, so that a monitor sees it there. A liar tells one
 * frame and one leaf wrong: whoever judges must find both.
 */
_Noreturn void judge_serve(bool lie);

#endif
