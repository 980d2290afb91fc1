/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The serial line, the end, and what the boot loader left. */
#include "board.h"

#define UART 0x3f8 /* COM1, a 16550: data, and the line status with "transmitter empty" */
#define UART_STATUS (UART + 5)
#define UART_EMPTY (1 << 5)
#define OUT(port, value) __asm__ volatile("outb %b0, %w1" ::"a"(value), "d"(port))
#define DEBUG_EXIT 0xf4
#define EXIT_SUCCESS 0x10
#define START_INFO_COMMAND_LINE 24 /* the offset of its address in PVH's hvm_start_info */

uint32_t start_info; /* of start.S; it stays where it is, in memory that nobody maps */

void isa_put(char c)
{
	uint8_t status;

	do
		__asm__ volatile("inb %w1, %0" : "=a"(status) : "d"(UART_STATUS));
	while (!(status & UART_EMPTY));
	OUT(UART, c);
}

/* The emulator ends with value << 1 | 1, which is never 0: 33 is success, 35 is status 1. */
_Noreturn void isa_exit(int status)
{
	OUT(DEBUG_EXIT, EXIT_SUCCESS + status);
	for (;;)
		__asm__ volatile("hlt");
}

const char *isa_command_line(void)
{
	const ml_pa *pa = board_pointer(start_info + START_INFO_COMMAND_LINE);

	return *pa ? board_pointer(*pa) : "";
}
