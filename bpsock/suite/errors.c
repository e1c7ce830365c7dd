// SPDX-License-Identifier: Apache-2.0 OR MIT
/* Errors of the agent, the error queue, lost endpoints */
#include "suite.h"

#include <poll.h>
#include <unistd.h>

/* The agent's number comes back from sendto, and the socket goes on. */
static void send_is_refused(void)
{
	static const int numbers[] = {
		EHOSTUNREACH, EMSGSIZE, ENOBUFS, ENETDOWN, EACCES, EOPNOTSUPP, EAFNOSUPPORT,
	};
	struct sockaddr_bp address;
	int fd = bound(&address);
	unsigned int at;

	for (at = 0; at < sizeof(numbers) / sizeof(*numbers); at++) {
		struct sockaddr_bp refused = ipn(30, numbers[at]);

		CHECK_ERRNO(send_to(fd, "x", 1, 0, &refused), numbers[at]);
		CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	}
	CHECK(!(wait_for(fd, POLLOUT) & POLLERR));
}

static void no_destination(void)
{
	int fd = new_socket(0);

	CHECK_ERRNO(send(fd, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(write(fd, "x", 1), EDESTADDRREQ);
	CHECK_ERRNO(send_to(fd, "x", 1, 0, NULL), EDESTADDRREQ);
}

/* At levels that are not ours, and at ours with names that are not. */
static void unknown_options(void)
{
	char value[64] = { 0 };
	socklen_t len = sizeof(value);
	int fd = new_socket(0), level, name;

	for (level = 0; level <= 300; level++) {
		if (level == SOL_SOCKET)
			continue;
		CHECK_ERRNO(setsockopt(fd, level, 1, value, 4), ENOPROTOOPT);
		CHECK_ERRNO(getsockopt(fd, level, 1, value, &len), ENOPROTOOPT);
	}
	for (name = 15; name < 100; name++) {
		CHECK_ERRNO(setsockopt(fd, SOL_BP, name, value, 4), ENOPROTOOPT);
		CHECK_ERRNO(getsockopt(fd, SOL_BP, name, value, &len), ENOPROTOOPT);
	}
}

static int so_error(int fd)
{
	int value = -1;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) == 0);
	return value;
}

static void fail_late(int fd, int error)
{
	struct sockaddr_bp silent = ipn(40, 0);

	CHECK(send_to(fd, "x", 1, MSG_DONTWAIT, &silent) == 1);
	CHECK(!(wait_for(fd, POLLOUT) & POLLERR));
	answer_all(error);
	CHECK(wait_for(fd, 0) & POLLERR);
}

/* Who does not wait hears of a failure by the next call, once. */
static void late_failure(void)
{
	struct sockaddr_bp sink = ipn(20, 1);
	int fd = new_socket(0);
	char data;

	fail_late(fd, EHOSTUNREACH);
	CHECK_ERRNO(send_to(fd, "x", 1, 0, &sink), EHOSTUNREACH);
	CHECK(send_to(fd, "x", 1, 0, &sink) == 1);
	fail_late(fd, EHOSTUNREACH);
	CHECK_ERRNO(recv(fd, &data, 1, 0), EHOSTUNREACH);
	CHECK_ERRNO(recv(fd, &data, 1, MSG_DONTWAIT), EAGAIN);
	fail_late(fd, EHOSTUNREACH);
	CHECK(so_error(fd) == EHOSTUNREACH && so_error(fd) == 0);
}

/* Reads one record of the error queue. */
static struct bp_report read_report(int fd, struct sockaddr_bp *name)
{
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr message = {
		.msg_name = name, .msg_namelen = sizeof(*name),
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct bp_report report;
	struct cmsghdr *cmsg;

	CHECK(wait_for(fd, 0) & POLLERR);
	CHECK(recvmsg(fd, &message, MSG_ERRQUEUE) == 0);
	CHECK(message.msg_flags & MSG_ERRQUEUE);
	cmsg = CMSG_FIRSTHDR(&message);
	CHECK(cmsg && cmsg->cmsg_level == SOL_BP && cmsg->cmsg_type == BP_RECVERR);
	CHECK(cmsg->cmsg_len == CMSG_LEN(sizeof(report)));
	CHECK(!CMSG_NXTHDR(&message, cmsg));
	memcpy(&report, CMSG_DATA(cmsg), sizeof(report));
	return report;
}

static void recverr(int fd, uint32_t value)
{
	CHECK(setsockopt(fd, SOL_BP, BP_RECVERR, &value, sizeof(value)) == 0);
}

static void tagged(int fd, uint64_t tag, int flags, struct sockaddr_bp *to)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(tag))] = { 0 };
	struct iovec vector = { "data", 4 };
	struct msghdr message = {
		.msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_BP;
	cmsg->cmsg_type = BP_TAG;
	cmsg->cmsg_len = CMSG_LEN(sizeof(tag));
	memcpy(CMSG_DATA(cmsg), &tag, sizeof(tag));
	CHECK(sendmsg(fd, &message, flags) == 4);
}

static void status_reports(void)
{
	struct sockaddr_bp address, name, reporter = ipn(50, 9);
	struct bp_report report, sent;
	struct bp_bundle last;
	int fd = bound(&address);
	socklen_t len = sizeof(last);
	char data;

	CHECK_ERRNO(recv(fd, &data, 1, MSG_ERRQUEUE), EAGAIN);
	CHECK_ERRNO(getsockopt(fd, SOL_BP, BP_LAST_SENT, &last, &len), ENOENT);
	recverr(fd, 1);
	tagged(fd, 4711, 0, &reporter);
	sent = read_report(fd, &name);
	CHECK(sent.kind == BP_REPORT_SENT && sent.tag == 4711 && sent.error == 0);
	CHECK(sent.bundle.creation_ms && !memcmp(&name, &reporter, sizeof(name)));
	report = read_report(fd, &name);
	CHECK(report.kind == BP_REPORT_STATUS && report.status == BP_STATUS_DELIVERED);
	CHECK(report.reason == 1 && report.time_ms == 12345 && report.tag == 0);
	CHECK(!memcmp(&report.bundle, &sent.bundle, sizeof(report.bundle)));
	CHECK(!memcmp(&name, &reporter, sizeof(name)));
	CHECK(getsockopt(fd, SOL_BP, BP_LAST_SENT, &last, &len) == 0 && len == sizeof(last));
	CHECK(!memcmp(&last, &sent.bundle, sizeof(last)));
	CHECK(!(wait_for(fd, POLLOUT) & POLLERR));
	CHECK_ERRNO(recv(fd, &data, 1, MSG_ERRQUEUE), EAGAIN);
	/* Without BP_RECVERR there are none. */
	recverr(fd, 0);
	CHECK(send_to(fd, "x", 1, 0, &reporter) == 1);
	CHECK(send_to(fd, "x", 1, 0, &address) == 1);
	CHECK(wait_for(fd, POLLIN) == POLLIN);
}

static void failures_on_the_error_queue(void)
{
	struct sockaddr_bp name, silent = ipn(40, 0), sink = ipn(20, 1);
	struct bp_report report;
	int fd = new_socket(0);

	recverr(fd, 1);
	tagged(fd, 99, MSG_DONTWAIT, &silent);
	answer_all(ENOBUFS);
	report = read_report(fd, &name);
	CHECK(report.kind == BP_REPORT_FAILED && report.error == ENOBUFS && report.tag == 99);
	CHECK(!memcmp(&name, &silent, sizeof(name)));
	CHECK(so_error(fd) == 0);
	CHECK(send_to(fd, "x", 1, 0, &sink) == 1);
	/* Switched off, the queue is emptied. */
	tagged(fd, 99, MSG_DONTWAIT, &silent);
	answer_all(ENOBUFS);
	CHECK(wait_for(fd, 0) & POLLERR);
	recverr(fd, 0);
	CHECK(!(wait_for(fd, POLLOUT) & POLLERR));
}

/* An error queue that nobody reads is bounded, and costs no messages. */
static void a_full_error_queue(void)
{
	struct sockaddr_bp address, reporter = ipn(50, 1);
	int fd = bound(&address), small = 4096, at, count;
	char data;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	recverr(fd, 1);
	for (at = 0; at < 200; at++)
		CHECK(send_to(fd, "x", 1, 0, &reporter) == 1);
	CHECK(send_to(fd, "y", 1, 0, &address) == 1);
	for (count = 0; recv(fd, &data, 1, MSG_ERRQUEUE | MSG_DONTWAIT) == 0; count++)
		;
	CHECK(count > 0 && count < 200);
	CHECK(receive(fd, &data, 1, NULL) == 1 && data == 'y');
}

static void cancel(void)
{
	struct sockaddr_bp address, elsewhere;
	struct bp_bundle last, none = { 1, 2 };
	int fd = bound(&address), gone = bound(&elsewhere);
	socklen_t len = sizeof(last);
	char data;

	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_CANCEL, &none, sizeof(none)), ENOENT);
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_CANCEL, &none, 3), EINVAL);
	CHECK_ERRNO(setsockopt(new_socket(0), SOL_BP, BP_CANCEL, &none, sizeof(none)), ENOENT);
	close(gone);
	CHECK(send_to(fd, "x", 1, 0, &elsewhere) == 1);
	CHECK(getsockopt(fd, SOL_BP, BP_LAST_SENT, &last, &len) == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_CANCEL, &last, sizeof(last)) == 0);
	gone = new_socket(0);
	CHECK(bind(gone, (struct sockaddr *)&elsewhere, sizeof(elsewhere)) == 0);
	CHECK(send_to(fd, "y", 1, 0, &elsewhere) == 1);
	CHECK(receive(gone, &data, 1, NULL) == 1 && data == 'y');
}

/* The agent withdraws the endpoint: the error once, then the end. */
static void a_lost_endpoint(void)
{
	struct sockaddr_bp address, lose = ipn(60, ENETDOWN);
	int fd = bound(&address);
	char data;

	CHECK_ERRNO(send_to(fd, "x", 1, 0, &lose), EBADF);
	CHECK((wait_for(fd, POLLIN) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	CHECK_ERRNO(recv(fd, &data, 1, 0), ENETDOWN);
	CHECK(recv(fd, &data, 1, 0) == 0);
	CHECK_ERRNO(send_to(fd, "x", 1, 0, &address), EPIPE);
	CHECK_ERRNO(bind_ipn(fd, 0, 0), EINVAL);
	close(fd);
	fd = new_socket(0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

const struct test error_tests[] = {
	{ "error_send_refused", send_is_refused, NEEDS_SCRIPT },
	{ "error_no_destination", no_destination, 0 },
	{ "error_unknown_options", unknown_options, 0 },
	{ "error_late", late_failure, NEEDS_SCRIPT },
	{ "error_queue_status_reports", status_reports, NEEDS_SCRIPT },
	{ "error_queue_failures", failures_on_the_error_queue, NEEDS_SCRIPT },
	{ "error_queue_full", a_full_error_queue, NEEDS_SCRIPT },
	{ "error_cancel", cancel, NEEDS_SCRIPT },
	{ "error_lost_endpoint", a_lost_endpoint, NEEDS_SCRIPT },
	{ 0 },
};
