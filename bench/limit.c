/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The limit: the least a correct page table of 4K pages, 512 entries and four levels can
 * do for each workload, written by hand for that one shape. It checks for what is in the
 * way, allocates and frees through the same platform as the library and does nothing
 * else: no range splitting, no formats, no policies, no reporting.
 */
#include <string.h>

#include "bench.h"
#include "entry.h"

INLINE void link_table(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

INLINE unsigned index_of(ml_va va, unsigned level)
{
	return (unsigned)(va >> (12 + 9 * level)) % ENTRIES;
}

INLINE uint64_t *below(const struct limit_table *t, uint64_t entry)
{
	return (uint64_t *)(void *)(t->base + (entry & ADDRESS));
}

/* Whether an entry above level 0 points to a table. */
INLINE bool leads_on(const struct limit_table *t, uint64_t entry)
{
	return (entry & t->table_mask) == t->table_value;
}

INLINE uint64_t *table_alloc(const struct limit_table *t, ml_pa *pa)
{
	return t->platform->table_alloc(t->cookie, NULL, PAGE, pa);
}

INLINE void table_free(const struct limit_table *t, uint64_t entry)
{
	t->platform->table_free(t->cookie, NULL, below(t, entry), entry & ADDRESS, PAGE);
}

/* ---- building and taking down ---------------------------------------------------- */

int limit_init(struct limit_table *t, const struct ml_format *format,
	       const struct ml_platform *platform, void *cookie, char *base)
{
	bool arm64 = format->encoding == ML_ENCODING_ARM64;
	ml_pa pa;

	*t = (struct limit_table){ .platform = platform, .cookie = cookie, .base = base };
	if (arm64) {
		t->table_bits = 0x3;
		t->page_bits = 0x00600000000007c3; /* UXN, PXN, AF, inner shareable, page */
		t->block_bits = t->page_bits & ~(uint64_t)2;
		t->table_mask = 0x3; /* valid, not a block */
		t->table_value = 0x3;
		t->edit_mask = 0x400; /* AF */
	} else {
		t->table_bits = 0x63;
		t->page_bits = 0x8000000000000063; /* NX, D, A, W, P */
		t->block_bits = t->page_bits | 0x80;
		t->table_mask = 0x81; /* present, not a large page */
		t->table_value = 0x1;
		t->edit_mask = 0x40; /* D */
	}
	t->group_bits = t->page_bits | (arm64 ? (uint64_t)1 << 52 : 0);
	t->root = table_alloc(t, &pa);
	if (t->root == NULL)
		return ML_ERR_NO_MEMORY;
	memset(t->root, 0, PAGE);
	return 0;
}

void limit_view(struct limit_table *view, const struct limit_table *t, uint64_t *root)
{
	*view = *t;
	view->root = root;
}

static void free_level_0_tables(const struct limit_table *t, const uint64_t *table)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (leads_on(t, table[i]))
			table_free(t, table[i]);
	}
}

/* Everything below the one root entry that the workloads use. */
void limit_reset(struct limit_table *t)
{
	uint64_t *root_entry = &t->root[index_of(BENCH_VA, 3)];
	const uint64_t *table;

	t->neighbour = NULL;
	if (!(*root_entry & VALID))
		return;
	table = below(t, *root_entry);
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (!leads_on(t, table[i]))
			continue;
		free_level_0_tables(t, below(t, table[i]));
		table_free(t, table[i]);
	}
	table_free(t, *root_entry);
	store(root_entry, 0);
}

void limit_fini(struct limit_table *t)
{
	limit_reset(t);
	t->platform->table_free(t->cookie, NULL, t->root,
				(ml_pa)((char *)(void *)t->root - t->base), PAGE);
}

/* The entry of a level for va, or NULL. */
INLINE uint64_t *descend(const struct limit_table *t, ml_va va, unsigned to)
{
	uint64_t *table = t->root;

#pragma GCC unroll 3
	for (unsigned level = 3; level > to; level--) {
		const uint64_t value = load(&table[index_of(va, level)]);

		if (__builtin_expect(!leads_on(t, value), 0))
			return NULL;
		table = below(t, value);
	}
	return &table[index_of(va, to)];
}

/* The same, making empty tables on the way. NULL: no memory, or a leaf in the way. */
NOINLINE static uint64_t *make_way(struct limit_table *t, ml_va va, unsigned to)
{
	uint64_t *table = t->root;

	for (unsigned level = 3; level > to; level--) {
		uint64_t *entry = &table[index_of(va, level)];
		const uint64_t value = load(entry);
		ml_pa pa;

		if (value & VALID) {
			if (!leads_on(t, value))
				return NULL;
			table = below(t, value);
			continue;
		}
		table = table_alloc(t, &pa);
		if (table == NULL)
			return NULL;
		memset(table, 0, PAGE);
		link_table(entry, pa | t->table_bits);
	}
	return &table[index_of(va, to)];
}

/* Calls stay out of the way that is usual, which then needs no stack. */
INLINE uint64_t *descend_making(struct limit_table *t, ml_va va, unsigned to)
{
	uint64_t *entry = descend(t, va, to);

	return __builtin_expect(entry != NULL, 1) ? entry : make_way(t, va, to);
}

/* ---- mapping: one leaf ----------------------------------------------------------- */

INLINE int map_leaf(struct limit_table *t, ml_va va, ml_pa pa, uint64_t bits, unsigned level)
{
	uint64_t *entry = descend_making(t, va, level);

	if (entry == NULL)
		return ML_ERR_NO_MEMORY;
	if (load(entry) & VALID)
		return ML_ERR_EXISTS;
	store(entry, pa | bits);
	return 0;
}

/* One leaf of `size` bytes. */
INLINE int map_sized(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa, uint64_t size,
		     uint64_t bits, unsigned level)
{
	return (va | pa | len) % size != 0 ? ML_ERR_ALIGN : map_leaf(t, va, pa, bits, level);
}

NOINLINE int limit_map_1g_leaf(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
			       ml_prot prot, struct ml_op *op)
{
	(void)prot;
	(void)op;
	return map_sized(t, va, len, pa, GIB, t->block_bits, 2);
}

NOINLINE int limit_map_2m_leaf(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
			       ml_prot prot, struct ml_op *op)
{
	(void)prot;
	(void)op;
	return map_sized(t, va, len, pa, BLOCK, t->block_bits, 1);
}

NOINLINE int limit_map_4k_leaf(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
			       ml_prot prot, struct ml_op *op)
{
	(void)prot;
	(void)op;
	return map_sized(t, va, len, pa, PAGE, t->page_bits, 0);
}

/* Whether the 16 entries from `group` on are one 64K frame: all there, in sequence. */
INLINE bool group_complete(const uint64_t *group, uint64_t value)
{
	for (unsigned i = 0; i < 16; i++) {
		if (load(&group[i]) != value + i * PAGE)
			return false;
	}
	return true;
}

/* As limit_map_4k_leaf(), and the page that completes a 64K group folds it. */
NOINLINE int limit_map_4k_fold(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
			       ml_prot prot, struct ml_op *op)
{
	uint64_t *entry, *group;
	uint64_t value = pa | t->page_bits;
	unsigned slot = index_of(va, 0) % 16;

	(void)prot;
	(void)op;
	if ((va | pa | len) % PAGE != 0)
		return ML_ERR_ALIGN;
	entry = descend_making(t, va, 0);
	if (entry == NULL)
		return ML_ERR_NO_MEMORY;
	if (load(entry) & VALID)
		return ML_ERR_EXISTS;
	store(entry, value);
	if (slot != 15 && !(load(entry + 1) & VALID))
		return 0;
	group = entry - slot;
	value -= slot * PAGE;
	if ((va ^ pa) % (64 * KIB) != 0 || !group_complete(group, value))
		return 0;
	for (unsigned i = 0; i < 16; i++)
		store(&group[i], (value + i * PAGE) | t->group_bits);
	return 0;
}

/* ---- mapping: whole tables ------------------------------------------------------- */

/*
 * Four independent chains of additions: one would wait for itself. A function of its own on a
 * line of its own, unrolled twice: where a loop begins and whether its end is foreseen is worth
 * 15 % otherwise, and differs from build to build.
 */
NOINLINE __attribute__((aligned(64))) static void fill(uint64_t *table, uint64_t entry,
						       uint64_t step)
{
	uint64_t second = entry + step, third = second + step, fourth = third + step;

#pragma GCC unroll 2
	for (unsigned i = 0; i < ENTRIES; i += 4) {
		store(&table[i], entry);
		store(&table[i + 1], second);
		store(&table[i + 2], third);
		store(&table[i + 3], fourth);
		entry += 4 * step;
		second += 4 * step;
		third += 4 * step;
		fourth += 4 * step;
	}
}

/* Fill a new table and link it at `entry`. */
INLINE int map_table(struct limit_table *t, uint64_t *entry, uint64_t value, uint64_t step)
{
	uint64_t *table;
	ml_pa pa;

	if (load(entry) & VALID)
		return ML_ERR_EXISTS;
	table = table_alloc(t, &pa);
	if (table == NULL)
		return ML_ERR_NO_MEMORY;
	fill(table, value, step);
	link_table(entry, pa | t->table_bits);
	return 0;
}

NOINLINE int limit_map_1g_by_2m(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
				ml_prot prot, struct ml_op *op)
{
	uint64_t *entry;

	(void)prot;
	(void)op;
	if ((va | len) % GIB != 0 || pa % BLOCK != 0)
		return ML_ERR_ALIGN;
	entry = descend_making(t, va, 2);
	if (entry == NULL)
		return ML_ERR_NO_MEMORY;
	return map_table(t, entry, pa | t->block_bits, BLOCK);
}

NOINLINE int limit_map_2m_by_4k(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
				ml_prot prot, struct ml_op *op)
{
	uint64_t *entry;

	(void)prot;
	(void)op;
	if ((va | len) % BLOCK != 0 || pa % PAGE != 0)
		return ML_ERR_ALIGN;
	entry = descend_making(t, va, 1);
	if (entry == NULL)
		return ML_ERR_NO_MEMORY;
	return map_table(t, entry, pa | t->page_bits, PAGE);
}

INLINE int map_1g(struct limit_table *t, ml_va va, ml_pa pa, uint64_t bits)
{
	uint64_t *entry = descend_making(t, va, 2);
	uint64_t *table;
	ml_pa table_pa;

	if (entry == NULL)
		return ML_ERR_NO_MEMORY;
	if (load(entry) & VALID)
		return ML_ERR_EXISTS;
	table = table_alloc(t, &table_pa);
	if (table == NULL)
		return ML_ERR_NO_MEMORY;
	for (unsigned i = 0; i < ENTRIES; i++) {
		ml_pa leaves_pa;
		uint64_t *leaves = table_alloc(t, &leaves_pa);

		if (leaves == NULL)
			return ML_ERR_NO_MEMORY;
		fill(leaves, (pa + i * BLOCK) | bits, PAGE);
		store(&table[i], leaves_pa | t->table_bits);
	}
	link_table(entry, table_pa | t->table_bits);
	return 0;
}

NOINLINE int limit_map_1g_by_4k(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
				ml_prot prot, struct ml_op *op)
{
	(void)prot;
	(void)op;
	if ((va | len) % GIB != 0 || pa % PAGE != 0)
		return ML_ERR_ALIGN;
	return map_1g(t, va, pa, t->page_bits);
}

NOINLINE int limit_map_1g_by_64k(struct limit_table *t, ml_va va, uint64_t len, ml_pa pa,
				 ml_prot prot, struct ml_op *op)
{
	(void)prot;
	(void)op;
	if ((va | len) % GIB != 0 || pa % (64 * KIB) != 0)
		return ML_ERR_ALIGN;
	return map_1g(t, va, pa, t->group_bits);
}

/* ---- unmapping ------------------------------------------------------------------- */

/* Whether something lives next to an entry just cleared, or where it was found before. */
INLINE bool near_in_use(const struct limit_table *t, const uint64_t *entry)
{
	const unsigned index = (unsigned)((uintptr_t)entry % PAGE / sizeof(*entry));

	return (index > 0 && load(entry - 1)) || (index < ENTRIES - 1 && load(entry + 1)) ||
	       ((uintptr_t)t->neighbour / PAGE == (uintptr_t)entry / PAGE && load(t->neighbour));
}

/* Whether the whole table does. */
INLINE bool table_in_use(struct limit_table *t, const uint64_t *entry)
{
	const uint64_t *first = entry - (uintptr_t)entry % PAGE / sizeof(*entry);

	for (unsigned i = 0; i < ENTRIES; i++) {
		if (load(&first[i])) {
			t->neighbour = &first[i];
			return true;
		}
	}
	return false;
}

/* The table around `entry` is empty: free it, and those above as long as they become empty. */
NOINLINE static int free_upward(struct limit_table *t, ml_va va, const uint64_t *entry,
				unsigned level)
{
	while (level < 2 && !table_in_use(t, entry)) {
		uint64_t *above = descend(t, va, ++level);
		const uint64_t value = load(above);

		store(above, 0);
		table_free(t, value);
		entry = above;
	}
	return 0;
}

INLINE int unmap_leaf(struct limit_table *t, ml_va va, unsigned level)
{
	uint64_t *entry = descend(t, va, level);

	if (entry == NULL || !(load(entry) & VALID))
		return ML_ERR_NOT_MAPPED;
	store(entry, 0);
	if (__builtin_expect(near_in_use(t, entry), 1))
		return 0;
	return free_upward(t, va, entry, level);
}

NOINLINE int limit_unmap_1g_leaf(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	(void)op;
	if ((va | len) % GIB != 0)
		return ML_ERR_ALIGN;
	return unmap_leaf(t, va, 2);
}

NOINLINE int limit_unmap_2m_leaf(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	(void)op;
	if ((va | len) % BLOCK != 0)
		return ML_ERR_ALIGN;
	return unmap_leaf(t, va, 1);
}

NOINLINE int limit_unmap_4k_leaf(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	(void)op;
	if ((va | len) % PAGE != 0)
		return ML_ERR_ALIGN;
	return unmap_leaf(t, va, 0);
}

/* Detach one table of pages, unread. */
NOINLINE int limit_unmap_2m_table(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	uint64_t *entry = descend(t, va, 1);
	uint64_t value;

	(void)op;
	if ((va | len) % BLOCK != 0)
		return ML_ERR_ALIGN;
	if (entry == NULL)
		return ML_ERR_NOT_MAPPED;
	value = load(entry);
	if (!leads_on(t, value))
		return ML_ERR_NOT_MAPPED;
	store(entry, 0);
	table_free(t, value);
	return near_in_use(t, entry) ? 0 : free_upward(t, va, entry, 1);
}

/* Detach the table below a level-2 entry and free it and the tables it points to. */
NOINLINE int limit_unmap_1g(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	uint64_t *entry = descend(t, va, 2);
	uint64_t value;

	(void)op;
	if ((va | len) % GIB != 0)
		return ML_ERR_ALIGN;
	if (entry == NULL)
		return ML_ERR_NOT_MAPPED;
	value = load(entry);
	if (!leads_on(t, value))
		return ML_ERR_NOT_MAPPED;
	store(entry, 0);
	free_level_0_tables(t, below(t, value));
	table_free(t, value);
	return 0;
}

/* Read a table of leaves: the bits in which they differ from a sequence from `entry` on. */
NOINLINE __attribute__((aligned(64))) static uint64_t read_leaves(const uint64_t *table,
								  uint64_t entry)
{
	uint64_t different = 0, different_too = 0;

	for (unsigned i = 0; i < ENTRIES; i += 4) {
		different |= load(&table[i]) ^ entry;
		different_too |= load(&table[i + 1]) ^ (entry + PAGE);
		different |= load(&table[i + 2]) ^ (entry + 2 * PAGE);
		different_too |= load(&table[i + 3]) ^ (entry + 3 * PAGE);
		entry += 4 * PAGE;
	}
	return different | different_too;
}

/* As limit_unmap_1g(), having read every leaf: one run in sequence, accessed and dirty alike. */
NOINLINE int limit_unmap_1g_read(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	uint64_t *entry = descend(t, va, 2);
	const uint64_t *tables;
	uint64_t value, expected, different = 0;

	if ((va | len) % GIB != 0)
		return ML_ERR_ALIGN;
	if (entry == NULL)
		return ML_ERR_NOT_MAPPED;
	value = load(entry);
	if (!leads_on(t, value))
		return ML_ERR_NOT_MAPPED;
	tables = below(t, value);
	expected = load(below(t, load(tables)));
	for (unsigned i = 0; i < ENTRIES; i++)
		different |= read_leaves(below(t, load(&tables[i])), expected + i * BLOCK);
	op->bytes = different == 0 ? len : 0;
	return limit_unmap_1g(t, va, len, op);
}

/* Unmap one page out of a 2M leaf: a table of its 511 other pages takes the leaf's place. */
NOINLINE int limit_split_2m(struct limit_table *t, ml_va va, uint64_t len, struct ml_op *op)
{
	uint64_t *entry = descend(t, va, 1);
	uint64_t *table;
	uint64_t value;
	ml_pa pa;

	(void)op;
	if ((va | len) % PAGE != 0)
		return ML_ERR_ALIGN;
	if (entry == NULL)
		return ML_ERR_NOT_MAPPED;
	value = load(entry);
	if (!(value & VALID) || leads_on(t, value))
		return ML_ERR_NOT_MAPPED;
	table = table_alloc(t, &pa);
	if (table == NULL)
		return ML_ERR_NO_MEMORY;
	fill(table, (value & ADDRESS) | t->page_bits, PAGE);
	store(&table[index_of(va, 0)], 0);
	link_table(entry, pa | t->table_bits);
	return 0;
}

/* ---- translating: the loads of the walk, the least decision after each ------------- */

INLINE bool leads_on_fixed(uint64_t entry, bool arm64)
{
	return arm64 ? (entry & 3) == 3 : (entry & 0x81) == 1;
}

INLINE int translated(struct ml_translation *translation, ml_va va, uint64_t entry, unsigned level)
{
	const uint64_t mask = ((uint64_t)1 << (12 + 9 * level)) - 1;

	if (!(entry & VALID))
		return ML_ERR_NOT_MAPPED;
	translation->pa = (entry & ADDRESS & ~mask) | (va & mask);
	translation->pte = entry;
	return 0;
}

/* The entry for va in the table that an entry of the level above leads to. */
INLINE uint64_t next_entry(const struct ml_table *t, uint64_t entry, ml_va va, unsigned level)
{
	const uint64_t *table = (const uint64_t *)(const void *)(t->base + (entry & ADDRESS));

	return load(&table[index_of(va, level)]);
}

INLINE int translate(const struct ml_table *t, ml_va va, struct ml_translation *translation,
		     bool arm64)
{
	uint64_t entry = load(&t->root[index_of(va, 3)]);

	if (arm64 ? va >> 48 != 0 : (uint64_t)((int64_t)(va << 16) >> 16) != va)
		return ML_ERR_CANONICAL;
	if (!leads_on_fixed(entry, arm64))
		return ML_ERR_NOT_MAPPED;
	entry = next_entry(t, entry, va, 2);
	if (!leads_on_fixed(entry, arm64))
		return translated(translation, va, entry, 2);
	entry = next_entry(t, entry, va, 1);
	if (!leads_on_fixed(entry, arm64))
		return translated(translation, va, entry, 1);
	entry = next_entry(t, entry, va, 0);
	return translated(translation, va, entry, 0);
}

NOINLINE int limit_translate_x86_64(const struct ml_table *t, ml_va va,
				    struct ml_translation *translation)
{
	return translate(t, va, translation, false);
}

NOINLINE int limit_translate_arm64(const struct ml_table *t, ml_va va,
				   struct ml_translation *translation)
{
	return translate(t, va, translation, true);
}

/* ---- protecting ------------------------------------------------------------------ */

/* Loads and stores as a change has to make them that looks at what it loads; 0.22 ns on a Zen 5. */
INLINE void edit_plain(uint64_t *table, uint64_t mask, bool set)
{
	for (unsigned i = 0; i < ENTRIES; i += 2) {
		uint64_t first = load(&table[i]), second = load(&table[i + 1]);

		store(&table[i], set ? first | mask : first & ~mask);
		store(&table[i + 1], set ? second | mask : second & ~mask);
	}
}

INLINE void edit_locked(uint64_t *table, uint64_t mask, bool set)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		if (set)
			(void)__atomic_fetch_or(&table[i], mask, __ATOMIC_RELAXED);
		else
			(void)__atomic_fetch_and(&table[i], ~mask, __ATOMIC_RELAXED);
	}
}

INLINE int protect(struct limit_table *t, ml_va va, uint64_t len, bool set, bool locked)
{
	for (uint64_t done = 0; done < len; done += BLOCK) {
		uint64_t *entry = descend(t, va + done, 1);
		uint64_t *table;

		if (entry == NULL || !(load(entry) & VALID))
			return ML_ERR_NOT_MAPPED;
		table = below(t, load(entry));
		if (locked)
			edit_locked(table, t->edit_mask, set);
		else
			edit_plain(table, t->edit_mask, set);
	}
	return 0;
}

NOINLINE int limit_protect_plain(struct limit_table *t, ml_va va, uint64_t len, ml_prot mask,
				 ml_prot value, struct ml_op *op)
{
	(void)op;
	if ((va | len) % BLOCK != 0)
		return ML_ERR_ALIGN;
	return value == mask ? protect(t, va, len, true, false) : protect(t, va, len, false, false);
}

NOINLINE int limit_protect_locked(struct limit_table *t, ml_va va, uint64_t len, ml_prot mask,
				  ml_prot value, struct ml_op *op)
{
	(void)op;
	if ((va | len) % BLOCK != 0)
		return ML_ERR_ALIGN;
	return value == mask ? protect(t, va, len, true, true) : protect(t, va, len, false, true);
}
