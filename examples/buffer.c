/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A driver shows a device's memory to a program: a picture with one call, the rest by faults. */
#include <stdio.h>

#include <maxleaf/hosted.h>
#include <maxleaf/maxleaf.h>

#define PICTURE_PA 0x4000000000u
#define PICTURE 0x7e9000u /* bytes of 1920 x 1080 pixels */
#define REST_PA 0x4040000000u
#define REST 0x40000000u
#define VA 0x7f0000000000u

/* The program touched a part of the rest: frames at any size that the library asks for. */
static enum ml_fault_result show_rest(struct ml_fault_request *request)
{
	request->pa = REST_PA + request->offset;
	request->raw = true;
	return request->pa & (request->length - 1) ? ML_FAULT_FALLBACK : ML_FAULT_DONE;
}

static const struct ml_region_ops on_demand = { .fault = show_rest, .rungs = ~0u };

static int show(const struct ml_format *format, const struct ml_space_config *config)
{
	struct ml_mapping rest = { .ops = &on_demand };
	struct ml_region_spec spec = { .prot = ML_RW | ML_NC,
				       .may = ML_RW,
				       .flags = ML_REGION_SHARED | ML_REGION_RAW };
	struct ml_space_stats stats;
	struct ml_space s;

	if (ml_space_init(&s, format, config) || ml_space_map(&s, VA, PICTURE, &spec, 0, NULL) ||
	    ml_remap_pfn_range(&s, VA, PICTURE, PICTURE_PA, ML_NC))
		return 2;
	spec.mapping = &rest;
	if (ml_space_map(&s, VA + REST, REST, &spec, 0, NULL) ||
	    ml_space_fault(&s, VA + REST + 0x12345678, ML_WRITE) != ML_FAULT_DONE)
		return 2;
	ml_space_stats(&s, &stats);
	for (unsigned rung = 0; rung < format->rung_count; rung++)
		printf("%s: %u leaves of %u KiB\n", format->name, (unsigned)stats.raw_leaves[rung],
		       1u << (format->rungs[rung].shift - 10));
	ml_space_fini(&s);
	return 0;
}

int main(void)
{
	struct ml_frame_pool pool;
	uint32_t counts[4];
	static _Alignas(4096) char memory[0x4000]; /* for regions */
	const struct ml_space_config config = { .table = { .platform = &ml_malloc_platform,
							   .cookie = &(struct ml_malloc){ 0 } },
						.frames = &ml_frame_pool_frames,
						.frames_cookie = &pool };

	return ml_frame_pool_init(&pool, memory, 0, sizeof(memory), 12, counts) ||
	       show(&ml_format_x86_64, &config) || show(&ml_format_arm64_4k, &config);
}
