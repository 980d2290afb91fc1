#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Callers name no ISA (S0.1, S0.2): the public headers of the core declare nothing of one but the
# formats themselves and what encodes operands for a CPU, and a driver is one source for all formats.
. tests/support/tap.sh

isa='x86|x86_64|arm64|arm64_4k|aarch64|armv8|riscv|ppc|powerpc|pat|mair|ptbr|cr3|pte_cont|contpte|napot'

# code HEADER: what it declares, comments left out.
code() {
	sed -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' "$1"
}

# names HEADER: what it declares that has an ISA's name in it; words and parts of words.
names() {
	code "$1" | tr -c 'A-Za-z0-9_\n' '\n' | grep -iE "(^|_)($isa)(_|$)"
}

for header in types platform table pte pool; do
	ok "$header.h names no ISA" is_empty "$(names include/maxleaf/$header.h)"
done
ok "port.h: compilers' names alone" \
	is_empty "$(names include/maxleaf/port.h | grep -vE '^__(aarch64|riscv|powerpc64)(__)?$')"
ok "format.h: formats and encodings alone" \
	is_empty "$(names include/maxleaf/format.h | grep -vE '^(ml_format|ML_ENCODING)_')"
ok "the scan finds what is there" \
	test "$(names include/maxleaf/format.h | grep -c '^ml_format_')" -ge 2

sed 's/ml_format_[a-z0-9_]*//g' examples/driver.c >"$scratch/driver.h"
ok "the driver names formats alone" is_empty "$(names "$scratch/driver.h")"
ok "the driver has no conditional" is_empty "$(grep '^#' examples/driver.c | grep -vE '^#(include|define) ')"
ok "the driver sees no hint, mask or entry bit" \
	is_empty "$(code examples/driver.c | grep -E 'group|contig|hint|mask|MASK|PTE_|<< *[0-9]')"
done_testing
