/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The serial line, a PL011, and what the emulator is asked by semihosting. */
#include "board.h"

#define UART(offset) (*(volatile uint32_t *)(ISA_DIRECT + ISA_DEVICE_PA + (offset)))
#define UART_DATA UART(0x00)
#define UART_FLAGS UART(0x18)
#define UART_FULL (1u << 5)

/* "Semihosting for AArch32 and AArch64", 6. */
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT 0x18
#define EXIT_APPLICATION 0x20026

uint64_t call_emulator(uint64_t number, uint64_t *block);

void isa_put(char c)
{
	while (UART_FLAGS & UART_FULL)
		;
	UART_DATA = (unsigned char)c;
}

void isa_exit(int status)
{
	uint64_t block[2] = { EXIT_APPLICATION, (uint64_t)status };

	for (;;)
		call_emulator(SYS_EXIT, block);
}

/* Behind the first word, which is the image's path. */
const char *isa_command_line(void)
{
	static char line[8192];
	uint64_t block[2] = { (uintptr_t)line, sizeof(line) };
	const char *rest = line;

	if (call_emulator(SYS_GET_CMDLINE, block) != 0)
		board_die("the command line is too long");
	while (*rest && *rest != ' ')
		rest++;
	return rest;
}
