# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh
#
# What the tests on boards share; after tests/support/tap.sh.

board_seconds=${ML_QEMU_SECONDS:-120}

board_image() {
	echo "$O/qemu/$1/tests.elf"
}

# missing BOARD: what it would need and is not here; nothing if it can run. An image that could
# be built and is not there is no reason to skip.
missing() {
	case "$1" in
	arm64) compiler=aarch64-linux-gnu-gcc emulator=qemu-system-aarch64 ;;
	*) compiler=$1-linux-gnu-gcc emulator=qemu-system-$1 ;;
	esac
	separator=
	for program in $compiler $emulator; do
		have "$program" && continue
		printf '%s' "${separator}no $program"
		separator=', '
	done
}

# run_board BOARD CPU: the tests of tests/mmu on that board, as TAP.
run_board() {
	reason=$(missing "$1")
	[ -z "$reason" ] || skip_all "$1: $reason"
	set -- "$1" --cpu "$2" --image "$(board_image "$1")" --timeout "$board_seconds"
	for name in SEED ML_TEST_OPS ML_TEST_STEPS; do
		eval "value=\${$name-}"
		[ -z "$value" ] || set -- "$@" "$name=$((value))"
	done
	"$O/maxleaf" qemu "$@"
}
