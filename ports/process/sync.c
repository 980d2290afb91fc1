/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The prefill: maps the runs of a range as the table has them, brings the memory in, and
 * asks the kernel to make its leaves as large as the table's.
 */
#include <errno.h>
#include <sys/mman.h>

#include "internal.h"
#include "kernel_abi.h"

/*
 * Memory is brought in piece by piece. Where small pages have to be collapsed, those that a
 * piece gives back are what the next one is populated with: little more memory is touched
 * than the range has.
 */
#define PIECE_BYTES ((uint64_t)32 << 20)

/* The first refusal is the one told. */
static void keep_refusal(struct ml_process *p, struct ml_process_refusal refusal)
{
	if (!p->refusal.what)
		p->refusal = refusal;
}

/* For kernels before 5.14, which cannot be asked to populate. */
static void touch(const char *start, uint64_t length)
{
	uint64_t offset;

	for (offset = 0; offset < length; offset += (uint64_t)1 << PROCESS_PAGE_SHIFT)
		(void)*(const volatile char *)(start + offset);
}

static bool populate(struct ml_process *p, ml_va va, uint64_t length, ml_prot prot)
{
	char *start = ml_process_pointer(p, va);
	int advice = prot & ML_WRITE ? KERNEL_MADV_POPULATE_WRITE : KERNEL_MADV_POPULATE_READ;

	if (!(prot & ML_USER) || !(prot & ML_READ))
		return false;
	if (madvise(start, length, advice) == 0)
		return true;
	if (errno == EINVAL) {
		touch(start, length);
		return true;
	}
	keep_refusal(p, (struct ml_process_refusal){ "populate", errno, va, length });
	return false;
}

/* 0 or errno. EAGAIN and EBUSY are told for pages that somebody holds for a moment. */
static int collapse(struct ml_process *p, ml_va va, uint64_t length)
{
	int tries = 3;
	int error;

	do {
		error = 0;
		if (madvise(ml_process_pointer(p, va), length, KERNEL_MADV_COLLAPSE))
			error = errno;
	} while ((error == EAGAIN || error == EBUSY) && --tries);
	return error;
}

/*
 * A block without a page is refused, but one page is enough for the kernel to make the rest:
 * many times faster than to bring in small pages and have them copied.
 */
static bool populate_large(struct ml_process *p, ml_va va, uint64_t length, ml_prot prot)
{
	uint64_t page = (uint64_t)1 << PROCESS_PAGE_SHIFT;
	ml_va block;

	for (block = va; block < va + length; block += ML_PROCESS_HUGE_BYTES)
		if (!populate(p, block, page, prot))
			return false;
	return collapse(p, va, length) == 0;
}

/* Populated, and collapsed where leaves are large; what cannot be had is told. */
static void bring_in(struct ml_process *p, ml_va va, uint64_t length, ml_prot prot, bool large)
{
	int error = 0;

	if (large && populate_large(p, va, length, prot))
		return;
	if (populate(p, va, length, prot) && large)
		error = collapse(p, va, length);
	if (error)
		keep_refusal(p, (struct ml_process_refusal){ "MADV_COLLAPSE", error, va, length });
}

/* A part of a large leaf is synchronised with the rest of its 2 MiB: the kernel needs it whole. */
static void widen(struct ml_run *run)
{
	uint64_t head = run->va & (ML_PROCESS_HUGE_BYTES - 1);

	run->va -= head;
	run->pa -= head;
	run->length =
		(run->length + head + ML_PROCESS_HUGE_BYTES - 1) & ~(ML_PROCESS_HUGE_BYTES - 1);
}

/*
 * Kernels before 6.12 map a huge page that is there already by a large leaf, whatever the advice,
 * wherever one mapping covers it. So where they did, or may have done, every such mapping is cut in
 * the middle, by a flag that means nothing here: then none covers a huge page.
 */
void ml_process_keep_small(struct ml_process *p, ml_va va, uint64_t length, ml_prot prot)
{
	ml_va block = (va + ML_PROCESS_HUGE_BYTES - 1) & ~(ML_PROCESS_HUGE_BYTES - 1);
	struct ml_process_sizes sizes;

	if (length < ML_PROCESS_HUGE_BYTES || ml_process_confirm(p, va, length, &sizes) ||
	    (sizes.huge_known && !sizes.huge))
		return;
	for (; block + ML_PROCESS_HUGE_BYTES <= va + length; block += ML_PROCESS_HUGE_BYTES)
		if (madvise(ml_process_pointer(p, block), ML_PROCESS_HUGE_BYTES / 2, MADV_DONTDUMP))
			break;
	populate(p, va, length, prot);
}

/* False: the kernel has no mapping for it, and will have none for what follows. */
static bool sync_run(struct ml_process *p, struct ml_run *run)
{
	uint64_t leaf = (uint64_t)1 << p->table->format->rungs[run->rung].shift;
	bool large = leaf >= ML_PROCESS_HUGE_BYTES;
	struct ml_process_refusal refusal;
	ml_va va, end;

	run->prot = ml_process_rights(p, run->prot);
	if (large)
		widen(run);
	if (!ml_process_fill(p, run, leaf, &refusal)) {
		keep_refusal(p, refusal);
		return refusal.error == 0;
	}
	end = run->va + run->length;
	for (va = run->va; va < end; va += PIECE_BYTES) {
		uint64_t length = end - va < PIECE_BYTES ? end - va : PIECE_BYTES;

		bring_in(p, va, length, run->prot, large);
	}
	if (!large)
		ml_process_keep_small(p, run->va, run->length, run->prot);
	return true;
}

int ml_process_sync(struct ml_process *p, ml_va va, uint64_t len)
{
	struct ml_cursor cursor = { .va = va, .last = va + len - 1 };
	int error = ml_process_range_check(p, va, len);
	struct ml_run run;

	if (error)
		return error;
	if (!p->table)
		return ML_ERR_CONFIG;
	p->refusal = (struct ml_process_refusal){ 0 };
	while (ml_run_next(p->table, &cursor, &run))
		if (!sync_run(p, &run))
			break;
	return p->refusal.what ? ML_ERR_REFUSED : ML_OK;
}
