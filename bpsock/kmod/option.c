// SPDX-License-Identifier: GPL-2.0
/*
 * Options of level SOL_BP: of a socket, and of one message.
 */
#include "af_bp.h"

/* The options with a value of @size octets; sets @present for the agent. */
static int bp_option_number(struct bp_options *options, int name, u64 value)
{
	switch (name) {
	case BP_LIFETIME:
		if (!value)
			return -EINVAL;
		options->lifetime_ms = value;
		options->present |= BP_OPTION_LIFETIME;
		return 0;
	case BP_FLAGS:
		if (value & ~(u64)BP_FLAG_ALL)
			return -EINVAL;
		options->flags = value;
		options->present |= BP_OPTION_FLAGS;
		return 0;
	case BP_HOP_LIMIT:
		if (!value || value > 255)
			return -EINVAL;
		options->hop_limit = value;
		options->present |= BP_OPTION_HOP_LIMIT;
		return 0;
	default:
		if (value > BP_PRIORITY_EXPEDITED)
			return -EINVAL;
		options->priority = value;
		options->present |= BP_OPTION_PRIORITY;
		return 0;
	}
}

/* Leaves the choice to the agent again. */
static void bp_option_unset(struct bp_options *options, int name)
{
	switch (name) {
	case BP_LIFETIME:
		options->lifetime_ms = 0;
		options->present &= ~BP_OPTION_LIFETIME;
		break;
	case BP_FLAGS:
		options->flags = 0;
		options->present &= ~BP_OPTION_FLAGS;
		break;
	case BP_HOP_LIMIT:
		options->hop_limit = 0;
		options->present &= ~BP_OPTION_HOP_LIMIT;
		break;
	default:
		options->priority = 0;
		options->present &= ~BP_OPTION_PRIORITY;
	}
}

static int bp_number(u64 *number, const void *value, size_t len, size_t size)
{
	u32 short_one;

	if (len != size)
		return -EINVAL;
	if (size == sizeof(*number)) {
		memcpy(number, value, size);
	} else {
		memcpy(&short_one, value, size);
		*number = short_one;
	}
	return 0;
}

static bool bp_is_send_option(int name)
{
	return name >= BP_LIFETIME && name <= BP_REPORT_TO;
}

/* How to send: of a socket and of one message alike. */
static int bp_send_option(struct bp_options *options, struct bp_addr *report_to, int name,
			  const void *value, size_t len)
{
	size_t size = name == BP_LIFETIME ? sizeof(u64) : sizeof(u32);
	struct bp_addr addr = {};
	u64 number;
	int err;

	if (name == BP_REPORT_TO) {
		err = len ? bp_addr_parse(&addr, value, len) : 0;
		if (!err)
			*report_to = addr;
		return err;
	}
	if (!len) {
		bp_option_unset(options, name);
		return 0;
	}
	err = bp_number(&number, value, len, size);
	return err ? err : bp_option_number(options, name, number);
}

/* The options of the socket, and what the control messages change in them. */
int bp_send_cmsgs(struct bp_sock *bs, struct bp_outgoing *out, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int err;

	spin_lock(&bs->lock);
	out->options = bs->options;
	out->report_to = bs->report_to;
	spin_unlock(&bs->lock);
	for_each_cmsghdr(cmsg, msg) {
		size_t len;

		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		len = cmsg->cmsg_len - sizeof(*cmsg);
		if (cmsg->cmsg_level != SOL_BP)
			continue;
		if (cmsg->cmsg_type == BP_TAG) {
			err = bp_number(&out->tag, CMSG_DATA(cmsg), len, sizeof(out->tag));
			out->tagged = true;
		} else if (bp_is_send_option(cmsg->cmsg_type)) {
			err = bp_send_option(&out->options, &out->report_to, cmsg->cmsg_type,
					     CMSG_DATA(cmsg), len);
		} else {
			err = -EINVAL;
		}
		if (err)
			return err;
	}
	return 0;
}

static int bp_set_send_option(struct bp_sock *bs, int name, const void *value, size_t len)
{
	int err;

	spin_lock(&bs->lock);
	err = bp_send_option(&bs->options, &bs->report_to, name, value, len);
	spin_unlock(&bs->lock);
	return err;
}

static int bp_set_recv_option(struct bp_sock *bs, int name, const void *value, size_t len)
{
	u64 number;
	int err;

	err = bp_number(&number, value, len, sizeof(u32));
	if (err)
		return err;
	if (number & ~(u64)(name == BP_RECVERR ? 1 : BP_RECVINFO_ALL))
		return -EINVAL;
	if (name == BP_RECVINFO) {
		WRITE_ONCE(bs->recvinfo, number);
		return 0;
	}
	WRITE_ONCE(bs->recverr, number);
	if (!number) {
		skb_queue_purge(&bs->sk.sk_error_queue);
		bp_make_room(bs);
	}
	return 0;
}

static int bp_cancel(struct bp_sock *bs, const void *value, size_t len)
{
	struct bp_bundle bundle;

	if (len != sizeof(bundle))
		return -EINVAL;
	if (!READ_ONCE(bs->number))
		return -ENOENT;
	memcpy(&bundle, value, sizeof(bundle));
	return bp_link_cancel(bs, &bundle);
}

int bp_setsockopt(struct socket *sock, int level, int name, sockptr_t value, unsigned int len)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	u8 copy[sizeof(struct sockaddr_bp_dtn)] __aligned(8);

	if (level != SOL_BP)
		return -ENOPROTOOPT;
	if (len > sizeof(copy))
		return -EINVAL;
	if (copy_from_sockptr(copy, value, len))
		return -EFAULT;
	if (bp_is_send_option(name))
		return bp_set_send_option(bs, name, copy, len);
	switch (name) {
	case BP_RECVINFO:
	case BP_RECVERR:
		return bp_set_recv_option(bs, name, copy, len);
	case BP_CANCEL:
		return bp_cancel(bs, copy, len);
	default:
		return -ENOPROTOOPT;
	}
}

/* The value of an option, as octets to copy. */
union bp_value {
	u64 number;
	u32 small;
	struct bp_bundle bundle;
	struct bp_addr addr;
};

/* Returns the length of the value, or an error. */
static int bp_get_value(struct bp_sock *bs, int name, union bp_value *value)
{
	switch (name) {
	case BP_LIFETIME:
		value->number = bs->options.lifetime_ms;
		return sizeof(value->number);
	case BP_FLAGS:
		value->small = bs->options.flags;
		break;
	case BP_HOP_LIMIT:
		value->small = bs->options.hop_limit;
		break;
	case BP_PRIORITY:
		value->small = bs->options.present & BP_OPTION_PRIORITY ?
			       bs->options.priority : BP_PRIORITY_NORMAL;
		break;
	case BP_REPORT_TO:
		value->addr = bs->report_to;
		return bs->report_to.len;
	case BP_RECVINFO:
		value->small = bs->recvinfo;
		break;
	case BP_RECVERR:
		value->small = bs->recverr;
		break;
	case BP_LAST_SENT:
		value->bundle = bs->last;
		return bs->has_last ? sizeof(value->bundle) : -ENOENT;
	case BP_MAX_MESSAGE:
		value->small = bp_link_max_message(bs->bn);
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sizeof(value->small);
}

int bp_getsockopt(struct socket *sock, int level, int name, char __user *value, int __user *len)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	union bp_value copy = {};
	int size, room;

	if (level != SOL_BP)
		return -ENOPROTOOPT;
	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	spin_lock(&bs->lock);
	size = bp_get_value(bs, name, &copy);
	spin_unlock(&bs->lock);
	if (size < 0)
		return size;
	size = min(size, room);
	if (put_user(size, len) || copy_to_user(value, &copy, size))
		return -EFAULT;
	return 0;
}
