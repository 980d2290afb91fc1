# SPDX-License-Identifier: Apache-2.0 OR MIT
# The one build of maxleaf. Everything it makes is below $(O).
#
#   O=DIR      where to build (default: build)     V=1        show commands
#   CC, CLANG  the two compilers                   WERROR=1   warnings are errors (also CI=true)
#   CFLAGS, LDFLAGS  appended                      ML_NO_DEPS=1  install nothing
#   PREFIX, DESTDIR  where to install              SEED, ML_TEST_OPS  of the random tests
#                                                  ML_QEMU_SECONDS    limit of a board (120)

O ?= build
V ?=
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
FUZZ_SECONDS ?= 60
STRESS_TIMES ?= 20
SIZE ?= size

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))
VERSION := $(shell sed -n 's/^.define ML_VERSION_STRING "\(.*\)"/\1/p' include/maxleaf/types.h)
CORE := $(shell sed -e '/^\#/d' -e '/^ *$$/d' src/core.list)
HAVE_CLANG := $(shell command -v $(CLANG) 2>/dev/null)

all: libraries $(O)/maxleaf ## the libraries and the tool (needs gcc and make alone)
.PHONY: all FORCE
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1) # -jN given by the user wins
endif
FORCE:

include mk/flags.mk mk/variant.mk

# ---- variants --------------------------------------------------------------------

HOSTED_PORT := -DML_PORT_HEADER='"hosted_port.h"' -Iports/hosted
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Entries go through doors that say what the sanitizer cannot know.
TSAN := -fsanitize=thread -DML_PORT_HEADER='"support/dependent_loads.h"' -Itests
TEST_INCLUDES := -Isrc -Itests -Iports/hosted -Iports/process -Icli

$(eval $(call variant,plain,$(CC),$(call core-flags,$(CC)) $(call stack-flags,$(CC)) $(OPTIMISE),$\
	$(call hosted-flags,$(CC)) $(OPTIMISE) $(TEST_INCLUDES)))
$(eval $(call variant,hosted,$(CC),$(call core-flags,$(CC)) $(OPTIMISE) $(HOSTED_PORT),$\
	$(call hosted-flags,$(CC)) $(OPTIMISE) $(HOSTED_PORT) $(TEST_INCLUDES)))
$(eval $(call variant,asan,$(CC),$(call core-flags,$(CC)) -O1 $(SANITIZE) $(HOSTED_PORT),$\
	$(call hosted-flags,$(CC)) -O1 $(SANITIZE) $(HOSTED_PORT) $(TEST_INCLUDES)))

# `maxleaf trace` hears the stores of the core: the algorithms that read the format at run time,
# once more, with the hosted port's doors and under a name of their own.
$(eval $(call variant,heard,$(CC),$(call core-flags,$(CC)) $(OPTIMISE) $(HOSTED_PORT) $\
	-Dml_table_ops_any=ml_table_ops_heard,))

$(eval $(call variant,tsan,$(CC),$(call core-flags,$(CC)) -O1 $(TSAN),$\
	$(call hosted-flags,$(CC)) -O1 $(TSAN) $(TEST_INCLUDES)))

# ---- libraries and tool ----------------------------------------------------------

LIBRARIES := $(O)/libmaxleaf-hosted.a $(O)/libmaxleaf.a
PORTS := $(wildcard ports/hosted/*.c ports/process/*.c ports/kvm/*.c)
CLI := $(wildcard cli/*.c)

$(O)/libmaxleaf.a: $(O)/plain/core.a
	$(Q)cp $< $@

$(O)/libmaxleaf-hosted.a: $(PORTS:%.c=$(O)/plain/%.o)
	$(archive)

$(O)/maxleaf: $(CLI:%.c=$(O)/plain/%.o) $(O)/heard/src/inst/any.o $(LIBRARIES)
	$(call link,$(CC) -pthread)

libraries: $(LIBRARIES)

run: all ## what larger leaves do on this CPU
	@tools/deps run
	$(O)/maxleaf bench
.PHONY: libraries run

# ---- tests -----------------------------------------------------------------------

TESTS := $(wildcard tests/*.c tests/catalogue/*.c)
TEST_HELPERS := $(filter-out tests/mmu/% tests/catalogue/%,$(wildcard tests/*/*.c))
ON_PROCESS := tests/process% tests/mmu_process% tests/kvm% tests/mmu_kvm%
PROCESS_TESTS := $(patsubst %.c,$(O)/plain/%,$(filter $(ON_PROCESS),$(TESTS)))
HOSTED_TESTS := $(patsubst %.c,$(O)/hosted/%,$(filter-out $(ON_PROCESS),$(TESTS)))
ASAN_TESTS := $(HOSTED_TESTS:$(O)/hosted/%=$(O)/asan/%)
REPLAYS := $(patsubst fuzz/%.c,$(O)/asan/fuzz/%,$(wildcard fuzz/*_fuzzer.c))
ifneq ($(filter test test-programs,$(MAKECMDGOALS)),)
CAN_SANITIZE := $(shell echo 'int main(void) { return 0; }' | \
	$(CC) $(SANITIZE) -x c - -o /dev/null 2>/dev/null && echo yes)
# It must run, too: some kernels lay memory out as this sanitizer cannot bear.
CAN_TSAN := $(shell mkdir -p $(O) && echo 'int main(void) { return 0; }' | \
	$(CC) -fsanitize=thread -x c - -o $(O)/can-tsan 2>/dev/null && \
	$(O)/can-tsan 2>/dev/null && echo yes)
endif
TSAN_TESTS := $(addprefix $(O)/tsan/tests/,threads space_threads space_installers)
SANITIZED := $(if $(CAN_SANITIZE),$(ASAN_TESTS) $(REPLAYS)) $(if $(CAN_TSAN),$(TSAN_TESTS))
HOSTED := $(wildcard ports/hosted/*.c) $(TEST_HELPERS)

$(HOSTED_TESTS): $(O)/hosted/%: $(O)/hosted/%.o $(HOSTED:%.c=$(O)/hosted/%.o) $(O)/hosted/core.a
	$(call link,$(CC) -pthread)
$(ASAN_TESTS): $(O)/asan/%: $(O)/asan/%.o $(HOSTED:%.c=$(O)/asan/%.o) $(O)/asan/core.a
	$(call link,$(CC) -pthread $(SANITIZE))
$(TSAN_TESTS): $(O)/tsan/%: $(O)/tsan/%.o $(O)/tsan/tests/support/source.o $(O)/tsan/core.a
	$(call link,$(CC) -pthread -fsanitize=thread)
$(PROCESS_TESTS): $(O)/plain/%: $(O)/plain/%.o $(TEST_HELPERS:%.c=$(O)/plain/%.o) $(LIBRARIES)
	$(call link,$(CC) -pthread)
$(REPLAYS): $(O)/asan/%: $(O)/asan/%.o $(O)/asan/fuzz/replay_main.o \
		$(HOSTED:%.c=$(O)/asan/%.o) $(O)/asan/core.a
	$(call link,$(CC) -pthread $(SANITIZE))

# tests/mmu_MACHINE.c is the main file of the bodies on a machine.
MMU_BODIES := $(patsubst %,tests/mmu/%.o,\
	bodies change leaves permissions types marks shared refused sink \
	space space_faults space_fork space_move space_raw space_random)
$(O)/hosted/tests/mmu_hosted: $(MMU_BODIES:%=$(O)/hosted/%) $(O)/hosted/tests/mmu/machine_hosted.o
$(O)/asan/tests/mmu_hosted: $(MMU_BODIES:%=$(O)/asan/%) $(O)/asan/tests/mmu/machine_hosted.o
$(O)/plain/tests/mmu_process: $(MMU_BODIES:%=$(O)/plain/%) $(O)/plain/tests/mmu/machine_process.o
$(O)/plain/tests/mmu_kvm: $(MMU_BODIES:%=$(O)/plain/%) $(O)/plain/tests/mmu/machine_kvm.o

ALL_TESTS := $(sort $(wildcard tests/*.t)) $(HOSTED_TESTS) $(PROCESS_TESTS) $(SANITIZED)
QEMU_TESTS := $(sort $(wildcard tests/qemu*.t))
SLOW := %/random %/toy %/interleave %/interleave_units %/oracle_toy %/oracle_random %/oracle_lent %/space_random %/space_oracle tests/symbols.t tests/cross.t $(QEMU_TESTS) # first, so that the others run beside them
EXAMPLES := $(patsubst %.c,$(O)/plain/%,$(wildcard examples/*.c))
$(EXAMPLES): $(O)/plain/%: $(O)/plain/%.o $(LIBRARIES)
	$(call link,$(CC) -pthread)

TEST_ENV = O='$(O)' CC='$(CC)' CLANG='$(CLANG)' MAKE='$(MAKE)' VERSION='$(VERSION)'

test-programs: $(EXAMPLES) $(HOSTED_TESTS) $(PROCESS_TESTS) $(SANITIZED)
test: deps-test all test-programs ## everything that shows it is right, under prove
	@$(MAKE) --no-print-directory qemu-images
	@$(TEST_ENV) tools/run-tests $(filter $(SLOW),$(ALL_TESTS)) $(filter-out $(SLOW),$(ALL_TESTS))

deps-test:
	@tools/deps test
	$(if $(CAN_SANITIZE),,@echo '# SKIP the ASan and UBSan build: $(CC) cannot link it here')
	$(if $(CAN_TSAN),,@echo '# SKIP the TSan build: $(CC) cannot link it here, or it does not run')

# The second make sees the compilers that tools/deps installs.
qemu: all ## the boards under QEMU: the tests of what real MMUs do with the tables
	@tools/deps qemu
	@$(MAKE) --no-print-directory qemu-images
	@$(TEST_ENV) tools/run-tests $(QEMU_TESTS)

asan: $(ASAN_TESTS) $(REPLAYS) ## the hosted tests under ASan and UBSan, full length
	@ML_TEST_FULL=1 $(TEST_ENV) tools/run-tests $^

tsan: $(TSAN_TESTS) ## threads that pass each other, under ThreadSanitizer, full length
	@ML_TEST_FULL=1 $(TEST_ENV) tools/run-tests $^

stress: $(HOSTED_TESTS) ## the random tests 20 times as long, with a seed of the clock; all interleavings
	@ML_TEST_TIMES=$(STRESS_TIMES) SEED=$$(date +%s) $(TEST_ENV) tools/run-tests $^
.PHONY: test deps-test test-programs qemu asan tsan stress

# ---- the rest --------------------------------------------------------------------

include mk/qemu.mk mk/proofs.mk mk/extra.mk

clean: ## remove everything that was built
	rm -rf $(O)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | \
		awk -F '\t' '{ printf "  make %-20s %s\n", $$1, $$2 }'
	@sed -n 's/^#   \(.*\)/  \1/p' Makefile
.PHONY: clean help

-include $(wildcard $(O)/*/*.d $(O)/*/*/*.d $(O)/*/*/*/*.d $(O)/*/*/*/*/*.d)
