/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a fuzz target gives to libFuzzer, and to the replay driver. */
#ifndef FUZZ_FUZZER_H
#define FUZZ_FUZZER_H

#include <stddef.h>
#include <stdint.h>

/* Judge one input; ends the program with a message when something is wrong. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
