// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * bp-stress SECONDS [SEED]: random system calls on sockets of family 28, while
 * a daemon answers at random, sends nonsense, and is killed now and then.
 *
 * It has no expectations but that everything ends, and prints what it did. The
 * kernel's log tells whether it went well.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"
#include "wire.h"

#define CALLERS		3	/* processes of two threads each */
#define SOCKETS		12	/* of each caller */
#define SERVICES	40	/* so that addresses meet */

/* What was done, over all processes. */
static struct counts {
	unsigned long calls, successes, messages_in, messages_out, refused, daemons;
} *counts;

static __thread uint64_t state;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % below;
}

static int one_in(uint32_t number)
{
	return any(number) == 0;
}

static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void scramble(void *data, size_t len)
{
	unsigned char *at = data;

	while (len--)
		*at++ = any(256);
}

/* An address: mostly a good one. Returns its length, mostly the right one. */
static socklen_t any_address(struct sockaddr_storage *storage)
{
	struct sockaddr_bp_wide *wide = (struct sockaddr_bp_wide *)storage;
	struct sockaddr_bp_dtn *dtn = (struct sockaddr_bp_dtn *)storage;
	struct sockaddr_bp *ipn = (struct sockaddr_bp *)storage;
	socklen_t len = sizeof(*ipn);

	memset(storage, 0, sizeof(*storage));
	ipn->bp_family = one_in(20) ? any(64) : AF_BP;
	ipn->bp_scheme = one_in(4) ? any(5) : BP_SCHEME_IPN;
	if (ipn->bp_scheme == BP_SCHEME_DTN) {
		dtn->bp_length = any(one_in(5) ? 200 : BP_DTN_NAME_MAX);
		memset(dtn->bp_name, 'a' + any(10), sizeof(dtn->bp_name));
		len = sizeof(*dtn);
	} else if (ipn->bp_scheme == BP_SCHEME_IPN_WIDE) {
		wide->bp_elements = 2 + any(3);
		wide->bp_node = 10;
		wide->bp_service = any(SERVICES);
		len = sizeof(*wide);
	} else {
		ipn->bp_addr.ipn.node_id = one_in(3) ? 0 : 10;
		ipn->bp_addr.ipn.service_id = any(SERVICES);
	}
	if (one_in(20))
		scramble(storage, sizeof(*storage));
	return one_in(20) ? any(130) : len;
}

/* The callers. */

static int sockets[SOCKETS];
static unsigned char big[1 << 20];

static size_t any_length(void)
{
	switch (any(8)) {
	case 0:
		return 0;
	case 1:
		return any(sizeof(big));
	case 2:
		return any(70000);
	default:
		return any(2000);
	}
}

static void *any_pointer(void *good)
{
	return one_in(30) ? (void *)(uintptr_t)any(4096) : good;
}

static int any_flags(void)
{
	return MSG_DONTWAIT | (one_in(3) ? 1 << any(32) : 0);
}

static int new_one(void)
{
	int fd = socket(AF_BP, SOCK_DGRAM | SOCK_NONBLOCK, one_in(10) ? any(20) : 0);
	struct timeval limit = { .tv_usec = 1000 * (1 + any(20)) };
	int size = 1 << any(20);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (one_in(2))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (one_in(2))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (one_in(2))
		fcntl(fd, F_SETFL, 0);
	return fd;
}

static long call_sendmsg(int fd)
{
	struct sockaddr_storage address;
	_Alignas(struct cmsghdr) unsigned char control[200];
	struct cmsghdr *cmsg = (struct cmsghdr *)control;
	struct iovec vectors[2] = { { big, any_length() }, { any_pointer(big), any(100) } };
	struct msghdr message = {
		.msg_name = &address, .msg_namelen = any_address(&address),
		.msg_iov = vectors, .msg_iovlen = 1 + any(2),
		.msg_control = control, .msg_controllen = any(sizeof(control)),
	};

	scramble(control, sizeof(control));
	cmsg->cmsg_level = SOL_BP;
	cmsg->cmsg_type = any(16);
	cmsg->cmsg_len = CMSG_LEN(one_in(2) ? 4 : 8);
	if (one_in(3))
		message.msg_name = NULL;
	return sendmsg(fd, &message, any_flags());
}

static long call_recvmsg(int fd)
{
	static __thread unsigned char room[100000];
	struct sockaddr_storage address;
	unsigned char control[300];
	struct iovec vector = { any_pointer(room), any(sizeof(room)) };
	struct msghdr message = {
		.msg_name = any_pointer(&address), .msg_namelen = any(200),
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = any(sizeof(control)),
	};

	return recvmsg(fd, &message, any_flags() | (one_in(5) ? MSG_ERRQUEUE : 0));
}

static long call_option(int fd)
{
	unsigned char value[256];
	socklen_t len = any(one_in(2) ? 9 : 200);

	scramble(value, sizeof(value));
	if (one_in(2))
		memset(value + 1, 0, sizeof(value) - 1);
	if (one_in(3))
		return getsockopt(fd, SOL_BP, any(17), any_pointer(value), any_pointer(&len));
	return setsockopt(fd, SOL_BP, any(17), any_pointer(value), len);
}

static long call_names(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = any(140);

	switch (any(4)) {
	case 0:
		return getsockname(fd, any_pointer(&address), any_pointer(&len));
	case 1:
		return getpeername(fd, any_pointer(&address), any_pointer(&len));
	case 2:
		len = any_address(&address);
		return connect(fd, any_pointer(&address), len);
	default:
		len = any_address(&address);
		return bind(fd, any_pointer(&address), len);
	}
}

static long call_rest(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT };
	static const int requests[] = { FIONREAD, TIOCOUTQ, 0x8906, 0x5400 };
	char line[4096];
	int value;
	long got;

	switch (any(6)) {
	case 0:
		return ioctl(fd, requests[any(4)], any_pointer(&value));
	case 1:
		return one_in(10) ? shutdown(fd, any(4)) : 0;
	case 2:
		return listen(fd, 1) + accept(fd, NULL, NULL);
	case 3:
		value = open("/proc/net/bp", O_RDONLY);
		got = read(value, line, sizeof(line));
		close(value);
		return got;
	case 4:
		return sendto(fd, any_pointer(big), any_length(), any_flags(), NULL, 0);
	default:
		return poll(&poller, 1, any(5));
	}
}

/* One system call on one of the sockets, which another thread may have closed. */
static void call(void)
{
	int *slot = &sockets[any(SOCKETS)];
	long result;

	switch (any(10)) {
	case 0:
		if (one_in(2)) {
			close(*slot);
			*slot = new_one();
		}
		result = *slot;
		break;
	case 1:
	case 2:
		result = call_names(*slot);
		break;
	case 3:
		result = call_option(*slot);
		break;
	case 4:
		result = call_rest(*slot);
		break;
	case 5:
	case 6:
	case 7:
		result = call_sendmsg(*slot);
		break;
	default:
		result = call_recvmsg(*slot);
	}
	count(&counts->calls);
	if (result >= 0)
		count(&counts->successes);
}

static void *call_all(void *seed)
{
	state = (uint64_t)seed;
	for (;;)
		call();
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
}

/* Two threads, signals that interrupt them, and from time to time death. */
static void be_caller(uint64_t seed)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { { 0, 7000 }, { 0, 7000 } };
	pthread_t thread;
	int at;

	state = seed;
	for (at = 0; at < SOCKETS; at++)
		sockets[at] = new_one();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	pthread_create(&thread, NULL, call_all, (void *)(seed * 3));
	for (at = any(20000); at; at--)
		call();
	if (one_in(2))
		raise(SIGKILL);
	_exit(0);
}

/* The daemon. */

static struct wire wire;
static struct out out;

static void put_address(int type)
{
	struct sockaddr_storage address;
	socklen_t len = any_address(&address);

	out_put(&out, type, &address, len > 128 ? 128 : len);
}

static void put_odd(void)
{
	unsigned char value[64];
	int type = any(BP_A_MAX + 3), len = one_in(2) ? 4 : any(64);

	scramble(value, sizeof(value));
	if (len == 4)
		memset(value + 1, 0, 3);
	out_put(&out, type, value, len);
}

static void say(void)
{
	if (one_in(50))
		put_odd();
	if (one_in(200))
		scramble(out.octets + NLMSG_HDRLEN, any(out.len));
	count(&counts->messages_out);
	out_send(&out, &wire);
}

static void answer_open(const struct in *in)
{
	out_begin(&out, &wire, BP_CMD_REPLY);
	out_u32(&out, BP_A_REQUEST, in_u32(in, BP_A_REQUEST));
	out_u32(&out, BP_A_ERROR, one_in(5) ? any(140) : 0);
	if (!one_in(30))
		put_address(BP_A_ADDRESS);
	say();
}

static void answer_send(const struct in *in)
{
	struct bp_bundle bundle = { any(1000), any(1000) };

	if (one_in(20))
		return;		/* never */
	out_begin(&out, &wire, BP_CMD_REPLY);
	out_u32(&out, BP_A_REQUEST, in_u32(in, BP_A_REQUEST));
	out_u32(&out, BP_A_ERROR, one_in(5) ? any(140) : 0);
	out_put(&out, BP_A_BUNDLE, &bundle, sizeof(bundle));
	say();
}

/* Sockets that exist, as far as this daemon has heard. */
static uint32_t known[64];
static uint64_t last_delivery;

static void deliver(void)
{
	uint32_t total = any_length(), offset = 0, socket = known[any(64)];
	uint64_t delivery = one_in(10) ? any(50) : ++last_delivery;
	struct bp_info info = { .version = 7, .present = 1 };

	do {
		uint32_t chunk = total - offset < 20000 ? total - offset : 1 + any(20000);

		out_begin(&out, &wire, BP_CMD_DELIVER);
		out_u32(&out, BP_A_SOCKET, socket);
		out_u64(&out, BP_A_DELIVERY, delivery);
		if (offset) {
			out_u32(&out, BP_A_OFFSET, one_in(50) ? any(total) : offset);
		} else {
			out_u32(&out, BP_A_TOTAL, total);
			put_address(BP_A_SOURCE);
			if (one_in(2))
				put_address(BP_A_DESTINATION);
			out_put(&out, BP_A_INFO, &info, sizeof(info));
		}
		out_put(&out, BP_A_DATA, big + offset, chunk);
		say();
		offset += chunk;
	} while (offset < total && !one_in(50));
	if (one_in(10)) {
		out_begin(&out, &wire, BP_CMD_REVOKE);
		out_u32(&out, BP_A_SOCKET, socket);
		out_u64(&out, BP_A_DELIVERY, one_in(2) ? delivery : any(last_delivery + 1));
		say();
	}
}

static void tell_something(void)
{
	struct bp_report report = { .kind = BP_REPORT_STATUS, .status = any(32) };

	out_begin(&out, &wire, one_in(20) ? BP_CMD_HANGUP : BP_CMD_REPORT);
	out_u32(&out, BP_A_SOCKET, known[any(64)]);
	out_u32(&out, BP_A_ERROR, any(140));
	out_put(&out, BP_A_REPORT, &report, sizeof(report));
	put_address(BP_A_SOURCE);
	say();
}

static void hear(const struct in *in)
{
	count(&counts->messages_in);
	if (in->type == NLMSG_ERROR) {
		count(&counts->refused);
		return;
	}
	switch (in->cmd) {
	case BP_CMD_OPEN:
		known[any(64)] = in_u32(in, BP_A_SOCKET);
		answer_open(in);
		break;
	case BP_CMD_SEND:
		answer_send(in);
		break;
	case BP_CMD_CANCEL:
		answer_send(in);
		break;
	default:
		break;
	}
}

static void announce(void)
{
	out_begin(&out, &wire, BP_CMD_REGISTER);
	out_u32(&out, BP_A_VERSION, BP_PROTOCOL_VERSION);
	if (one_in(2))
		out_u32(&out, BP_A_CHUNK_MAX, any(40000));
	if (one_in(2))
		out_u32(&out, BP_A_WINDOW_BYTES, any(100000));
	if (one_in(2))
		out_u32(&out, BP_A_WINDOW_REQUESTS, any(20));
	out_send(&out, &wire);
}

static void be_daemon(uint64_t seed)
{
	static unsigned char buffer[256 * 1024];
	int left, small = 4096;

	state = seed;
	if (wire_open(&wire))
		err(1, "the kernel module is not loaded");
	if (one_in(3))	/* overruns */
		setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	announce();
	count(&counts->daemons);
	for (left = any(3000); left; left--) {
		struct pollfd poller = { .fd = wire.fd, .events = POLLIN };
		unsigned char *at = buffer;
		ssize_t len = 0;
		struct in in;

		if (poll(&poller, 1, 1) > 0)
			len = recv(wire.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		while (len > 0 && in_next(&in, &at, buffer + len))
			hear(&in);
		if (one_in(3))
			deliver();
		if (one_in(10))
			tell_something();
		if (one_in(500))
			announce();
	}
	_exit(0);
}

/* Whether the kernel lets allocations fail. */
static int can_inject;

/* Processes that end are replaced until the time is over. */
static pid_t start(int role, uint64_t seed)
{
	pid_t pid;

	while ((pid = fork()) < 0)
		usleep(2000);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (can_inject)
		inject_often();
	if (role == 0)
		be_daemon(seed);
	be_caller(seed);
	_exit(0);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 10, role;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	pid_t pids[CALLERS + 1];
	time_t end = time(NULL) + seconds, next = time(NULL) + 10;

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (counts == MAP_FAILED)
		err(1, "mmap");
	can_inject = inject_open() == 0;
	if (can_inject)
		puts("one allocation in a hundred fails");
	state = seed * 0x9e3779b97f4a7c15ull | 1;
	for (role = 0; role <= CALLERS; role++)
		pids[role] = start(role, state + role * 77777);
	while (time(NULL) < end) {
		pid_t gone = waitpid(-1, NULL, WNOHANG);

		for (role = 0; role <= CALLERS; role++)
			if (gone > 0 && pids[role] == gone)
				pids[role] = start(role, (any(1u << 31) + 1ull) << 8 | 1);
		if (gone <= 0)
			usleep(2000);
		if (one_in(500))
			kill(pids[0], SIGKILL);
		if (time(NULL) >= next) {
			printf("after %ld s: %lu calls\n", seconds - (long)(end - next), counts->calls);
			fflush(stdout);
			next += 60;
		}
	}
	for (role = 0; role <= CALLERS; role++)
		kill(pids[role], SIGKILL);
	while (wait(NULL) > 0)
		;
	printf("calls %lu, successful %lu; messages to the daemon %lu, from it %lu, refused %lu; "
	       "daemons %lu\n", counts->calls, counts->successes, counts->messages_in,
	       counts->messages_out, counts->refused, counts->daemons);
	return counts->calls == 0 || counts->successes == 0 || counts->messages_in == 0;
}
