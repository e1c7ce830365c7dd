// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * bp-suite: runs the tests, and keeps a daemon alive that some of them kill.
 */
#include "inject.h"
#include "suite.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct test *const groups[] = {
	binding_tests, data_tests, error_tests, option_tests, waiting_tests, kernel_tests,
	fault_tests, daemon_tests,
};

/* Between the keeper of the daemon and the tests. */
static struct shared {
	volatile pid_t daemon;
	volatile unsigned int count;
	volatile int hold;
} *shared;

static int timeout_s = 180;
static const char *daemon_command;
static int available;

static void usage(FILE *file)
{
	fputs("usage: bp-suite [OPTION]... [TEST]...\n"
	      "Tests sockets of family 28: all tests, or those whose names begin with TEST.\n\n"
	      "  -d, --daemon=COMMAND  start this daemon, and start it again when it ends\n"
	      "  -s, --scripted        the daemon is bp-testd\n"
	      "  -k, --kernel          the sockets are the kernel's\n"
	      "  -e, --echo=PROGRAM    examples/echo.c, to be tested too\n"
	      "  -n, --node=NUMBER     the daemon's node (10)\n"
	      "  -t, --timeout=SECONDS limit of each test (180)\n"
	      "  -l, --list            names only\n"
	      "  -h, --help            this text\n\n"
	      "  bp-suite -ks -d 'bp-testd /tmp/store'\n"
	      "  bp-suite data_ waiting_poll\n", file);
}

static pid_t spawn(const char *command)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Starts the daemon again and again, 20 ms after it ended. */
static void keep_daemon(void)
{
	char command[1024];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(command, sizeof(command), "exec %s", daemon_command);
	for (;;) {
		if (shared->hold) {
			sleep_ms(5);
			continue;
		}
		shared->daemon = spawn(command);
		waitpid(shared->daemon, NULL, 0);
		shared->daemon = 0;
		shared->count++;
		sleep_ms(20);
	}
}

unsigned int daemon_count(void)
{
	return shared->count;
}

/* Works: a socket can be bound. */
static void wait_working(void)
{
	uint64_t deadline = clock_ms() + 60000;

	for (;;) {
		int fd = new_socket(0);
		int bad = bind_ipn(fd, 0, 0);

		close(fd);
		if (!bad)
			return;
		CHECK(clock_ms() < deadline);
		sleep_ms(5);
	}
}

void wait_next_daemon(unsigned int count)
{
	uint64_t deadline = clock_ms() + 60000;

	while (shared->count == count) {
		CHECK(clock_ms() < deadline);
		sleep_ms(1);
	}
	if (!shared->hold)
		wait_working();
}

void kill_daemon(void)
{
	unsigned int count = shared->count;

	CHECK(shared->daemon > 0 && kill(shared->daemon, SIGKILL) == 0);
	wait_next_daemon(count);
}

void stop_daemon(void)
{
	shared->hold = 1;
	kill_daemon();
}

void resume_daemon(void)
{
	shared->hold = 0;
	wait_working();
}

/* Runs one test; 0 if it passed. */
static int run(const struct test *test)
{
	uint64_t start = clock_ms();
	int status;
	pid_t pid;

	printf("# %s\n", test->name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(timeout_s);
		test->run();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (shared)
		shared->hold = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %s %llu ms\n", test->name, (unsigned long long)(clock_ms() - start));
		return 0;
	}
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	printf("not ok %s\n", test->name);
	if (daemon_command)
		wait_working();
	return 1;
}

static int is_selected(const char *name, char **selected)
{
	if (!*selected)
		return 1;
	for (; *selected; selected++)
		if (!strncmp(name, *selected, strlen(*selected)))
			return 1;
	return 0;
}

static int run_all(char **selected, int list)
{
	int passed = 0, failed = 0, skipped = 0;
	unsigned int group;

	for (group = 0; group < sizeof(groups) / sizeof(*groups); group++) {
		const struct test *test = groups[group];

		for (; test->name; test++) {
			if (!is_selected(test->name, selected))
				continue;
			if (list) {
				puts(test->name);
			} else if (test->needs & ~available) {
				printf("skip %s\n", test->name);
				skipped++;
			} else if (run(test)) {
				failed++;
			} else {
				passed++;
			}
			fflush(stdout);
		}
	}
	if (!list)
		printf("passed %d failed %d skipped %d\n", passed, failed, skipped);
	fflush(stdout);
	return failed || (!list && !passed);
}

static void start_daemon(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(shared != MAP_FAILED);
	if (fork() == 0)
		keep_daemon();
	wait_working();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "daemon", required_argument, NULL, 'd' },
		{ "scripted", no_argument, NULL, 's' },
		{ "kernel", no_argument, NULL, 'k' },
		{ "echo", required_argument, NULL, 'e' },
		{ "node", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int list = 0, option;

	available = (geteuid() ? 0 : NEEDS_ROOT) | (inject_open() ? 0 : NEEDS_FAULTS);
	while ((option = getopt_long(argc, argv, "d:ske:n:t:lh", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			daemon_command = optarg;
			available |= NEEDS_DAEMON;
			break;
		case 's':
			available |= NEEDS_SCRIPT;
			break;
		case 'k':
			available |= NEEDS_KERNEL;
			break;
		case 'e':
			echo_program = optarg;
			available |= NEEDS_ECHO;
			break;
		case 'n':
			own_node = strtoul(optarg, NULL, 0);
			break;
		case 't':
			timeout_s = atoi(optarg);
			break;
		case 'l':
			list = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (daemon_command && !list)
		start_daemon();
	return run_all(argv + optind, list);
}
