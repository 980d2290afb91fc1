/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The bodies of tests/mmu on this process's own MMU, by the process port. */
#include "t.h"
