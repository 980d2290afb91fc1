#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A floor includes only the floors below it: base < format < table, and inst beside it; space sees
# base, and of the table what is public. The public headers keep the order of the floors; tool and
# ports see the public headers and their own folder. No floor above format names an ISA.
. tests/support/tap.sh

# included FILES: "file header" for every include, standard headers of the compiler left out.
included() {
	awk '/^[ \t]*#[ \t]*include/ {
		name = $0
		sub(/^[^"<]*["<]/, "", name)
		sub(/[">].*/, "", name)
		print FILENAME, name
	}' "$@" /dev/null | grep -vE ' (stdbool|stddef|stdint|stdarg|stdalign|limits)\.h$'
}

# only FOLDER PATTERN: no file of the folder includes what the pattern does not match.
only() {
	[ -n "$(find "$1" -name '*.[ch]')" ] && is_empty "$(included "$1"/*.[ch] | grep -vE " ($2)$")"
}
mem='string\.h'
ok "base" only src/base 'base/.*|maxleaf/(types|port)\.h'
ok "format" only src/format "(base|format)/.*|maxleaf/(types|port|format|tlb)\.h|$mem"
ok "table" only src/table "(base|format|table)/.*|maxleaf/(types|port|format|platform|pool|table|pte)\.h|$mem"
ok "space" only src/space "(base|space)/.*|maxleaf/(types|port|format|platform|table|pte|space|frames)\.h|$mem"
ok "inst" only src/inst "(base|format|table|inst)/.*|maxleaf/(types|port|format|platform|table)\.h"

# public HEADER PATTERN
public() {
	is_empty "$(included "include/maxleaf/$1.h" | grep -vE " maxleaf/($2)\.h$")"
}
ok "types.h" public types none
ok "format.h" public format types
ok "tlb.h" public tlb types
ok "platform.h" public platform tlb
ok "pool.h" public pool 'types|platform'
ok "table.h" public table 'types|format|platform'
ok "pte.h" public pte table
ok "space.h" public space table
ok "frames.h" public frames space
ok "hosted.h" public hosted platform
ok "process.h" public process 'pool|table'
ok "kvm.h" public kvm 'pool|table'
ok "port.h" is_empty "$(included include/maxleaf/port.h | grep -vE ' (maxleaf/types\.h|ML_PORT_HEADER)$')"
ok "maxleaf.h" public maxleaf 'types|format|tlb|platform|pool|table|pte|space|frames'

# outside FOLDER: includes in quotes are files of the folder itself (or the port header of
# the configuration); nothing reaches into src.
outside() {
	bad=
	for file in "$1"/*.[ch]; do
		[ -e "$file" ] || continue
		for name in $(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file"); do
			[ -e "$1/$name" ] || bad="$bad $file:$name"
		done
	done
	is_empty "$bad"
}
for folder in cli ports/hosted ports/kvm ports/process; do
	ok "$folder includes public headers and its own" outside "$folder"
done

# at_most NUMBER FILES: so many lines that are neither blank nor comment. Strings go first, for
# what looks like a comment in them.
at_most() {
	most=$1
	shift
	lines=$(awk 'FNR == 1 { inside = 0 }
	{
		gsub(/"([^"\\]|\\.)*"/, "s")
		code = ""
		for (rest = $0; rest != ""; inside = !inside) {
			at = index(rest, inside ? "*/" : "/*")
			if (!inside)
				code = code (at ? substr(rest, 1, at - 1) : rest)
			if (!at)
				break
			rest = substr(rest, at + 2)
		}
		count += code ~ /[^ \t]/ && code !~ /^[ \t]*\/\//
	}
	END { print count + 0 }' "$@")
	echo "$lines lines"
	[ "$lines" -gt 0 ] && [ "$lines" -le "$most" ]
}
ok "ports/kvm is small" at_most 400 ports/kvm/*

# A board is its own folder and the common one.
for isa in ports/qemu/*/isa_facts.h; do
	isa=$(dirname "$isa")
	cat "$isa"/*.[ch] ports/qemu/common/*.[ch] >"$scratch/board"
	for header in "$isa"/*.h ports/qemu/common/*.h; do
		sed -i "s|^#include \"$(basename "$header")\"||" "$scratch/board"
	done
	ok "$isa includes public headers and its own" \
		is_empty "$(grep '^#include "' "$scratch/board")"
	ok "$isa is small" at_most 799 "$isa"/* ports/qemu/common/*
done

# Word by word, comments too: a comment that needs an ISA's name explains the wrong floor.
isa='x86|x86_64|arm64|arm64_4k|aarch64|riscv|powerpc|ML_ENCODING_[A-Z0-9_]*'
for floor in base table space; do
	ok "no ISA's name in $floor" is_empty "$(grep -rniwE "$isa" src/$floor)"
done

# Every source of the core is in the list, and the list names nothing else.
listed() {
	grep -v '^#' src/core.list | sort >"$scratch/listed"
	find src -name '*.c' | sort | diff "$scratch/listed" -
}
ok "core.list is complete" listed
done_testing
