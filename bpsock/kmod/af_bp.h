/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bundle Protocol sockets: what the files of the module share.
 *
 * Locks, in the order in which they are taken:
 *
 *	bp_sock.bind_lock   one bind, connect or autobind of a socket at a time;
 *			    held while waiting for the daemon
 *	bp_net.rx	    what changes because of the daemon: its messages, its
 *			    start and end, and the end of sockets and requests
 *	bp_net.tx	    who writes to the daemon's netlink socket; nobody
 *			    waits with it
 *	bp_net.lock	    spinlock, fields of the link; innermost
 *	bp_sock.lock	    spinlock, fields of a socket; innermost
 *
 * All of it runs in process context.
 */
#ifndef _AF_BP_H
#define _AF_BP_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/* The kernel gives the number of the family another name. */
#include "bp_netlink.h"

/* bind and connect, the one signature that changed since 6.1 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define bp_sockaddr sockaddr_unsized
#else
#define bp_sockaddr sockaddr
#endif

#define BP_WINDOW_BYTES		(1 << 20)
#define BP_WINDOW_REQUESTS	256

/* An address of any scheme; @len is 0 if there is none. */
struct bp_addr {
	union {
		struct sockaddr_bp ipn;
		struct sockaddr_bp_wide wide;
		struct sockaddr_bp_dtn dtn;
	};
	u16 len;
};

/* A message without data, waiting to be written to the daemon. */
struct bp_control {
	struct list_head list;
	u64 delivery;
	u32 request;
	u32 socket;
	u32 flags;
	u32 error;
	u32 uid;
	u32 gid;
	u32 pid;
	u8 cmd;
	struct bp_bundle bundle;
	struct bp_addr addr;
};

/* The addresses of a message, in the order of bp_meta.len. */
enum {
	BP_META_SOURCE,
	BP_META_DESTINATION,
	BP_META_REPORT_TO,
	BP_META_PREVIOUS_NODE,
	BP_META_ADDRS
};

/*
 * What is known of a message: in front of its data, at skb->head, so that it
 * lives as long as whoever peeks at it. @ack is taken by whoever unlinks the
 * message from its queue.
 */
struct bp_meta {
	struct bp_control *ack;
	u64 delivery;
	u32 epoch;
	bool has_info;
	u8 len[BP_META_ADDRS];
	struct bp_info info;
	u8 addrs[] __aligned(8);	/* each padded to 8 octets */
};

/* A message to send, but for its data. */
struct bp_outgoing {
	struct bp_addr dest;
	struct bp_addr report_to;
	struct bp_options options;
	u64 tag;
	bool tagged;
};

/* What waits for an answer of the daemon. */
struct bp_request {
	refcount_t ref;
	u32 id;
	u8 cmd;
	struct bp_sock *bs;		/* holds a reference */
	struct completion finished;
	size_t size;			/* of its memory */

	/* guarded by bp_net.lock */
	struct list_head list;		/* bp_net.sending; holds a reference */
	bool waited;			/* somebody will read the result */
	bool pending;			/* is counted in bp_sock.pending */
	bool counted;			/* is in the window */
	bool done;

	/* written before @done and @finished */
	int error;
	bool has_bundle;
	struct bp_bundle bundle;

	u32 socket;			/* its number; for OPEN: which it shall have */
	bool restore;			/* OPEN: of a socket that was open */
	struct bp_addr addr;		/* OPEN: wanted, then given */

	/* of SEND; does not change, but for @offset, guarded by bp_net.tx */
	struct bp_outgoing out;
	u32 charge;			/* of the send buffer */
	u32 offset;
	u32 total;
	u8 data[];
};

struct bp_net {
	struct net *net;
	struct mutex rx;
	struct mutex tx;
	spinlock_t lock;

	/* guarded by lock; changed with rx and tx held */
	u32 portid;			/* of the daemon; 0 if there is none */
	u32 epoch;			/* counts daemons */
	u32 max_message;		/* of the daemon */
	u32 chunk_max;
	u32 window_bytes;
	u32 window_requests;

	/* guarded by lock */
	bool restoring;			/* OPENs for the next daemon are being queued */
	struct list_head control;	/* struct bp_control */
	u32 controls;			/* how many */
	struct list_head sending;	/* struct bp_request with data to send */
	u32 open_bytes;			/* in the window */
	u32 open_requests;

	atomic_long_t queued;		/* octets of memory of all requests */
	struct xarray sockets;		/* number to bp_sock; erased with rx */
	u32 next_socket;
	struct xarray requests;		/* id to bp_request; erased with rx */
	u32 next_request;
	struct delayed_work work;	/* writes what could not be written */

	struct mutex all_lock;
	struct hlist_head all;		/* guarded by all_lock */
};

struct bp_sock {
	struct sock sk;			/* first */
	struct mutex bind_lock;
	struct bp_net *bn;
	kuid_t uid;
	kgid_t gid;
	u32 pid;
	bool privileged;

	/* guarded by bp_net.rx */
	struct list_head parts;		/* deliveries in chunks */
	bool is_refusing;		/* every delivery but @refused */
	u64 refused;

	/* guarded by bp_net.lock */
	u32 number;			/* 0 unless bound; changed with rx */
	struct bp_addr local;
	struct bp_control *close;	/* reserved by bind */
	struct bp_control *room;	/* there if the daemon waits for room */
	u32 pending;			/* unanswered SENDs */
	bool lost;			/* the endpoint is gone for good */
	bool closing;			/* CLOSE follows the last answer */

	/* guarded by lock */
	spinlock_t lock;
	struct bp_addr peer;
	struct bp_addr report_to;
	struct bp_options options;
	struct bp_bundle last;
	bool has_last;
	bool recverr;
	u32 recvinfo;
};

static inline struct bp_sock *bp_sk(const struct sock *sk)
{
	return (struct bp_sock *)sk;
}

/* addr.c */
int bp_addr_parse(struct bp_addr *to, const void *from, int len);
int bp_addr_from_daemon(struct bp_addr *to, const struct nlattr *attr);
int bp_addr_print(char *buf, size_t size, const struct bp_addr *addr);

/* deliver.c */
int bp_deliver(struct bp_net *bn, struct genl_info *info);
int bp_revoke(struct bp_net *bn, struct genl_info *info);
void bp_drop_deliveries(struct bp_sock *bs);
void bp_make_room(struct bp_sock *bs);
struct bp_meta *bp_meta(const struct sk_buff *skb);
const void *bp_meta_addr(const struct bp_meta *meta, int which);

/* genl.c */
extern struct genl_family bp_genl;

/* link.c */
bool bp_link_is_full(struct bp_net *bn);
u32 bp_link_max_message(struct bp_net *bn);
void bp_link_init(struct bp_net *bn, struct net *net);
void bp_link_exit(struct bp_net *bn);
int bp_link_up(struct bp_net *bn, struct genl_info *info);
void bp_link_down(struct bp_net *bn, u32 portid);
void bp_link_kick(struct bp_net *bn);
void bp_link_queue(struct bp_net *bn, struct bp_control *control);
void bp_link_tell(struct bp_net *bn, struct bp_control *control);
struct bp_control *bp_control_new(u8 cmd, u32 socket);
struct bp_request *bp_request_new(struct bp_sock *bs, u8 cmd, size_t len);
void bp_request_put(struct bp_request *req);
int bp_request_start(struct bp_request *req);
void bp_request_done(struct bp_request *req, int error);
int bp_link_reply(struct bp_net *bn, struct genl_info *info);
int bp_link_bind(struct bp_sock *bs, const struct bp_addr *addr, long timeo);
int bp_link_cancel(struct bp_sock *bs, const struct bp_bundle *bundle);
void bp_link_lost(struct bp_sock *bs, int error);
void bp_link_close(struct bp_sock *bs);

/* main.c */
struct bp_net *bp_net(const struct net *net);

/* option.c */
int bp_setsockopt(struct socket *sock, int level, int name, sockptr_t value, unsigned int len);
int bp_getsockopt(struct socket *sock, int level, int name, char __user *value,
		  int __user *len);
int bp_send_cmsgs(struct bp_sock *bs, struct bp_outgoing *out, struct msghdr *msg);

/* proc.c */
int bp_proc_show(struct seq_file *seq, void *unused);

/* recv.c */
int bp_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags);
void bp_queue_report(struct bp_sock *bs, const struct bp_report *report,
		     const struct bp_addr *addr);

/* send.c */
int bp_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
void bp_uncharge(struct bp_sock *bs, u32 charge);
void bp_send_done(struct bp_request *req, bool waited);

/* sock.c */
extern struct proto bp_prot;
extern const struct net_proto_family bp_family;
int bp_autobind(struct bp_sock *bs);

#endif /* _AF_BP_H */
