// SPDX-License-Identifier: Apache-2.0 OR MIT
/* What only the kernel's sockets have: namespaces, netlink, /proc/net/bp, mmap */
#include "suite.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "wire.h"

static struct out out;

/* Sends what is in out, and returns what the kernel says to it. */
static int asked(const struct wire *wire)
{
	static unsigned char answer[65536];
	unsigned char *at;
	ssize_t len;
	struct in in;

	((struct nlmsghdr *)out.octets)->nlmsg_flags |= NLM_F_ACK;
	CHECK(out_send(&out, wire) == 0);
	do {
		CHECK(wait_for(wire->fd, POLLIN) & POLLIN);
		len = recv(wire->fd, answer, sizeof(answer), 0);
		at = answer;
		CHECK(len > 0 && in_next(&in, &at, answer + len));
	} while (in.type != NLMSG_ERROR);
	return in.error;
}

static int try_register(const struct wire *wire, uint32_t version)
{
	out_begin(&out, wire, BP_CMD_REGISTER);
	out_u32(&out, BP_A_VERSION, version);
	return asked(wire);
}

static int try_reply(const struct wire *wire)
{
	out_begin(&out, wire, BP_CMD_REPLY);
	out_u32(&out, BP_A_REQUEST, 1);
	out_u32(&out, BP_A_ERROR, 0);
	return asked(wire);
}

static void only_one_daemon(void)
{
	struct wire wire;

	CHECK(wire_open(&wire) == 0);
	CHECK(try_register(&wire, BP_PROTOCOL_VERSION) == EBUSY);
	CHECK(try_reply(&wire) == EPERM);
}

static void users_are_no_daemons(void)
{
	struct sockaddr_bp address;
	struct wire wire;
	int fd;

	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	CHECK(wire_open(&wire) == 0);
	CHECK(try_register(&wire, BP_PROTOCOL_VERSION) == EPERM);
	CHECK(try_reply(&wire) == EPERM);
	/* Sockets are for everybody. */
	fd = bound(&address);
	round_trip(fd, fd, &address, 1000);
}

static void malformed_messages(void)
{
	struct bp_report report = { .kind = BP_REPORT_SENT };
	struct sockaddr_bp address = ipn(1, 1);
	struct wire wire;
	int cmd;

	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(wire_open(&wire) == 0);
	CHECK(try_register(&wire, BP_PROTOCOL_VERSION + 1) == EPROTONOSUPPORT);
	CHECK(try_register(&wire, BP_PROTOCOL_VERSION) == 0);
	for (cmd = 1; cmd <= BP_CMD_MAX; cmd++) {
		out_begin(&out, &wire, cmd);
		CHECK(asked(&wire) != 0);
	}
	out_begin(&out, &wire, BP_CMD_REPORT);
	out_u32(&out, BP_A_SOCKET, 1);
	out_put(&out, BP_A_REPORT, &report, sizeof(report));
	CHECK(asked(&wire) == EINVAL);
	out_begin(&out, &wire, BP_CMD_HANGUP);
	out_u32(&out, BP_A_SOCKET, 1);
	out_u32(&out, BP_A_ERROR, 512);		/* the kernel's own numbers stay inside */
	CHECK(asked(&wire) == ERANGE);
	out_begin(&out, &wire, BP_CMD_REPLY);
	out_u32(&out, BP_A_REQUEST, 1);
	out_u32(&out, BP_A_ERROR, 0);
	out_put(&out, BP_A_MAX + 1, &address, sizeof(address));
	CHECK(asked(&wire) == EINVAL);
}

#define MANY	400

/* Answers so many OPENs. New ones come after those of old sockets. */
static void serve_opens(const struct wire *wire, int count, int restored)
{
	static unsigned char buffer[65536];
	int opened = 0, old = 0;

	while (opened < count) {
		unsigned char *at = buffer;
		ssize_t len;
		struct in in;

		CHECK(wait_for(wire->fd, POLLIN) & POLLIN);
		len = recv(wire->fd, buffer, sizeof(buffer), 0);
		while (len > 0 && in_next(&in, &at, buffer + len)) {
			struct sockaddr_bp address;

			if (in.cmd != BP_CMD_OPEN || in.type == NLMSG_ERROR)
				continue;
			if (in_u32(&in, BP_A_FLAGS) & BP_OPEN_RESTORE)
				old++;
			else
				CHECK(old == restored);
			address = ipn(10, 1000 + opened++);
			out_begin(&out, wire, BP_CMD_REPLY);
			out_u32(&out, BP_A_REQUEST, in_u32(&in, BP_A_REQUEST));
			out_u32(&out, BP_A_ERROR, 0);
			out_put(&out, BP_A_ADDRESS, &address, sizeof(address));
			CHECK(out_send(&out, wire) == 0);
		}
	}
}

/* Without an answer to wait for: OPENs come before it. */
static void become_daemon(struct wire *wire)
{
	CHECK(wire_open(wire) == 0);
	out_begin(&out, wire, BP_CMD_REGISTER);
	out_u32(&out, BP_A_VERSION, BP_PROTOCOL_VERSION);
	CHECK(out_send(&out, wire) == 0);
}

static void *bind_many(void *argument)
{
	int *fds = argument, at;

	for (at = 0; at < MANY; at++) {
		fds[at] = new_socket(0);
		CHECK(bind_ipn(fds[at], 0, 0) == 0);
	}
	return NULL;
}

/* Binds as soon as there is a daemon. */
static void *bind_at_once(void *argument)
{
	int fd = new_socket(0);

	(void)argument;
	while (bind_ipn(fd, 0, 0))
		CHECK(errno == ECONNREFUSED || errno == ECONNRESET);
	close(fd);
	return NULL;
}

/* The next daemon is asked for old sockets before it may give their addresses to new ones. */
static void old_sockets_come_first(void)
{
	struct rlimit limit = { MANY + 50, MANY + 50 };
	static int fds[MANY];
	unsigned long thread;
	struct wire wire;
	int round;

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && unshare(CLONE_NEWNET) == 0);
	become_daemon(&wire);
	start_thread(&thread, bind_many, fds);
	serve_opens(&wire, MANY, 0);
	join_thread(thread);
	for (round = 0; round < 20; round++) {
		close(wire.fd);
		start_thread(&thread, bind_at_once, NULL);
		become_daemon(&wire);
		serve_opens(&wire, MANY + 1, MANY);
		join_thread(thread);
	}
}

static void namespaces_are_apart(void)
{
	struct sockaddr_bp address;
	int outside = bound(&address), inside;
	char data;

	CHECK(unshare(CLONE_NEWNET) == 0);
	inside = new_socket(0);
	CHECK_ERRNO(bind(inside, (struct sockaddr *)&address, sizeof(address)), ECONNREFUSED);
	CHECK_ERRNO(send_to(inside, "x", 1, 0, &address), ECONNREFUSED);
	CHECK_ERRNO(recv(outside, &data, 1, MSG_DONTWAIT), EAGAIN);
	round_trip(outside, outside, &address, 10);
}

/* In a user namespace of its own, anybody may be the daemon of a network namespace of its own. */
static void namespaces_of_users(void)
{
	struct wire wire;

	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		CHECK(errno == EPERM || errno == ENOSPC || errno == EINVAL);
		return;
	}
	CHECK(wire_open(&wire) == 0);
	CHECK(try_register(&wire, BP_PROTOCOL_VERSION) == 0);
}

static void proc_lists_sockets(void)
{
	struct sockaddr_bp address, peer = ipn(5, 6);
	int fd = bound(&address), found = 0;
	char line[512], wanted[64];
	FILE *file = fopen("/proc/net/bp", "r");

	CHECK(file && connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0);
	snprintf(wanted, sizeof(wanted), " ipn:%u.%u ipn:5.6 ", address.bp_addr.ipn.node_id,
		 address.bp_addr.ipn.service_id);
	CHECK(fgets(line, sizeof(line), file) && !strncmp(line, "daemon ", 7));
	while (fgets(line, sizeof(line), file))
		found += !!strstr(line, wanted);
	CHECK(found == 1);
}

static void mmap_is_refused(void)
{
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, new_socket(0), 0) == MAP_FAILED);
	CHECK(errno == ENODEV);
}

static void thousands_of_sockets(void)
{
	struct rlimit limit = { 1600, 1600 };
	static int fds[1500];
	uint64_t start;
	int at;

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (at = 0; at < 1500; at++) {
		fds[at] = new_socket(0);
		CHECK(bind_ipn(fds[at], 0, 0) == 0);
	}
	start = clock_ms();
	for (at = 0; at < 1500; at++)
		close(fds[at]);
	CHECK(clock_ms() - start < 20000);
}

/* Unread messages take no more memory than the receive buffer and one message. */
static void memory_is_bounded(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), small = 65536, at;
	char line[512], wanted[64], data[1000] = { 0 };
	FILE *file;
	int rx = -1;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	for (at = 0; at < 600; at++)
		CHECK(send_to(from, data, sizeof(data), 0, &address) == sizeof(data));
	file = fopen("/proc/net/bp", "r");
	snprintf(wanted, sizeof(wanted), " ipn:%u.%u - ", address.bp_addr.ipn.node_id,
		 address.bp_addr.ipn.service_id);
	while (fgets(line, sizeof(line), file)) {
		const char *found = strstr(line, wanted);

		if (found)
			rx = atoi(found + strlen(wanted));
	}
	CHECK(rx > 65536 && rx < 2 * 65536 + 4096);
	for (at = 0; at < 600; at++)
		CHECK(receive(fd, data, sizeof(data), NULL) == sizeof(data));
}

const struct test kernel_tests[] = {
	{ "kernel_only_one_daemon", only_one_daemon, NEEDS_KERNEL | NEEDS_DAEMON | NEEDS_ROOT },
	{ "kernel_users_are_no_daemons", users_are_no_daemons, NEEDS_KERNEL | NEEDS_DAEMON | NEEDS_ROOT },
	{ "kernel_malformed_messages", malformed_messages, NEEDS_KERNEL | NEEDS_ROOT },
	{ "kernel_old_sockets_come_first", old_sockets_come_first, NEEDS_KERNEL | NEEDS_ROOT },
	{ "kernel_namespaces", namespaces_are_apart, NEEDS_KERNEL | NEEDS_ROOT },
	{ "kernel_user_namespaces", namespaces_of_users, NEEDS_KERNEL | NEEDS_ROOT },
	{ "kernel_proc", proc_lists_sockets, NEEDS_KERNEL },
	{ "kernel_mmap", mmap_is_refused, NEEDS_KERNEL },
	{ "kernel_thousands_of_sockets", thousands_of_sockets, NEEDS_KERNEL | NEEDS_SCRIPT | NEEDS_ROOT },
	{ "kernel_memory", memory_is_bounded, NEEDS_KERNEL },
	{ 0 },
};
