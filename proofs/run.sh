#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# run.sh CBMC OUT: every proof of proofs/*.c for every format, and every one broken; the results
# are compared with proofs/RESULTS. CBMC is the folder of cbmc and goto-cc, OUT where to work.
# Proofs named in PROOFS (the file or the proof itself) are run alone; then nothing is compared.
#
#   ML_PROOF_SECONDS  limit of one proof (150)      CC  the preprocessor's compiler
seconds=${ML_PROOF_SECONDS:-150}
export CC="${CC:-gcc}"

# sources FORMAT: the core with one format, because CBMC reads all of it for every proof.
sources() {
	sed -e '/^#/d' -e '/^ *$/d' -e '/^src\/inst\//d' src/core.list
	echo "src/inst/$1.c"
}

# build CBMC SOURCES AND FLAGS
build() {
	goto_cc=$1/goto-cc
	shift
	"$goto_cc" -std=c11 -Iproofs -Iinclude -Isrc '-DML_PORT_HEADER="doors.h"' "$@"
}

# core CBMC OUT FORMAT
core() {
	# shellcheck disable=SC2046 # a word list on purpose
	build "$1" -o "$2/core.$3" $(sources "$3")
}

# compile CBMC OUT FILE FORMAT BROKEN
compile() {
	define=
	[ "$5" = right ] || define=-DBROKEN
	# shellcheck disable=SC2086
	build "$1" -DFORMAT="ml_format_$4" $define -o "$2/$3.$4.$5" "proofs/$3.c" "$2/core.$4" \
		>"$2/$3.$4.$5.log" 2>&1 || echo "$3.c does not compile, see $2/$3.$4.$5.log" >&2
}

# check CBMC OUT FILE FORMAT BROKEN PROOF [CHECKS]: what CBMC says of one proof.
check() {
	unwind=$(sed -n 's/^#define UNWIND \([0-9]*\).*/--unwind \1/p' "proofs/$3.c")
	# shellcheck disable=SC2086
	timeout "$seconds" "$1/cbmc" --function "$6" --drop-unused-functions $unwind $7 \
		"$2/$3.$4.$5" >"$2/$3.$4.$5.$6" 2>&1
	rc=$?
	[ $rc != 124 ] || echo "TIMEOUT after $seconds seconds" >>"$2/$3.$4.$5.$6"
	return $rc
}

count() {
	grep -c "$2" "$1"
}

# one CBMC OUT FILE FORMAT PROOF: one line of result.
one() {
	log=$2/$3.$4
	start=$(date +%s)
	if check "$1" "$2" "$3" "$4" right "$5"; then
		said="$(count "$log.right.$5" '\] .* prove: .*: SUCCESS$') proved"
	else
		said="NOT PROVED, see $log.right.$5"
	fi
	check "$1" "$2" "$3" "$4" broken "$5" --no-standard-checks
	refuted=$(count "$log.broken.$5" '\] .* prove: .*: FAILURE$')
	if ! grep -q '^VERIFICATION FAILED' "$log.broken.$5" || [ "$refuted" = 0 ]; then
		said="$said, broken: NOT REFUTED, see $log.broken.$5"
	elif grep -q '\] .* reach: .*: SUCCESS$' "$log.broken.$5"; then
		said="$said, broken: NOT ALL REACHED, see $log.broken.$5"
	else
		said="$said, broken: $refuted refuted"
	fi
	echo "$3 $4 $5: $said" >"$log.$5.result"
	printf '%4d s  %s\n' $(($(date +%s) - start)) "$3 $4 $5: $said"
}

case "$1" in
core | compile | one)
	step=$1
	shift
	$step "$@"
	exit 0
	;;
esac

cbmc=$1
out=$2
jobs=$(nproc 2>/dev/null || echo 1)
rm -rf "$out"
mkdir -p "$out"

# Lines of: file, format, proof.
list() {
	for file in proofs/*.c; do
		name=$(basename "$file" .c)
		sed -n 's/^PROOF\(_[A-Z_]*\)\{0,1\}(\([a-z0-9_]*\))$/\1 \2/p' "$file" |
			while read -r of proof; do
				[ -n "$proof" ] || proof=$of of=
				case "$of" in
				_OF_TOY) formats=toy ;;
				_OF_GROUPS) formats="arm64_4k toy" ;;
				*) formats="x86_64 arm64_4k toy" ;;
				esac
				for format in $formats; do
					echo "$name $format $proof"
				done
			done
	done
}

list >"$out/list"
for word in $PROOFS; do
	grep -w "$word" "$out/list"
done >"$out/some"
[ -z "$PROOFS" ] || mv "$out/some" "$out/list"

cut -d ' ' -f 2 "$out/list" | sort -u | xargs -P "$jobs" -L 1 "$0" core "$cbmc" "$out" || exit 1
cut -d ' ' -f 1,2 "$out/list" | sort -u | while read -r file format; do
	echo "$file $format right"
	echo "$file $format broken"
done | xargs -P "$jobs" -L 1 "$0" compile "$cbmc" "$out"
xargs -P "$jobs" -L 1 "$0" one "$cbmc" "$out" <"$out/list"

cat "$out"/*.result | LC_ALL=C sort >"$out/RESULTS"
if [ -n "$PROOFS" ]; then
	! grep -q NOT "$out/RESULTS"
	exit
fi
if grep -v '^#' proofs/RESULTS | diff - "$out/RESULTS" >"$out/diff"; then
	echo "proofs: all $(wc -l <"$out/RESULTS") as in proofs/RESULTS"
else
	cat "$out/diff"
	echo "proofs: not as in proofs/RESULTS (<), now in $out/RESULTS (>)"
	exit 1
fi
