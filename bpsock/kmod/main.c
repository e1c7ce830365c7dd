// SPDX-License-Identifier: GPL-2.0
/*
 * Bundle Protocol sockets: load and unload.
 */
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/proc_fs.h>
#include <net/netns/generic.h>

#include "af_bp.h"

static unsigned int bp_net_id __read_mostly;

struct bp_net *bp_net(const struct net *net)
{
	return net_generic(net, bp_net_id);
}

static int __net_init bp_net_init(struct net *net)
{
	struct bp_net *bn = bp_net(net);

	bp_link_init(bn, net);
	if (!proc_create_net_single("bp", 0444, net->proc_net, bp_proc_show, NULL)) {
		bp_link_exit(bn);
		return -ENOMEM;
	}
	return 0;
}

static void __net_exit bp_net_exit(struct net *net)
{
	remove_proc_entry("bp", net->proc_net);
	bp_link_exit(bp_net(net));
}

static struct pernet_operations bp_net_ops = {
	.init = bp_net_init,
	.exit = bp_net_exit,
	.id = &bp_net_id,
	.size = sizeof(struct bp_net),
};

/* A netlink socket is gone: it may have been the daemon's. */
static int bp_netlink_event(struct notifier_block *block, unsigned long event, void *data)
{
	struct netlink_notify *gone = data;

	if (event == NETLINK_URELEASE && gone->protocol == NETLINK_GENERIC)
		bp_link_down(bp_net(gone->net), gone->portid);
	return NOTIFY_DONE;
}

static struct notifier_block bp_netlink_notifier = {
	.notifier_call = bp_netlink_event,
};

static int __init bp_init(void)
{
	int err;

	err = proto_register(&bp_prot, 1);
	if (err)
		return err;
	err = register_pernet_subsys(&bp_net_ops);
	if (err)
		goto err_proto;
	err = netlink_register_notifier(&bp_netlink_notifier);
	if (err)
		goto err_pernet;
	err = genl_register_family(&bp_genl);
	if (err)
		goto err_notifier;
	err = sock_register(&bp_family);
	if (err)
		goto err_genl;
	return 0;

err_genl:
	genl_unregister_family(&bp_genl);
err_notifier:
	netlink_unregister_notifier(&bp_netlink_notifier);
err_pernet:
	unregister_pernet_subsys(&bp_net_ops);
err_proto:
	proto_unregister(&bp_prot);
	return err;
}

static void __exit bp_exit(void)
{
	sock_unregister(AF_BP);
	genl_unregister_family(&bp_genl);
	netlink_unregister_notifier(&bp_netlink_notifier);
	unregister_pernet_subsys(&bp_net_ops);
	proto_unregister(&bp_prot);
}

module_init(bp_init);
module_exit(bp_exit);

MODULE_DESCRIPTION("Bundle Protocol sockets");
MODULE_AUTHOR("The SDDTN authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_NETPROTO(AF_BP);
MODULE_ALIAS_GENL_FAMILY(BP_GENL_NAME);
