# SPDX-License-Identifier: Apache-2.0 OR MIT
# A variant is one way to compile the tree, in a folder of its own below $(O).
#
# $(eval $(call variant,NAME,COMPILER,CORE FLAGS,OTHER FLAGS)) gives
#   $(O)/NAME/src/%.o   with the core flags,
#   $(O)/NAME/%.o       with the other flags,
#   $(O)/NAME/core.a    the core.
# Objects are made anew when the compiler or a flag changes: they depend on a stamp that
# holds both, and which is written only when they differ.

define variant
FLAGS-$1 := $2 | $3 | $4 | $(CFLAGS)

$(O)/$1/.flags: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$$(FLAGS-$1))' | cmp -s - $$@ || \
		printf '%s\n' '$$(subst ','\'',$$(FLAGS-$1))' >$$@

$(O)/$1/src/%.o: src/%.c $(O)/$1/.flags
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$2 $3 $(CFLAGS) -MMD -MP -c -o $$@ $$<

$(O)/$1/%.o: %.c $(O)/$1/.flags
	$$(call say,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$2 $4 $(CFLAGS) -MMD -MP -c -o $$@ $$<

$(O)/$1/core.a: $(CORE:%.c=$(O)/$1/%.o) $(wildcard src/core.list)
	$$(archive)
$(O)/$1/core.a: AR := $(if $5,$5,$(AR))
endef

# The recipe of an archive.
define archive
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)
endef

# $(call link,COMPILER AND FLAGS): the recipe of a program from its prerequisites.
define link
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(1) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)
endef
