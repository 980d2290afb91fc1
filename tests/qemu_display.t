#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The memory of a PCI display, mapped in the largest leaves and drawn into from user mode: the
# emulator's screen is what it must be, pixel by pixel; and one that is not is noticed.
. tests/support/tap.sh
. tests/qemu/boards.sh

have perl || skip_all "no perl"

drawn() {
	perl tests/qemu/picture.pl "$O/maxleaf" "$@"
}

sees_a_wrong_pixel() {
	drawn "$1" "$2" display-lie >"$scratch/lie"
	status=$?
	cat "$scratch/lie"
	[ $status -eq 1 ] && tail -n 1 "$scratch/lie" | grep -q ': 1 differ$'
}

# judge FUNCTION BOARD CPU
judge() {
	reason=$(missing "$2")
	if [ -n "$reason" ]; then
		skip "the picture is $1: $2 $3" "$reason"
		return
	fi
	ok "the picture $1: $2 $3" "$@"
}

judge drawn arm64 max
judge drawn arm64 cortex-a72
judge drawn x86_64 max,la57=off
judge drawn x86_64 max
judge sees_a_wrong_pixel x86_64 max
judge sees_a_wrong_pixel arm64 max
done_testing
