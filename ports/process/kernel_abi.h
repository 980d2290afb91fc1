/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Numbers of the Linux system call interface that the C library's headers may be too old
 * to know. They are fixed for ever by the kernel; older kernels answer EINVAL or ENOTTY.
 */
#ifndef ML_PROCESS_KERNEL_ABI_H
#define ML_PROCESS_KERNEL_ABI_H

#include <linux/ioctl.h>
#include <stdint.h>

/* madvise() */
#define KERNEL_MADV_POPULATE_READ 22  /* 5.14 */
#define KERNEL_MADV_POPULATE_WRITE 23 /* 5.14 */
#define KERNEL_MADV_COLLAPSE 25       /* 6.1 */

/* memfd_create() */
#define KERNEL_MFD_EXEC 0x0010u /* 6.3 */

/* ioctl() on /proc/PID/pagemap, 6.7 */
#define KERNEL_PAGE_IS_PRESENT ((uint64_t)1 << 3)
#define KERNEL_PAGE_IS_HUGE ((uint64_t)1 << 6)

struct kernel_page_region {
	uint64_t start, end;
	uint64_t categories;
};

struct kernel_pagemap_scan {
	uint64_t size;
	uint64_t flags;
	uint64_t start, end;
	uint64_t walk_end; /* out */
	uint64_t vector, vector_count;
	uint64_t pages_most;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_any_mask;
	uint64_t return_mask;
};

#define KERNEL_PAGEMAP_SCAN _IOWR('f', 16, struct kernel_pagemap_scan)

#endif
