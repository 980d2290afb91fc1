# SPDX-License-Identifier: Apache-2.0 OR MIT
# Targets beside building and testing: benchmarks, fuzzing, cross builds, lint, size, install.

# ---- benchmarks: one program for each compiler, both with their own core -------------

BENCH := $(patsubst %.c,%.o,$(wildcard bench/*.c))
BENCH_COMPILERS := $(notdir $(CC) $(if $(HAVE_CLANG),$(CLANG)))
bench-program = $(O)/bench-$(1)/maxleaf-bench

define bench-compiler
$(call variant,bench-$1,$1,$(call core-flags,$1) -O2,$(call hosted-flags,$1) -O2 -Ibench)
$(call bench-program,$1): $(BENCH:%=$(O)/bench-$1/%) $(O)/heard/src/inst/any.o \
		$(O)/libmaxleaf-hosted.a $(O)/bench-$1/core.a
	$$(call link,$1)
endef
ifneq ($(filter bench-%,$(MAKECMDGOALS)),)
$(foreach c,$(BENCH_COMPILERS),$(eval $(call bench-compiler,$c)))
endif
BENCHES := $(foreach c,$(BENCH_COMPILERS),$c=$(call bench-program,$c))

# What tools/deps installs is seen by the second make.
bench: ## every workload against its limit, by both compilers: a table and build/bench.json
	@tools/deps bench
	@$(MAKE) --no-print-directory bench-time
bench-time bench-instructions: $(foreach c,$(BENCH_COMPILERS),$(call bench-program,$c))
bench-time:
	@bench/run.sh time $(O) $(BENCHES)
bench-instructions: ## the same by instruction counts, with callgrind
	@tools/deps bench
	@bench/run.sh count $(O) $(BENCHES)
figures: ## put the table of the last `make bench` into the README
	@tools/figures $(O)/bench.json README.md
.PHONY: bench bench-time bench-instructions figures

# ---- fuzzing ----------------------------------------------------------------------

FUZZERS := $(patsubst fuzz/%.c,$(O)/fuzz/fuzz/%,$(wildcard fuzz/*_fuzzer.c))
ifneq ($(filter fuzz,$(MAKECMDGOALS)),)
FUZZ_FLAGS := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_LINK := $(CLANG) -pthread -fsanitize=fuzzer,address,undefined
$(eval $(call variant,fuzz,$(CLANG),$(call core-flags,$(CLANG)) $(FUZZ_FLAGS) $(HOSTED_PORT),$\
	$(call hosted-flags,$(CLANG)) $(FUZZ_FLAGS) $(HOSTED_PORT) $(TEST_INCLUDES)))
$(FUZZERS): $(O)/fuzz/%: $(O)/fuzz/%.o $(HOSTED:%.c=$(O)/fuzz/%.o) $(O)/fuzz/core.a
	$(call link,$(FUZZ_LINK))
endif

fuzz: $(FUZZERS) ## every fuzz target for FUZZ_SECONDS (60) with clang's libFuzzer
	$(Q)for fuzzer in $(FUZZERS); do \
		name=$$(basename $$fuzzer _fuzzer); mkdir -p $(O)/corpus/$$name; \
		echo "$$name: $(FUZZ_SECONDS) s"; \
		$$fuzzer -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
			-artifact_prefix=$(O)/corpus/ $(O)/corpus/$$name fuzz/corpus/$$name || exit 1; \
	done
.PHONY: fuzz

# ---- cross builds: the core alone, warnings are errors ------------------------------

CROSS := aarch64-linux-gnu riscv64-linux-gnu powerpc64le-linux-gnu powerpc64-linux-gnu
CROSS_MADE := $(filter $(CROSS:%=cross-%),$(MAKECMDGOALS))
ifneq ($(CROSS_MADE),)
$(foreach t,$(CROSS_MADE:cross-%=%),$(eval $(call variant,cross-$t,$t-gcc,\
	$(call core-flags,$t-gcc) -Werror $(call stack-flags,$t-gcc) $(OPTIMISE),,$t-ar)))
endif
$(CROSS:%=cross-%): cross-%: $(O)/cross-%/core.a
.PHONY: $(CROSS:%=cross-%)

# The native core by clang, warnings as errors: for the test of symbols.
ifneq ($(filter native-clang,$(MAKECMDGOALS)),)
$(eval $(call variant,native-clang,$(CLANG),\
	$(call core-flags,$(CLANG)) -Werror $(call stack-flags,$(CLANG)) $(OPTIMISE),))
endif
native-clang: $(O)/native-clang/core.a
.PHONY: native-clang

# ---- mutants: deliberate mistakes, and the tests that notice them ---------------------

mutants: ## every deliberate mistake in the library is noticed by a test
	@MAKE='$(MAKE)' tools/mutants tests/mutants.list $(O)/mutants
.PHONY: mutants

# ---- lint, size -----------------------------------------------------------------------

lint: ## formatting, clang-tidy, shellcheck, spelling, licence lines
	@tools/deps lint
	@CLANG='$(CLANG)' tools/lint
size: $(O)/libmaxleaf.a ## text bytes and deepest stack by format and by floor
	@SIZE='$(SIZE)' tools/size $(O)/plain $(CORE)
.PHONY: lint size

# ---- install -----------------------------------------------------------------------------

SCDOC := $(shell command -v scdoc 2>/dev/null)
MAN := $(if $(SCDOC),$(patsubst man/%.scd,$(O)/man/%,$(wildcard man/*.scd)))
PKGCONFIG := maxleaf.pc maxleaf-hosted.pc
HEADERS := $(notdir $(wildcard include/maxleaf/*.h))
SHARE = $(DESTDIR)$(BINDIR)/../share/maxleaf
mandir-of = $(DESTDIR)$(MANDIR)/man$(lastword $(subst ., ,$(1)))

$(O)/man/%: man/%.scd
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc <$< >$@

$(O)/%.pc: %.pc.in FORCE
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

install: all $(PKGCONFIG:%=$(O)/%) $(MAN) ## to DESTDIR PREFIX (/usr/local)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/maxleaf
	install -m 755 $(O)/maxleaf $(DESTDIR)$(BINDIR)/maxleaf
	install -m 644 $(LIBRARIES) $(DESTDIR)$(LIBDIR)
	install -m 644 $(PKGCONFIG:%=$(O)/%) $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 $(HEADERS:%=include/maxleaf/%) $(DESTDIR)$(INCLUDEDIR)/maxleaf
	install -D -m 644 cli/maxleaf.bash $(DESTDIR)$(BASHCOMPDIR)/maxleaf
	$(foreach i,$(wildcard $(QEMU_ISAS:%=$(O)/qemu/%/show.elf) $(QEMU_ISAS:%=$(O)/qemu/%/display.elf)),\
		install -D -m 644 $i $(SHARE)/$(i:$(O)/%=%) &&) true
	$(foreach m,$(MAN),install -D -m 644 $m $(call mandir-of,$m)/$(notdir $m) &&) true

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/maxleaf $(DESTDIR)$(BASHCOMPDIR)/maxleaf \
		$(LIBRARIES:$(O)/%=$(DESTDIR)$(LIBDIR)/%) \
		$(PKGCONFIG:%=$(DESTDIR)$(LIBDIR)/pkgconfig/%) \
		$(HEADERS:%=$(DESTDIR)$(INCLUDEDIR)/maxleaf/%) \
		$(foreach m,$(patsubst man/%.scd,%,$(wildcard man/*.scd)),$(call mandir-of,$m)/$m)
	rm -rf $(SHARE)
	-rmdir $(DESTDIR)$(INCLUDEDIR)/maxleaf
.PHONY: install uninstall
