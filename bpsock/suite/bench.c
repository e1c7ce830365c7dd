// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * bp-bench: how many messages arrive, and how long one takes there and back, with sockets of
 * family 28 or, for comparison, UDP. Prints an object of JSON for each measurement.
 */
#include "suite.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LARGEST (1 << 20)
#define ROUNDS (1 << 20)

static int is_udp;
static double seconds = 2;
static const char *label = "";
static unsigned char data[LARGEST];

union name {
	struct sockaddr any;
	struct sockaddr_bp bp;
	struct sockaddr_in in;
};

static void usage(FILE *file)
{
	fputs("usage: bp-bench [OPTION]... SIZE...\n"
	      "Measures sockets of family 28 with messages of these sizes, in octets.\n\n"
	      "  -u, --udp              UDP over loopback instead\n"
	      "  -s, --seconds=SECONDS  time for each measurement (2)\n"
	      "  -l, --label=TEXT       what the result says that was measured\n"
	      "  -h, --help             this text\n\n"
	      "  bp-bench 64 65000\n"
	      "  bp-bench --udp --label UDP 64\n", file);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int open_socket(union name *own, socklen_t *len)
{
	struct timeval patience = { .tv_sec = 30 };
	int buffer = 4 << 20;
	int fd;

	memset(own, 0, sizeof(*own));
	if (is_udp) {
		own->in.sin_family = AF_INET;
		own->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*len = sizeof(own->in);
	} else {
		own->bp = ipn(0, 0);
		*len = sizeof(own->bp);
	}
	fd = socket(own->any.sa_family, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	CHECK(bind(fd, &own->any, *len) == 0);
	CHECK(getsockname(fd, &own->any, len) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) == 0);
	return fd;
}

static pid_t start(void (*run)(const union name *to, size_t size), const union name *to, size_t size)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(to, size);
		_exit(0);
	}
	return pid;
}

/* Where the child says its address: it makes its socket itself. */
static int answers[2];

static void answer(const union name *to, size_t size)
{
	union name own, from;
	socklen_t len;
	int fd = open_socket(&own, &len);

	(void)to;
	(void)size;
	CHECK(write(answers[1], &own, sizeof(own)) == (long)sizeof(own));
	for (;;) {
		socklen_t from_len = sizeof(from);
		long got = recvfrom(fd, data, sizeof(data), 0, &from.any, &from_len);

		CHECK(got >= 0);
		CHECK(sendto(fd, data, got, 0, &from.any, from_len) == got);
	}
}

static int compare(const void *one, const void *other)
{
	const double *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void measure_latency(size_t size)
{
	static double took[ROUNDS];
	union name to, own;
	socklen_t len;
	size_t count = 0;
	double deadline;
	pid_t child;
	int fd;

	child = start(answer, NULL, size);
	CHECK(read(answers[0], &to, sizeof(to)) == (long)sizeof(to));
	fd = open_socket(&own, &len);
	deadline = now() + seconds;
	while (count < ROUNDS && (count < 10 || now() < deadline)) {
		double begun = now();

		CHECK(sendto(fd, data, size, 0, &to.any, len) == (long)size);
		CHECK(recv(fd, data, sizeof(data), 0) == (long)size);
		took[count++] = now() - begun;
	}
	end(child);
	close(fd);
	qsort(took, count, sizeof(*took), compare);
	printf("bench {\"way\":\"%s\",\"size\":%zu,\"what\":\"round trip\",\"count\":%zu,"
	       "\"p50_us\":%.1f,\"p99_us\":%.1f}\n", label, size, count,
	       took[count / 2] * 1e6, took[count * 99 / 100] * 1e6);
	fflush(stdout);
}

static void flood(const union name *to, size_t size)
{
	union name own;
	socklen_t len;
	int fd = open_socket(&own, &len);

	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLOUT };

		/* Not to wait for the agent: that is what sockets with a send buffer are for. */
		if (sendto(fd, data, size, MSG_DONTWAIT, &to->any, len) >= 0)
			continue;
		CHECK(errno == EAGAIN || errno == ENOBUFS);
		poll(&poller, 1, 100);
		usleep(50);
	}
}

static void measure_rate(size_t size)
{
	union name own;
	socklen_t len;
	size_t count = 0;
	double begun, took;
	pid_t child;
	int fd;

	fd = open_socket(&own, &len);
	child = start(flood, &own, size);
	CHECK(recv(fd, data, sizeof(data), 0) == (long)size);
	begun = now();
	do {
		CHECK(recv(fd, data, sizeof(data), 0) == (long)size);
		count++;
		took = now() - begun;
	} while (took < seconds);
	end(child);
	close(fd);
	printf("bench {\"way\":\"%s\",\"size\":%zu,\"what\":\"rate\",\"count\":%zu,"
	       "\"per_s\":%.0f}\n", label, size, count, count / took);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "udp", no_argument, NULL, 'u' },
		{ "seconds", required_argument, NULL, 's' },
		{ "label", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "us:l:h", options, NULL)) != -1) {
		switch (option) {
		case 'u':
			is_udp = 1;
			break;
		case 's':
			seconds = atof(optarg);
			break;
		case 'l':
			label = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	CHECK(pipe(answers) == 0);
	for (; optind < argc; optind++) {
		size_t size = strtoul(argv[optind], NULL, 0);

		CHECK(size > 0 && size <= LARGEST);
		measure_latency(size);
		measure_rate(size);
	}
	return 0;
}
