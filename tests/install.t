#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What `make install` puts somewhere is enough to build an example with, and `make
# uninstall` takes all of it away.
. tests/support/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL

root=$scratch/root
target() {
	"${MAKE:-make}" --no-print-directory O="$O" DESTDIR="$root" PREFIX=/opt/leaf "$1"
}

ok "installs" target install
ok "the tool runs" "$root/opt/leaf/bin/maxleaf" --version
if [ -e "$O/qemu/arm64/show.elf" ]; then
	"$root/opt/leaf/bin/maxleaf" qemu arm64 --print >"$scratch/line"
	ok "the tool finds a board's image" grep '/opt/leaf/bin/../share/maxleaf/qemu/arm64/show.elf' \
		"$scratch/line"
else
	skip "the tool finds a board's image" "it was not built"
fi
ok "every public header is there" diff -r include/maxleaf "$root/opt/leaf/include/maxleaf"
if have pkg-config; then
	PKG_CONFIG_PATH=$root/opt/leaf/lib/pkgconfig
	PKG_CONFIG_SYSROOT_DIR=$root
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
	# shellcheck disable=SC2046 # words on purpose
	ok "pkg-config: a hosted program" "$CC" -o "$scratch/map" examples/map.c \
		$(pkg-config --cflags --libs maxleaf-hosted)
	# shellcheck disable=SC2046
	ok "pkg-config: the core alone" "$CC" -o "$scratch/static_pool" examples/static_pool.c \
		$(pkg-config --cflags --libs maxleaf)
	ok "they run" sh -c "$scratch/map && $scratch/static_pool"
else
	skip "pkg-config" "no pkg-config"
fi
ok "uninstalls" target uninstall
ok "and leaves nothing" is_empty "$(find "$root" -type f)"
done_testing
