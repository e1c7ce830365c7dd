// SPDX-License-Identifier: Apache-2.0 OR MIT
/* The daemon ends, at any point, and another one begins: sockets stay */
#include "suite.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static void without_a_daemon(void)
{
	struct sockaddr_bp address, name;
	int fd = bound(&address), other = new_socket(0);
	socklen_t len = sizeof(name);
	char data;

	stop_daemon();
	CHECK_ERRNO(bind_ipn(other, 0, 0), ECONNREFUSED);
	CHECK_ERRNO(send_to(other, "x", 1, 0, &address), ECONNREFUSED);
	CHECK_ERRNO(send_to(fd, "x", 1, 0, &address), ECONNREFUSED);
	CHECK_ERRNO(send_to(fd, "x", 1, MSG_DONTWAIT, &address), ECONNREFUSED);
	CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	CHECK(!memcmp(&name, &address, sizeof(name)));
	CHECK_ERRNO(recv(fd, &data, 1, MSG_DONTWAIT), EAGAIN);
	close(other);
	resume_daemon();
	round_trip(fd, fd, &address, 100);
}

static void sockets_survive(void)
{
	struct sockaddr_bp addresses[20];
	int fds[20], at, round, other = new_socket(0);

	for (at = 0; at < 20; at++)
		fds[at] = bound(&addresses[at]);
	for (round = 0; round < 3; round++) {
		kill_daemon();
		for (at = 0; at < 20; at++)
			round_trip(fds[at], fds[(at + 1) % 20], &addresses[(at + 1) % 20], at);
		CHECK_ERRNO(bind(other, (struct sockaddr *)&addresses[7], sizeof(*addresses)),
			    EADDRINUSE);
	}
}

/* Unread messages are the agent's: they come again from the next daemon. */
static void unread_messages_come_again(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), at, got;

	for (at = 0; at < 20; at++)
		CHECK(send_to(fd, &at, sizeof(at), 0, &address) == sizeof(at));
	CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == 0);
	CHECK(recv(fd, &got, sizeof(got), MSG_PEEK) == sizeof(got) && got == 1);
	/* So that the daemon has seen that one was read. */
	round_trip(fd, bound(&address), &address, 1);
	kill_daemon();
	for (at = 1; at < 20; at++)
		CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == at);
	CHECK_ERRNO(recv(fd, &got, sizeof(got), MSG_DONTWAIT), EAGAIN);
}

static void *wait_in_recv(void *argument)
{
	char data;

	CHECK(recv(*(int *)argument, &data, 1, 0) == 1);
	return NULL;
}

static void a_reader_sleeps_through_it(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	unsigned long thread;

	start_thread(&thread, wait_in_recv, &fd);
	kill_daemon();
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	join_thread(thread);
}

static void *wait_in_send(void *argument)
{
	struct sockaddr_bp silent = ipn(40, 0);

	CHECK_ERRNO(send_to(*(int *)argument, "x", 1, 0, &silent), ECONNRESET);
	return NULL;
}

static void *wait_in_bind(void *argument)
{
	CHECK_ERRNO(bind_ipn(*(int *)argument, own_node, 60001), ECONNREFUSED);
	return NULL;
}

static void waiting_calls_end(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), unbound = new_socket(0);
	unsigned long threads[2];

	start_thread(&threads[0], wait_in_send, &fd);
	start_thread(&threads[1], wait_in_bind, &unbound);
	sleep_ms(100);
	kill_daemon();
	join_thread(threads[0]);
	join_thread(threads[1]);
	CHECK(bind_ipn(unbound, 0, 0) == 0);
	round_trip(unbound, fd, &address, 9);
}

/* Full queues on both sides when it happens. */
static void full_queues_are_emptied(void)
{
	struct sockaddr_bp address, silent = ipn(40, 0);
	int fd = bound(&address), from = new_socket(0), small = 4096, at, got;
	char data[1000] = { 0 };

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	for (at = 0; at < 100; at++)
		CHECK(send_to(from, &at, sizeof(at), 0, &address) == sizeof(at));
	while (send_to(from, data, sizeof(data), MSG_DONTWAIT, &silent) == sizeof(data))
		;
	CHECK(errno == EAGAIN);
	kill_daemon();
	CHECK(wait_for(from, POLLOUT) & POLLERR);
	CHECK_ERRNO(send_to(from, "x", 1, 0, &address), ECONNRESET);
	for (at = 0; at < 100; at++)
		CHECK(receive(fd, &got, sizeof(got), NULL) == sizeof(got) && got == at);
	round_trip(from, fd, &address, 9);
}

static void closing_while_it_is_away(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);

	stop_daemon();
	close(fd);
	resume_daemon();
	fd = new_socket(0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

/*
 * Killed at a point that the destination chooses. What was sent with success
 * arrives at least once, unless it was never stored; what failed may arrive.
 */
static void killed_at(int point, size_t len, int is_sent, int arrives)
{
	struct sockaddr_bp address, trap = ipn(70, point);
	unsigned char *sent = malloc(len), *got = malloc(len);
	unsigned int count = daemon_count();
	int fd = bound(&address);
	long result;

	fill(sent, len, point);
	result = send_to(fd, sent, len, 0, &trap);
	if (is_sent)
		CHECK(result == (long)len);
	else
		CHECK(result == -1 && errno == ECONNRESET);
	if (point == 6)
		CHECK(receive(fd, got, len, NULL) == (long)len && !memcmp(sent, got, len));
	wait_next_daemon(count);
	if (arrives)
		CHECK(receive(fd, got, len, NULL) == (long)len && !memcmp(sent, got, len));
	round_trip(fd, fd, &address, 33);
	CHECK_ERRNO(recv(fd, got, len, MSG_DONTWAIT), EAGAIN);
	free(sent);
	free(got);
}

static void killed_at_first_chunk(void)
{
	killed_at(1, 10, 0, 0);
	killed_at(1, 1 << 20, 0, 0);
}

static void killed_when_stored(void)
{
	killed_at(2, 10, 0, 1);
	killed_at(2, 200000, 0, 1);
}

static void killed_after_answer(void)
{
	killed_at(3, 10, 1, 0);
	killed_at(3, 200000, 1, 0);
}

static void killed_in_delivery(void)
{
	killed_at(4, 200000, 1, 1);
}

static void killed_after_delivery(void)
{
	killed_at(5, 10, 1, 1);
	killed_at(5, 200000, 1, 1);
}

static void killed_before_acknowledgement(void)
{
	killed_at(6, 10, 1, 1);
	killed_at(6, 200000, 1, 1);
}

static void killed_in_bind(void)
{
	unsigned int count = daemon_count();
	int fd = new_socket(0);

	CHECK_ERRNO(bind_ipn(fd, own_node, 60002), ECONNREFUSED);
	wait_next_daemon(count);
	CHECK(bind_ipn(fd, own_node, 0) == 0);
}

/* Whenever it is killed under load, no message that was sent with success is lost. */
struct load {
	int fd;
	struct sockaddr_bp to;
	volatile int stop;
	int sent, last;
};

static void *keep_sending(void *argument)
{
	struct load *load = argument;
	int number = 0;

	while (!load->stop) {
		if (send_to(load->fd, &number, sizeof(number), 0, &load->to) == sizeof(number))
			load->sent++;
		else
			CHECK(errno == ECONNRESET || errno == ECONNREFUSED);
		load->last = number++;
	}
	return NULL;
}

static void killed_under_load(void)
{
	static unsigned char seen[1 << 20];
	struct load load = { 0 };
	int fd = bound(&load.to), round, got, arrived = 0;
	unsigned long thread;
	uint64_t deadline;

	load.fd = new_socket(0);
	start_thread(&thread, keep_sending, &load);
	for (round = 0; round < 8; round++) {
		deadline = clock_ms() + rand() % 40;
		while (clock_ms() < deadline)
			if (recv(fd, &got, sizeof(got), MSG_DONTWAIT) == sizeof(got))
				seen[got] = 1;
		kill_daemon();
	}
	load.stop = 1;
	join_thread(thread);
	for (deadline = clock_ms() + 30000; arrived < load.sent && clock_ms() < deadline;) {
		while (recv(fd, &got, sizeof(got), MSG_DONTWAIT) == sizeof(got))
			seen[got] = 1;
		for (arrived = got = 0; got <= load.last; got++)
			arrived += seen[got];
	}
	CHECK(load.sent > 0 && arrived >= load.sent);
}

const struct test daemon_tests[] = {
	{ "daemon_absent", without_a_daemon, NEEDS_DAEMON },
	{ "daemon_sockets_survive", sockets_survive, NEEDS_DAEMON },
	{ "daemon_unread", unread_messages_come_again, NEEDS_DAEMON },
	{ "daemon_reader_sleeps", a_reader_sleeps_through_it, NEEDS_DAEMON },
	{ "daemon_waiting_calls", waiting_calls_end, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_full_queues", full_queues_are_emptied, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_closing_meanwhile", closing_while_it_is_away, NEEDS_DAEMON },
	{ "daemon_killed_at_first_chunk", killed_at_first_chunk, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_when_stored", killed_when_stored, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_after_answer", killed_after_answer, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_in_delivery", killed_in_delivery, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_after_delivery", killed_after_delivery, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_before_ack", killed_before_acknowledgement, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_in_bind", killed_in_bind, NEEDS_DAEMON | NEEDS_SCRIPT },
	{ "daemon_killed_under_load", killed_under_load, NEEDS_DAEMON },
	{ 0 },
};
