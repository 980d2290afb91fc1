#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every public header compiles alone, as C11, C17, C2x and C++17, by every compiler there is.
. tests/support/tap.sh

warnings="-Wall -Wextra -Wundef -Wconversion -Werror -pedantic"

# compiles COMPILER LANGUAGE STANDARD HEADER
compiles() {
	echo "#include <maxleaf/$4>" >"$scratch/unit"
	# shellcheck disable=SC2086 # a list of flags
	"$1" -x "$2" -std="$3" $warnings -Iinclude -fsyntax-only "$scratch/unit"
}

# all_compile COMPILER LANGUAGE STANDARD
all_compile() {
	status=0
	for header in include/maxleaf/*.h; do
		compiles "$1" "$2" "$3" "$(basename "$header")" || status=1
	done
	return "$status"
}

for standard in c11 c17 c2x; do
	for compiler in "$CC" "$CLANG"; do
		if have "$compiler"; then
			ok "$compiler $standard" all_compile "$compiler" c $standard
		else
			skip "$compiler $standard" "no $compiler"
		fi
	done
done
for compiler in g++ "$CLANG++"; do
	if have "$compiler"; then
		ok "$compiler c++17" all_compile "$compiler" c++ c++17
	else
		skip "$compiler c++17" "no $compiler"
	fi
done

# Those of the core need nothing of a C library.
freestanding() {
	for header in types format tlb platform port table pte pool; do
		echo "#include <maxleaf/$header.h>"
	done >"$scratch/unit.c"
	"$CC" -std=c11 -ffreestanding -Iinclude -M "$scratch/unit.c" >"$scratch/unit.d" &&
		is_empty "$(tr ' ' '\n' <"$scratch/unit.d" | grep '^/usr/include')"
}
ok "no header of a C library is included" freestanding
done_testing
