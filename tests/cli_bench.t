#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# maxleaf bench: the shape of its output, its promises about time and pairs, bad input. The
# figures themselves are this machine's; no test has an opinion of them.
. tests/support/tap.sh

maxleaf=$(realpath "${MAXLEAF:-$O/maxleaf}") || exit 99
export LC_ALL=C
unset CLICOLOR_FORCE

# refuses TEXT ARGUMENT...: exit status 2, nothing on stdout, TEXT in the first line of stderr
refuses() {
	expected=$1
	shift
	"$maxleaf" bench "$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	cat "$scratch/out" "$scratch/err"
	[ $status -eq 2 ] && [ ! -s "$scratch/out" ] &&
		head -n 1 "$scratch/err" | grep -F -q -e "$expected"
}

ok "a working set below 16M is refused" refuses "maxleaf: bench: --max: 8M is not" --max 8M
ok "text is no size" refuses "maxleaf: bench: --max: 'much' is not a number" --max much
ok "no time is refused" refuses "maxleaf: bench: --seconds: 0 is not" --seconds 0
ok "a chart has a known kind" refuses "'chart.txt' ends neither" --plot chart.txt
ok "a chart's folder is there" refuses "/none/a.svg: No such file" --plot "$scratch/none/a.svg"
ok "other arguments are refused" refuses "unexpected argument 'now'" now

# without_gnuplot: told before anything is measured, with what to do about it
without_gnuplot() {
	PATH=$scratch/nothing "$maxleaf" bench --plot "$scratch/chart.svg" >"$scratch/out" 2>"$scratch/err"
	status=$?
	cat "$scratch/out" "$scratch/err"
	[ $status -eq 2 ] && [ ! -s "$scratch/out" ] && grep -q '^hint: .*gnuplot-nox' "$scratch/err"
}
ok "a missing gnuplot is told first" without_gnuplot

# short_of_addresses: a limit of this process is obeyed and named
short_of_addresses() {
	(
		# shellcheck disable=SC3045 # dash has it, and so have all others that matter
		ulimit -v 100000 || exit 99
		exec "$maxleaf" bench --seconds 1
	) >"$scratch/out" 2>&1
	status=$?
	cat "$scratch/out"
	[ $status -eq 2 ] && grep -q 'RLIMIT_AS leaves' "$scratch/out"
}
ok "RLIMIT_AS is obeyed" short_of_addresses

# short_of_files: what the kernel refuses is told, and no signal ends the tool
short_of_files() {
	(
		ulimit -f 8 || exit 99
		exec "$maxleaf" bench --max 16M --seconds 1 2>&1
	) >"$scratch/out"
	status=$?
	cat "$scratch/out"
	[ $status -eq 2 ] && grep -q 'the kernel refused .*: File too large' "$scratch/out"
}
ok "RLIMIT_FSIZE is an error to tell" short_of_files

# text: every part of the report; nothing on stderr, which is no terminal
text() {
	"$maxleaf" bench --max 16M --seconds 4 >"$scratch/text" 2>"$scratch/err"
	status=$?
	cat "$scratch/text" "$scratch/err"
	[ $status -eq 0 ] && [ ! -s "$scratch/err" ] || return 1
	[ "$(grep -c '^ *16 MiB' "$scratch/text")" -eq 3 ] || return 1
	for part in 'Dependent loads of every line' 'one line a page' memcpy 'kernel confirms' \
		'^  x86-64 ' '^  arm64-4k ' 'not measured\|pairs a row'; do
		grep -q -e "$part" "$scratch/text" || return 1
	done
	! grep -q -i -w -e nan -e inf "$scratch/text"
}
ok "the report has its parts" text

# without_rights: a device that this user may not open, with what to do about it
without_rights() {
	cp "$maxleaf" "$scratch/tool" && chmod 755 "$scratch" "$scratch/tool" || return 1
	setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/tool" bench --port kvm \
		>"$scratch/out" 2>"$scratch/err"
	status=$?
	cat "$scratch/out" "$scratch/err"
	[ $status -eq 2 ] && [ ! -s "$scratch/out" ] && grep -q '^hint: .*--port process' "$scratch/err" &&
		grep -q '^maxleaf: bench: --port kvm: /dev/kvm: \(Permission denied\|No such\)' "$scratch/err"
}
ok "a port has a known name" refuses "'xen' is neither process nor kvm" --port xen
if [ "$(id -u)" != 0 ] || ! have setpriv; then
	skip "a KVM that may not be used" "not root, or no setpriv"
elif [ -e /dev/kvm ] && [ "$(stat -c %a /dev/kvm | tail -c 2)" != 0 ]; then
	skip "a KVM that may not be used" "everybody may use it"
else
	ok "a KVM that may not be used is told" without_rights
fi

# a KVM that can be used, or its complaint
kvm=
"$maxleaf" bench --port kvm --max 32M --seconds 4 >"$scratch/text" 2>"$scratch/err" && kvm=yes

# kvm_text: checked; and either the table or one line why there is none
kvm_text() {
	cat "$scratch/text" "$scratch/err"
	[ ! -s "$scratch/err" ] && grep -q '^Checked: .* right frames' "$scratch/text" || return 1
	if grep -q '^No figure: ' "$scratch/text"; then
		! grep -q 'GB/s' "$scratch/text"
	else
		[ "$(grep -c '^ *16 MiB' "$scratch/text")" -eq 3 ] && grep -q 'Leaves in effect' "$scratch/text"
	fi
}
if [ "$kvm" ]; then
	ok "--port kvm checks, and prints no figure of an emulator" kvm_text
else
	skip "--port kvm" "$(head -n 1 "$scratch/err")"
fi

# space: bad input in tests/cli/space.txt; here what depends on the machine
"$maxleaf" bench space --size 16M --rounds 3 >"$scratch/text" 2>"$scratch/err"
ok "bench space reports, silent on stderr" test $? -eq 0 -a ! -s "$scratch/err"
space_text() {
	cat "$scratch/text"
	for call in map fork move protect unmap; do
		grep -q "^$call  *raw  *none  *[0-9.]* [nu]s  *[0-9.]* [num]s " "$scratch/text" || return 1
	done
	[ "$(grep -c '^ .*anonymous  all ' "$scratch/text")" -eq 5 ] &&
		grep -q 'The kernel \(used\|gave only\|does not tell\)' "$scratch/text" &&
		grep -q '^What differs: ' "$scratch/text"
}
ok "every call has its rows, and what differs is told" space_text
space_limited() {
	(
		# shellcheck disable=SC3045
		ulimit -v 300000 || exit 99
		exec "$maxleaf" bench space
	) >"$scratch/out" 2>&1
	status=$?
	cat "$scratch/out"
	[ $status -eq 2 ] && grep -q 'RLIMIT_AS leaves' "$scratch/out" &&
		grep -q '^hint: a smaller --size' "$scratch/out"
}
ok "bench space obeys RLIMIT_AS" space_limited

if ! have jq; then
	skip "the records" "no jq"
	done_testing
fi

# check FILTER FILE: the filter over all records, as an array, is true
check() {
	jq -s -e "$1" "$2"
}

"$maxleaf" bench --max 32M --seconds 6 --json >"$scratch/json" 2>"$scratch/err"
ok "--json succeeds, silent on stderr" test $? -eq 0 -a ! -s "$scratch/err"
ok "the first record names the schema and the machine" check \
	'.[0] | .schema == "maxleaf.bench/1" and (.cpu | length > 0) and (.virtual | type == "boolean")' \
	"$scratch/json"
ok "it names the port" check '.[0].port == "process"' "$scratch/json"
ok "the last record is the summary, and counts" check \
	'(.[-1].summary.measured == ([.[] | select(.work and .measured)] | length)) and
	 (.[-1].summary.not_measured == ([.[] | select(.work and (.measured | not))] | length))' \
	"$scratch/json"
ok "every work has every working set" check \
	'[.[] | select(.work) | [.work, .working_set_bytes]] == [("random", "pages", "copy") as $w |
	 (16777216, 33554432) as $b | [$w, $b]]' "$scratch/json"
ok "no row is shown with fewer than 101 pairs" check \
	'[.[] | select(.work and .measured)] | all(.pairs >= 101 and .chunk > 0)' "$scratch/json"
ok "quartiles are in order, and sure means away from 0" check \
	'[.[] | select(.work and .measured) | .sure as $sure | .saved.small |
	 .q1 <= .median and .median <= .q3 and $sure == (.q1 > 0 or .q3 < 0)] | all' "$scratch/json"
ok "addresses are hex strings" check \
	'[.[] | select(.view) | .va, .pa | test("^0x[0-9a-f]+$")] | all' "$scratch/json"
ok "no size is claimed that the kernel does not confirm" check \
	'[.[] | select(.view) | .huge_bytes == null or
	 (.view == "largest" and .huge_bytes <= .present_bytes) or .huge_bytes == 0] | all' "$scratch/json"
ok "leaves of every mapping add up to it" check \
	'[.[] | select(.mapping) | (.leaves | map(.leaf_bytes * .count) | add) == .bytes] | all' \
	"$scratch/json"
ok "the largest leaves take fewer tables in every format" check \
	'[.[] | select(.mapping)] | group_by(.format) | map((map({(.mapping): .tables}) | add) |
	 .largest < .small and .small <= .shifted) | length > 1 and all' "$scratch/json"

# kvm_records: what is emulated has no figures, what is not has its rows
kvm_records() {
	"$maxleaf" bench --port kvm --max 16M --seconds 3 --json >"$scratch/kvm" || return 1
	cat "$scratch/kvm"
	check '.[0].port == "kvm" and .[1].checked and .[1].bytes == 16777216' "$scratch/kvm" &&
		check '.[1].emulated as $no | [.[] | select(.work)] | length == 3 and
			(($no | not) or all(has("ns") | not))' "$scratch/kvm"
}
if [ "$kvm" ]; then
	ok "--port kvm names itself and what was checked" kvm_records
else
	skip "records of --port kvm" "no KVM"
fi

# short_of_time: the budget ends it, and what does not fit is told as not measured
short_of_time() {
	"$maxleaf" bench --max 256M --seconds 1 --json >"$scratch/json" || return 1
	cat "$scratch/json"
	check '.[-1].summary | .elapsed_s < 5 and .not_measured > 0' "$scratch/json" &&
		check '[.[] | select(.work and (.measured | not))] | all(has("ns") | not)' "$scratch/json"
}
ok "the budget holds" short_of_time

# interrupted: ^C prints what there is
interrupted() {
	"$maxleaf" bench --max 64M --seconds 20 --json >"$scratch/json" &
	sleep 2
	kill -INT $!
	wait $!
	status=$?
	cat "$scratch/json"
	[ $status -eq 130 ] && check '.[-1].summary.interrupted and .[-1].summary.elapsed_s < 15' \
		"$scratch/json"
}
ok "^C ends it with a summary and status 130" interrupted

# chart KIND MAGIC: the file is of its kind, and no other file is left
chart() {
	mkdir "$scratch/$1" && "$maxleaf" bench --max 16M --seconds 3 --plot "$scratch/$1/it's.$1" || return 1
	[ "$(ls "$scratch/$1")" = "it's.$1" ] && head -c 2000 "$scratch/$1/it's.$1" | grep -a -q "$2"
}

# bar: a file's name is no command of gnuplot's
bar() {
	mkdir "$scratch/bar" || return 1
	(cd "$scratch/bar" && "$maxleaf" bench --max 16M --seconds 3 --plot '|touch ran; cat >a.svg') || return 1
	[ "$(ls "$scratch/bar")" = '|touch ran; cat >a.svg' ]
}
ok "a line break in a chart's name is refused" refuses "line break" --plot "a
b.svg"
if have gnuplot; then
	ok "a chart's name is never run" bar
	ok "--plot draws an SVG" chart svg '<svg'
	ok "--plot draws a PNG" chart png '^.PNG'
else
	skip "--plot" "no gnuplot"
fi


"$maxleaf" bench space --size 16M --rounds 3 --json >"$scratch/json" 2>"$scratch/err"
ok "bench space --json succeeds, silent on stderr" test $? -eq 0 -a ! -s "$scratch/err"
ok "its first record names schema, format and memory" check \
	'.[0] | .schema == "maxleaf.bench-space/1" and (.format | length > 0) and .bytes == 16777216 and
	 .rounds == 3 and (.huge_bytes == null or .huge_bytes <= .bytes)' "$scratch/json"
ok "every call has every memory and policy" check \
	'[.[] | select(.call) | [.call, .memory, .own]] ==
	 [("map", "fork", "move", "protect", "unmap") as $c | ("raw", "anonymous") as $m |
	  ("none", "all") as $o | [$c, $m, $o]]' "$scratch/json"
ok "times and ratios are positive, and quartiles in order" check \
	'[.[] | select(.call) | .library_ns, .kernel_ns, .ratio |
	 .q1 > 0 and .q1 <= .median and .median <= .q3] | all' "$scratch/json"
ok "leaves that own their tables own one each, one less when one is split" check \
	'[.[] | select(.call) | .deposits == if .own == "none" or .call == "unmap" then 0
	 elif .call == "protect" then 7 else 8 end] | all' "$scratch/json"
ok "mapping into nothing flushes nothing, and every other change of leaves does" check \
	'[.[] | select(.call) | (.completions > 0) ==
	 (.call != "map" and (.call != "fork" or .memory == "anonymous"))] | all' "$scratch/json"
ok "a split takes a table, owned before or not" check \
	'[.[] | select(.call and .memory == "raw" and .own == "none") | {(.call): .table_bytes}] | add |
	 .protect - .move == 4096 and .unmap == 4096' "$scratch/json"
done_testing
