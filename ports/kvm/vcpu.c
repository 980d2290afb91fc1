/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The virtual machine of x86-64 and the code that runs in it. The vCPU starts in long mode with
 * paging on; its kernel is a loop that stops at an OUT, drops what it is told to, and goes by IRET
 * to where it is told; a fault brings it back, and UD2 is the call: all that every KVM has for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "internal.h"

#if defined(__x86_64__)
#include <linux/kvm.h>

#define STOP_PORT 0x10
#define CALL_VECTOR 6

/*
 * Offsets are those of struct guest, in the page behind the code; a fault that pushes no error
 * code leaves the address of the instruction in its place. A change of CR4.PGE drops everything,
 * global or cached of tables (Intel SDM vol. 3A 4.10.4.1). The routines touch no stack.
 */
__asm__(".pushsection .text\n"
	"ml_kvm_code:\n"
	".set .Ldata, . + 4096\n"
	"	mov .Ldata + 0x68(%rip), %rcx\n"
	"	lea .Ldata + 0x68(%rip), %rdx\n"
	"	test %rcx, %rcx; jz 3f; js 2f\n"
	"1:	mov (%rdx,%rcx,8), %rax; invlpg (%rax); dec %rcx; jnz 1b\n"
	"	movq $0, (%rdx); jmp 3f\n"
	"2:	mov %cr4, %rax; xor $0x80, %rax; mov %rax, %cr4\n"
	"	xor $0x80, %rax; mov %rax, %cr4; movq $0, (%rdx)\n"
	"3:	lea .Ldata(%rip), %rsp\n"
	"	pop %rax; pop %rdi; pop %rsi; pop %rcx; iretq\n"
	".Lfault: mov %rax, .Ldata + 0x48(%rip)\n"
	"	mov (%rsp), %rax; mov %rax, .Ldata + 0x50(%rip)\n"
	"	mov 8(%rsp), %rax; mov %rax, .Ldata + 0x58(%rip)\n"
	"	mov %cr2, %rax; mov %rax, .Ldata + 0x60(%rip)\n"
	"	out %al, $0x10; jmp ml_kvm_code\n"
	".set .Lvector, 0\n"
	".org ml_kvm_code + 0x100\n"
	".rept 32\n"
	".balign 8; .byte 0x6a, .Lvector; jmp .Lfault\n" /* push, of two bytes */
	".set .Lvector, .Lvector + 1\n"
	".endr\n"
	".org ml_kvm_code + 0x200; mov (%rdi), %rax; ud2\n"
	".org ml_kvm_code + 0x280; mov %rax, (%rdi); ud2\n"
	".org ml_kvm_code + 0x300; mov %rcx, %rdx; shr $3, %rdx; jz 2f\n"
	".balign 16\n"
	"1:\n"
	".rept 8\n"
	"	mov (%rdi,%rax), %rax\n"
	".endr\n"
	"	dec %rdx; jnz 1b\n"
	"2:	and $7, %ecx; jz 4f\n"
	"3:	mov (%rdi,%rax), %rax; dec %ecx; jnz 3b\n"
	"4:	ud2\n"
	".org ml_kvm_code + 0x380; rep movsb; ud2\n"
	".org ml_kvm_code + 0x400; ud2; .popsection\n");

#define CODE_BYTES 0x402

extern const char ml_kvm_code[];

_Static_assert(offsetof(struct guest, value) == 0x48, "its code has it there");
_Static_assert(offsetof(struct guest, flushes) == 0x68, "its code has it there");
_Static_assert(sizeof(struct guest) <= PAGE_BYTES - 256, "the rest is the stack");

/* Intel SDM vol. 3A 3.4.5, 6.14.1, 7.7: segments, gates, the stack that faults come back on. */
static void guest_write(struct guest *guest)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
					0x00cff3000000ffff, 0x00affb000000ffff };
	ml_va stack = DATA_VA + PAGE_BYTES;
	ml_va to = CODE_VA + 0x100;
	unsigned i;

	memcpy((char *)guest - PAGE_BYTES, ml_kvm_code, CODE_BYTES);
	memcpy(guest->gdt, gdt, sizeof(gdt));
	memcpy(&guest->tss[1], &stack, sizeof(stack));
	for (i = 0; i < 32; i++, to += 8) {
		guest->idt[i][0] = (to & 0xffff) | 0x8e0000080000 | (to >> 16 & 0xffff) << 48;
		guest->idt[i][1] = to >> 32;
	}
	guest->flushes = FLUSH_ALL; /* whatever KVM drops when CR3 is set from outside */
}

/* An ioctl's answer, or its refusal. */
static int ask(struct ml_kvm *k, int fd, unsigned long request, const void *with, const char *what)
{
	int answer = ioctl(fd, request, with);

	return answer < 0 ? ml_kvm_refused(k, what, errno, 0) : answer;
}
#define ASK(k, fd, request, with) ask((k), (fd), (request), (with), #request)

/* Everything KVM has; k hears of leaves of 1 GiB, SMEP and the physical width. */
static int cpuid_set(struct ml_kvm *k)
{
	union {
		struct kvm_cpuid2 head;
		char room[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = { .head.nent = 256 };
	const struct kvm_cpuid_entry2 *entry = cpuid.head.entries;

	if (ASK(k, k->device_fd, KVM_GET_SUPPORTED_CPUID, &cpuid))
		return ML_ERR_REFUSED;
	k->rungs = 3;
	for (; entry < cpuid.head.entries + cpuid.head.nent; entry++) {
		if (entry->function == 0x80000001)
			k->rungs |= (entry->edx >> 26 & 1) << 2;
		if (entry->function == 0x80000008)
			k->pa_bits = entry->eax & 0xff;
		if (entry->function == 7 && entry->index == 0)
			k->smep = entry->ebx >> 7 & 1;
	}
	return ASK(k, k->cpu_fd, KVM_SET_CPUID2, &cpuid);
}

int ml_kvm_machine_open(struct ml_kvm *k, const char *device)
{
	int bytes;

	k->device_fd = open(device, O_RDWR | O_CLOEXEC);
	if (k->device_fd < 0)
		return ml_kvm_refused(k, device, errno, 0);
	bytes = ASK(k, k->device_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	k->vm_fd = bytes < 0 ? bytes : ASK(k, k->device_fd, KVM_CREATE_VM, NULL);
	k->cpu_fd = k->vm_fd < 0 ? k->vm_fd : ASK(k, k->vm_fd, KVM_CREATE_VCPU, NULL);
	if (k->cpu_fd < 0)
		return ML_ERR_REFUSED;
	k->run_bytes = (size_t)bytes;
	k->run = mmap(NULL, k->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, k->cpu_fd, 0);
	return k->run == MAP_FAILED ? ml_kvm_refused(k, "mmap of the vCPU", errno, k->run_bytes)
				    : cpuid_set(k);
}

int ml_kvm_memory_give(struct ml_kvm *k)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = k->memory_pa };

	(void)!ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region); /* none the first time */
	region.memory_size = k->slot_bytes;
	region.userspace_addr = (uintptr_t)k->memory;
	return ASK(k, k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* CR0: PG WP NE ET MP PE. CR4: PGE PAE, SMEP. EFER: NXE LMA LME. */
int ml_kvm_cpu_reset(struct ml_kvm *k)
{
	const struct guest *there = (const struct guest *)DATA_VA; /* NOLINT */
	const struct kvm_regs regs = { .rip = CODE_VA, .rflags = 2 };
	const struct kvm_segment data = { .limit = UINT32_MAX,
					  .selector = 0x10,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };
	struct kvm_sregs sregs;

	guest_write(ml_kvm_guest(k));
	if (ASK(k, k->cpu_fd, KVM_GET_SREGS, &sregs))
		return ML_ERR_REFUSED;
	sregs.cs = sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.tr = data;
	sregs.cs.selector = 8;
	sregs.cs.type = sregs.tr.type = 11;
	sregs.cs.db = sregs.tr.db = sregs.tr.s = sregs.tr.g = 0;
	sregs.cs.l = 1;
	sregs.tr.selector = 0x28;
	sregs.tr.limit = sizeof(there->tss) - 1;
	sregs.tr.base = (ml_va)&there->tss;
	sregs.gdt = (struct kvm_dtable){ (ml_va)&there->gdt, sizeof(there->gdt) - 1, { 0 } };
	sregs.idt = (struct kvm_dtable){ (ml_va)&there->idt, sizeof(there->idt) - 1, { 0 } };
	sregs.cr0 = 0x80010033;
	sregs.cr3 = k->root;
	sregs.cr4 = 0xa0 | (uint64_t)k->smep << 20;
	sregs.efer = 0xd00;
	if (ASK(k, k->cpu_fd, KVM_SET_SREGS, &sregs))
		return ML_ERR_REFUSED;
	return ASK(k, k->cpu_fd, KVM_SET_REGS, &regs);
}

/* Leave behind an access half done, and whatever the guest was about to do. */
static int cpu_recover(struct ml_kvm *k, const char *what, int error, uint64_t number)
{
	struct kvm_run *run = k->run;

	run->immediate_exit = 1;
	(void)!ioctl(k->cpu_fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	(void)ml_kvm_cpu_reset(k);
	return ml_kvm_refused(k, what, error, number);
}

int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, ml_va va)
{
	const struct kvm_run *run = k->run;
	struct guest *guest = ml_kvm_guest(k);
	int status;

	guest->rip = va;
	guest->rflags = 2;
	guest->rsp = DATA_VA + PAGE_BYTES;
	guest->cs = mode == ML_KVM_USER ? 0x23 : 0x08;
	guest->ss = mode == ML_KVM_USER ? 0x1b : 0x10;
	do
		status = ioctl(k->cpu_fd, KVM_RUN, 0);
	while (status && errno == EINTR);
	if (status)
		return cpu_recover(k, "KVM_RUN", errno, 0);
	if (run->exit_reason == KVM_EXIT_MMIO)
		return cpu_recover(k, "no memory there", 0, run->mmio.phys_addr);
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != STOP_PORT)
		return cpu_recover(k, "KVM_RUN", 0, run->exit_reason);
	if (guest->vector == CALL_VECTOR)
		return ML_OK;
	ml_kvm_refused(k, "fault", 0, guest->vector);
	k->refusal.code = guest->code;
	k->refusal.va = guest->cr2;
	return ML_ERR_REFUSED;
}
#else
int ml_kvm_machine_open(struct ml_kvm *k, const char *device)
{
	(void)device;
	return ml_kvm_refused(k, "a vCPU of this host's ISA", 0, 0);
}

/* Without a machine nobody calls these. */
int ml_kvm_memory_give(struct ml_kvm *k)
{
	return ml_kvm_machine_open(k, NULL);
}

int ml_kvm_cpu_reset(struct ml_kvm *k)
{
	return ml_kvm_machine_open(k, NULL);
}

int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, ml_va va)
{
	(void)mode;
	(void)va;
	return ml_kvm_machine_open(k, NULL);
}
#endif
