# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh
#
# TAP for the shell tests. Sourced from the top of the tree. $O is where the build is,
# $scratch a folder that is removed at the end.

set -u
O=${O:-build}
CC=${CC:-gcc}
CLANG=${CLANG:-clang}
tap_count=0
tap_failed=0
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

# ok NAME COMMAND...: passes when the command does; its output is shown when it does not.
ok() {
	tap_name=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >"$scratch/tap-output" 2>&1; then
		echo "ok $tap_count - $tap_name"
		return 0
	fi
	echo "not ok $tap_count - $tap_name"
	sed 's/^/# /' "$scratch/tap-output"
	tap_failed=1
	return 1
}

# skip NAME WHY
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# skip_all WHY: nothing of this file can be tested here.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# is_empty TEXT: fails with the text when there is any.
is_empty() {
	[ -z "$1" ] || {
		printf '%s\n' "$1"
		return 1
	}
}

done_testing() {
	echo "1..$tap_count"
	exit $tap_failed
}
