// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: what the daemon says.
 */
#include <linux/module.h>

#include "af_bp.h"

/* The largest error number that applications know. */
#define BP_ERRNO_MAX	EHWPOISON

#define BP_ADDRESS	{ .type = NLA_BINARY, .len = sizeof(struct sockaddr_bp_dtn) }

static const struct nla_policy bp_policy[BP_A_MAX + 1] = {
	[BP_A_PAD] = { .type = NLA_BINARY },
	[BP_A_VERSION] = { .type = NLA_U32 },
	[BP_A_MAX_MESSAGE] = { .type = NLA_U32 },
	[BP_A_CHUNK_MAX] = { .type = NLA_U32 },
	[BP_A_WINDOW_BYTES] = { .type = NLA_U32 },
	[BP_A_WINDOW_REQUESTS] = { .type = NLA_U32 },
	[BP_A_REQUEST] = { .type = NLA_U32 },
	[BP_A_SOCKET] = { .type = NLA_U32 },
	[BP_A_ADDRESS] = BP_ADDRESS,
	[BP_A_TOTAL] = { .type = NLA_U32 },
	[BP_A_OFFSET] = { .type = NLA_U32 },
	[BP_A_DATA] = { .type = NLA_BINARY, .len = BP_CHUNK_LIMIT },
	[BP_A_SOURCE] = BP_ADDRESS,
	[BP_A_DESTINATION] = BP_ADDRESS,
	[BP_A_REPORT_TO] = BP_ADDRESS,
	[BP_A_PREVIOUS_NODE] = BP_ADDRESS,
	[BP_A_INFO] = NLA_POLICY_EXACT_LEN(sizeof(struct bp_info)),
	[BP_A_BUNDLE] = NLA_POLICY_EXACT_LEN(sizeof(struct bp_bundle)),
	[BP_A_REPORT] = NLA_POLICY_EXACT_LEN(sizeof(struct bp_report)),
	[BP_A_ERROR] = NLA_POLICY_RANGE(NLA_U32, 0, BP_ERRNO_MAX),
	[BP_A_DELIVERY] = { .type = NLA_U64 },
};

/* REPORT: only status reports come from the daemon, and only what is known of them. */
static int bp_report(struct bp_net *bn, struct genl_info *info)
{
	struct bp_sock *bs = xa_load(&bn->sockets, nla_get_u32(info->attrs[BP_A_SOCKET]));
	struct bp_report report;
	struct bp_addr from;
	int err;

	nla_memcpy(&report, info->attrs[BP_A_REPORT], sizeof(report));
	err = bp_addr_from_daemon(&from, info->attrs[BP_A_SOURCE]);
	if (err)
		return err;
	if (report.kind != BP_REPORT_STATUS || report.status & ~BP_STATUS_ALL)
		return -EINVAL;
	report.error = 0;
	report.tag = 0;
	if (bs)
		bp_queue_report(bs, &report, &from);
	return 0;
}

/* HANGUP */
static int bp_hangup(struct bp_net *bn, struct genl_info *info)
{
	u32 number = nla_get_u32(info->attrs[BP_A_SOCKET]);
	u32 error = nla_get_u32(info->attrs[BP_A_ERROR]);
	struct bp_sock *bs = xa_load(&bn->sockets, number);

	if (!error)
		return -EINVAL;
	if (bs && bs->number == number)
		bp_link_lost(bs, error);
	return 0;
}

/* What the daemon may say, and which attributes it takes. */
static const struct bp_command {
	int (*handle)(struct bp_net *bn, struct genl_info *info);
	u8 needs[3];
} bp_commands[BP_CMD_MAX + 1] = {
	[BP_CMD_REGISTER] = { bp_link_up, { BP_A_VERSION } },
	[BP_CMD_REPLY] = { bp_link_reply, { BP_A_REQUEST, BP_A_ERROR } },
	[BP_CMD_DELIVER] = { bp_deliver, { BP_A_SOCKET, BP_A_DELIVERY, BP_A_DATA } },
	[BP_CMD_REVOKE] = { bp_revoke, { BP_A_SOCKET, BP_A_DELIVERY } },
	[BP_CMD_REPORT] = { bp_report, { BP_A_SOCKET, BP_A_REPORT } },
	[BP_CMD_HANGUP] = { bp_hangup, { BP_A_SOCKET, BP_A_ERROR } },
};

static int bp_genl_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct bp_command *command = &bp_commands[info->genlhdr->cmd];
	struct bp_net *bn = bp_net(genl_info_net(info));
	int at, err;

	for (at = 0; at < ARRAY_SIZE(command->needs); at++)
		if (command->needs[at] && !info->attrs[command->needs[at]])
			return -EINVAL;
	mutex_lock(&bn->rx);
	if (command->handle != bp_link_up && bn->portid != info->snd_portid)
		err = -EPERM;
	else
		err = command->handle(bn, info);
	mutex_unlock(&bn->rx);
	return err;
}

#define BP_OP(number) { .cmd = (number), .flags = GENL_UNS_ADMIN_PERM, .doit = bp_genl_doit }

static const struct genl_small_ops bp_genl_ops[] = {
	BP_OP(BP_CMD_REGISTER),
	BP_OP(BP_CMD_REPLY),
	BP_OP(BP_CMD_DELIVER),
	BP_OP(BP_CMD_REVOKE),
	BP_OP(BP_CMD_REPORT),
	BP_OP(BP_CMD_HANGUP),
};

struct genl_family bp_genl __ro_after_init = {
	.name = BP_GENL_NAME,
	.version = BP_GENL_VERSION,
	.maxattr = BP_A_MAX,
	.policy = bp_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.small_ops = bp_genl_ops,
	.n_small_ops = ARRAY_SIZE(bp_genl_ops),
};
