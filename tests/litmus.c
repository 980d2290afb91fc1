/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB by itself: sequences of events by hand, each under the rules of every
 * architecture: leaves of one size, groups, and devices.
 */
#include "support/litmus.h"
#include "t.h"

/* ---- unmapping and remapping a page ------------------------------------------------------ */

static const struct litmus pages[] = {
	{ "unmap a page", "--------", { { WANT, 0, 0 }, { SWAP, A(0), 0 }, FLUSHED(0, 1) } },
	{ "nothing is invalidated",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { COMPLETE } } },
	{ "no barrier between the store and the invalidation",
	  "aaa---aa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { FLUSH, 0, 1 }, { COMPLETE } } },
	{ "the invalidation comes first",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { FLUSH, 0, 1 }, { SWAP, A(0), 0 }, { PUBLISH }, { COMPLETE } } },
	{ "nobody waits for completion",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { FLUSH, 0, 1 } } },
	{ "another CPU waits for completion",
	  "aaaaaaaa",
	  { { WANT, 0, 0 },
	    { SWAP, A(0), 0 },
	    { PUBLISH },
	    { FLUSH, 0, 1 },
	    { CPU, 1 },
	    { COMPLETE },
	    { CPU, 0 } } },
	{ "another CPU makes the barrier",
	  "aaa---aa",
	  { { WANT, 0, 0 },
	    { SWAP, A(0), 0 },
	    { CPU, 1 },
	    { PUBLISH },
	    { CPU, 0 },
	    { FLUSH, 0, 1 },
	    { COMPLETE } } },
	{ "only this CPU is told",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { LOCAL, 0 }, { COMPLETE } } },
	{ "every CPU is told one by one",
	  "--------",
	  { { WANT, 0, 0 },
	    { SWAP, A(0), 0 },
	    { PUBLISH },
	    { LOCAL, 0 },
	    { SOME, 0, 6 },
	    { COMPLETE } } },
	{ "the range is one page short",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { WANT, 1, 0 }, { SWAP, A(0), 0 }, { SWAP, A(1), 0 }, FLUSHED(0, 1) } },
	{ "the address space is another's",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { FOREIGN, 0 }, { COMPLETE } } },
	{ "every address space is told",
	  "--------",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { EVERYONES, 0 }, { COMPLETE } } },
	{ "the level hint is wrong",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { HINT, 0, 1 }, { COMPLETE } } },
	{ "the level hint is right",
	  "--------",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { HINT, 0, 0 }, { COMPLETE } } },
	{ "the stride is a block's",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { STRIDE, 0, 14 }, { COMPLETE } } },
	{ "last level is enough for a leaf",
	  "--------",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { PUBLISH }, { LAST, 0, 1 }, { COMPLETE } } },
	{ "the neighbour goes, too",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, { SWAP, A(1), 0 }, FLUSHED(0, 2) } },
	{ "the frame is given up before completion",
	  "aaaaaaaa",
	  { { WANT, 0, 0 },
	    { SWAP, A(0), 0 },
	    { PUBLISH },
	    { FLUSH, 0, 1 },
	    { TOLD, 0, 0x20000 },
	    { COMPLETE } } },
	{ "another frame, break before make",
	  "--------",
	  { { WANT, 0, RW(0x28000) },
	    { SWAP, A(0), 0 },
	    FLUSHED(0, 1),
	    { STORE, A(0), RW(0x28000) },
	    FLUSHED(0, 1) } },
	{ "another frame in place",
	  "bbbbbbbb",
	  { { WANT, 0, RW(0x28000) }, { SWAP, A(0), RW(0x28000) }, FLUSHED(0, 1) } },
	{ "made before the break is complete",
	  "bbbbbbbb",
	  { { WANT, 0, RW(0x28000) },
	    { SWAP, A(0), 0 },
	    { PUBLISH },
	    { FLUSH, 0, 1 },
	    { STORE, A(0), RW(0x28000) },
	    { PUBLISH },
	    { COMPLETE } } },
	{ "what is made again is what was broken",
	  "--------",
	  { { SWAP, A(0), 0 }, { PUBLISH }, { STORE, A(0), RW(0x20000) }, FLUSHED(0, 1) } },
	{ "something new, at once",
	  "------g-",
	  { { WANT, 14, RW(0x3a000) }, { STORE, C(2), RW(0x3a000) }, { PUBLISH } } },
	{ "something new, with a fence",
	  "--------",
	  { { WANT, 14, RW(0x3a000) }, { STORE, C(2), RW(0x3a000) }, FLUSHED(14, 1) } },
	{ "something new, never published",
	  "ddd---gd",
	  { { WANT, 14, RW(0x3a000) }, { STORE, C(2), RW(0x3a000) } } },
	{ "something new that nobody asked for",
	  "aaaaaaaa",
	  { { STORE, C(2), RW(0x3a000) }, FLUSHED(14, 1) } },
	{ "never to fault, and broken",
	  "gggggggg",
	  { { NEVER, 0 },
	    { SWAP, A(0), 0 },
	    FLUSHED(0, 1),
	    { STORE, A(0), RW(0x20000) },
	    FLUSHED(0, 1) } },
};

TEST(pages)
{
	litmus_judge(pages, COUNT(pages), litmus_usual, true);
}

/* ---- permissions, types, marks ----------------------------------------------------------- */

static const struct litmus changes[] = {
	{ "write-protect",
	  "--------",
	  { { WANT, 0, RO(0x20000) }, { SWAP, A(0), RO(0x20000) }, FLUSHED(0, 1) } },
	{ "write-protect, nothing invalidated",
	  "aaaaaaaa",
	  { { WANT, 0, RO(0x20000) }, { SWAP, A(0), RO(0x20000) }, { PUBLISH } } },
	{ "allow writing, nothing invalidated",
	  "ggg---gg",
	  { { WANT, 1, RW(0x21000) }, { SWAP, A(1), RW(0x21000) }, { PUBLISH } } },
	{ "allow writing",
	  "--------",
	  { { WANT, 1, RW(0x21000) }, { SWAP, A(1), RW(0x21000) }, FLUSHED(1, 1) } },
	{ "writable for a moment",
	  "aaaaaaaa",
	  { { SWAP, A(1), RW(0x21000) }, { SWAP, A(1), RO(0x21000) }, FLUSHED(1, 1) } },
	{ "another memory type in place",
	  "bbbb--bb",
	  { { WANT, 0, NC(0x20000) }, { SWAP, A(0), NC(0x20000) }, FLUSHED(0, 1) } },
	{ "another memory type, break before make",
	  "--------",
	  { { WANT, 0, NC(0x20000) },
	    { SWAP, A(0), 0 },
	    FLUSHED(0, 1),
	    { STORE, A(0), NC(0x20000) },
	    FLUSHED(0, 1) } },
	{ "a plain store where hardware may mark",
	  "ffffffff",
	  { { WANT, 12, RO(0x38000) }, { STORE, C(0), RO(0x38000) & ~0x40u }, FLUSHED(12, 1) } },
	{ "an exchange where hardware may mark",
	  "--------",
	  { { WANT, 12, RO(0x38000) & ~0x40u },
	    { SWAP, C(0), RO(0x38000) & ~0x40u },
	    FLUSHED(12, 1) } },
	{ "a plain store that brings the mark",
	  "--------",
	  { { WANT, 12, RW(0x38000) }, { STORE, C(0), RW(0x38000) }, FLUSHED(12, 1) } },
	{ "cleaned, and a dirty translation stays",
	  "ffffffff",
	  { { WANT, 13, CLEAN(0x39000) }, { SWAP, C(1), CLEAN(0x39000) }, { PUBLISH } } },
	{ "cleaned",
	  "--------",
	  { { WANT, 13, CLEAN(0x39000) }, { SWAP, C(1), CLEAN(0x39000) }, FLUSHED(13, 1) } },
};

TEST(changes)
{
	litmus_judge(changes, COUNT(changes), litmus_usual, true);
}

/* ---- groups -------------------------------------------------------------------------------- */

#define IN_GROUP(entry) ((entry) | GROUP)

static const struct litmus groups[] = {
	{ "unfold by break before make, then unmap one",
	  "--------",
	  { { WANT, 2, 0 },
	    { SWAP, A(2), 0 },
	    { SWAP, A(3), 0 },
	    FLUSHED(2, 2),
	    { STORE, A(3), RW(0x23000) },
	    FLUSHED(2, 2) } },
	{ "unmap a member", "cccccccc", { { WANT, 2, 0 }, { SWAP, A(2), 0 }, FLUSHED(2, 2) } },
	{ "unfold in place",
	  "bb-----b",
	  { { SWAP, A(2), RW(0x22000) }, { SWAP, A(3), RW(0x23000) }, FLUSHED(2, 2) } },
	{ "a break of one member is none",
	  "cc-----c",
	  { { SWAP, A(2), 0 },
	    FLUSHED(2, 2),
	    { STORE, A(2), RW(0x22000) },
	    { SWAP, A(3), RW(0x23000) },
	    FLUSHED(2, 2) } },
	{ "write-protect a member",
	  "cccccccc",
	  { { WANT, 2, RO(0x22000) }, { SWAP, A(2), IN_GROUP(RO(0x22000)) }, FLUSHED(2, 2) } },
	{ "write-protect all of it",
	  "--------",
	  { { WANT, 2, RO(0x22000) },
	    { WANT, 3, RO(0x23000) },
	    { SWAP, A(2), IN_GROUP(RO(0x22000)) },
	    { SWAP, A(3), IN_GROUP(RO(0x23000)) },
	    FLUSHED(2, 2) } },
	{ "a group is invalidated at one member alone",
	  "aaaaaaaa",
	  { { WANT, 2, 0 }, { WANT, 3, 0 }, { SWAP, A(2), 0 }, { SWAP, A(3), 0 }, FLUSHED(2, 1) } },
	{ "fold in place",
	  "bb-----b",
	  { { WANT, 8, RW(0x34000) },
	    { SWAP, E(0), IN_GROUP(RW(0x34000)) },
	    { SWAP, E(1), IN_GROUP(RW(0x35000)) },
	    FLUSHED(8, 2) } },
	{ "fold by break before make",
	  "--------",
	  { { SWAP, E(0), 0 },
	    { SWAP, E(1), 0 },
	    FLUSHED(8, 2),
	    { STORE, E(0), IN_GROUP(RW(0x34000)) },
	    { STORE, E(1), IN_GROUP(RW(0x35000)) },
	    FLUSHED(8, 2) } },
	{ "members on other frames",
	  "cccccccc",
	  { { WANT, 14, IN_GROUP(RW(0x3a000)) },
	    { WANT, 15, IN_GROUP(RW(0x3b000)) },
	    { STORE, C(2), IN_GROUP(RW(0x3a000)) },
	    { STORE, C(3), IN_GROUP(RW(0x3d000)) },
	    FLUSHED(14, 2) } },
	{ "half a group says more than was asked",
	  "aaaaaaaa",
	  { { WANT, 14, IN_GROUP(RW(0x3a000)) },
	    { STORE, C(2), IN_GROUP(RW(0x3a000)) },
	    FLUSHED(14, 2) } },
};

TEST(groups)
{
	litmus_judge(groups, COUNT(groups), litmus_usual, true);
}

/* ---- devices ---------------------------------------------------------------------------- */

static const struct litmus deaf[] = {
	{ "a device that hears no broadcast",
	  "aaaaaaaa",
	  { { WANT, 0, 0 }, { SWAP, A(0), 0 }, FLUSHED(0, 1) } },
	{ "it is told by itself",
	  "--------",
	  { { WANT, 0, 0 },
	    { SWAP, A(0), 0 },
	    { PUBLISH },
	    { FLUSH, 0, 1 },
	    { SOME, 0, 2 },
	    { COMPLETE } } },
	{ "a table is freed when the CPUs have left it",
	  "eeeeeeee",
	  { NOTHING(8), { SWAP, ROOT(2), 0 }, FLUSHED(8, 4), { FREE, E(0) } } },
};

TEST(a_device_that_hears_no_broadcast)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_DEAF,
						       ML_ORACLE_NOBODY };

	litmus_judge(deaf, COUNT(deaf), agents, true);
}

/* One member of a group lacks what the group as a whole has (B-01). */
static const struct litmus literal[] = {
	{ "accessed in one member alone",
	  "gggggggg",
	  { { SWAP, A(2), IN_GROUP(UNUSED(0x22000)) }, FLUSHED(2, 2) } },
	{ "accessed in both",
	  "--------",
	  { { SWAP, A(2), IN_GROUP(UNUSED(0x22000)) },
	    { SWAP, A(2), IN_GROUP(RW(0x22000)) },
	    FLUSHED(2, 2) } },
};

TEST(a_device_that_reads_each_entry_alone)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_WALKER,
						       ML_ORACLE_NOBODY };
	char letter;

	litmus_judge(literal, COUNT(literal), agents, false);
	letter = litmus_verdict(&literal[0], ML_ORACLE_ARM64_BBM0, litmus_usual, false);
	t_eq(letter, '-'); /* a CPU takes any member for all */
}
