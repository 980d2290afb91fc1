/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The kernel's mappings of the window: filling a run of leaves, dropping a range. It knows
 * mmap() and madvise(), and nothing of tables or signals.
 */
#include <errno.h>
#include <sys/mman.h>

#include "internal.h"

char *ml_process_pointer(const struct ml_process *p, ml_va va)
{
	return p->window + (va - p->window_va);
}

int ml_process_range_check(const struct ml_process *p, ml_va va, uint64_t len)
{
	uint64_t page_mask = ((uint64_t)1 << PROCESS_PAGE_SHIFT) - 1;

	if (len == 0)
		return ML_ERR_EMPTY;
	if ((va | len) & page_mask)
		return ML_ERR_ALIGN;
	if (va + len - 1 < va)
		return ML_ERR_WRAP;
	if (va < p->window_va || len > p->window_bytes || va - p->window_va > p->window_bytes - len)
		return ML_ERR_CANONICAL;
	return ML_OK;
}

static bool refuse(struct ml_process_refusal *refusal, const char *what, int error,
		   const struct ml_run *run)
{
	*refusal = (struct ml_process_refusal){ what, error, run->va, run->length };
	return false;
}

/* Without its mark, an access has to be told of. */
ml_prot ml_process_rights(const struct ml_process *p, ml_prot prot)
{
	if (p->fault && !(prot & ML_ACCESSED))
		return prot & ~(ML_RW | ML_EXEC);
	if (p->fault && !(prot & ML_DIRTY))
		return prot & ~ML_WRITE;
	return prot;
}

/* Accesses here are those of the unprivileged mode. */
static int kernel_protection(ml_prot prot)
{
	int protection = PROT_NONE;

	if (!(prot & ML_USER))
		return PROT_NONE;
	if (prot & ML_READ)
		protection |= PROT_READ;
	if (prot & ML_WRITE)
		protection |= PROT_WRITE;
	if (prot & ML_EXEC)
		protection |= PROT_EXEC;
	return protection;
}

static bool in_memory(const struct ml_process *p, ml_pa pa, uint64_t len)
{
	return pa >= p->memory_pa && len <= p->memory_bytes &&
	       pa - p->memory_pa <= p->memory_bytes - len;
}

bool ml_process_fill(const struct ml_process *p, const struct ml_run *run, uint64_t leaf,
		     struct ml_process_refusal *refusal)
{
	char *start = ml_process_pointer(p, run->va);
	bool large = leaf >= ML_PROCESS_HUGE_BYTES;

	if (ML_TYPE_OF(run->prot) != ML_TYPE_OF(ML_WB))
		return refuse(refusal, "memory type", 0, run);
	if (!in_memory(p, run->pa, run->length))
		return refuse(refusal, "physical address", 0, run);
	if (mmap(start, run->length, kernel_protection(run->prot), MAP_FIXED | MAP_SHARED,
		 p->memory_fd, (off_t)(run->pa - p->memory_pa)) == MAP_FAILED)
		return refuse(refusal, "mmap", errno, run);
	/* EINVAL: a kernel that has no large leaves has none to ask for or to keep off. */
	if (madvise(start, run->length, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && errno != EINVAL)
		return refuse(refusal, large ? "MADV_HUGEPAGE" : "MADV_NOHUGEPAGE", errno, run);
	return true;
}

bool ml_process_drop(const struct ml_process *p, ml_va va, uint64_t len)
{
	return mmap(ml_process_pointer(p, va), len, PROT_NONE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

#define SPARE_BYTES ((size_t)1 << PROCESS_PAGE_SHIFT)

bool ml_process_spare_map(struct ml_process *p)
{
	void *spare = mmap(NULL, SPARE_BYTES, PROT_NONE, MAP_SHARED, p->memory_fd, 0);

	p->spare = spare == MAP_FAILED ? NULL : spare;
	return p->spare;
}

void ml_process_spare_unmap(struct ml_process *p)
{
	if (p->spare)
		munmap(p->spare, SPARE_BYTES);
	p->spare = NULL;
}

/*
 * A mapping in the middle of another makes two more, of which the kernel checks one against its
 * limit. One above the limit it makes no mapping at all, not even one that replaces thousands.
 */
bool ml_process_drop_all(struct ml_process *p)
{
	bool dropped = ml_process_drop(p, p->window_va, p->window_bytes);

	if (dropped || !p->spare)
		return dropped;
	ml_process_spare_unmap(p);
	dropped = ml_process_drop(p, p->window_va, p->window_bytes);
	ml_process_spare_map(p);
	return dropped;
}
