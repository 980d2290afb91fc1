# SPDX-License-Identifier: Apache-2.0 OR MIT
# Images of the QEMU boards: the core as it is, the board's two halves, and what runs on them.
#
#   $(O)/qemu/ISA/show.elf    the board at work, for a person to read
#   $(O)/qemu/ISA/display.elf a user program draws into the memory of a PCI display
#   $(O)/qemu/ISA/tests.elf   the test bodies of tests/mmu on the board's MMU

QEMU_ISAS := arm64 x86_64
QEMU_CC-arm64 := aarch64-linux-gnu-gcc
QEMU_CC-x86_64 := x86_64-linux-gnu-gcc
QEMU_FLAGS-arm64 := -mstrict-align
QEMU_FLAGS-x86_64 := -mcmodel=kernel -mno-red-zone -fcf-protection=none
# A loop that copies must not become a call of itself.
QEMU_FLAGS := -fno-pic -fno-stack-protector -fno-tree-loop-distribute-patterns
QEMU_LINK := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,--fatal-warnings

QEMU_PAYLOADS := show display tests
QEMU_BODIES := $(filter-out %/main.c %/machine_hosted.c %/machine_process.c %/machine_kvm.c, \
	$(wildcard tests/mmu/*.c)) tests/support/reference.c ports/qemu/space/board_space.c
QEMU_SOURCES-show := ports/qemu/show/show.c
QEMU_SOURCES-display := $(wildcard ports/qemu/display/*.c ports/qemu/space/*.c) tests/mmu/words.c
QEMU_SOURCES-tests := $(QEMU_BODIES)
QEMU_COMMON := $(wildcard ports/qemu/common/*.c)

qemu-image = $(O)/qemu/$(1)/$(2).elf
QEMU_IMAGES := $(foreach i,$(QEMU_ISAS),$(if $(shell command -v $(QEMU_CC-$i)),\
	$(foreach p,$(QEMU_PAYLOADS),$(call qemu-image,$i,$p))))

# $(call qemu-isa,ISA,BUILD FOLDER)
define qemu-isa
$(call variant,qemu-$1,$(QEMU_CC-$1),\
	$(call core-flags,$(QEMU_CC-$1)) $(OPTIMISE) $(QEMU_FLAGS) $(QEMU_FLAGS-$1),\
	$(filter-out -Wconversion -Wsign-conversion,$(call core-flags,$(QEMU_CC-$1))) $(OPTIMISE) \
	$(QEMU_FLAGS) $(QEMU_FLAGS-$1) -Iports/qemu/common -Iports/qemu/$1 -Iports/qemu/space -Itests \
	-include board.h -include mmu/words.h \
	-DT_PRINTF=board_printf -DT_OPTION=word_number -DT_NO_MAIN,$(QEMU_CC-$1:gcc=ar))
$(O)/qemu-$1/%.o: %.S $(O)/qemu-$1/.flags
	$$(call say,AS,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(QEMU_CC-$1) -g -Iports/qemu/common -Iports/qemu/$1 -MMD -MP -c -o $$@ $$<
$(O)/qemu-$1/board.ld: ports/qemu/common/board.ld ports/qemu/$1/isa_facts.h
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(QEMU_CC-$1) -E -P -x assembler-with-cpp -Iports/qemu/$1 -o $$@ $$<
$(foreach p,$(QEMU_PAYLOADS),$(call qemu-payload,$1,$p))
endef

define qemu-payload

$(call qemu-image,$1,$2): $(patsubst %,$(O)/qemu-$1/%.o,$(basename \
		$(QEMU_COMMON) $(wildcard ports/qemu/$1/*.[cS]) $(QEMU_SOURCES-$2))) \
		$(O)/qemu-$1/core.a $(O)/qemu-$1/board.ld
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(QEMU_CC-$1) $(QEMU_LINK) -T $(O)/qemu-$1/board.ld -o $$@ $$(filter %.o %.a,$$^)
endef

$(foreach i,$(QEMU_ISAS),$(if $(filter qemu% test% $(call qemu-image,$i,%),$(MAKECMDGOALS)),\
	$(if $(shell command -v $(QEMU_CC-$i)),$(eval $(call qemu-isa,$i)))))

qemu-images: $(QEMU_IMAGES)

qemu-pictures: all qemu-images ## docs/display_BOARD.png: what a user program drew, judged
	$(foreach i,$(QEMU_ISAS),perl tests/qemu/picture.pl $(O)/maxleaf $i max \
		png=$(CURDIR)/docs/display_$i.png &&) true
.PHONY: qemu-images qemu-pictures
