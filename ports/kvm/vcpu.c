/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The virtual machine of x86-64 and the code that runs in it. The vCPU starts in long mode with
 * paging on; its kernel is a loop that stops at an OUT and goes by IRET to where it is told; a
 * fault brings it back, and UD2 is the call: all that every KVM has for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "internal.h"

#if defined(__x86_64__)
#include <linux/kvm.h>

#define CALL_VECTOR 6

/* The page behind the code, which knows the offsets; its end is the stack. */
struct guest {
	struct ml_kvm_call call;
	uint64_t rax, entry, code, cr2; /* what it came back with */
	uint64_t types;                 /* IA32_PAT */
	uint64_t gdt[5], idt[32][2];
	uint32_t none, tss; /* the stack's address is four bytes in */
	uint64_t tss_stack, tss_rest[12];
};

#define GUEST_VA(field) (DATA_VA + offsetof(struct guest, field))

_Static_assert(offsetof(struct guest, rax) == 0x48, "its code has it there");
_Static_assert(offsetof(struct guest, tss) % 8 == 4, "the stack follows");

/*
 * Where reset enters, it takes the memory types and drops what is cached: a change of CR4.PGE drops
 * all, global or of tables (Intel SDM vol. 3A 4.10.4.1). The entry of vector n is 8n behind the
 * first, and CALL tells which it was; a fault without an error code leaves the address of the
 * instruction in its place. The routines touch no stack.
 */
__asm__(".pushsection .text; .balign 16\n"
	"ml_kvm_code: .set .Lguest, ml_kvm_code + 4096\n"
	"	mov $0x277, %ecx; mov .Lguest + 0x68(%rip), %eax\n"
	"	mov .Lguest + 0x6c(%rip), %edx; wrmsr\n"
	"	mov %cr4, %rax; or $0x80, %rax; mov %rax, %cr4\n"
	".Lnext: lea .Lguest(%rip), %rsp\n"
	"	pop %rax; pop %rdi; pop %rsi; pop %rcx; iretq\n"
	".Lfault: mov %rax, .Lguest + 0x48(%rip)\n"
	"	mov %cr2, %rax; mov %rax, .Lguest + 0x60(%rip)\n"
	"	pop .Lguest + 0x50(%rip); pop .Lguest + 0x58(%rip)\n"
	"	out %al, $0x10; jmp .Lnext\n"
	".org ml_kvm_code + 0x100\n"
	".rept 32\n"
	"	.balign 8; call .Lfault\n"
	".endr\n"
	".org ml_kvm_code + 0x200; mov (%rdi), %rax; ud2\n"
	".org ml_kvm_code + 0x210; mov %rax, (%rdi); ud2\n"
	".org ml_kvm_code + 0x220; jrcxz 2f\n"
	"1:	mov (%rdi,%rax), %rax; dec %rcx; jnz 1b\n"
	"2:	ud2\n"
	".org ml_kvm_code + 0x240; rep movsb; ud2\n"
	".org ml_kvm_code + 0x250\n"
	"1:	invlpg (%rdi); add %rsi, %rdi; dec %rcx; jnz 1b; ud2\n"
	".org ml_kvm_code + 0x260; .popsection\n");

extern const char ml_kvm_code[0x260];

static struct guest *guest_of(const struct ml_kvm *k)
{
	return (struct guest *)(void *)(k->memory + k->slot_bytes - PAGE_BYTES);
}

/* Intel SDM vol. 3A 3.4.5, 6.14.1, 7.7: segments, gates, the stack that faults come back on. */
static void guest_write(struct guest *guest, uint64_t types)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
					0x00cff3000000ffff, 0x00affb000000ffff };
	unsigned i;

	memcpy((char *)guest - PAGE_BYTES, ml_kvm_code, sizeof(ml_kvm_code));
	memcpy(guest->gdt, gdt, sizeof(gdt));
	guest->tss_stack = DATA_VA + PAGE_BYTES;
	for (i = 0; i < 32; i++) {
		guest->idt[i][0] = 0x8e0000080100 + 8 * i; /* CODE_VA has no bits below 32 */
		guest->idt[i][1] = CODE_VA >> 32;
	}
	guest->types = types;
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
	k->device_fd = open(device, O_RDWR | O_CLOEXEC);
	if (k->device_fd < 0)
		return ml_kvm_refused(k, device, errno, 0);
	k->vm_fd = ASK(k, k->device_fd, KVM_CREATE_VM, NULL);
	k->cpu_fd = k->vm_fd < 0 ? k->vm_fd : ASK(k, k->vm_fd, KVM_CREATE_VCPU, NULL);
	if (k->cpu_fd < 0)
		return ML_ERR_REFUSED;
	k->run = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, k->cpu_fd, 0);
	return k->run == MAP_FAILED ? ml_kvm_refused(k, "mmap of the vCPU", errno, PAGE_BYTES)
				    : cpuid_set(k);
}

static int memory_give(struct ml_kvm *k)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = k->memory_pa };

	(void)!ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region); /* none the first time */
	region.memory_size = k->slot_bytes;
	region.userspace_addr = (uintptr_t)k->memory;
	return ASK(k, k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/*
 * An access half done is ended first. Of segments 64-bit mode asks for CS, SS and TR; what is not
 * set is as at reset. CR0: PG WP NE ET MP PE. CR4: PAE, SMEP. EFER: NXE LMA LME.
 */
int ml_kvm_cpu_reset(struct ml_kvm *k)
{
	const struct kvm_regs regs = { .rip = CODE_VA, .rflags = 2 };
	struct kvm_run *run = k->run;
	struct kvm_sregs sregs;

	run->immediate_exit = 1;
	(void)!ioctl(k->cpu_fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	if (k->shadowed && memory_give(k))
		return ML_ERR_REFUSED;
	guest_write(guest_of(k), k->kernel.format->types_default);
	if (ASK(k, k->cpu_fd, KVM_SET_REGS, &regs) || ASK(k, k->cpu_fd, KVM_GET_SREGS, &sregs))
		return ML_ERR_REFUSED;
	sregs.cs = (struct kvm_segment){ .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1 };
	sregs.ss = (struct kvm_segment){ .selector = 16, .type = 3, .present = 1, .s = 1 };
	sregs.tr.base = GUEST_VA(tss);
	sregs.tr.type = 11;
	sregs.gdt.base = GUEST_VA(gdt);
	sregs.idt.base = GUEST_VA(idt);
	sregs.cr0 = 0x80010033;
	sregs.cr3 = ml_table_root(k->table ? k->table : &k->kernel);
	sregs.cr4 = 0x20 | (uint64_t)k->smep << 20;
	sregs.efer = 0xd00;
	return ASK(k, k->cpu_fd, KVM_SET_SREGS, &sregs);
}

int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, struct ml_kvm_call call, uint64_t *rax)
{
	const struct kvm_run *run = k->run;
	struct guest *guest = guest_of(k);
	int status;

	call.cs = mode == ML_KVM_USER ? 0x23 : 0x08;
	call.rflags = 2;
	call.rsp = DATA_VA + PAGE_BYTES;
	call.ss = mode == ML_KVM_USER ? 0x1b : 0x10;
	guest->call = call;
	do
		status = ioctl(k->cpu_fd, KVM_RUN, 0);
	while (status && errno == EINTR);
	if (status || run->exit_reason != KVM_EXIT_IO) {
		bool beyond = !status && run->exit_reason == KVM_EXIT_MMIO;

		ml_kvm_refused(k, beyond ? "no memory there" : "KVM_RUN", status ? errno : 0,
			       beyond ? run->mmio.phys_addr : run->exit_reason);
		(void)ml_kvm_cpu_reset(k);
		return ML_ERR_REFUSED;
	}
	if ((guest->entry >> 3 & 31) != CALL_VECTOR) {
		ml_kvm_refused(k, "fault", 0, guest->entry >> 3 & 31);
		k->refusal.code = guest->code;
		k->refusal.va = guest->cr2;
		return ML_ERR_REFUSED;
	}
	*rax = guest->rax;
	return ML_OK;
}
#else
int ml_kvm_machine_open(struct ml_kvm *k, const char *device)
{
	(void)device;
	return ml_kvm_refused(k, "a vCPU of this host's ISA", 0, 0);
}

/* Without a machine nobody calls these. */
int ml_kvm_cpu_reset(struct ml_kvm *k)
{
	return ml_kvm_machine_open(k, NULL);
}

int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, struct ml_kvm_call call, uint64_t *rax)
{
	(void)mode;
	(void)call;
	(void)rax;
	return ml_kvm_machine_open(k, NULL);
}
#endif
