// SPDX-License-Identifier: Apache-2.0 OR MIT
/* What arrives is what was sent: sizes, buffers, flags, order, and who reads it. */
#include "suite.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t max_message(int fd)
{
	uint32_t value = 0;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, SOL_BP, BP_MAX_MESSAGE, &value, &len) == 0);
	return value;
}

static void sizes(void)
{
	static const size_t all[] = {
		0, 1, 2, 3, 15, 16, 255, 1400, 2047, 2048, 2049, 4039, 4040, 4041, 4096, 16383,
		16384, 16385, 29999, 30000, 30001, 60000, 65000, 65001, 65507, 65531, 65532, 65535,
		65536, 262144, 262145, 1 << 20, 4 << 20,
	};
	struct sockaddr_bp address;
	int to = bound(&address), from = new_socket(0);
	unsigned int at;

	for (at = 0; at < sizeof(all) / sizeof(*all); at++)
		if (all[at] <= max_message(to))
			round_trip(from, to, &address, all[at]);
}

static void the_limit_is_exact(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	size_t limit = max_message(fd);
	unsigned char *data = calloc(1, limit + 1);

	CHECK(data && limit >= 4 << 20);
	round_trip(fd, fd, &address, limit);
	CHECK_ERRNO(send_to(fd, data, limit + 1, 0, &address), EMSGSIZE);
	CHECK_ERRNO(send_to(fd, data, limit + 1, MSG_DONTWAIT, &address), EMSGSIZE);
	free(data);
}

static void an_empty_message_arrives(void)
{
	struct sockaddr_bp address, from;
	int fd = bound(&address), waiting = 7;
	char data[4];

	CHECK(send_to(fd, NULL, 0, 0, &address) == 0);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	CHECK(wait_for(fd, POLLIN) & POLLIN);
	CHECK(ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0);
	CHECK(recv(fd, data, 4, MSG_PEEK) == 0);
	CHECK(receive(fd, data, 4, &from) == 0);
	CHECK(!memcmp(&from, &address, sizeof(from)));
	CHECK(receive(fd, data, 4, NULL) == 1);
}

static void the_source_is_told(void)
{
	struct sockaddr_bp to, from, name[2];
	int receiver = bound(&to), sender = bound(&from);
	unsigned char data[4];
	socklen_t len = sizeof(name);

	CHECK(send_to(sender, "abc", 3, 0, &to) == 3);
	memset(name, 0xff, sizeof(name));
	wait_for(receiver, POLLIN);
	CHECK(recvfrom(receiver, data, 4, 0, (struct sockaddr *)name, &len) == 3);
	CHECK(len == sizeof(from) && !memcmp(&name[0], &from, sizeof(from)));
	CHECK(name[1].bp_family == 0xffff);
	/* A sender without an address gets one. */
	sender = new_socket(0);
	CHECK(send_to(sender, "abc", 3, 0, &to) == 3);
	len = sizeof(from);
	CHECK(getsockname(sender, (struct sockaddr *)&from, &len) == 0);
	CHECK(from.bp_addr.ipn.service_id);
	CHECK(receive(receiver, data, 4, name) == 3 && !memcmp(name, &from, sizeof(from)));
}

static void short_buffers_truncate(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), len;
	char data[16];

	for (len = 0; len <= 12; len++) {
		struct iovec vector = { data, len };
		struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
		int room = len < 10 ? len : 10;

		memset(data, 'z', sizeof(data));
		CHECK(send_to(fd, "0123456789", 10, 0, &address) == 10);
		wait_for(fd, POLLIN);
		CHECK(recvmsg(fd, &message, MSG_PEEK) == room);
		CHECK(!(message.msg_flags & MSG_TRUNC) == (len >= 10));
		CHECK(recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC) == 10);
		CHECK(recvmsg(fd, &message, 0) == room);
		CHECK(!(message.msg_flags & MSG_TRUNC) == (len >= 10));
		CHECK(!memcmp(data, "0123456789", room) && data[room] == 'z');
		CHECK_ERRNO(recv(fd, data, 16, MSG_DONTWAIT), EAGAIN);
		CHECK(send_to(fd, "0123456789", 10, 0, &address) == 10);
		wait_for(fd, POLLIN);
		CHECK(recv(fd, data, len, MSG_TRUNC) == 10);
		CHECK_ERRNO(recv(fd, data, 16, MSG_DONTWAIT), EAGAIN);
	}
}

static void a_fault_loses_nothing(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	char data[8];

	CHECK(send_to(fd, "first", 5, 0, &address) == 5);
	CHECK(send_to(fd, "second", 6, 0, &address) == 6);
	wait_for(fd, POLLIN);
	CHECK_ERRNO(recv(fd, (void *)8, 5, 0), EFAULT);
	CHECK_ERRNO(recv(fd, (void *)8, 5, MSG_PEEK), EFAULT);
	CHECK(receive(fd, data, 8, NULL) == 5 && !memcmp(data, "first", 5));
	CHECK(receive(fd, data, 8, NULL) == 6 && !memcmp(data, "second", 6));
	CHECK_ERRNO(sendto(fd, (void *)8, 5, 0, (struct sockaddr *)&address, sizeof(address)),
		    EFAULT);
	CHECK_ERRNO(sendto(fd, "x", 1, 0, (struct sockaddr *)8, sizeof(address)), EFAULT);
	CHECK_ERRNO(recv(fd, data, 8, MSG_DONTWAIT), EAGAIN);
}

static void several_parts(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	char one[3], two[64];
	struct iovec out[] = { { "ab", 2 }, { NULL, 0 }, { "cdefg", 5 } };
	struct iovec in[] = { { one, 3 }, { two, 64 } };
	struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = out, .msg_iovlen = 3,
	};

	CHECK(sendmsg(fd, &message, 0) == 7);
	wait_for(fd, POLLIN);
	message = (struct msghdr){ .msg_iov = in, .msg_iovlen = 2 };
	CHECK(recvmsg(fd, &message, 0) == 7);
	CHECK(!memcmp(one, "abc", 3) && !memcmp(two, "defg", 4));
}

static void several_messages(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), at;
	struct mmsghdr messages[8] = { 0 };
	struct iovec vectors[8];
	char data[8][16];

	for (at = 0; at < 8; at++) {
		memset(data[at], 'a' + at, 16);
		vectors[at] = (struct iovec){ data[at], at + 1 };
		messages[at].msg_hdr = (struct msghdr){
			.msg_name = &address, .msg_namelen = sizeof(address),
			.msg_iov = &vectors[at], .msg_iovlen = 1,
		};
	}
	CHECK(sendmmsg(fd, messages, 8, 0) == 8);
	CHECK(messages[7].msg_len == 8);
	memset(data, 0, sizeof(data));
	for (at = 0; at < 8; at++) {
		vectors[at].iov_len = 16;
		messages[at].msg_hdr.msg_name = NULL;
		messages[at].msg_hdr.msg_namelen = 0;
	}
	for (at = 0; at < 8;) {
		int got = recvmmsg(fd, messages + at, 8 - at, MSG_WAITFORONE, NULL);

		CHECK(got > 0);
		at += got;
	}
	for (at = 0; at < 8; at++)
		CHECK(messages[at].msg_len == (unsigned int)at + 1 && data[at][at] == 'a' + at);
}

static void order_is_kept(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), at, got;

	for (at = 0; at < 200; at++)
		CHECK(send_to(from, &at, sizeof(at), 0, &address) == sizeof(at));
	for (at = 0; at < 200; at++)
		CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == at);
}

/* The receive buffer is far smaller than what is sent: it waits in the agent. */
static void a_full_buffer_loses_nothing(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), small = 4096, at, waiting;
	unsigned char data[2000];
	unsigned int got;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	for (at = 0; at < 150; at++) {
		fill(data, sizeof(data), at);
		memcpy(data, &at, sizeof(at));
		CHECK(send_to(from, data, sizeof(data), 0, &address) == sizeof(data));
	}
	for (at = 0; at < 150; at++) {
		CHECK(receive(fd, data, sizeof(data), NULL) == sizeof(data));
		memcpy(&got, data, sizeof(got));
		CHECK(got == (unsigned int)at);
	}
	CHECK(ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0);
	CHECK_ERRNO(recv(fd, data, 1, MSG_DONTWAIT), EAGAIN);
}

/* The messages are larger than the buffers of both sides. */
static void messages_exceed_small_buffers(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), small = 4096, at;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	CHECK(setsockopt(from, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	for (at = 0; at < 3; at++)
		round_trip(from, fd, &address, 1 << 20);
}

static void counts_of_queues(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), value = -1;

	CHECK(ioctl(fd, FIONREAD, &value) == 0 && value == 0);
	CHECK(send_to(fd, "hello", 5, 0, &address) == 5);
	CHECK(send_to(fd, "there!", 6, 0, &address) == 6);
	wait_for(fd, POLLIN);
	CHECK(ioctl(fd, FIONREAD, &value) == 0 && value == 5);
	CHECK(ioctl(fd, TIOCOUTQ, &value) == 0 && value == 0);
	CHECK_ERRNO(ioctl(fd, FIONREAD, NULL), EFAULT);
	CHECK_ERRNO(ioctl(fd, 0x5499, &value), ENOTTY);
}

/* What nobody read when the socket was closed is for the next one. */
static void close_returns_what_was_not_read(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), at, got;
	unsigned char *large = calloc(1, 300000);

	for (at = 0; at < 5; at++)
		CHECK(send_to(from, &at, sizeof(at), 0, &address) == sizeof(at));
	CHECK(send_to(from, large, 300000, 0, &address) == 300000);
	CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == 0);
	CHECK(recv(fd, &got, sizeof(got), MSG_PEEK) == sizeof(got) && got == 1);
	close(fd);
	fd = new_socket(0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	for (at = 1; at < 5; at++)
		CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == at);
	CHECK(receive(fd, large, 300000, NULL) == 300000);
	free(large);
}

static void death_returns_what_was_not_read(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), from = new_socket(0), status, got = 0;
	pid_t child;

	close(fd);
	child = fork();
	if (!child) {
		fd = new_socket(0);
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
			_exit(1);
		CHECK(send_to(from, "keep", 4, 0, &address) == 4);
		wait_for(fd, POLLIN);
		CHECK(recv(fd, &got, 4, MSG_PEEK) == 4);
		abort();
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	fd = new_socket(0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(receive(fd, &got, 4, NULL) == 4 && !memcmp(&got, "keep", 4));
}

/* Messages for an endpoint that does not exist yet wait for it. */
static void closing_after_sending_sends(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), at, got;

	for (at = 0; at < 50; at++) {
		int from = new_socket(0);

		CHECK(bind_ipn(from, 0, 0) == 0);
		CHECK(send_to(from, &at, sizeof(at), MSG_DONTWAIT, &address) == sizeof(at));
		close(from);
	}
	for (at = 0; at < 50; at++)
		CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == at);
}

struct readers {
	int fd;
	unsigned char seen[400];
	int done;
};

static void *read_some(void *argument)
{
	struct readers *readers = argument;
	int got;

	while (__atomic_load_n(&readers->done, __ATOMIC_RELAXED) < 400) {
		if (recv(readers->fd, &got, sizeof(got), 0) != sizeof(got)) {
			CHECK(errno == EAGAIN);
			continue;
		}
		CHECK(got >= 0 && got < 400);
		__atomic_add_fetch(&readers->seen[got], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&readers->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void each_message_has_one_reader(void)
{
	static struct readers readers;
	struct sockaddr_bp address;
	unsigned long threads[4];
	int from = new_socket(0), at;

	readers.fd = bound(&address);
	set_timeout(readers.fd, SO_RCVTIMEO, 100);
	for (at = 0; at < 4; at++)
		start_thread(&threads[at], read_some, &readers);
	for (at = 0; at < 400; at++)
		CHECK(send_to(from, &at, sizeof(at), 0, &address) == sizeof(at));
	for (at = 0; at < 4; at++)
		join_thread(threads[at]);
	for (at = 0; at < 400; at++)
		CHECK(readers.seen[at] == 1);
}

struct writer {
	int fd, first;
	struct sockaddr_bp to;
};

static void *write_some(void *argument)
{
	struct writer *writer = argument;
	int at;

	for (at = writer->first; at < writer->first + 100; at++)
		CHECK(send_to(writer->fd, &at, sizeof(at), 0, &writer->to) == sizeof(at));
	return NULL;
}

static void many_writers_of_one_socket(void)
{
	static unsigned char seen[400];
	struct writer writers[4];
	unsigned long threads[4];
	struct sockaddr_bp address;
	int to = bound(&address), from = new_socket(0), at, got;

	for (at = 0; at < 4; at++) {
		writers[at] = (struct writer){ from, at * 100, address };
		start_thread(&threads[at], write_some, &writers[at]);
	}
	for (at = 0; at < 400; at++) {
		CHECK(receive(to, &got, sizeof(got), NULL) == sizeof(got) && !seen[got]);
		seen[got] = 1;
	}
	for (at = 0; at < 4; at++)
		join_thread(threads[at]);
}

static void odd_sources(void)
{
	struct sockaddr_bp address, odd;
	struct sockaddr_storage name;
	const struct sockaddr_bp_wide *wide = (const struct sockaddr_bp_wide *)&name;
	const struct sockaddr_bp_dtn *dtn = (const struct sockaddr_bp_dtn *)&name;
	int fd = bound(&address), kind;
	char data[4];

	for (kind = 1; kind <= 4; kind++) {
		socklen_t len = sizeof(name);

		odd = ipn(61, kind);
		memset(&name, 0xff, sizeof(name));
		CHECK(send_to(fd, "hi", 2, 0, &odd) == 2);
		wait_for(fd, POLLIN);
		CHECK(recvfrom(fd, data, 4, 0, (struct sockaddr *)&name, &len) == 2);
		if (kind == 1)
			CHECK(len == 32 && wide->bp_scheme == BP_SCHEME_IPN_WIDE &&
			      wide->bp_elements == 2 && wide->bp_node == 1ull << 40 &&
			      wide->bp_service == 1ull << 50);
		else if (kind == 2)
			CHECK(len == 32 && wide->bp_elements == 3 && wide->bp_allocator == 0 &&
			      wide->bp_node == 77 && wide->bp_service == 7);
		else if (kind == 3)
			CHECK(len == 19 && dtn->bp_scheme == BP_SCHEME_DTN && dtn->bp_length == 9 &&
			      !memcmp(dtn->bp_name, "//far/app", 9));
		else
			CHECK(len == 10 && dtn->bp_scheme == BP_SCHEME_DTN && dtn->bp_length == 0);
	}
}

static void expired_messages_are_taken_back(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	uint64_t lifetime = 150, deadline;
	char data[8];

	CHECK(setsockopt(fd, SOL_BP, BP_LIFETIME, &lifetime, sizeof(lifetime)) == 0);
	CHECK(send_to(fd, "short", 5, 0, &address) == 5);
	CHECK(setsockopt(fd, SOL_BP, BP_LIFETIME, NULL, 0) == 0);
	CHECK(send_to(fd, "long", 4, 0, &address) == 4);
	CHECK(wait_for(fd, POLLIN) & POLLIN);
	for (deadline = clock_ms() + 30000; recv(fd, data, 8, MSG_PEEK) == 5;) {
		CHECK(clock_ms() < deadline);
		sleep_ms(5);
	}
	CHECK(receive(fd, data, 8, NULL) == 4 && !memcmp(data, "long", 4));
	CHECK_ERRNO(recv(fd, data, 8, MSG_DONTWAIT), EAGAIN);
}

/* A program of others, ported by two lines. Its first message may come before it does. */
static void the_echo_example_answers(void)
{
	struct sockaddr_bp address, echo, from;
	int fd = bound(&address), status;
	unsigned char data[2000];
	char port[16];
	pid_t child;

	close(bound(&echo));
	snprintf(port, sizeof(port), "%u", echo.bp_addr.ipn.service_id);
	child = fork();
	if (!child) {
		execl(echo_program, "echo", port, "2", NULL);
		_exit(127);
	}
	fill(data, sizeof(data), 1);
	CHECK(send_to(fd, data, sizeof(data), 0, &echo) == sizeof(data));
	CHECK(receive(fd, data, sizeof(data), &from) == sizeof(data));
	CHECK(!memcmp(&from, &echo, sizeof(from)));
	CHECK(send_to(fd, "again", 5, 0, &echo) == 5);
	CHECK(receive(fd, data, sizeof(data), &from) == 5 && !memcmp(data, "again", 5));
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

const struct test data_tests[] = {
	{ "data_sizes", sizes, 0 },
	{ "data_limit", the_limit_is_exact, 0 },
	{ "data_empty", an_empty_message_arrives, 0 },
	{ "data_source", the_source_is_told, 0 },
	{ "data_short_buffer", short_buffers_truncate, 0 },
	{ "data_fault", a_fault_loses_nothing, 0 },
	{ "data_several_parts", several_parts, 0 },
	{ "data_several_messages", several_messages, 0 },
	{ "data_order", order_is_kept, 0 },
	{ "data_full_buffer", a_full_buffer_loses_nothing, 0 },
	{ "data_exceeds_buffers", messages_exceed_small_buffers, 0 },
	{ "data_counts", counts_of_queues, 0 },
	{ "data_returned_on_close", close_returns_what_was_not_read, 0 },
	{ "data_returned_on_death", death_returns_what_was_not_read, 0 },
	{ "data_sent_before_close", closing_after_sending_sends, 0 },
	{ "data_one_reader", each_message_has_one_reader, 0 },
	{ "data_many_writers", many_writers_of_one_socket, 0 },
	{ "data_odd_sources", odd_sources, NEEDS_SCRIPT },
	{ "data_expired", expired_messages_are_taken_back, NEEDS_SCRIPT },
	{ "data_echo_example", the_echo_example_answers, NEEDS_ECHO | NEEDS_SCRIPT },
	{ 0 },
};
