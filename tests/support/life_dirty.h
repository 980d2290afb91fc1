/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the processes of a life.h program have written to the file that they share, and what its
 * owner hears of it: each such page is dirty in a leaf of the process that wrote, or its owner has
 * been told.
 */
#ifndef TESTS_LIFE_DIRTY_H
#define TESTS_LIFE_DIRTY_H

#include "life_homes.h"

/* The owner listens; call it before life_homes_open(). */
void life_dirty_wish(struct ml_space_config *config);

/* A new program; to one at a time. */
void life_dirty_begin(struct life_homes *homes);

/* The action is done. NULL, or what was wrong. */
const char *life_dirty_check(const struct life_action *a, int found);

/* Pages that the owner has been told of since the program began. */
uint64_t life_dirty_heard(void);

#endif
