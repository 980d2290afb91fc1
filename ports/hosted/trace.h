/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* How the other files of the hosted port tell the trace of this thread. */
#ifndef HOSTED_TRACE_H
#define HOSTED_TRACE_H

#include <maxleaf/hosted.h>

/* Count, keep and pass on one event, if this thread has a trace. */
void ml_trace_event(const struct ml_event *event);

#endif
