/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the kernel really mapped: read back through PAGEMAP_SCAN, or from smaps where the
 * kernel is older. KernelPageSize says 4 kB for huge mappings of a memfd, so it is not used.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "kernel_abi.h"

#define REGIONS 64

static bool scan_step(int fd, struct kernel_pagemap_scan *scan, struct ml_process_sizes *sizes)
{
	struct kernel_page_region regions[REGIONS];
	int i, count;

	scan->vector = (uintptr_t)regions;
	scan->vector_count = REGIONS;
	count = ioctl(fd, KERNEL_PAGEMAP_SCAN, scan);
	for (i = 0; i < count; i++) {
		uint64_t bytes = regions[i].end - regions[i].start;

		if (regions[i].categories & KERNEL_PAGE_IS_PRESENT)
			sizes->present += bytes;
		if (regions[i].categories & KERNEL_PAGE_IS_HUGE)
			sizes->huge += bytes;
	}
	/* Every step gets further, or this is not the interface it is taken for. */
	return count >= 0 && scan->walk_end > scan->start;
}

bool ml_process_confirm_scan(ml_va va, uint64_t len, struct ml_process_sizes *sizes)
{
	uint64_t asked = KERNEL_PAGE_IS_PRESENT | KERNEL_PAGE_IS_HUGE;
	struct ml_process_sizes found = { .source = "PAGEMAP_SCAN",
					  .present_known = true,
					  .huge_known = true };
	struct kernel_pagemap_scan scan = { .size = sizeof(scan) };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool told = fd >= 0;

	scan.category_any_mask = asked;
	scan.return_mask = asked;
	scan.end = va + len;
	for (scan.start = va; told && scan.start < scan.end; scan.start = scan.walk_end)
		told = scan_step(fd, &scan, &found);
	if (fd >= 0)
		close(fd);
	if (told)
		*sizes = found;
	return told;
}

/* One mapping of smaps, as far as it has been read. */
struct area {
	ml_va start, end;
	uint64_t resident, huge;
	bool huge_told;
};

/* A mapping that reaches over an end tells nothing about the part inside, unless it is empty. */
static void area_add(const struct area *area, ml_va va, uint64_t len,
		     struct ml_process_sizes *sizes)
{
	bool inside = area->start >= va && area->end <= va + len;

	if (area->end <= va || area->start >= va + len)
		return;
	if (inside || area->resident == 0)
		sizes->present += area->resident;
	else
		sizes->present_known = false;
	if (area->huge_told && (inside || area->huge == 0))
		sizes->huge += area->huge;
	else
		sizes->huge_known = false;
}

static void area_read(struct area *area, const char *line)
{
	unsigned long long kilobytes;

	if (sscanf(line, "Rss: %llu kB", &kilobytes) == 1)
		area->resident = (uint64_t)kilobytes << 10;
	if (sscanf(line, "AnonHugePages: %llu kB", &kilobytes) == 1)
		area->huge += (uint64_t)kilobytes << 10;
	if (sscanf(line, "ShmemPmdMapped: %llu kB", &kilobytes) == 1) {
		area->huge += (uint64_t)kilobytes << 10;
		area->huge_told = true;
	}
}

bool ml_process_confirm_smaps(ml_va va, uint64_t len, struct ml_process_sizes *sizes)
{
	struct ml_process_sizes found = { .source = "smaps",
					  .present_known = true,
					  .huge_known = true };
	struct area area = { 0 };
	unsigned long long start, end;
	char line[512];
	FILE *file = fopen("/proc/self/smaps", "re");

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
			area_add(&area, va, len, &found);
			area = (struct area){ .start = start, .end = end };
		} else {
			area_read(&area, line);
		}
	}
	area_add(&area, va, len, &found);
	fclose(file);
	*sizes = found;
	return true;
}

void ml_process_confirm_memory(const void *start, uint64_t len, struct ml_process_sizes *sizes)
{
	ml_va va = (uintptr_t)start;

	if (!ml_process_confirm_scan(va, len, sizes) && !ml_process_confirm_smaps(va, len, sizes))
		*sizes = (struct ml_process_sizes){ .source = "none" };
}

int ml_process_confirm(const struct ml_process *p, ml_va va, uint64_t len,
		       struct ml_process_sizes *sizes)
{
	int error = ml_process_range_check(p, va, len);

	if (!error)
		ml_process_confirm_memory(ml_process_pointer(p, va), len, sizes);
	return error;
}
