// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void out_start(struct out *out, uint16_t type, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *head = (struct nlmsghdr *)out->octets;
	struct genlmsghdr *genl = (struct genlmsghdr *)(head + 1);

	memset(out->octets, 0, NLMSG_HDRLEN + GENL_HDRLEN);
	head->nlmsg_type = type;
	head->nlmsg_flags = NLM_F_REQUEST;
	genl->cmd = cmd;
	genl->version = version;
	out->len = NLMSG_HDRLEN + GENL_HDRLEN;
}

void out_begin(struct out *out, const struct wire *wire, int cmd)
{
	out_start(out, wire->family, cmd, BP_GENL_VERSION);
}

void out_put(struct out *out, int type, const void *value, size_t len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };
	size_t padded = NLA_ALIGN(NLA_HDRLEN + len);

	if (len > UINT16_MAX - NLA_HDRLEN || padded > sizeof(out->octets) - out->len)
		abort();
	memset(out->octets + out->len, 0, padded);
	memcpy(out->octets + out->len, &attr, NLA_HDRLEN);
	if (len)
		memcpy(out->octets + out->len + NLA_HDRLEN, value, len);
	out->len += padded;
}

void out_u32(struct out *out, int type, uint32_t value)
{
	out_put(out, type, &value, sizeof(value));
}

void out_u64(struct out *out, int type, uint64_t value)
{
	out_put(out, type, &value, sizeof(value));
}

int out_send(struct out *out, const struct wire *wire)
{
	((struct nlmsghdr *)out->octets)->nlmsg_len = out->len;
	return send(wire->fd, out->octets, out->len, 0) < 0 ? -1 : 0;
}

static void in_attrs(struct in *in, const unsigned char *at, const unsigned char *end)
{
	while (end - at >= NLA_HDRLEN) {
		const struct nlattr *attr = (const struct nlattr *)at;
		int type = attr->nla_type & NLA_TYPE_MASK;

		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > end - at)
			return;
		if (type <= BP_A_MAX)
			in->attrs[type] = attr;
		if ((ptrdiff_t)NLA_ALIGN(attr->nla_len) > end - at)
			return;
		at += NLA_ALIGN(attr->nla_len);
	}
}

int in_next(struct in *in, unsigned char **at, unsigned char *end)
{
	struct nlmsghdr *head = (struct nlmsghdr *)*at;
	const unsigned char *body;

	memset(in, 0, sizeof(*in));
	if (end - *at < NLMSG_HDRLEN || head->nlmsg_len < NLMSG_HDRLEN ||
	    head->nlmsg_len > end - *at)
		return 0;
	body = *at + NLMSG_HDRLEN;
	in->type = head->nlmsg_type;
	if (head->nlmsg_type == NLMSG_ERROR) {
		in->error = -((const struct nlmsgerr *)body)->error;
	} else if (head->nlmsg_len >= NLMSG_HDRLEN + GENL_HDRLEN) {
		in->cmd = ((const struct genlmsghdr *)body)->cmd;
		in_attrs(in, body + GENL_HDRLEN, *at + head->nlmsg_len);
	}
	*at += NLMSG_ALIGN(head->nlmsg_len) < end - *at ? NLMSG_ALIGN(head->nlmsg_len) : end - *at;
	return 1;
}

uint32_t in_u32(const struct in *in, int type)
{
	uint32_t value = 0;

	if (in_len(in, type) == sizeof(value))
		memcpy(&value, in_data(in, type), sizeof(value));
	return value;
}

uint64_t in_u64(const struct in *in, int type)
{
	uint64_t value = 0;

	if (in_len(in, type) == sizeof(value))
		memcpy(&value, in_data(in, type), sizeof(value));
	return value;
}

/* The family's number, from the attribute CTRL_ATTR_FAMILY_ID of the answer. */
static int wire_resolve(struct wire *wire)
{
	static const struct wire control = { .family = GENL_ID_CTRL };
	unsigned char answer[4096], *at = answer;
	struct out *out = malloc(sizeof(*out));
	struct in in;
	ssize_t len;

	if (!out)
		return -1;
	out_start(out, control.family, CTRL_CMD_GETFAMILY, 1);
	out_put(out, CTRL_ATTR_FAMILY_NAME, BP_GENL_NAME, sizeof(BP_GENL_NAME));
	len = out_send(out, wire) ? -1 : recv(wire->fd, answer, sizeof(answer), 0);
	free(out);
	if (len < 0)
		return -1;
	if (!in_next(&in, &at, answer + len) || in.type == NLMSG_ERROR ||
	    in_len(&in, CTRL_ATTR_FAMILY_ID) != sizeof(uint16_t)) {
		errno = ENOENT;
		return -1;
	}
	memcpy(&wire->family, in_data(&in, CTRL_ATTR_FAMILY_ID), sizeof(uint16_t));
	return 0;
}

int wire_open(struct wire *wire)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int one = 1, buffer = 8 << 20;

	wire->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (wire->fd < 0)
		return -1;
	if (setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	setsockopt(wire->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
	if (connect(wire->fd, (struct sockaddr *)&kernel, sizeof(kernel)) || wire_resolve(wire)) {
		close(wire->fd);
		return -1;
	}
	return 0;
}
