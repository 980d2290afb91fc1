/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The life of a piece of memory in this very process: mmap(2), madvise(2) for leaves of 2M and for
 * bringing the memory in, fork(2), mremap(2), mprotect(2), munmap(2).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_space.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* of Linux 5.14 */
#endif

#define PAGE ((uint64_t)4096)

static struct kernel {
	uint64_t bytes;
	char *reserved; /* addresses, */
	size_t reserved_bytes;
	char *here, *there; /* and two places of whole leaves among them */
} kernel;

static int refused(const char *what)
{
	const int error = errno;

	cli_error("bench space", "the kernel refused %s of %s: %s", what,
		  cli_size_human(kernel.bytes).text, strerror(error));
	cli_hint("a smaller --size needs less");
	return CLI_TROUBLE;
}

/* Addresses that nobody else gets. */
static bool reserve(void *place, size_t bytes)
{
	return mmap(place, bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

int space_kernel_open(uint64_t bytes)
{
	void *place;

	kernel.bytes = bytes;
	kernel.reserved_bytes = 2 * bytes + SPACE_LEAF;
	place = mmap(NULL, kernel.reserved_bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (place == MAP_FAILED) {
		kernel.reserved_bytes = 0;
		return refused("addresses");
	}
	kernel.reserved = place;
	kernel.here = kernel.reserved + (-(uintptr_t)place & (SPACE_LEAF - 1));
	kernel.there = kernel.here + bytes;
	return CLI_FINE;
}

void space_kernel_close(void)
{
	if (kernel.reserved_bytes)
		munmap(kernel.reserved, kernel.reserved_bytes);
}

/* --- the calls ---------------------------------------------------------------------- */

/* Where the kernel is too old to be asked, every page is written to. */
static void populate(char *memory, uint64_t bytes)
{
	volatile char *page = memory;

	if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0)
		return;
	for (; page < memory + bytes; page += PAGE)
		*page = 0;
}

static int map(double *ns)
{
	const uint64_t start = cli_now_ns();

	if (mmap(kernel.here, kernel.bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return refused("memory");
	/* Advice only: what came of it is read back. */
	(void)madvise(kernel.here, kernel.bytes, MADV_HUGEPAGE);
	populate(kernel.here, kernel.bytes);
	*ns = (double)(cli_now_ns() - start);
	return CLI_FINE;
}

/* The parent's time; the child leaves at once. */
static int fork_once(double *ns)
{
	const uint64_t start = cli_now_ns();
	const pid_t child = fork();
	int status;

	if (child == 0)
		_exit(0);
	*ns = (double)(cli_now_ns() - start);
	if (child < 0)
		return refused("a fork");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return CLI_FINE;
}

static int move(double *ns)
{
	const uint64_t start = cli_now_ns();

	if (mremap(kernel.here, kernel.bytes, kernel.bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   kernel.there) == MAP_FAILED)
		return refused("a move");
	*ns = (double)(cli_now_ns() - start);
	return reserve(kernel.here, kernel.bytes) ? CLI_FINE : refused("addresses");
}

static int protect(double *ns)
{
	char *leaf = kernel.there + kernel.bytes / 2 / SPACE_LEAF * SPACE_LEAF;
	const uint64_t start = cli_now_ns();

	if (mprotect(leaf + SPACE_LEAF / 2, PAGE, PROT_READ))
		return refused("a protection");
	*ns = (double)(cli_now_ns() - start);
	return CLI_FINE;
}

static int unmap(double *ns)
{
	const uint64_t start = cli_now_ns();

	if (munmap(kernel.there, kernel.bytes))
		return refused("unmapping");
	*ns = (double)(cli_now_ns() - start);
	return reserve(kernel.there, kernel.bytes) ? CLI_FINE : refused("addresses");
}

/* --- a life ------------------------------------------------------------------------- */

/* What smaps says of the mapping that begins at `start`. */
static bool huge_bytes(const char *start, uint64_t *bytes)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[256];
	unsigned long long from, kib;
	bool here = false, known = false;

	while (smaps && !known && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%llx-%*x ", &from) == 1 && strchr(line, '-'))
			here = from == (uintptr_t)start;
		if (here && sscanf(line, "AnonHugePages: %llu kB", &kib) == 1) {
			*bytes = kib * 1024;
			known = true;
		}
	}
	if (smaps)
		fclose(smaps);
	return known;
}

static double zero(void)
{
	const uint64_t start = cli_now_ns();

	memset(kernel.here, 0, kernel.bytes);
	return (double)(cli_now_ns() - start);
}

int space_kernel_live(struct space_life *life)
{
	int status = fork_once(&life->fork_alone_ns);

	if (status == CLI_FINE)
		status = map(&life->ns[SPACE_MAP]);
	if (status != CLI_FINE)
		return status;
	life->huge_known = huge_bytes(kernel.here, &life->huge_bytes);
	status = fork_once(&life->ns[SPACE_FORK]);
	/* What the fork write-protected is written to: leaves are as they were. */
	life->zeroing_ns = zero();
	life->zeroing_ns = zero();
	if (status == CLI_FINE)
		status = move(&life->ns[SPACE_MOVE]);
	if (status == CLI_FINE)
		status = protect(&life->ns[SPACE_PROTECT]);
	return status == CLI_FINE ? unmap(&life->ns[SPACE_UNMAP]) : status;
}
