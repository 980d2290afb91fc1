/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What an operation did, as a word: b break, m make, c change in place, F fill, l link,
 * i invalidate, w wait for completion, a allocate, f free; the same letter in a row once.
 */
#ifndef TESTS_STORY_H
#define TESTS_STORY_H

#include "rig.h"

/* The events since story_begin(). */
extern struct ml_trace story_trace;

/* Hear the rig's events from now on. */
void story_begin(struct rig *rig);

/* Stop hearing; what was heard, until the next call. Barriers are left out. */
const char *story_end(void);

#endif
