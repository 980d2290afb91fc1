#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The core needs no C library and no compiler library: of all its objects together nothing
# is undefined but memcpy, memmove, memset, memcmp (and .TOC. on Power, which the linker
# makes); what it defines begins with ml_. Built for every cross compiler there is, without a
# warning, and here by both compilers.
. tests/support/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL

build() {
	"${MAKE:-make}" --no-print-directory -j2 O="$O" "$@"
}

# undefined NM ARCHIVE ALLOWED: prints what is left.
undefined() {
	"$1" -g "$2" | awk 'NF == 2 && $1 == "U" { used[$2] } NF == 3 && $2 != "U" { has[$3] }
		END { for (name in used) if (!(name in has)) print name }' |
		grep -vxE "memcpy|memmove|memset|memcmp${3:+|$3}"
}

# check NAME NM ARCHIVE ALLOWED
check() {
	ok "$1: has symbols" grep -q . "$3"
	ok "$1: nothing undefined" is_empty "$(undefined "$2" "$3" "$4")"
}

check "$CC" nm "$O/libmaxleaf.a" ""

# Hidden symbols of an archive still collide with those of the program it is linked into.
foreign() {
	nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^ml_/ { print $3 }'
}
for archive in libmaxleaf libmaxleaf-hosted; do
	ok "$archive: every symbol begins with ml_" is_empty "$(foreign "$O/$archive.a")"
done
if have "$CLANG"; then
	ok "$CLANG builds" build native-clang && check "$CLANG" nm "$O/native-clang/core.a" ""
else
	skip "$CLANG" "no $CLANG"
fi
for target in aarch64 riscv64 powerpc64le powerpc64; do
	if have $target-linux-gnu-gcc; then
		ok "$target builds" build cross-$target-linux-gnu && check $target \
			$target-linux-gnu-nm "$O/cross-$target-linux-gnu/core.a" '\.TOC\.'
	else
		skip "$target" "no $target-linux-gnu-gcc"
	fi
done
done_testing
