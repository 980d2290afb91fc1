/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Finding and placing a PCI function: PCI Local Bus 3.0, 6.1 and 6.2.5; configuration space in
 * memory, PCI Express Base 3.0, 7.2.2.
 */
#include "pci.h"

#define BUS_BYTES ((uint64_t)1 << 20) /* of configuration: 32 devices of 8 functions of 4K */
#define FUNCTIONS 256
#define FUNCTION_WORDS 1024

/* Registers, in words. */
#define IDENTITY 0
#define COMMAND 1
#define COMMAND_MEMORY (1u << 1)
#define BAR 4
#define BAR_IO (1u << 0)
#define BAR_64 (1u << 2)
#define BAR_FLAGS 0xfu

volatile uint32_t *pci_find(uint32_t identity)
{
	static volatile uint32_t *bus;

	if (!bus) {
		board_kernel_map(ISA_DIRECT + ISA_PCI_CONFIG, BUS_BYTES, ISA_PCI_CONFIG,
				 ML_RW | ML_DEV_STRICT);
		bus = board_pointer(ISA_PCI_CONFIG);
	}
	for (unsigned function = 0; function < FUNCTIONS; function++)
		if (bus[function * FUNCTION_WORDS + IDENTITY] == identity)
			return &bus[function * FUNCTION_WORDS];
	return NULL;
}

/* The bits that do not stay set are those of an offset. The space here is below 4G. */
struct pci_bar pci_place(volatile uint32_t *config, unsigned bar)
{
	static ml_pa free = ISA_PCI_MEMORY;
	volatile uint32_t *const word = &config[BAR + bar];
	struct pci_bar place = { 0 };

	*word = ~0u;
	if (!*word || *word & BAR_IO)
		return place;
	place.bytes = ~(*word & ~BAR_FLAGS) + 1u;
	place.pa = (free + place.bytes - 1) & ~(place.bytes - 1);
	free = place.pa + place.bytes;
	if (*word & BAR_64)
		word[1] = 0;
	*word = (uint32_t)place.pa;
	config[COMMAND] |= COMMAND_MEMORY;
	return place;
}
