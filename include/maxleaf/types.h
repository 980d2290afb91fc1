/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Addresses, protections, memory types, errors, version.
 *
 * Everything here is level-free: no value of this file depends on the page-table
 * level or on the ISA. Level-dependent bits live below format.h and never leave it
 * (S4.4-S4.6).
 */
#ifndef MAXLEAF_TYPES_H
#define MAXLEAF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ML_VERSION_MAJOR 0
#define ML_VERSION_MINOR 1
#define ML_VERSION_PATCH 0
#define ML_VERSION_STRING "0.1.0"

#if defined(__GNUC__) || defined(__clang__)
#define ML_MUST_CHECK __attribute__((warn_unused_result))
#define ML_API __attribute__((visibility("default")))
#else
#define ML_MUST_CHECK
#define ML_API
#endif

typedef uint64_t ml_va;  /* virtual address, bytes */
typedef uint64_t ml_pa;  /* physical address, bytes */
typedef uint64_t ml_pte; /* one raw entry in CPU order, of any level */

/*
 * Protection: what a mapping allows and how its memory behaves. A format publishes
 * the part it can express (struct ml_format: prot_mask, and ml_format_expressible());
 * everything else is refused with ML_ERR_PROT, never dropped silently.
 */
typedef uint64_t ml_prot;

#define ML_READ ((ml_prot)1 << 0)
#define ML_WRITE ((ml_prot)1 << 1)
#define ML_USER ((ml_prot)1 << 2)  /* the unprivileged mode may access it */
#define ML_EXEC ((ml_prot)1 << 3)  /* the unprivileged mode may execute it */
#define ML_PEXEC ((ml_prot)1 << 4) /* the privileged mode may execute it */
#define ML_ACCESSED ((ml_prot)1 << 5)
#define ML_DIRTY ((ml_prot)1 << 6)
#define ML_GLOBAL ((ml_prot)1 << 8)       /* in every address space: not tagged by ASID */
#define ML_SPECIAL ((ml_prot)1 << 9)      /* software mark: a raw frame, no descriptor behind it */
#define ML_DEVICE_MARK ((ml_prot)1 << 10) /* software mark: the frame belongs to device memory */

/* Memory type: a four-bit number inside the protection. */
#define ML_TYPE_SHIFT 12
#define ML_TYPE_MASK ((ml_prot)0xf << ML_TYPE_SHIFT)
#define ML_TYPE(number) ((ml_prot)(number) << ML_TYPE_SHIFT)
#define ML_TYPE_OF(prot) ((unsigned)(((prot)&ML_TYPE_MASK) >> ML_TYPE_SHIFT))
#define ML_WB ML_TYPE(0)         /* write-back: ordinary memory */
#define ML_WT ML_TYPE(1)         /* write-through */
#define ML_WP ML_TYPE(2)         /* write-protected cache (x86) */
#define ML_NC ML_TYPE(3)         /* not cached, gathering: x86 WC, Arm Normal-NC */
#define ML_DEV ML_TYPE(4)        /* device: x86 UC-, Arm nGnRE */
#define ML_DEV_STRICT ML_TYPE(5) /* strictest device: x86 UC, Arm nGnRnE */
#define ML_TAGGED ML_TYPE(6)     /* write-back with allocation tags (Arm MTE) */
#define ML_TYPE_COUNT 7

/* Software bits of the embedder; ml_format.soft_bits says how many a format has. */
#define ML_SOFT_SHIFT 16
#define ML_SOFT(number) ((ml_prot)1 << (ML_SOFT_SHIFT + (number)))
#define ML_SOFT_MASK ((ml_prot)0xff << ML_SOFT_SHIFT)

/* All bits of a protection that have a meaning. */
#define ML_PROT_ALL ((ml_prot)0x77f | ML_TYPE_MASK | ML_SOFT_MASK)
#define ML_PROT_AD (ML_ACCESSED | ML_DIRTY)
#define ML_RW (ML_READ | ML_WRITE)

/*
 * Errors: fixed negative numbers, one per cause; 0 is success. Grouped by who can
 * mend it. ml_errno() maps them to the usual positive errno numbers.
 */
enum ml_error {
	ML_OK = 0,
	/* bad call */
	ML_ERR_ALIGN = -1,      /* an address or length is not a multiple of the base page */
	ML_ERR_EMPTY = -2,      /* length 0 */
	ML_ERR_WRAP = -3,       /* va + length - 1 or pa + length - 1 wraps */
	ML_ERR_CANONICAL = -4,  /* a virtual address outside what this table translates */
	ML_ERR_PA_RANGE = -5,   /* a physical address beyond the table's physical width */
	ML_ERR_PROT = -6,       /* the format or type layout cannot express this protection */
	ML_ERR_CONFIG = -7,     /* a configuration that contradicts itself or the format */
	ML_ERR_EXISTS = -8,     /* something is mapped in the range already */
	ML_ERR_NOT_MAPPED = -9, /* nothing is mapped where something must be */
	ML_ERR_SHARED = -10,    /* the range belongs to another table (ml_table_share) */
	ML_ERR_SIZE = -11,      /* no such leaf size, or not allowed here */
	ML_ERR_ARGUMENT = -12,  /* any other argument that makes no sense */
	/* bad table */
	ML_ERR_BAD_TABLE = -20, /* a table pointer that leads nowhere, too many tables, a loop */
	ML_ERR_BAD_ENTRY = -21, /* a reserved bit set, a group not uniform */
	ML_ERR_BAD_COUNT = -22, /* accounting does not match the tables found */
	/* no resource */
	ML_ERR_NO_MEMORY = -30, /* the platform gave no table memory */
	ML_ERR_SHORT = -31,     /* the reserve holds too few tables: see ml_op.tables_needed */
	ML_ERR_CONTENDED = -32, /* a writer was at it all the while: try again, or take the lock */
	ML_ERR_NO_SPACE = -33,  /* no free addresses that fit */
	/* refused by policy */
	ML_ERR_REFUSED = -40,     /* the port or the kernel below it refused; the port tells more */
	ML_ERR_UNTRACKED = -41,   /* nobody keeps accessed and dirty there: no answer is right */
	ML_ERR_NEVER_FAULT = -42, /* it takes a break where nothing may ever fault */
	ML_ERR_ACCESS = -43,      /* rights that the region, or the owner of the frames, denies */
	ML_ERR_FAULT = -44,       /* memory that cannot be used this way, or is not there at all */
	/* bug */
	ML_ERR_BUG = -50 /* an invariant of the library is broken */
};

/* A node of an ordered tree of ranges of addresses; the library's. */
struct ml_range {
	ml_va first, last; /* inclusive */
	struct ml_range *child[2], *parent;
	uint64_t hole;      /* bytes between the range before this one, or 0, and this one */
	uint64_t gap;       /* the longest hole of the subtree */
	uint8_t heights[2]; /* of the subtrees below it */
};

#ifdef __cplusplus
extern "C" {
#endif

/* The name of an error ("ML_ERR_ALIGN"), or "ML_ERR_?" for an unknown number. Cannot fail. */
ML_API const char *ml_error_name(int error);

/* One short sentence about an error, without a final stop. Cannot fail. */
ML_API const char *ml_error_text(int error);

/* The usual positive errno number for an error (Linux numbering); 0 for ML_OK. Cannot fail. */
ML_API int ml_errno(int error);

/* The version this library was built as, ML_VERSION_STRING of that time. */
ML_API const char *ml_version(void);

#ifdef __cplusplus
}
#endif
#endif
