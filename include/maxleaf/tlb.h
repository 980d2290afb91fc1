/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * TLB invalidation: what the library asks a platform for, and what each ISA executes for it.
 *
 * An encoder turns one struct ml_invalidation into instructions with their operands:
 *
 *	ml_tlb_arm64_start(&cursor, &space, what);
 *	while (ml_tlb_arm64_next(&cursor, &op))
 *		execute(&op);
 *
 * What they cover: every translation that may be cached of the range, and where tables went
 * too, of the tables above it; never a translation of another address space if the ISA can tell
 * them apart, nor of another address if it can. The order of the instructions is of no
 * matter unless an op says so.
 *
 * What stays the caller's: the barriers before and after, interrupts to CPUs that the
 * instruction does not reach, errata that repeat an instruction.
 *
 * All functions are pure: they read their arguments and the cursor, allocate nothing, take no
 * lock, execute no instruction of those they name, and cannot fail. Each encoder links alone.
 */
#ifndef MAXLEAF_TLB_H
#define MAXLEAF_TLB_H

#include <maxleaf/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One invalidation: everything cached for [va, va + length) in one table's address space. No leaf
 * that must go reaches over an end. Links may: of a table in which nothing was left the range need
 * name no more than one address below it, for one drops every entry on the way to it, too.
 */
struct ml_invalidation {
	ml_va va;
	uint64_t length;      /* bytes, at least one base page; 0: the whole space */
	uint8_t stride_shift; /* lg2 of the smallest leaf that may be cached there */
	uint8_t level;        /* the level of all leaves changed, or 0xff: several, give no hint */
	uint8_t leaves_only;  /* no table was unlinked or replaced: last-level forms suffice */
};

/*
 * How what may be cached of the range is tagged. 0 is always safe. "id" is the ASID, or PCID, that
 * the encoder's struct names.
 */
enum ml_tlb_tags {
	ML_TLB_ANY,           /* under any id, and global */
	ML_TLB_ONE,           /* under this id alone: no leaf is global */
	ML_TLB_ONE_OR_GLOBAL, /* under this id, or global; the tables under this id alone */
	ML_TLB_GLOBAL         /* every leaf is global; the tables under any id */
};

/* ---- arm64: Arm ARM C5.5 and D8.14 ---------------------------------------------------- */

/* The address space, and what the CPUs have. What is not mentioned is 0. */
struct ml_tlb_arm64 {
	uint8_t page_shift; /* lg2 of the granule: 12, 14 or 16 */
	uint8_t tags;       /* enum ml_tlb_tags */
	uint16_t asid;
	bool stage2;    /* a stage-2 table, addresses are IPAs; no ASID, VTTBR_EL2 has the VMID */
	bool has_ttl;   /* FEAT_TTL: ID_AA64MMFR2_EL1.TTL is not 0 */
	bool has_range; /* FEAT_TLBIRANGE: ID_AA64ISAR0_EL1.TLB is 2 or more */
	bool ds;        /* TCR_ELx.DS, VTCR_EL2.DS: 52-bit addresses with 4K and 16K granules */
	uint32_t most;  /* more instructions than that, and everything goes; 0: 512 */
};

/* TLBI, each with its operand; those for one CPU, IS and OS differ in nothing but the name. */
enum ml_tlbi {
	ML_TLBI_VAE1,
	ML_TLBI_VALE1,
	ML_TLBI_VAAE1,
	ML_TLBI_VAALE1,
	ML_TLBI_RVAE1,
	ML_TLBI_RVALE1,
	ML_TLBI_RVAAE1,
	ML_TLBI_RVAALE1,
	ML_TLBI_IPAS2E1,
	ML_TLBI_IPAS2LE1,
	ML_TLBI_RIPAS2E1,
	ML_TLBI_RIPAS2LE1,
	ML_TLBI_ASIDE1,
	ML_TLBI_VMALLE1,    /* no operand */
	ML_TLBI_VMALLS12E1, /* no operand */
	ML_TLBI_COUNT
};

struct ml_tlb_arm64_op {
	uint64_t operand; /* Xt */
	uint8_t tlbi;     /* enum ml_tlbi */
	bool after;       /* a DSB stands between those before and this one */
};

struct ml_tlb_arm64_cursor {
	const struct ml_tlb_arm64 *space;
	ml_va va;        /* of what comes next, */
	uint64_t pages;  /* granules of it left */
	uint64_t hint;   /* the TTL of single forms; the TTL of range forms is its level */
	uint8_t shift;   /* lg2 of what a single form covers */
	uint8_t tlbi;    /* the single form */
	uint8_t closing; /* the last op, or ML_TLBI_COUNT: none */
	bool range;
};

/*
 * Begin; returns the number of ops to come. *space must stay as it is until the last of them. Level
 * hints are given only for leaves of one level, and where a wrong one is impossible.
 */
ML_API unsigned ml_tlb_arm64_start(struct ml_tlb_arm64_cursor *cursor,
				   const struct ml_tlb_arm64 *space,
				   const struct ml_invalidation *what);

/* The next op; false: there is none, *op is as it was. */
ML_API bool ml_tlb_arm64_next(struct ml_tlb_arm64_cursor *cursor, struct ml_tlb_arm64_op *op);

/* ---- x86-64: Intel SDM vol. 3A 4.10.4, AMD APM vol. 3 INVLPGB --------------------------- */

/* The address space as the CPU sees it that will execute the ops, and what that has. */
struct ml_tlb_x86_64 {
	uint8_t tags;        /* enum ml_tlb_tags */
	bool current;        /* CR3 holds this table, under this PCID */
	bool pcids;          /* CR4.PCIDE */
	bool invpcid;        /* the CPU has INVPCID */
	bool invlpgb;        /* the CPU has INVLPGB: no other CPU needs to be interrupted */
	bool spares_globals; /* erratum: INVLPG leaves global leaves while CR4.PCIDE is set */
	uint16_t pcid;
	uint16_t asid;         /* of INVLPGB: 0 on a host */
	uint16_t invlpgb_most; /* CPUID 8000_0008 EDX[15:0] */
	uint32_t most;         /* more instructions than that, and everything goes; 0: 33 */
};

enum ml_tlb_x86_64_form {
	ML_INVLPG,    /* operand[0]: an address */
	ML_INVPCID,   /* type in a register; operand: the descriptor in memory */
	ML_INVLPGB,   /* operand[0]: RAX; ecx, edx. TLBSYNC completes all of them */
	ML_MOV_CR3,   /* CR3 as it is, bit 63 clear: all of this PCID but what is global */
	ML_TOGGLE_PGE /* CR4.PGE inverted and back: all of every PCID */
};

struct ml_tlb_x86_64_op {
	uint64_t operand[2];
	uint32_t ecx, edx;
	uint8_t form; /* enum ml_tlb_x86_64_form */
	uint8_t type;
};

struct ml_tlb_x86_64_cursor {
	const struct ml_tlb_x86_64 *space;
	ml_va va;
	uint64_t left; /* pages of the stride */
	uint8_t shift; /* lg2 of the stride */
	uint8_t form;  /* by address */
	bool all;      /* everything goes, by one op */
	bool leaves_only;
};

/* As for arm64. */
ML_API unsigned ml_tlb_x86_64_start(struct ml_tlb_x86_64_cursor *cursor,
				    const struct ml_tlb_x86_64 *space,
				    const struct ml_invalidation *what);
ML_API bool ml_tlb_x86_64_next(struct ml_tlb_x86_64_cursor *cursor, struct ml_tlb_x86_64_op *op);

/* ---- RISC-V, Sv39 to Sv57: privileged manual, SFENCE.VMA, Svinval, hypervisor ------------ */

enum ml_tlb_riscv_stage {
	ML_TLB_SATP,  /* the table of satp */
	ML_TLB_VSATP, /* of a guest's vsatp, whose VMID is in hgatp */
	ML_TLB_HGATP  /* of hgatp: addresses are guest physical, the id is the VMID */
};

/*
 * The address space. Tags other than ML_TLB_ONE: of every id. An ASID that is used anew: satp
 * first, then ML_TLB_ONE and the whole space.
 */
struct ml_tlb_riscv {
	uint8_t tags;  /* enum ml_tlb_tags */
	uint8_t stage; /* enum ml_tlb_riscv_stage */
	bool svinval;
	uint16_t id;   /* ASID or VMID */
	uint32_t most; /* more pages than that, and everything goes; 0: 64 */
};

enum ml_tlb_riscv_form {
	ML_SFENCE_VMA,
	ML_SINVAL_VMA,
	ML_HFENCE_VVMA,
	ML_HINVAL_VVMA,
	ML_HFENCE_GVMA,
	ML_HINVAL_GVMA,
	ML_SFENCE_W_INVAL, /* first and last of those with INVAL in their names; no operands */
	ML_SFENCE_INVAL_IR
};

struct ml_tlb_riscv_op {
	uint64_t rs1, rs2;
	bool has_rs1, has_rs2; /* false: x0, which is not the same as a register that holds 0 */
	uint8_t form;          /* enum ml_tlb_riscv_form */
};

struct ml_tlb_riscv_cursor {
	const struct ml_tlb_riscv *space;
	ml_va va;
	uint64_t left;
	uint8_t shift;
	uint8_t form;
	bool opening, closing; /* W.INVAL and INVAL.IR are still to come */
	bool all;
};

/* As for arm64, but that ops are to be executed in their order. They reach this CPU alone. */
ML_API unsigned ml_tlb_riscv_start(struct ml_tlb_riscv_cursor *cursor,
				   const struct ml_tlb_riscv *space,
				   const struct ml_invalidation *what);
ML_API bool ml_tlb_riscv_next(struct ml_tlb_riscv_cursor *cursor, struct ml_tlb_riscv_op *op);

/* ---- Power, radix: Power ISA 3.1 book III, 6.9.3 ------------------------------------------ */

/* The address space. There are no global leaves. */
struct ml_tlb_power {
	uint8_t page_shift; /* lg2 of the base page: 12 or 16 */
	uint8_t tags;       /* ML_TLB_ONE: of this PID; others: of every PID of the LPID */
	bool partition;     /* partition-scoped: addresses are guest real, there is no PID */
	bool local;         /* tlbiel, for this CPU alone */
	uint16_t sets;      /* tlbiel of a whole space takes one op a set: POWER9 128; 0: one */
	uint32_t pid, lpid;
	uint32_t most; /* more instructions than that, and everything goes; 0: 33 */
};

/* tlbie or tlbiel RB, RS, RIC, PRS, 1. */
struct ml_tlb_power_op {
	uint64_t rb, rs;
	uint8_t ric; /* 0: translations; 1: what is cached of tables; 2: both */
	bool prs;
};

struct ml_tlb_power_cursor {
	const struct ml_tlb_power *space;
	ml_va first, last;
	ml_va va;
	uint64_t left;       /* of this pass */
	uint8_t size, sizes; /* one pass for each leaf size, up to sizes */
	bool tables;         /* the op for those is still to come */
	bool leaves_only;
	uint16_t set, sets; /* of everything */
};

/*
 * As for arm64. One pass for each leaf size that may lie in the range: an op drops leaves of one
 * size alone.
 */
ML_API unsigned ml_tlb_power_start(struct ml_tlb_power_cursor *cursor,
				   const struct ml_tlb_power *space,
				   const struct ml_invalidation *what);
ML_API bool ml_tlb_power_next(struct ml_tlb_power_cursor *cursor, struct ml_tlb_power_op *op);

#ifdef __cplusplus
}
#endif
#endif
