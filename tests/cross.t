#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# The tool and the ports compile and link for arm64 without a warning: the other machine whose
# page tables they show. Running them there takes such a machine.
. tests/support/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL
gcc=aarch64-linux-gnu-gcc

arm64() {
	"${MAKE:-make}" --no-print-directory -j2 O="$O/arm64" CC=$gcc AR=$gcc-ar WERROR=1 OPTIMISE=-O1 \
		all
}

if ! have $gcc; then
	skip_all "no $gcc"
elif ! echo '#include <argp.h>' | $gcc -E - >/dev/null 2>&1; then
	skip_all "no C library for $gcc"
fi
ok "the tool builds for arm64" arm64
ok "and is of that machine" grep -q 'AArch64' <<END
$(${gcc%gcc}readelf -h "$O/arm64/maxleaf")
END
done_testing
