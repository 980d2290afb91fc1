/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The umbrella: nothing but includes. */
#ifndef MAXLEAF_H
#define MAXLEAF_H

#include <maxleaf/types.h>
#include <maxleaf/format.h>
#include <maxleaf/tlb.h>
#include <maxleaf/platform.h>
#include <maxleaf/pool.h>
#include <maxleaf/table.h>
#include <maxleaf/pte.h>
#include <maxleaf/space.h>
#include <maxleaf/frames.h>

#endif
