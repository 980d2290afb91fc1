#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Run the benchmark programs of one or more compilers and report the better of each figure.
#
#   bench/run.sh time OUT NAME=PROGRAM...    times, and instructions where valgrind is there
#   bench/run.sh count OUT NAME=PROGRAM...   instructions alone, merged with the times of before
#
# Owns OUT/bench-times.ndjson, OUT/bench-counts.ndjson and OUT/bench.json.
# BENCH_SECONDS (60) is what each program takes; BENCH_ARGS goes to the programs (names, --format).
set -eu

here=$(dirname "$0")

trouble() {
	echo "maxleaf: bench: $1" >&2
	echo "hint: $2" >&2
	exit 2
}

[ $# -ge 3 ] || trouble 'too few arguments' 'usage: bench/run.sh time|count OUT NAME=PROGRAM...'
mode=$1
out=$2
shift 2

for build in "$@"; do
	[ -x "${build#*=}" ] || trouble "${build%%=*}: no program ${build#*=}" 'make builds it'
done

measure_times() {
	: >"$out/bench-times.new"
	for build in "$@"; do
		echo "bench: ${build%%=*}: measuring, ${BENCH_SECONDS:-60} s" >&2
		# shellcheck disable=SC2086 # words on purpose
		"${build#*=}" --json --name "${build%%=*}" --seconds "${BENCH_SECONDS:-60}" \
			${BENCH_ARGS:-} >>"$out/bench-times.new"
	done
	mv "$out/bench-times.new" "$out/bench-times.ndjson"
}

# One record of callgrind's a line, in the order in which the program announces them. Valgrind
# gives up on debug information newer than itself, so it gets a program without.
count_build() {
	rm -f "$out/callgrind.out"
	objcopy --strip-debug "$2" "$out/bench-counted"
	# shellcheck disable=SC2086 # words on purpose
	valgrind --tool=callgrind --callgrind-out-file="$out/callgrind.out" \
		--toggle-collect=bench_counted --dump-after=bench_counted --combine-dumps=yes \
		"$out/bench-counted" --count --name "$1" ${BENCH_ARGS:-} \
		>"$out/bench-sides.new" 2>"$out/callgrind.err" || {
		cat "$out/callgrind.err" >&2
		trouble "$1: the counted run failed" "valgrind's words are above"
	}
	# One record for each announced one, and a last one for what came after them.
	[ "$(grep -c '^totals: ' "$out/callgrind.out")" -eq $(($(wc -l <"$out/bench-sides.new") + 1)) ] ||
		trouble "$1: callgrind's records do not match the workloads" \
			'perhaps another run writes to the same directory'
	sed -n 's/^totals: //p' "$out/callgrind.out" | awk -v sides="$out/bench-sides.new" '
		(getline line <sides) > 0 {
			sub(/}$/, ",\"total\":" $1 "}", line)
			print line
		}'
}

count_instructions() {
	: >"$out/bench-counts.new"
	for build in "$@"; do
		echo "bench: ${build%%=*}: counting instructions" >&2
		count_build "${build%%=*}" "${build#*=}" >>"$out/bench-counts.new"
	done
	mv "$out/bench-counts.new" "$out/bench-counts.ndjson"
	rm -f "$out/callgrind.out" "$out/callgrind.err" "$out/bench-sides.new" \
		"$out/bench-counted"
}

case $mode in
time)
	measure_times "$@"
	if command -v valgrind >/dev/null; then
		count_instructions "$@"
	else
		rm -f "$out/bench-counts.ndjson"
		echo 'bench: no valgrind here: instructions are not counted' >&2
	fi
	;;
count)
	command -v valgrind >/dev/null ||
		trouble 'valgrind is not here' 'Debian and Ubuntu: apt-get install valgrind'
	count_instructions "$@"
	;;
*)
	trouble "no such mode: $mode" 'usage: bench/run.sh time|count OUT NAME=PROGRAM...'
	;;
esac

touch "$out/bench-times.ndjson" "$out/bench-counts.ndjson"
awk -v json="$out/bench.json" -f "$here/report.awk" \
	"$out/bench-times.ndjson" "$out/bench-counts.ndjson"
