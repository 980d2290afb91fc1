#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Takes the place of an emulator: does what the words of the kernel's command line tell it, in this
# order.
words=
previous=
for argument in "$@"; do
	[ "$previous" = -append ] && words=$argument
	previous=$argument
done

has() {
	case " $words " in *" $1 "*) ;; *) false ;; esac
}

# value NAME: of NAME=VALUE.
value() {
	printf '%s\n' "$words" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

if has refuse; then
	echo "emulator: refused" >&2
else
	printf '%s: %s\r\n' "${0##*/}" "$words"
fi
file=$(value pid)
[ -z "$file" ] || echo $$ >"$file"
if has read; then
	cat
fi
if has kill; then
	printf 'half a line'
	kill -9 $$
fi
if has hang; then
	exec sleep 60
fi
status=$(value exit)
exit "${status:-0}"
