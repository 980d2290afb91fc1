/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the test image does on a board: the tests named on the command line, all, or `judge`. */
#include "board.h"
#include "judge.h"
#include "t.h"
#include "words.h"

/* A CPU that does not come up would make tests of several skip or shrink, and nobody would know. */
TEST(every_cpu_came_up)
{
	t_eq(board_cpus, T_OPTION("ML_TEST_CPUS", BOARD_CPUS));
}

int board_payload(void)
{
	char *names[WORDS_MOST];

	if (word_is_given("judge"))
		judge_serve(word_is_given("judge-lie"));
	return t_main(words_alone(names), names);
}
