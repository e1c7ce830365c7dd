// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

uint32_t own_node = 10;
const char *echo_program;

void check_failed(const char *file, int line, const char *condition)
{
	printf("# %s:%d: does not hold: %s (errno %d: %s)\n", file, line, condition, errno,
	       strerror(errno));
	fflush(stdout);
	_exit(1);
}

void check_errno_failed(const char *file, int line, const char *call, int expected)
{
	printf("# %s:%d: %s gave %d (%s), expected %d (%s)\n", file, line, call, errno,
	       strerror(errno), expected, strerror(expected));
	fflush(stdout);
	_exit(1);
}

struct sockaddr_bp ipn(uint32_t node, uint32_t service)
{
	struct sockaddr_bp address = {
		.bp_family = AF_BP,
		.bp_scheme = BP_SCHEME_IPN,
		.bp_addr.ipn = { node, service },
	};

	return address;
}

int new_socket(int flags)
{
	int fd = socket(AF_BP, SOCK_DGRAM | flags, 0);

	CHECK(fd >= 0);
	return fd;
}

int bind_ipn(int fd, uint32_t node, uint32_t service)
{
	struct sockaddr_bp address = ipn(node, service);

	return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

int bound(struct sockaddr_bp *address)
{
	socklen_t len = sizeof(*address);
	int fd = new_socket(0);

	CHECK(bind_ipn(fd, 0, 0) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)address, &len) == 0);
	CHECK(len == sizeof(*address));
	CHECK(address->bp_scheme == BP_SCHEME_IPN);
	return fd;
}

long send_to(int fd, const void *data, size_t len, int flags, const struct sockaddr_bp *to)
{
	return sendto(fd, data, len, flags, (const struct sockaddr *)to, to ? sizeof(*to) : 0);
}

int wait_for(int fd, short events)
{
	struct pollfd poller = { .fd = fd, .events = events };
	int count = poll(&poller, 1, 30000);

	CHECK(count >= 0);
	return poller.revents;
}

long receive(int fd, void *data, size_t len, struct sockaddr_bp *from)
{
	socklen_t from_len = sizeof(*from);
	long got;

	CHECK(wait_for(fd, POLLIN) & POLLIN);
	got = recvfrom(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)from,
		       from ? &from_len : NULL);
	if (got >= 0 && from)
		CHECK(from_len == sizeof(*from));
	return got;
}

void answer_all(uint32_t error)
{
	struct sockaddr_bp answer = ipn(41, error);
	int fd = new_socket(0);

	CHECK(send_to(fd, "x", 1, 0, &answer) == 1);
	close(fd);
}

/* Ends with zeros, and has every octet if it is long enough. */
void fill(unsigned char *data, size_t len, unsigned int seed)
{
	size_t at;

	for (at = 0; at < len; at++)
		data[at] = at + 4 > len ? 0 : (at * 7 + at / 251 + seed);
}

void round_trip(int from, int to, const struct sockaddr_bp *address, size_t len)
{
	unsigned char *sent = malloc(len + 1), *got = malloc(len + 1);

	CHECK(sent && got);
	fill(sent, len, len);
	memset(got, 0xa5, len + 1);
	CHECK(send_to(from, sent, len, 0, address) == (long)len);
	CHECK(receive(to, got, len + 1, NULL) == (long)len);
	CHECK(!memcmp(sent, got, len) && got[len] == 0xa5);
	free(sent);
	free(got);
}

void set_timeout(int fd, int option, int ms)
{
	struct timeval value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	CHECK(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) == 0);
}

void sleep_ms(int ms)
{
	usleep(ms * 1000);
}

static uint64_t read_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

uint64_t clock_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

uint64_t tick_ms(void)
{
	return read_ms(CLOCK_MONOTONIC_COARSE);
}

void start_thread(unsigned long *thread, void *(*run)(void *), void *argument)
{
	CHECK(pthread_create(thread, NULL, run, argument) == 0);
}

void join_thread(unsigned long thread)
{
	CHECK(pthread_join(thread, NULL) == 0);
}
