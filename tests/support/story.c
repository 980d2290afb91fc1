/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Events as letters. */
#include "story.h"

struct ml_trace story_trace;

void story_begin(struct rig *rig)
{
	ml_trace_clear(&story_trace);
	story_trace.arena = rig->arena;
	ml_trace_to(&story_trace);
}

/* Every format has bit 0 for valid. */
static char letter(const struct ml_event *event)
{
	switch (event->kind) {
	case ML_EVENT_FILL:
		return 'F';
	case ML_EVENT_LINK:
		return 'l';
	case ML_EVENT_INVALIDATE:
		return 'i';
	case ML_EVENT_COMPLETE:
		return 'w';
	case ML_EVENT_ALLOC:
		return 'a';
	case ML_EVENT_FREE:
		return 'f';
	default:
		return event->old & 1 ? (event->value & 1 ? 'c' : 'b') : 'm';
	}
}

const char *story_end(void)
{
	static char story[4096];
	size_t length = 0;

	ml_trace_to(NULL);
	for (size_t i = 0; i < story_trace.count && length + 1 < sizeof(story); i++) {
		const char c = letter(&story_trace.events[i]);

		if (story_trace.events[i].kind == ML_EVENT_PUBLISH ||
		    (length && story[length - 1] == c))
			continue;
		story[length++] = c;
	}
	story[length] = '\0';
	return story;
}
