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

# run_board BOARD CPU [OPTION or WORD...]: the tests of tests/mmu on that board, as TAP. Numbers of
# the environment win over words.
run_board() {
	reason=$(missing "$1")
	[ -z "$reason" ] || skip_all "$1: $reason"
	board=$1 cpu=$2
	shift 2
	for name in SEED ML_TEST_OPS ML_TEST_STEPS; do
		eval "value=\${$name-}"
		[ -z "$value" ] || set -- "$name=$((value))" "$@"
	done
	"$O/maxleaf" qemu "$board" --cpu "$cpu" --image "$(board_image "$board")" \
		--timeout "$board_seconds" "$@"
}

# run_parallel BOARD CPU STEPS TEST...: with a thread of the host for each CPU, so that they truly
# run at once. It is slow where the host has fewer cores, so there are few steps.
run_parallel() {
	board=$1 cpu=$2 steps=$3
	shift 3
	run_board "$board" "$cpu" --thread-per-cpu "ML_TEST_STEPS=$steps" "$@"
}

# on_board WHAT FUNCTION BOARD CPU: a test of FUNCTION, skipped where the board cannot run.
on_board() {
	what=$1
	shift
	reason=$(missing "$2")
	if [ -n "$reason" ]; then
		skip "$what $1: $2 $3" "$reason"
		return 1
	fi
	ok "$what $1: $2 $3" "$@"
}

# catches COUNT COMMAND...: it fails, and says last that so many things differ.
catches() {
	count=$1
	shift
	# shellcheck disable=SC2154 # of tap.sh
	"$@" >"$scratch/lie"
	status=$?
	cat "$scratch/lie"
	[ $status -eq 1 ] && tail -n 1 "$scratch/lie" | grep -q ": $count differ\$"
}
