/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Starting a program, reading what it prints, and ending it in time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu.h"

static pid_t program;
static volatile sig_atomic_t is_late;

static void end_program(int number)
{
	(void)number;
	is_late = 1;
	kill(program, SIGKILL);
}

static void set_alarm(unsigned seconds)
{
	const struct sigaction action = { .sa_handler = end_program, .sa_flags = SA_RESTART };

	is_late = 0;
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

/* In the child: becomes the program, or writes why not to `report`. */
static _Noreturn void become(char *const argv[], pid_t parent, int output, int report)
{
	const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int error;

	signal(SIGXFSZ, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CLI_TROUBLE); /* it went before it could take us along */
	if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
		execvp(argv[0], argv);
	error = errno;
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(CLI_TROUBLE);
}

/* Returns 0, or an errno. *output is the reading end of what the program prints. */
static int start(char *const argv[], FILE **output)
{
	const pid_t parent = getpid();
	int prints[2], report[2], error = 0;

	if (pipe2(prints, O_CLOEXEC))
		return errno;
	if (pipe2(report, O_CLOEXEC) || (program = fork()) < 0)
		return errno;
	if (program == 0)
		become(argv, parent, prints[1], report[1]);
	close(prints[1]);
	close(report[1]);
	/* The end of the file is the exec: it closed the other end. */
	if (read(report[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = 0;
	close(report[0]);
	*output = fdopen(prints[0], "r");
	return *output ? error : errno;
}

static void relay(FILE *output, void (*line)(void *cookie, const char *text), void *cookie)
{
	char *text = NULL;
	size_t room = 0;

	while (getline(&text, &room, output) >= 0) {
		text[strcspn(text, "\r\n")] = '\0';
		line(cookie, text);
	}
	free(text);
	fclose(output);
}

struct qemu_end qemu_run(char *const argv[], unsigned seconds,
			 void (*line)(void *cookie, const char *text), void *cookie)
{
	struct qemu_end end = { 0 };
	FILE *output = NULL;
	int status;

	end.error = start(argv, &output);
	if (end.error)
		return end;
	set_alarm(seconds);
	relay(output, line, cookie);
	while (waitpid(program, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	end.late = is_late;
	end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	return end;
}
