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
	catches 1 drawn "$1" "$2" display-lie
}

on_board "the picture is" drawn arm64 max
on_board "the picture is" drawn arm64 cortex-a72
on_board "the picture is" drawn x86_64 max,la57=off
on_board "the picture is" drawn x86_64 max
on_board "the picture" sees_a_wrong_pixel x86_64 max
on_board "the picture" sees_a_wrong_pixel arm64 max
done_testing
