/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* PCI as far as one device needs it: bus 0, found by its identity, put where memory is free. */
#ifndef QEMU_PCI_H
#define QEMU_PCI_H

#include "board.h"

/* A function's configuration space; NULL: there is none with this device << 16 | vendor. */
volatile uint32_t *pci_find(uint32_t identity);

/* What a base address register decodes. */
struct pci_bar {
	ml_pa pa;
	uint64_t bytes; /* a power of two; 0: the function has no such register */
};

/* Put the memory behind a base address register at an address of its own, and switch it on. */
struct pci_bar pci_place(volatile uint32_t *config, unsigned bar);

#endif
