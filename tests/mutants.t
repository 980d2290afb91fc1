#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tests/mutants.list keeps up with the sources: every mutant finds its place, and its tests are
# there. That they notice it is `make mutants`.
. tests/support/tap.sh

ok "every mutant has its place and its tests" tools/mutants tests/mutants.list "$scratch/m" --check
cat >"$scratch/list" <<'END'
mutant lost
in src/table/gather.h
- no such code;
+ ;
kill trace no_such_test
END
refused() {
	! tools/mutants "$scratch/list" "$scratch/n" --check
}
ok "a mutant that has lost its place is told" refused
ok "enough mutants" test "$(grep -c '^mutant ' tests/mutants.list)" -ge 100
done_testing
