/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Hardware that marks an entry at the worst moment. */
#ifndef TESTS_STRIKE_H
#define TESTS_STRIKE_H

#include "rig.h"

/* From now on a page is written to right before the n-th store to the entry that maps it. */
void strike_begin(struct rig *rig, ml_va va, uint64_t n);

/* No more. Whether that was done, and marked the page. */
bool strike_end(void);

/* As a walker that writes: mark the entry dirty at once, if it may be and is not; whether so. */
bool strike_entry(const struct ml_format *format, ml_pte *entry);

#endif
