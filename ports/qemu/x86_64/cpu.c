/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The console, the end, what the CPU says of itself, and its root. */
#include "x86.h"

#define UART 0x3f8 /* COM1, a 16550: data, and the line status with "transmitter empty" */
#define UART_STATUS (UART + 5)
#define UART_EMPTY (1 << 5)
#define PIC_MASK 0x21 /* of the first 8259, and of the second */
#define PIC_MASK_SECOND 0xa1
#define DEBUG_EXIT 0xf4
#define EXIT_SUCCESS 0x10
#define START_INFO_COMMAND_LINE 24 /* the offset of its address in PVH's hvm_start_info */

/* CPUID leaves, vol. 2A: the brand string, 16 bytes in each; address widths. */
#define CPUID_BRAND 0x80000002
#define CPUID_WIDTHS 0x80000008

static char command_line[256];
static ml_pa kernel_roots[BOARD_CPUS];

extern const char trampoline[], trampoline_end[];
void cpu_boot(ml_pa start_info);

/* The firmware was here: it leaves things in low memory, and a clock that interrupts. */
void cpu_boot(ml_pa start_info)
{
	const ml_pa *pa = board_pointer(start_info + START_INFO_COMMAND_LINE);
	const char *line = board_pointer(*pa);

	for (size_t i = 0; *pa && line[i] && i < sizeof(command_line) - 1; i++)
		command_line[i] = line[i];
	__builtin_memcpy(board_pointer(TRAMPOLINE_PA), trampoline,
			 (size_t)(trampoline_end - trampoline));
	port_write(PIC_MASK, 0xff);
	port_write(PIC_MASK_SECOND, 0xff);
}

void isa_put(char c)
{
	while (!(port_read(UART_STATUS) & UART_EMPTY))
		__asm__ volatile("pause");
	port_write(UART, (uint8_t)c);
}

/* The emulator ends with value << 1 | 1, which is never 0: 33 is success, 35 is status 1. */
_Noreturn void isa_exit(int status)
{
	port_write(DEBUG_EXIT, (uint8_t)(EXIT_SUCCESS + status));
	for (;;)
		__asm__ volatile("hlt");
}

const char *isa_command_line(void)
{
	return command_line;
}

unsigned isa_cpu(void)
{
	return cpuid(1).ebx >> 24; /* the initial APIC id, as in start.S */
}

unsigned isa_pa_bits(void)
{
	return cpuid(CPUID_WIDTHS).eax & 0xff;
}

unsigned isa_levels(void)
{
	return read_cr4() & CR4_LA57 ? 5 : 4;
}

bool isa_hardware_ad(void)
{
	return true;
}

const char *isa_cpu_name(void)
{
	static struct cpuid brand[3];

	for (unsigned i = 0; i < 3; i++)
		brand[i] = cpuid(CPUID_BRAND + i);
	return (const char *)brand;
}

static void use_root(ml_pa root)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(root) : "memory");
	tlb_drop_all();
}

void isa_use_kernel(ml_pa root)
{
	kernel_roots[isa_cpu()] = root;
	use_root(root);
}

void isa_use(ml_pa root)
{
	use_root(root ? root : kernel_roots[isa_cpu()]);
}

bool isa_translate(ml_va va, ml_pa *pa, uint64_t *attributes)
{
	(void)va;
	(void)pa;
	(void)attributes;
	return false;
}

void isa_put_call(void *code)
{
	const uint8_t call[] = { 0xcd, 0x80 }; /* int $0x80 */

	__builtin_memcpy(code, call, sizeof(call));
}
