/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A picture of the leaves that map it. The memory of a PCI display is given to a user program by
 * ml_remap_pfn_range(). Each row of the picture is one page, and the program draws each row in the
 * colour of the leaf that maps it. One row is taken from it before: that one stays as it was.
 */
#include "board_space.h"
#include "pci.h"

/* "QEMU Standard VGA": the identity, and the Bochs interface in 16-bit registers of BAR 2. */
#define DISPLAY 0x11111234
#define MEMORY_BAR 0
#define REGISTER_BAR 2
#define REGISTERS 0x500
enum { REGISTER_WIDTH = 1, REGISTER_HEIGHT, REGISTER_BITS, REGISTER_ENABLE };
#define ENABLE_LINEAR 0x41

#define PAGE ((uint64_t)4096)
#define WIDTH (PAGE / sizeof(uint32_t))
#define HEIGHT 768
#define TAKEN_ROW 200

static struct ml_space space;

/* What the user program knows. */
static struct picture {
	volatile uint32_t *pixels;
	uint32_t colours[HEIGHT]; /* of a row's leaf */
	unsigned row;             /* that is being drawn */
} picture BOARD_USER_DATA;

/* ---- the program ------------------------------------------------------------------------- */

static BOARD_USER_TEXT void draw_ground(void *argument)
{
	const struct picture *p = argument;

	for (uint32_t y = 0; y < HEIGHT; y++)
		for (uint32_t x = 0; x < WIDTH; x++)
			p->pixels[y * WIDTH + x] = (255 - x / 8) << 16 | (255 - y / 8) << 8 | 0xff;
	isa_call(0);
}

/* From half as bright on the left to full on the right. */
static BOARD_USER_TEXT void draw_leaves(void *argument)
{
	struct picture *p = argument;

	for (; p->row < HEIGHT; p->row++) {
		const uint32_t colour = p->colours[p->row];

		for (uint32_t x = 0; x < WIDTH; x++) {
			const uint32_t light = 128 + x / 8;

			p->pixels[p->row * WIDTH + x] =
				((colour & 0xff00ff) * light >> 8 & 0xff00ff) |
				((colour & 0x00ff00) * light >> 8 & 0x00ff00);
		}
	}
	isa_call(0);
}

static BOARD_USER_TEXT void draw_wrong_pixel(void *argument)
{
	const struct picture *p = argument;

	p->pixels[WIDTH + 1] ^= 0x010000;
	isa_call(0);
}

static BOARD_USER_TEXT void stay(void *argument)
{
	(void)argument;
	for (;;)
		ISA_YIELD();
}

/* ---- the kernel -------------------------------------------------------------------------- */

static void must(int error, const char *what)
{
	if (error)
		board_die("%s: %s", what, ml_error_text(error));
}

static void run(void (*function)(void *argument), uint64_t fault)
{
	const struct board_trap trap = board_run_user(function, &picture);

	if (fault ? trap.cause != BOARD_PERMISSION || trap.address != fault
		  : trap.cause != BOARD_CALL)
		board_die("the program ended with trap %lx at pc %lx, address %lx", trap.code,
			  trap.pc, trap.address);
}

static void set_mode(volatile uint32_t *config)
{
	const struct pci_bar bar = pci_place(config, REGISTER_BAR);
	volatile uint16_t *registers;

	board_kernel_map(ISA_DIRECT + bar.pa, bar.bytes, bar.pa, ML_RW | ML_DEV_STRICT);
	registers = board_pointer(bar.pa + REGISTERS);
	registers[REGISTER_WIDTH] = WIDTH;
	registers[REGISTER_HEIGHT] = HEIGHT;
	registers[REGISTER_BITS] = 32;
	registers[REGISTER_ENABLE] = ENABLE_LINEAR;
}

/* The largest leaves that there are: where to, the space picks itself. */
static ml_va map_memory(const struct pci_bar *bar)
{
	const struct ml_region_spec spec = { .prot = ML_RW | ML_NC,
					     .may = ML_RW,
					     .flags = ML_REGION_RAW | ML_REGION_SHARED,
					     .name = "display" };
	ml_va va;

	must(ml_space_pick(&space, bar->bytes, bar->pa, 0, &va), "pick");
	must(ml_space_map(&space, va, bar->bytes, &spec, 0, NULL), "map");
	must(ml_remap_pfn_range(&space, va, bar->bytes, bar->pa, ML_NC), "remap");
	return va;
}

static void print_leaves(const char *text)
{
	static const char units[] = "KMGT";
	struct ml_space_stats stats;

	ml_space_stats(&space, &stats);
	board_printf("display: %s:", text);
	for (unsigned rung = 0; rung < ISA_FORMAT.rung_count; rung++) {
		const unsigned shift = ISA_FORMAT.rungs[rung].shift;

		if (stats.raw_leaves[rung])
			board_printf(" %lux%u%s", stats.raw_leaves[rung], 1u << shift % 10,
				     (const char[]){ units[shift / 10 - 1], 0 });
	}
	board_printf("\n");
}

/* By size, and every other leaf of a size is darker. */
static uint32_t colour_of(ml_va va, uint64_t offset)
{
	static const struct {
		unsigned shift;
		uint32_t colour;
	} colours[] = { { 12, 0xff5040 }, { 16, 0x40c060 }, { 21, 0x4080ff }, { 25, 0xffc020 } };
	struct ml_follow leaf;

	must(ml_follow_pfn(&space, va + offset, &leaf), "follow");
	for (unsigned i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (colours[i].shift == ISA_FORMAT.rungs[leaf.rung].shift)
			return offset >> colours[i].shift & 1 ? colours[i].colour >> 1 & 0x7f7f7f
							      : colours[i].colour;
	}
	board_die("a leaf that has no colour");
}

static void draw(ml_va va)
{
	const ml_va taken = va + TAKEN_ROW * PAGE;

	picture.pixels = (volatile uint32_t *)va;
	run(draw_ground, 0);
	must(ml_space_protect(&space, taken, PAGE, ML_READ), "protect");
	print_leaves("one page of it read-only");
	for (unsigned row = 0; row < HEIGHT; row++)
		picture.colours[row] = colour_of(va, row * PAGE);
	run(draw_leaves, taken);
	board_printf("display: the program faulted in row %u\n", picture.row++);
	run(draw_leaves, 0);
}

int board_payload(void)
{
	volatile uint32_t *config = pci_find(DISPLAY);
	struct pci_bar bar;
	ml_va va;

	if (!config)
		board_die("there is no display");
	set_mode(config);
	bar = pci_place(config, MEMORY_BAR);
	must(board_space_init(&space, NULL), "space");
	board_space_use(&space);
	va = map_memory(&bar);
	board_printf("display: %lu bytes at 0x%lx\n", bar.bytes, bar.pa);
	print_leaves("mapped");
	draw(va);
	if (word_is_given("display-lie"))
		run(draw_wrong_pixel, 0);
	must(ml_space_check(&space, NULL), "check");
	board_printf("display: drawn\n");
	board_run_user(stay, NULL);
	board_die("the program ended");
}
