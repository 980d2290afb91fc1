/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Address spaces on a board: the kernel borrowed where it lives in the same root, frames of
 * BOARD_MEMORY, and the faults of user programs answered, on whatever CPU they are taken.
 */
#ifndef QEMU_BOARD_SPACE_H
#define QEMU_BOARD_SPACE_H

#include <maxleaf/frames.h>

#include "board.h"

/* Where user programs find addresses, unless they are told others. */
#define BOARD_SPACE_VA ((ml_va)2048 << 30)
#define BOARD_SPACE_BYTES ((uint64_t)64 << 30)

/* All of BOARD_MEMORY. */
struct ml_frame_pool *board_frames(void);

/*
 * Initialise a space: the table's part of the configuration as board_table_init() does, frames,
 * their cookie and the addresses where `wish` (NULL: zero) has none.
 */
int board_space_init(struct ml_space *s, const struct ml_space_config *wish);

/*
 * Load it on every CPU (NULL: none). From now on the faults of user programs are the space's to
 * answer; those that it cannot answer end the program.
 */
void board_space_use(struct ml_space *s);

/* On one CPU, which may be another program's than the rest. */
void board_space_use_on(unsigned cpu, struct ml_space *s);

/* The answer itself, for a board_retry of the caller's. True: try again. */
bool board_space_answer(const struct board_trap *trap);

/* Of all spaces and their frames; a CPU that waits for it takes interrupts. */
void board_space_lock(void);
void board_space_unlock(void);

/* Faults that were answered, on all CPUs. */
extern uint64_t board_space_faults;

#endif
