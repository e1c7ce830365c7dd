// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses: from applications and from the daemon, checked alike.
 */
#include "af_bp.h"

/* The schemes are told apart by what stands in front. */
#define BP_ADDR_HEAD	offsetof(struct sockaddr_bp, bp_addr)
#define BP_DTN_HEAD	offsetof(struct sockaddr_bp_dtn, bp_name)

static int bp_addr_ipn(struct bp_addr *to, const void *from, int len)
{
	if (len < (int)sizeof(to->ipn))
		return -EINVAL;
	memcpy(&to->ipn, from, sizeof(to->ipn));
	to->len = sizeof(to->ipn);
	return 0;
}

static int bp_addr_wide(struct bp_addr *to, const void *from, int len)
{
	if (len < (int)sizeof(to->wide))
		return -EINVAL;
	memcpy(&to->wide, from, sizeof(to->wide));
	to->len = sizeof(to->wide);
	switch (to->wide.bp_elements) {
	case 2:
		return to->wide.bp_allocator ? -EINVAL : 0;
	case 3:
		return to->wide.bp_node > U32_MAX ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int bp_addr_dtn(struct bp_addr *to, const void *from, int len)
{
	unsigned int at;

	if (len < (int)BP_DTN_HEAD)
		return -EINVAL;
	memcpy(&to->dtn, from, BP_DTN_HEAD);
	if (to->dtn.bp_length > BP_DTN_NAME_MAX ||
	    len < (int)BP_DTN_HEAD + to->dtn.bp_length)
		return -EINVAL;
	to->len = BP_DTN_HEAD + to->dtn.bp_length;
	memcpy(to->dtn.bp_name, from + BP_DTN_HEAD, to->dtn.bp_length);
	for (at = 0; at < to->dtn.bp_length; at++)
		if (to->dtn.bp_name[at] <= 0x20 || to->dtn.bp_name[at] >= 0x7f)
			return -EINVAL;
	return 0;
}

static int bp_addr_any(struct bp_addr *to, const void *from, int len)
{
	int err;

	memset(to, 0, sizeof(*to));
	if (len < (int)BP_ADDR_HEAD)
		return -EINVAL;
	memcpy(&to->ipn, from, BP_ADDR_HEAD);
	if (to->ipn.bp_family != AF_BP)
		return -EAFNOSUPPORT;
	switch (to->ipn.bp_scheme) {
	case BP_SCHEME_IPN:
		err = bp_addr_ipn(to, from, len);
		break;
	case BP_SCHEME_IPN_WIDE:
		err = bp_addr_wide(to, from, len);
		break;
	case BP_SCHEME_DTN:
		err = bp_addr_dtn(to, from, len);
		break;
	default:
		err = -EAFNOSUPPORT;
	}
	to->ipn.bp_reserved = 0;
	return err;
}

/* An address that an application passes, of @len octets. */
int bp_addr_parse(struct bp_addr *to, const void *from, int len)
{
	int err = bp_addr_any(to, from, len);

	if (!err && to->ipn.bp_scheme == BP_SCHEME_DTN && !to->dtn.bp_length)
		err = -EINVAL;
	return err;
}

/* An address in a message of the daemon; no attribute is no address. */
int bp_addr_from_daemon(struct bp_addr *to, const struct nlattr *attr)
{
	if (!attr) {
		memset(to, 0, sizeof(*to));
		return 0;
	}
	return bp_addr_any(to, nla_data(attr), nla_len(attr));
}

/* The endpoint ID as text, for people. */
int bp_addr_print(char *buf, size_t size, const struct bp_addr *addr)
{
	if (!addr->len)
		return scnprintf(buf, size, "-");
	switch (addr->ipn.bp_scheme) {
	case BP_SCHEME_IPN:
		return scnprintf(buf, size, "ipn:%u.%u", addr->ipn.bp_addr.ipn.node_id,
				 addr->ipn.bp_addr.ipn.service_id);
	case BP_SCHEME_IPN_WIDE:
		if (addr->wide.bp_elements == 2)
			return scnprintf(buf, size, "ipn:%llu.%llu", addr->wide.bp_node,
					 addr->wide.bp_service);
		return scnprintf(buf, size, "ipn:%u.%llu.%llu", addr->wide.bp_allocator,
				 addr->wide.bp_node, addr->wide.bp_service);
	default:
		return scnprintf(buf, size, "dtn:%.*s", addr->dtn.bp_length,
				 addr->dtn.bp_name);
	}
}
