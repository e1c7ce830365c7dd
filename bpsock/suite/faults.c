// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * Each allocation of a system call fails in turn: the caller is told, or the call does without. No
 * message is lost or comes twice, and sockets work as before.
 */
#include "inject.h"
#include "suite.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define LONG	200000

static unsigned char data[LONG], got[LONG + 1];
static struct sockaddr_bp here;
static int receiver, healthy;

static void begin(void)
{
	CHECK(inject_open() == 0);
	receiver = bound(&here);
	healthy = bound(&(struct sockaddr_bp){ 0 });
	fill(data, sizeof(data), 1);
}

/* Calls with the first, second, ... allocation failing, until none is left. */
static void each(const char *name, long (*call)(int fd), int (*before)(void),
		 void (*after)(int fd, long result))
{
	int injected, refused = 0, nth = 0;

	do {
		int fd = before(), error;
		long result;

		inject_arm(++nth);
		result = call(fd);
		error = errno;
		injected = inject_disarm();
		errno = error;
		CHECK(result >= 0 || (injected && (errno == ENOMEM || errno == ENOBUFS)));
		refused += result < 0;
		after(fd, result);
		round_trip(healthy, receiver, &here, 100);
	} while (injected);
	printf("# %s: %d allocations failed, %d calls refused\n", name, nth - 1, refused);
	fflush(stdout);
}

static int nothing(void)
{
	return -1;
}

static int unbound(void)
{
	return new_socket(0);
}

static int bound_one(void)
{
	struct sockaddr_bp address;

	return bound(&address);
}

static void close_it(int fd, long result)
{
	(void)result;
	CHECK(close(fd) == 0);
}

/* Of any family: ENFILE if there is no memory for its file. */
static long call_socket(int fd)
{
	fd = socket(AF_BP, SOCK_DGRAM, 0);
	if (fd < 0 && errno == ENFILE)
		errno = ENOMEM;
	return fd;
}

static void close_result(int fd, long result)
{
	(void)fd;
	if (result >= 0)
		CHECK(close(result) == 0);
}

static long call_bind(int fd)
{
	return bind_ipn(fd, 0, 0);
}

/* What failed changed nothing: it can be done now. */
static void bind_if_not(int fd, long result)
{
	if (result < 0)
		CHECK(bind_ipn(fd, 0, 0) == 0);
	CHECK(close(fd) == 0);
}

static long call_connect(int fd)
{
	return connect(fd, (const struct sockaddr *)&here, sizeof(here));
}

static void opening(void)
{
	begin();
	each("socket", call_socket, nothing, close_result);
	each("bind", call_bind, unbound, bind_if_not);
	each("connect, which binds", call_connect, unbound, close_it);
}

static long send_short(int fd)
{
	return send_to(fd, data, 50, 0, &here);
}

static long send_long(int fd)
{
	return send_to(fd, data, LONG, 0, &here);
}

static long send_at_once(int fd)
{
	return send_to(fd, data, 50, MSG_DONTWAIT, &here);
}

/* What was sent has come, once, and what was refused has not. */
static void received_if(int fd, long result)
{
	CHECK(send_to(healthy, "mark", 4, 0, &here) == 4);
	if (result >= 0) {
		CHECK(receive(receiver, got, sizeof(got), NULL) == result);
		CHECK(!memcmp(got, data, result > 50 ? LONG : 46));
	}
	CHECK(receive(receiver, got, sizeof(got), NULL) == 4 && !memcmp(got, "mark", 4));
	CHECK(close(fd) == 0);
}

static void sending(void)
{
	begin();
	each("sendto", send_short, bound_one, received_if);
	each("sendto, which binds", send_short, unbound, received_if);
	each("sendto without waiting", send_at_once, bound_one, received_if);
	each("sendto of a long message", send_long, bound_one, received_if);
}

static int with_message(void)
{
	CHECK(send_to(healthy, data, LONG, 0, &here) == LONG);
	CHECK(wait_for(receiver, POLLIN) & POLLIN);
	return receiver;
}

static long call_recv(int fd)
{
	return recv(fd, got, sizeof(got), 0);
}

static long call_peek(int fd)
{
	return recv(fd, got, sizeof(got), MSG_PEEK);
}

static void receive_if_not(int fd, long result)
{
	if (result < 0)
		CHECK(receive(fd, got, sizeof(got), NULL) == LONG);
	CHECK(!memcmp(got, data, LONG));
}

static void receive_anyway(int fd, long result)
{
	(void)result;
	receive_if_not(fd, -1);
}

static long read_proc(int fd)
{
	long len;

	fd = open("/proc/net/bp", O_RDONLY);
	if (fd < 0)
		return -1;
	len = read(fd, got, sizeof(got));
	close(fd);
	return len;
}

static void leave(int fd, long result)
{
	(void)fd;
	(void)result;
}

static void receiving(void)
{
	begin();
	each("recv", call_recv, with_message, receive_if_not);
	each("recv with MSG_PEEK", call_peek, with_message, receive_anyway);
	each("/proc/net/bp", read_proc, nothing, leave);
}

static struct sockaddr_bp closed;

/* A socket with a message that nobody reads. */
static int unread(void)
{
	int fd = bound(&closed);

	CHECK(send_to(healthy, data, LONG, 0, &closed) == LONG);
	CHECK(wait_for(fd, POLLIN) & POLLIN);
	return fd;
}

static long call_close(int fd)
{
	return close(fd);
}

/* The message went back to the agent, and comes to whoever has the address next. */
static void comes_again(int fd, long result)
{
	CHECK(result == 0);
	fd = new_socket(0);
	CHECK(bind_ipn(fd, closed.bp_addr.ipn.node_id, closed.bp_addr.ipn.service_id) == 0);
	receive_anyway(fd, -1);
	CHECK(close(fd) == 0);
}

static void closing(void)
{
	begin();
	each("close with a message", call_close, unread, comes_again);
}

static int namespace_of_now(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

/* Which number other parts of the kernel give is not to be tested here. */
static long call_unshare(int fd)
{
	long result = unshare(CLONE_NEWNET);

	(void)fd;
	errno = result ? ENOMEM : 0;
	return result;
}

static void go_back(int fd, long result)
{
	CHECK(result < 0 || setns(fd, CLONE_NEWNET) == 0);
	CHECK(close(fd) == 0);
}

static void namespaces(void)
{
	begin();
	each("a network namespace", call_unshare, namespace_of_now, go_back);
}

const struct test fault_tests[] = {
	{ "fault_opening", opening, NEEDS_FAULTS | NEEDS_KERNEL | NEEDS_SCRIPT },
	{ "fault_sending", sending, NEEDS_FAULTS | NEEDS_KERNEL | NEEDS_SCRIPT },
	{ "fault_receiving", receiving, NEEDS_FAULTS | NEEDS_KERNEL | NEEDS_SCRIPT },
	{ "fault_closing", closing, NEEDS_FAULTS | NEEDS_KERNEL | NEEDS_SCRIPT },
	{ "fault_namespaces", namespaces, NEEDS_FAULTS | NEEDS_KERNEL | NEEDS_ROOT },
	{ 0 },
};
