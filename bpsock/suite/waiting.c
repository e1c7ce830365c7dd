// SPDX-License-Identifier: Apache-2.0 OR MIT
/* Blocking, time-outs, signals, poll and its relatives, shutdown */
#include "suite.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

static void not_waiting(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	char data;

	CHECK_ERRNO(recv(fd, &data, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO(recv(fd, &data, 1, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO(recv(fd, &data, 1, MSG_OOB), EOPNOTSUPP);
	CHECK_ERRNO(send_to(fd, "x", 1, MSG_OOB, &address), EOPNOTSUPP);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERRNO(recv(fd, &data, 1, 0), EAGAIN);
	CHECK_ERRNO(read(fd, &data, 1), EAGAIN);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	CHECK(receive(fd, &data, 1, NULL) == 1);
}

static void receive_times_out(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	uint64_t start = tick_ms();
	char data;

	set_timeout(fd, SO_RCVTIMEO, 100);
	CHECK_ERRNO(recv(fd, &data, 1, 0), EAGAIN);
	CHECK(tick_ms() - start >= 95);
}

static volatile int signals;

static void on_signal(int number)
{
	signals += number != 0;
}

static void set_alarm(int flags, int ms)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

struct later {
	struct sockaddr_bp to;
	int fd, ms;
};

static void *send_later(void *argument)
{
	struct later *later = argument;
	sigset_t none;

	sigemptyset(&none);
	sigaddset(&none, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &none, NULL);
	sleep_ms(later->ms);
	CHECK(send_to(later->fd, "x", 1, 0, &later->to) == 1);
	return NULL;
}

static void signals_interrupt(void)
{
	struct later later = { .ms = 300 };
	unsigned long thread;
	int fd = bound(&later.to);
	char data;

	set_alarm(0, 50);
	CHECK_ERRNO(recv(fd, &data, 1, 0), EINTR);
	CHECK(signals == 1);
	later.fd = new_socket(0);
	start_thread(&thread, send_later, &later);
	set_alarm(SA_RESTART, 50);
	CHECK(recv(fd, &data, 1, 0) == 1);
	CHECK(signals == 2);
	join_thread(thread);
}

static void poll_wakes(void)
{
	struct later later = { .ms = 100 };
	unsigned long thread;
	int fd = bound(&later.to);
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
	fd_set set;

	CHECK(poll(&poller, 1, 0) == 1 && poller.revents == POLLOUT);
	poller.events = POLLIN;
	CHECK(poll(&poller, 1, 0) == 0);
	later.fd = new_socket(0);
	start_thread(&thread, send_later, &later);
	CHECK(poll(&poller, 1, 30000) == 1 && poller.revents == POLLIN);
	join_thread(thread);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	CHECK(select(fd + 1, &set, NULL, NULL, NULL) == 1);
}

static void epoll_wakes(void)
{
	struct epoll_event event = { .events = EPOLLIN }, got;
	struct sockaddr_bp address;
	int fd = bound(&address), level = epoll_create1(0), edge = epoll_create1(0);
	char data;

	CHECK(epoll_ctl(level, EPOLL_CTL_ADD, fd, &event) == 0);
	event.events = EPOLLIN | EPOLLET;
	CHECK(epoll_ctl(edge, EPOLL_CTL_ADD, fd, &event) == 0);
	CHECK(epoll_wait(level, &got, 1, 0) == 0);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	CHECK(epoll_wait(level, &got, 1, 30000) == 1 && got.events == EPOLLIN);
	CHECK(epoll_wait(level, &got, 1, 0) == 1);
	CHECK(epoll_wait(edge, &got, 1, 30000) == 1);
	CHECK(epoll_wait(edge, &got, 1, 0) == 0);
	CHECK(send_to(fd, "y", 1, 0, &address) == 1);
	CHECK(epoll_wait(edge, &got, 1, 30000) == 1);
	CHECK(receive(fd, &data, 1, NULL) == 1 && receive(fd, &data, 1, NULL) == 1);
	CHECK(epoll_wait(level, &got, 1, 0) == 0);
}

/* A reader that sleeps keeps nobody from using the socket. */
static void *sleep_in_recv(void *argument)
{
	char data;

	CHECK(recv(*(int *)argument, &data, 1, 0) == 1);
	return NULL;
}

static void a_sleeping_reader_blocks_nobody(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), value = 0;
	socklen_t len = sizeof(value);
	unsigned long thread;
	uint64_t start;
	char data;

	start_thread(&thread, sleep_in_recv, &fd);
	sleep_ms(50);
	start = clock_ms();
	CHECK_ERRNO(recv(fd, &data, 1, MSG_DONTWAIT), EAGAIN);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len) == 0 && value > 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)) == 0);
	CHECK_ERRNO(bind_ipn(fd, 0, 0), EINVAL);
	CHECK(clock_ms() - start < 2000);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	join_thread(thread);
}

/* Fills the send buffer with messages that are not answered; returns how many. */
static int fill_send_buffer(int fd)
{
	struct sockaddr_bp silent = ipn(40, 0);
	char data[1000] = { 0 };
	int count = 0;

	while (send_to(fd, data, sizeof(data), MSG_DONTWAIT, &silent) == sizeof(data))
		CHECK(++count < 100000);
	CHECK(errno == EAGAIN);
	CHECK(count > 1);
	return count;
}

static void send_room(void)
{
	struct pollfd poller = { .fd = new_socket(0), .events = POLLOUT };
	struct sockaddr_bp silent = ipn(40, 0);
	int fd = poller.fd, small = 4096;
	uint64_t start;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	fill_send_buffer(fd);
	CHECK(poll(&poller, 1, 0) == 0);
	set_timeout(fd, SO_SNDTIMEO, 100);
	start = tick_ms();
	CHECK_ERRNO(send_to(fd, "x", 1, 0, &silent), EAGAIN);
	CHECK(tick_ms() - start >= 95);
	set_timeout(fd, SO_SNDTIMEO, 0);
	set_alarm(0, 50);
	CHECK_ERRNO(send_to(fd, "x", 1, 0, &silent), EINTR);
	answer_all(0);
	CHECK(poll(&poller, 1, 30000) == 1 && poller.revents == POLLOUT);
	CHECK(send_to(fd, "x", 1, MSG_DONTWAIT, &silent) == 1);
	answer_all(0);
}

static void *answer_later(void *argument)
{
	sleep_ms(100);
	answer_all(*(uint32_t *)argument);
	return NULL;
}

static void a_blocked_send_goes_on(void)
{
	int fd = new_socket(0), small = 4096;
	struct sockaddr_bp sink = ipn(20, 1);
	uint32_t error = 0;
	unsigned long thread;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	fill_send_buffer(fd);
	start_thread(&thread, answer_later, &error);
	CHECK(send_to(fd, "x", 1, 0, &sink) == 1);
	join_thread(thread);
}

/* A blocking send returns what the agent said, also if that takes a while. */
static void a_send_waits_for_the_answer(void)
{
	struct sockaddr_bp silent = ipn(40, 0);
	uint32_t error = EHOSTUNREACH;
	int fd = new_socket(0);
	unsigned long thread;

	start_thread(&thread, answer_later, &error);
	errno = 0;
	CHECK(send_to(fd, "x", 1, 0, &silent) == -1 && errno == EHOSTUNREACH);
	join_thread(thread);
}

/* What is under way was sent, even if nobody waits for the answer. */
static void a_send_gives_up_waiting(void)
{
	struct sockaddr_bp silent = ipn(40, 0);
	int fd = new_socket(0), value = 0;
	socklen_t len = sizeof(value);

	set_timeout(fd, SO_SNDTIMEO, 50);
	CHECK(send_to(fd, "x", 1, 0, &silent) == 1);
	answer_all(EHOSTUNREACH);
	CHECK(wait_for(fd, POLLOUT) & POLLERR);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) == 0 && value == EHOSTUNREACH);
	CHECK(!(wait_for(fd, POLLOUT) & POLLERR));
}

static void bind_is_interrupted(void)
{
	struct sockaddr_bp address;
	int fd = new_socket(0);

	set_alarm(0, 50);
	CHECK_ERRNO(bind_ipn(fd, own_node, 60001), EINTR);
	set_timeout(fd, SO_SNDTIMEO, 50);
	CHECK_ERRNO(bind_ipn(fd, own_node, 60001), EAGAIN);
	CHECK(bind_ipn(fd, own_node, 0) == 0);
	close(bound(&address));
}

static void *shut_later(void *argument)
{
	sleep_ms(50);
	CHECK_ERRNO(shutdown(*(int *)argument, SHUT_RD), ENOTCONN);
	return NULL;
}

static void shutdown_ends(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	unsigned long thread;
	char data;

	CHECK_ERRNO(shutdown(fd, 3), EINVAL);
	CHECK_ERRNO(shutdown(fd, -1), EINVAL);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	CHECK(wait_for(fd, POLLIN) & POLLIN);
	CHECK_ERRNO(shutdown(fd, SHUT_RD), ENOTCONN);
	CHECK(recv(fd, &data, 1, 0) == 1);
	CHECK(recv(fd, &data, 1, 0) == 0);
	CHECK(wait_for(fd, POLLIN | POLLRDHUP) & POLLRDHUP);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK_ERRNO(send(fd, "x", 1, 0), EPIPE);
	CHECK(wait_for(fd, POLLIN) & POLLHUP);
	fd = bound(&address);
	start_thread(&thread, shut_later, &fd);
	CHECK(recv(fd, &data, 1, 0) == 0);
	join_thread(thread);
}

const struct test waiting_tests[] = {
	{ "waiting_not", not_waiting, 0 },
	{ "waiting_receive_timeout", receive_times_out, 0 },
	{ "waiting_signals", signals_interrupt, 0 },
	{ "waiting_poll", poll_wakes, 0 },
	{ "waiting_epoll", epoll_wakes, 0 },
	{ "waiting_reader_blocks_nobody", a_sleeping_reader_blocks_nobody, 0 },
	{ "waiting_send_room", send_room, NEEDS_SCRIPT },
	{ "waiting_blocked_send", a_blocked_send_goes_on, NEEDS_SCRIPT },
	{ "waiting_answer", a_send_waits_for_the_answer, NEEDS_SCRIPT },
	{ "waiting_no_answer", a_send_gives_up_waiting, NEEDS_SCRIPT },
	{ "waiting_bind", bind_is_interrupted, NEEDS_SCRIPT },
	{ "waiting_shutdown", shutdown_ends, 0 },
	{ 0 },
};
