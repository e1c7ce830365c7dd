// SPDX-License-Identifier: Apache-2.0 OR MIT
/* Options of level SOL_BP, of sockets and of messages */
#include "suite.h"

#include <poll.h>
#include <unistd.h>

static int set_u32(int fd, int name, uint32_t value)
{
	return setsockopt(fd, SOL_BP, name, &value, sizeof(value));
}

static int set_u64(int fd, int name, uint64_t value)
{
	return setsockopt(fd, SOL_BP, name, &value, sizeof(value));
}

static uint32_t get_u32(int fd, int name)
{
	uint32_t value = -1;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, SOL_BP, name, &value, &len) == 0 && len == sizeof(value));
	return value;
}

static uint64_t get_u64(int fd, int name)
{
	uint64_t value = -1;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, SOL_BP, name, &value, &len) == 0 && len == sizeof(value));
	return value;
}

static void set_and_get(void)
{
	int fd = new_socket(0);

	CHECK(get_u64(fd, BP_LIFETIME) == 0 && get_u32(fd, BP_FLAGS) == 0);
	CHECK(get_u32(fd, BP_HOP_LIMIT) == 0);
	CHECK(get_u32(fd, BP_PRIORITY) == BP_PRIORITY_NORMAL);
	CHECK(get_u32(fd, BP_RECVINFO) == 0 && get_u32(fd, BP_RECVERR) == 0);
	CHECK(set_u64(fd, BP_LIFETIME, 1ull << 40) == 0 && get_u64(fd, BP_LIFETIME) == 1ull << 40);
	CHECK(set_u32(fd, BP_FLAGS, BP_FLAG_ALL) == 0 && get_u32(fd, BP_FLAGS) == BP_FLAG_ALL);
	CHECK(set_u32(fd, BP_HOP_LIMIT, 255) == 0 && get_u32(fd, BP_HOP_LIMIT) == 255);
	CHECK(set_u32(fd, BP_PRIORITY, 0) == 0 && get_u32(fd, BP_PRIORITY) == 0);
	CHECK(set_u32(fd, BP_RECVINFO, BP_RECVINFO_ALL) == 0);
	CHECK(get_u32(fd, BP_RECVINFO) == BP_RECVINFO_ALL);
	CHECK(set_u32(fd, BP_RECVERR, 1) == 0 && get_u32(fd, BP_RECVERR) == 1);
	CHECK(setsockopt(fd, SOL_BP, BP_LIFETIME, NULL, 0) == 0 && get_u64(fd, BP_LIFETIME) == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_FLAGS, NULL, 0) == 0 && get_u32(fd, BP_FLAGS) == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_HOP_LIMIT, NULL, 0) == 0);
	CHECK(get_u32(fd, BP_HOP_LIMIT) == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_PRIORITY, NULL, 0) == 0);
	CHECK(get_u32(fd, BP_PRIORITY) == BP_PRIORITY_NORMAL);
}

static void bad_values(void)
{
	int fd = new_socket(0), bit, len;
	unsigned char value[256] = { 0 };

	CHECK_ERRNO(set_u64(fd, BP_LIFETIME, 0), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_LIFETIME, 5), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_HOP_LIMIT, 0), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_HOP_LIMIT, 256), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_PRIORITY, 3), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_RECVINFO, BP_RECVINFO_ALL + 1), EINVAL);
	CHECK_ERRNO(set_u32(fd, BP_RECVERR, 2), EINVAL);
	for (bit = 0; bit < 32; bit++) {
		if (1u << bit & BP_FLAG_ALL)
			CHECK(set_u32(fd, BP_FLAGS, 1u << bit) == 0);
		else
			CHECK_ERRNO(set_u32(fd, BP_FLAGS, 1u << bit), EINVAL);
	}
	for (len = 1; len < 256; len++) {
		if (len != 4) {
			CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_FLAGS, value, len), EINVAL);
			CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_RECVERR, value, len), EINVAL);
		}
		if (len != 8)
			CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_LIFETIME, value, len), EINVAL);
	}
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_FLAGS, NULL, 4), EFAULT);
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_MAX_MESSAGE, value, 4), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_LAST_SENT, value, 16), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_TAG, value, 8), ENOPROTOOPT);
}

static void short_buffers_for_values(void)
{
	int fd = new_socket(0);
	unsigned char value[16];
	socklen_t room, len;

	CHECK(set_u64(fd, BP_LIFETIME, 0x1122334455667788) == 0);
	for (room = 0; room < 16; room++) {
		memset(value, 0xa5, sizeof(value));
		len = room;
		CHECK(getsockopt(fd, SOL_BP, BP_LIFETIME, value, &len) == 0);
		CHECK(len == (room < 8 ? room : 8) && value[len] == 0xa5);
	}
	len = -1;
	CHECK_ERRNO(getsockopt(fd, SOL_BP, BP_LIFETIME, value, &len), EINVAL);
	CHECK_ERRNO(getsockopt(fd, SOL_BP, BP_LIFETIME, value, NULL), EFAULT);
	len = 8;
	CHECK_ERRNO(getsockopt(fd, SOL_BP, BP_LIFETIME, NULL, &len), EFAULT);
}

static void report_to(void)
{
	struct sockaddr_bp address = ipn(77, 8), got, foreign = address;
	int fd = new_socket(0);
	socklen_t len = sizeof(got);

	CHECK(getsockopt(fd, SOL_BP, BP_REPORT_TO, &got, &len) == 0 && len == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_REPORT_TO, &address, sizeof(address)) == 0);
	len = sizeof(got);
	CHECK(getsockopt(fd, SOL_BP, BP_REPORT_TO, &got, &len) == 0 && len == sizeof(got));
	CHECK(!memcmp(&got, &address, sizeof(got)));
	foreign.bp_family = AF_INET;
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_REPORT_TO, &foreign, sizeof(foreign)), EAFNOSUPPORT);
	CHECK_ERRNO(setsockopt(fd, SOL_BP, BP_REPORT_TO, &address, 15), EINVAL);
	CHECK(setsockopt(fd, SOL_BP, BP_REPORT_TO, NULL, 0) == 0);
	len = sizeof(got);
	CHECK(getsockopt(fd, SOL_BP, BP_REPORT_TO, &got, &len) == 0 && len == 0);
}

/* What control messages a message came with. */
struct received {
	int infos, destinations, report_tos;
	struct bp_info info;
	struct sockaddr_bp destination, report_to;
};

static struct received receive_all(int fd)
{
	_Alignas(struct cmsghdr) char control[1024];
	char data[16];
	struct iovec vector = { data, sizeof(data) };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct received all = { 0 };
	struct cmsghdr *cmsg;

	CHECK(wait_for(fd, POLLIN) & POLLIN);
	CHECK(recvmsg(fd, &message, 0) == 4);
	for (cmsg = CMSG_FIRSTHDR(&message); cmsg; cmsg = CMSG_NXTHDR(&message, cmsg)) {
		CHECK(cmsg->cmsg_level == SOL_BP);
		if (cmsg->cmsg_type == BP_INFO && ++all.infos)
			memcpy(&all.info, CMSG_DATA(cmsg), sizeof(all.info));
		else if (cmsg->cmsg_type == BP_DESTINATION && ++all.destinations)
			memcpy(&all.destination, CMSG_DATA(cmsg), sizeof(all.destination));
		else if (cmsg->cmsg_type == BP_REPORT_TO && ++all.report_tos)
			memcpy(&all.report_to, CMSG_DATA(cmsg), sizeof(all.report_to));
		else
			CHECK(cmsg->cmsg_type == BP_PREVIOUS_NODE);
	}
	return all;
}

/* Sends with one control message of level SOL_BP. */
static long send_with(int fd, const struct sockaddr_bp *to, int type, const void *value, size_t len)
{
	_Alignas(struct cmsghdr) char control[256] = { 0 };
	struct iovec vector = { "data", 4 };
	struct msghdr message = {
		.msg_name = (void *)to, .msg_namelen = sizeof(*to),
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = CMSG_SPACE(len),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_BP;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), value, len);
	return sendmsg(fd, &message, 0);
}

static void options_reach_the_agent(void)
{
	struct sockaddr_bp address, to = ipn(77, 8);
	struct received all;
	int fd = bound(&address);
	uint64_t lifetime = 500000;
	uint32_t flags = BP_FLAG_ACK_REQUESTED;

	CHECK(send_to(fd, "data", 4, 0, &address) == 4);
	all = receive_all(fd);
	CHECK(!all.infos && !all.destinations && !all.report_tos);
	CHECK(set_u32(fd, BP_RECVINFO, BP_RECVINFO_ALL) == 0);
	CHECK(set_u64(fd, BP_LIFETIME, 3600000) == 0);
	CHECK(set_u32(fd, BP_FLAGS, BP_FLAG_REPORT_DELIVERY) == 0);
	CHECK(set_u32(fd, BP_HOP_LIMIT, 20) == 0);
	CHECK(set_u32(fd, BP_PRIORITY, BP_PRIORITY_EXPEDITED) == 0);
	CHECK(setsockopt(fd, SOL_BP, BP_REPORT_TO, &to, sizeof(to)) == 0);
	CHECK(send_to(fd, "data", 4, 0, &address) == 4);
	all = receive_all(fd);
	CHECK(all.infos == 1 && all.destinations == 1 && all.report_tos == 1);
	CHECK(all.info.lifetime_ms == 3600000 && all.info.flags == BP_FLAG_REPORT_DELIVERY);
	CHECK(all.info.hop_limit == 20 && all.info.priority == BP_PRIORITY_EXPEDITED);
	CHECK(all.info.bundle.creation_ms && all.info.version == 7);
	CHECK(!memcmp(&all.destination, &address, sizeof(address)));
	CHECK(!memcmp(&all.report_to, &to, sizeof(to)));
	/* A control message counts for its own message only. */
	CHECK(send_with(fd, &address, BP_LIFETIME, &lifetime, sizeof(lifetime)) == 4);
	CHECK(receive_all(fd).info.lifetime_ms == 500000);
	CHECK(send_with(fd, &address, BP_FLAGS, &flags, sizeof(flags)) == 4);
	all = receive_all(fd);
	CHECK(all.info.flags == flags && all.info.lifetime_ms == 3600000);
	CHECK(send_with(fd, &address, BP_FLAGS, &flags, 0) == 4);
	CHECK(receive_all(fd).info.flags == 0);
}

static void bad_control_messages(void)
{
	struct sockaddr_bp address;
	_Alignas(struct cmsghdr) char control[64] = { 0 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;
	struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address),
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = bound(&address), type;
	uint64_t value = 1;

	for (type = 0; type < 40; type++)
		CHECK_ERRNO(send_with(fd, &address, type, &value, 3), EINVAL);
	for (type = BP_RECVINFO; type < 40; type++)
		CHECK_ERRNO(send_with(fd, &address, type, &value, 8), EINVAL);
	cmsg->cmsg_level = SOL_BP;
	cmsg->cmsg_type = BP_TAG;
	cmsg->cmsg_len = 3;
	CHECK_ERRNO(sendmsg(fd, &message, 0), EINVAL);
	cmsg->cmsg_len = 1 << 30;
	CHECK_ERRNO(sendmsg(fd, &message, 0), EINVAL);
	/* Those of other levels are not for us. */
	cmsg->cmsg_level = 250;
	cmsg->cmsg_len = CMSG_LEN(8);
	message.msg_controllen = CMSG_SPACE(8);
	CHECK(sendmsg(fd, &message, 0) == 0);
}

/* Standard bits that libraries always set change nothing. */
static void message_flags_are_no_options(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), bit;

	CHECK(set_u32(fd, BP_RECVINFO, BP_RECVINFO_INFO) == 0);
	for (bit = 1; bit <= 0x4000; bit <<= 1) {
		if (bit == MSG_OOB)
			continue;
		CHECK(send_to(fd, "data", 4, bit, &address) == 4);
		CHECK(receive_all(fd).info.flags == 0);
	}
}

static void control_buffers_that_are_too_small(void)
{
	struct sockaddr_bp address;
	_Alignas(struct cmsghdr) char control[256];
	char data[4];
	struct iovec vector = { data, 4 };
	int fd = bound(&address), room;

	CHECK(set_u32(fd, BP_RECVINFO, BP_RECVINFO_INFO) == 0);
	for (room = 0; room < 100; room += 7) {
		struct msghdr message = {
			.msg_iov = &vector, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = room,
		};

		CHECK(send_to(fd, "data", 4, 0, &address) == 4);
		CHECK(wait_for(fd, POLLIN) & POLLIN);
		memset(control, 0x5a, sizeof(control));
		CHECK(recvmsg(fd, &message, 0) == 4);
		CHECK(!(message.msg_flags & MSG_CTRUNC) == (room >= (int)CMSG_LEN(sizeof(struct bp_info))));
		CHECK(control[room] == 0x5a);
	}
}

const struct test option_tests[] = {
	{ "option_set_and_get", set_and_get, 0 },
	{ "option_bad_values", bad_values, 0 },
	{ "option_short_buffers", short_buffers_for_values, 0 },
	{ "option_report_to", report_to, 0 },
	{ "option_reaches_agent", options_reach_the_agent, NEEDS_SCRIPT },
	{ "option_bad_control_messages", bad_control_messages, 0 },
	{ "option_message_flags", message_flags_are_no_options, NEEDS_SCRIPT },
	{ "option_small_control_buffer", control_buffers_that_are_too_small, 0 },
	{ 0 },
};
