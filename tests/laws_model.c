/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The library's encoding against the model MMU: hardware reads from every leaf what the
 * protection said, at every level, as a single entry and as a group.
 */
#include "format/codec.h"

#include "model_ram.h"

#define BIT(number) ((uint64_t)1 << (number))

struct machine {
	const struct ml_format *format;
	struct ml_types types;
	struct ml_model model;
	uint64_t table_bits; /* of an entry that links a table and limits nothing */
};

static void machine_init(struct machine *machine, const struct ml_format *format)
{
	static const enum ml_model_kind kinds[] = {
		[ML_ENCODING_X86_64] = ML_MODEL_X86_64,
		[ML_ENCODING_ARM64] = ML_MODEL_ARM64_4K,
		[ML_ENCODING_TOY] = ML_MODEL_TOY,
	};
	static const uint64_t layouts[] = { ML_MODEL_PAT, ML_MODEL_MAIR, 0 };
	static const uint64_t table_bits[] = { 0x27, 0x3, 0x1 };

	machine->format = format;
	machine->table_bits = table_bits[format->encoding];
	machine->model = ram_model(kinds[format->encoding], format->levels_default,
				   layouts[format->encoding]);
	machine->model.hardware_accessed = true;
	machine->model.hardware_dirty = true;
	ml_types_init(&machine->types, format, layouts[format->encoding]);
}

/* Map va 0 by one leaf, or one group, of this rung: index 0 all the way down. */
static void machine_map(struct machine *machine, const struct ml_rung *rung, ml_pa pa, ml_prot prot)
{
	const unsigned levels = machine->format->levels_default;
	uint64_t *table = ram[levels - 1 - rung->level];

	for (unsigned level = levels - 1; level > rung->level; level--)
		ram[levels - 1 - level][0] = RAM_TABLE(levels - level) | machine->table_bits;
	for (unsigned i = 0; i < 1u << rung->lg2_entries; i++)
		t_eq(ml_format_encode(machine->format, &machine->types,
				      pa + i * BIT(machine->format->level_shift[rung->level]), prot,
				      rung->level, rung->lg2_entries > 0, &table[i]),
		     ML_OK);
}

/* What the hardware sees of a protection: no software bits; dirty only where it may write. */
static ml_prot visible(const struct ml_format *format, ml_prot prot)
{
	prot &= ~(ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK);
	if (format->encoding != ML_ENCODING_TOY && !(prot & ML_WRITE))
		prot &= ~ML_DIRTY;
	return prot;
}

static void machine_check(struct machine *machine, const struct ml_rung *rung, ml_pa pa,
			  ml_prot prot)
{
	const uint64_t bytes = BIT(rung->shift);
	const ml_va va = bytes - 0x123; /* in the last page, and the last member */
	struct ml_model_result result;

	t_eq(ml_model_walk(&machine->model, va, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_eq(result.pa, pa + va);
	t_eq(result.page_bytes, bytes);
	t_eq(result.level, rung->level);
	t_eq(result.contiguous, rung->lg2_entries > 0);
	t_eq(result.prot, visible(machine->format, prot));
	t_ok(!result.shadow_stack);
	t_eq(ram_rights(&machine->model, va),
	     ram_rights_of(prot & ML_USER, prot & ML_WRITE, prot & ML_USER && prot & ML_WRITE,
			   prot & ML_PEXEC, prot & ML_EXEC));
}

/* Every expressible protection; of software's bits all or none. */
TEST(hardware_reads_what_was_meant)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		struct machine machine;
		unsigned checked = 0;

		machine_init(&machine, format);
		for (ml_prot bits = 0; bits < BIT(16); bits++) {
			const ml_prot soft = (BIT(format->soft_bits) - 1) << ML_SOFT_SHIFT;
			const ml_prot prot = (bits & ML_PROT_ALL & ~(ml_prot)BIT(11)) |
					     (bits & BIT(11) ? soft : 0);

			if (bits & BIT(7) || !ml_format_expressible(format, &machine.types, prot))
				continue;
			for (unsigned rung = 0; rung < format->rung_count; rung++) {
				const ml_pa pa = format->encoding == ML_ENCODING_TOY
							 ? 0x88000
							 : 0x00004c0000000000;

				machine_map(&machine, &format->rungs[rung], pa, prot);
				machine_check(&machine, &format->rungs[rung], pa, prot);
				checked++;
			}
		}
		t_ok(checked > 100);
	}
}

/* Each address bit of each level's frame, alone. */
TEST(hardware_finds_the_frame)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		struct machine machine;

		machine_init(&machine, format);
		for (unsigned rung = 0; rung < format->rung_count; rung++)
			for (unsigned bit = format->rungs[rung].shift; bit < format->pa_bits;
			     bit++) {
				machine_map(&machine, &format->rungs[rung], BIT(bit), ML_READ);
				machine_check(&machine, &format->rungs[rung], BIT(bit), ML_READ);
			}
	}
}

/* A leaf of level 0 below tables that take rights away: the library's limit is the hardware's. */
TEST(tables_limit_what_is_below)
{
	static const uint64_t limits[] = {
		[ML_ENCODING_X86_64] = BIT(1) | BIT(2) | BIT(63),
		[ML_ENCODING_ARM64] = 15 * BIT(59),
		[ML_ENCODING_TOY] = 0,
	};
	const struct ml_format *format;
	uint64_t seed = t_seed(60);

	FOR_EACH_FORMAT(format) {
		struct machine machine;

		machine_init(&machine, format);
		for (unsigned i = 0; i < 20000; i++) {
			const ml_prot prot =
				(t_random(&seed) & format->prot_mask & 0x7ff) | ML_READ;
			uint64_t all = ~(uint64_t)0, any = 0;
			struct ml_model_result result;
			struct ml_entry entry;
			ml_pte leaf;

			if (!ml_format_expressible(format, &machine.types, prot))
				continue;
			machine_map(&machine, &format->rungs[0], 0x1000, prot);
			for (unsigned table = 0; table + 1 < format->levels_default; table++) {
				ram[table][0] ^= t_random(&seed) & limits[format->encoding];
				all &= ram[table][0];
				any |= ram[table][0];
			}
			leaf = codec_limit(format, ram[format->levels_default - 1][0], all, any);
			t_eq(ml_format_decode(format, &machine.types, leaf, 0, &entry), ML_OK);
			ml_model_walk(&machine.model, 0, ML_MODEL_READ, false, &result);
			T_REQUIRE(t_eq(result.prot & ~ML_DIRTY,
				       visible(format, entry.prot) & ~ML_DIRTY));
			t_eq(entry.prot & ML_DIRTY, prot & ML_DIRTY);
		}
	}
}
