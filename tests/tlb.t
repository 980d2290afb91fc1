#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A kernel that invalidates on one ISA links the encoder of that ISA, and nothing else of the
# library: no other encoder, no table, no platform.
. tests/support/tap.sh

# alone ISA: of a program that uses one encoder, what it has of the library.
alone() {
	cat >"$scratch/unit.c" <<-END
		#include <maxleaf/tlb.h>

		int main(void)
		{
			const struct ml_tlb_$1 space = { 0 };
			const struct ml_invalidation what = { 0, 0, 12, 0, 0 };
			struct ml_tlb_$1_cursor cursor;
			struct ml_tlb_$1_op op;

			ml_tlb_$1_start(&cursor, &space, &what);
			return ml_tlb_$1_next(&cursor, &op);
		}
	END
	"$CC" -Iinclude -Wl,--gc-sections -o "$scratch/unit" "$scratch/unit.c" "$O/libmaxleaf.a" &&
		nm "$scratch/unit" | sed -n 's/.* \(ml_[a-z0-9_]*\)$/\1/p' | sort | tr '\n' ' '
}

is_alone() {
	found=$(alone "$1")
	echo "$found"
	[ "$found" = "ml_tlb_$1_next ml_tlb_$1_start " ]
}

for isa in src/format/tlb_*.c; do
	isa=$(basename "$isa" .c)
	isa=${isa#tlb_}
	ok "$isa alone" is_alone "$isa"
done
done_testing
