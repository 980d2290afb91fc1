# SPDX-License-Identifier: Apache-2.0 OR MIT
# Which flags a compiler gets. $(call core-flags,COMPILER) is the freestanding core,
# $(call hosted-flags,COMPILER) everything that runs under an operating system.

ifneq ($(filter true 1,$(CI) $(WERROR)),)
ERRORS := -Werror
endif

OPTIMISE ?= -O2
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
CORE_WARNINGS := $(WARNINGS) -Wconversion -Wsign-conversion

is-clang = $(findstring clang,$(shell $(1) --version 2>/dev/null))
machine = $(shell $(1) -dumpmachine 2>/dev/null)

# No floating-point registers in the core; no calls into libgcc for atomics.
machine-flags = $(if $(filter x86_64-%,$(machine)),-mgeneral-regs-only) \
	$(if $(filter aarch64-%,$(machine)),-mgeneral-regs-only -mno-outline-atomics)
stack-flags = $(if $(is-clang),-Wframe-larger-than=1024,-Wstack-usage=1024 -fcallgraph-info=su)

core-flags = -std=c11 -ffreestanding -fno-common -ffunction-sections -fdata-sections -g \
	$(CORE_WARNINGS) $(ERRORS) $(strip $(machine-flags)) -Iinclude -Isrc
hosted-flags = -std=c11 -D_GNU_SOURCE -pthread -g $(WARNINGS) $(ERRORS) -Iinclude
