/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The bodies of tests/mmu on a virtual CPU, by the KVM port. */
#define T_NO_MAIN
#include "t.h"

#include "mmu/machine_kvm.h"

int main(int argc, char **argv)
{
	const char *missing;

	setvbuf(stdout, NULL, _IOLBF, 0);
	missing = machine_kvm_missing();
	if (missing)
		return printf("1..0 # SKIP %s\n", missing) < 0;
	return t_main(argc - 1, argv + 1);
}
