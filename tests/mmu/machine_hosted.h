/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Machines of the model MMU can be made to forget invalidations, to see that it is noticed. */
#ifndef TESTS_MACHINE_HOSTED_H
#define TESTS_MACHINE_HOSTED_H

enum machine_harm {
	HARM_NONE,
	HARM_NO_INVALIDATION, /* what is asked for is not done */
	HARM_PAGE_SHORT,      /* the last base page of a range is left out */
	HARM_ONE_CPU,         /* only CPU 0 hears of it */
	HARM_NO_COMPLETION    /* it is done too late: when the next one is asked for */
};

/* From now on, for every machine. */
void machine_harm(enum machine_harm harm);

#endif
