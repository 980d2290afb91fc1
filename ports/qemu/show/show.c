/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A board at work, for a person to read. */
#include "board.h"

int board_payload(void)
{
	board_printf("maxleaf %s on %s, %u CPUs\n", ml_version(), isa_cpu_name(), board_cpus);
	return 0;
}
