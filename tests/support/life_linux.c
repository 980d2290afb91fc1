/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Each process waits at its socket for what to do, and tells what came of it. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "life_linux.h"

#define WINDOW ((uintptr_t)0x200000000000)
#define PAGE ((size_t)LIFE_PAGE_BYTES)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct answer {
	int result;
	uint8_t byte;
};

static struct life_linux *me; /* the process's own copy */
static sigjmp_buf back;
static volatile int fault;

static char *address(uint32_t page)
{
	return (char *)(WINDOW + page * PAGE);
}

static int protection(uint8_t rights)
{
	return (rights & ML_READ ? PROT_READ : 0) | (rights & ML_WRITE ? PROT_WRITE : 0) |
	       (rights & ML_EXEC ? PROT_EXEC : 0);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	fault = number == SIGBUS               ? ML_FAULT_BUS
		: info->si_code == SEGV_MAPERR ? ML_FAULT_NO_REGION
					       : ML_FAULT_ACCESS;
	siglongjmp(back, 1);
}

static int do_map(const struct life_action *a)
{
	const bool anonymous = a->source == LIFE_ANONYMOUS;
	int flags = a->flags & ML_MAP_REPLACE ? MAP_FIXED : MAP_FIXED_NOREPLACE;

	flags |= a->source == LIFE_FILE_SHARED ? MAP_SHARED : MAP_PRIVATE;
	flags |= anonymous ? MAP_ANONYMOUS : 0;
	flags |= MAP_NORESERVE;
	return mmap(address(a->at), a->pages * PAGE, protection(a->rights), flags,
		    anonymous ? -1 : me->file,
		    anonymous ? 0 : (off_t)(a->offset * PAGE)) == MAP_FAILED
		       ? errno
		       : 0;
}

/* Where the other side grew it in place, so must we; where it moved it, we go there. */
static int do_move(const struct life_action *a)
{
	int flags = 0;

	if (a->to != a->at || a->flags & ML_MOVE_FIXED)
		flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	return mremap(address(a->at), a->pages * PAGE, a->new_pages * PAGE, flags,
		      address(a->to)) == MAP_FAILED
		       ? errno
		       : 0;
}

/* What is only a wish of how large leaves should be may fail here or there. */
static int do_advise(const struct life_action *a)
{
	static const int advice[] = {
		[ML_ADVISE_DONTNEED] = MADV_DONTNEED,
		[ML_ADVISE_POPULATE] = MADV_POPULATE_READ,
		[ML_ADVISE_POPULATE_WRITE] = MADV_POPULATE_WRITE,
		[ML_ADVISE_COLLAPSE] = MADV_COLLAPSE,
		[ML_ADVISE_NO_HUGE] = MADV_NOHUGEPAGE,
		[ML_ADVISE_HUGE] = MADV_HUGEPAGE,
	};
	const int failed = madvise(address(a->at), a->pages * PAGE, advice[a->advice]);

	return failed && a->advice < ML_ADVISE_COLLAPSE ? errno : 0;
}

static int do_access(const struct life_action *a, uint8_t *byte)
{
	volatile uint8_t *place = (volatile uint8_t *)address(a->at) + a->skew;

	if (sigsetjmp(back, 1))
		return fault;
	if (a->kind == LIFE_LOAD)
		*byte = *place;
	else
		*place = a->byte;
	return ML_FAULT_DONE;
}

static void live(unsigned process);

/* The child answers at its own socket; its parent here answers that it is there. */
static int do_fork(const struct life_action *a)
{
	const pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid)
		live(a->to);
	return 0;
}

static struct answer act(const struct life_action *a)
{
	struct answer answer = { 0, 0 };

	switch (a->kind) {
	case LIFE_MAP:
		answer.result = do_map(a);
		break;
	case LIFE_UNMAP:
		answer.result = munmap(address(a->at), a->pages * PAGE) ? errno : 0;
		break;
	case LIFE_PROTECT:
		answer.result = mprotect(address(a->at), a->pages * PAGE, protection(a->rights))
					? errno
					: 0;
		break;
	case LIFE_MOVE:
		answer.result = do_move(a);
		break;
	case LIFE_ADVISE:
		answer.result = do_advise(a);
		break;
	case LIFE_FORK:
		answer.result = do_fork(a);
		break;
	case LIFE_EXIT:
		break;
	default:
		answer.result = do_access(a, &answer.byte);
	}
	return answer;
}

/* Never returns: ends when told, or when the other end of the socket is gone. */
static void live(unsigned process)
{
	const int socket = me->sockets[process][1];
	struct { /* who the parent is told */
		struct answer answer;
		pid_t pid;
	} reply;
	struct life_action a;

	do {
		if (read(socket, &a, sizeof(a)) != sizeof(a))
			break;
		reply.answer = act(&a);
		reply.pid = getpid();
		if (write(socket, &reply, sizeof(reply)) != sizeof(reply))
			break;
	} while (a.kind != LIFE_EXIT);
	_exit(0);
}

static bool ask(struct life_linux *l, unsigned process, const struct life_action *a,
		struct answer *answer)
{
	struct {
		struct answer answer;
		pid_t pid;
	} reply;
	const int socket = l->sockets[process][0];

	if (write(socket, a, sizeof(*a)) != sizeof(*a) ||
	    read(socket, &reply, sizeof(reply)) != sizeof(reply))
		return false;
	*answer = reply.answer;
	l->pids[process] = reply.pid;
	return true;
}

static void start(struct life_linux *l)
{
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	unsigned i;

	me = l;
	signal(SIGCHLD, SIG_IGN);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	for (i = 0; i < LIFE_PROCESSES; i++)
		close(l->sockets[i][0]);
	live(0);
}

bool life_linux_open(struct life_linux *l, const struct life_rules *rules, const uint8_t *file)
{
	const struct timeval patience = { .tv_sec = 60 };
	const size_t bytes = rules->pages * PAGE;
	unsigned i;

	memset(l, 0, sizeof(*l));
	l->rules = *rules;
	l->file = memfd_create("maxleaf-life", 0);
	if (l->file < 0 || write(l->file, file, bytes) != (ssize_t)bytes)
		return false;
	for (i = 0; i < LIFE_PROCESSES; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->sockets[i]) ||
		    setsockopt(l->sockets[i][0], SOL_SOCKET, SO_RCVTIMEO, &patience,
			       sizeof(patience)))
			return false;
	l->pids[0] = fork();
	if (!l->pids[0])
		start(l);
	for (i = 0; i < LIFE_PROCESSES; i++)
		close(l->sockets[i][1]);
	return l->pids[0] > 0;
}

void life_linux_close(struct life_linux *l)
{
	struct life_action last = { .kind = LIFE_EXIT };
	struct answer answer;
	unsigned i;

	for (i = 0; i < LIFE_PROCESSES; i++) {
		if (l->pids[i])
			ask(l, i, &last, &answer);
		close(l->sockets[i][0]);
	}
	close(l->file);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int life_linux_do(struct life_linux *l, const struct life_action *a, uint32_t to, uint8_t *byte)
{
	const struct life_action hello = { .kind = LIFE_LOAD };
	struct life_action action = *a;
	struct answer answer;

	if (a->kind == LIFE_FORK || !(a->flags & ML_MOVE_FIXED))
		action.to = to;
	if (!ask(l, a->process, &action, &answer))
		return -1;
	*byte = answer.byte;
	if (a->kind == LIFE_EXIT)
		l->pids[a->process] = 0;
	if (a->kind == LIFE_FORK && !answer.result) {
		struct answer there;

		if (!ask(l, to, &hello, &there))
			return -1;
	}
	return answer.result;
}

/* One line of /proc/PID/maps, in pages of the window. */
struct area {
	uint32_t at, end;
	uint8_t rights;
	bool shared, file;
	uint32_t offset;
};

static bool next_area(FILE *maps, const struct life_rules *rules, struct area *area)
{
	uint64_t first, end, offset, inode;
	char line[512], flags[5];

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64, &first,
			   &end, flags, &offset, &inode) != 5 ||
		    first < WINDOW || first >= WINDOW + rules->pages * PAGE)
			continue;
		area->at = (uint32_t)((first - WINDOW) / PAGE);
		area->end = (uint32_t)((end - WINDOW) / PAGE);
		area->rights = (uint8_t)((flags[0] == 'r' ? ML_READ : 0) |
					 (flags[1] == 'w' ? ML_WRITE : 0) |
					 (flags[2] == 'x' ? ML_EXEC : 0));
		area->shared = flags[3] == 's';
		area->file = inode != 0;
		area->offset = (uint32_t)(offset / PAGE);
		return true;
	}
	return false;
}

static FILE *open_maps(const struct life_linux *l, unsigned process)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)l->pids[process]);
	return fopen(name, "r");
}

bool life_linux_one_region(struct life_linux *l, const struct life_action *a)
{
	FILE *maps = open_maps(l, a->process);
	struct area area = { 0 };
	bool found = false;

	while (maps && !found && next_area(maps, &l->rules, &area))
		found = area.at <= a->at && a->at + a->pages <= area.end;
	if (maps)
		fclose(maps);
	return found;
}

/* The kernel's page as a page of the picture, as far as regions go. */
static bool same_region(const struct area *area, uint32_t at, const struct life_page *page)
{
	return page->mapped && area->rights == page->rights &&
	       area->shared == (page->source == LIFE_FILE_SHARED) &&
	       area->file == (page->source != LIFE_ANONYMOUS) &&
	       (!area->file || area->offset + (at - area->at) == page->offset);
}

static const char *regions_differ(const struct life_linux *l, const struct life_model *m,
				  unsigned process)
{
	const struct life_page *pages = m->processes[process].pages;
	FILE *maps = open_maps(l, process);
	struct area area;
	uint32_t at = 0;
	bool same = maps != NULL;

	while (same && next_area(maps, &l->rules, &area)) {
		for (; same && at < area.at; at++)
			same = !pages[at].mapped;
		for (; same && at < area.end; at++)
			same = same_region(&area, at, &pages[at]);
	}
	for (; same && at < m->pages; at++)
		same = !pages[at].mapped;
	if (maps)
		fclose(maps);
	return same ? NULL : "a region is not the kernel's";
}

static const char *bytes_differ(const struct life_linux *l, const struct life_model *m,
				unsigned process)
{
	static const uint8_t zeroes[LIFE_PAGE_BYTES];
	uint8_t bytes[LIFE_PAGE_BYTES];
	uint32_t at;

	for (at = 0; at < m->pages; at++) {
		const struct life_page *page = &m->processes[process].pages[at];
		const uint8_t *want = life_model_bytes(m, page);
		const struct iovec ours = { bytes, PAGE }, theirs = { address(at), PAGE };
		const bool shows = want || page->source == LIFE_ANONYMOUS;

		if (!page->mapped || !page->rights)
			continue;
		if ((process_vm_readv(l->pids[process], &ours, 1, &theirs, 1, 0) ==
		     LIFE_PAGE_BYTES) != shows)
			return "a page is there, or not, where the kernel's is not, or is";
		if (shows && memcmp(bytes, want ? want : zeroes, PAGE))
			return "bytes are not the kernel's";
	}
	return NULL;
}

const char *life_linux_differs(struct life_linux *l, const struct life_model *m)
{
	const char *what = NULL;
	unsigned process;

	for (process = 0; process < l->rules.processes && !what; process++) {
		if (!l->pids[process])
			continue;
		what = regions_differ(l, m, process);
		if (!what)
			what = bytes_differ(l, m, process);
	}
	return what;
}
