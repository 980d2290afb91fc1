#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The examples run, and say what they are there to show. (The build compiled them.)
. tests/support/tap.sh

# says EXAMPLE LINE...: it exits with 0 and prints these lines among others.
says() {
	example=$1
	shift
	"$O/plain/examples/$example" >"$scratch/$example" 2>&1 || {
		cat "$scratch/$example"
		return 1
	}
	for line in "$@"; do
		grep -qFx -- "$line" "$scratch/$example" || {
			printf 'missing: %s\n' "$line"
			cat "$scratch/$example"
			return 1
		}
	done
}

ok "map: a page read-only splits a 1G leaf, group by group" says map \
	'  0x7f0040000000 -> 0x100000000: 3 x 1048576 KiB' \
	'  0x7f0040005000 -> 0x100005000: 1 x 4 KiB, read-only' \
	'  0x7f0040010000 -> 0x100010000: 31 x 64 KiB' \
	'  0x7f0042000000 -> 0x102000000: 31 x 32768 KiB'
ok "walk: down to a 2M leaf and to a group" says walk \
	'  L2   [  0] = 0068000080000f41  leaf -> 0x80000000' \
	'  0x40123456 is 0x80123456, in a leaf of 2048 KiB' \
	'  L3   [  1] = 0078000080201f43  leaf -> 0x80201000, of a group' \
	'  0x40201000 is 0x80201000, in a leaf of 64 KiB'
ok "static_pool: the reserve is what the mapping takes" says static_pool \
	'set aside: 3 tables' 'left over: 0 tables' 'tables in use at most: 4, now: 0'
ok "driver: groups where the format has them, and single pages where one is gone" says driver \
	'x86-64, mapped: 512 x 4 KiB' 'x86-64, a page less: 511 x 4 KiB' \
	'arm64-4k, mapped: 32 x 64 KiB' 'arm64-4k, a page less: 15 x 4 KiB 31 x 64 KiB'
ok "buffer: as large as the picture allows, and one leaf for what is touched behind it" says buffer \
	'x86-64: 489 leaves of 4 KiB' 'x86-64: 3 leaves of 2048 KiB' \
	'x86-64: 1 leaves of 1048576 KiB' 'arm64-4k: 9 leaves of 4 KiB' \
	'arm64-4k: 30 leaves of 64 KiB' 'arm64-4k: 3 leaves of 2048 KiB' \
	'arm64-4k: 1 leaves of 1048576 KiB'
for source in examples/*.c; do
	ok "$source is short" test "$(wc -l <"$source")" -le 60
done
done_testing
