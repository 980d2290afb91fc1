/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The serial line, a PL011, and what the emulator is asked by semihosting. */
#include "isa.h"

#define UART_PA 0x09000000
#define UART(offset) (*(volatile uint32_t *)(ISA_DIRECT + UART_PA + (offset)))
#define UART_DATA UART(0x00)
#define UART_FLAGS UART(0x18)
#define UART_FULL (1u << 5)

/* "Semihosting for AArch32 and AArch64", 6. */
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT 0x18
#define EXIT_APPLICATION 0x20026

uint64_t call_emulator(uint64_t number, uint64_t *block);

void isa_map_devices(void)
{
	board_map_device(UART_PA, 0x1000);
}

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
	static char line[1024];
	uint64_t block[2] = { (uintptr_t)line, sizeof(line) };
	const char *rest = line;

	if (call_emulator(SYS_GET_CMDLINE, block) != 0)
		return "";
	while (*rest && *rest != ' ')
		rest++;
	return rest;
}
