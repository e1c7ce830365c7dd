// SPDX-License-Identifier: GPL-2.0
/*
 * A socket from its creation to its end, and its names.
 */
#include <linux/module.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>

#include "af_bp.h"

/* What applications pass to socket() besides 0: the numbers of ICMP and UDP. */
#define BP_PROTOCOL_1	1
#define BP_PROTOCOL_UDP	17

struct proto bp_prot = {
	.name = "BP",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct bp_sock),
};

static int bp_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct bp_sock *bs;

	if (!sk)
		return 0;
	bs = bp_sk(sk);
	mutex_lock(&bs->bn->all_lock);
	sk_del_node_init(sk);
	mutex_unlock(&bs->bn->all_lock);
	sock_orphan(sk);
	sock->sk = NULL;
	bp_link_close(bs);
	sock_put(sk);
	return 0;
}

static void bp_destruct(struct sock *sk)
{
	struct bp_sock *bs = bp_sk(sk);

	WARN_ON(!skb_queue_empty(&sk->sk_receive_queue) || !list_empty(&bs->parts));
	skb_queue_purge(&sk->sk_error_queue);
	WARN_ON(atomic_read(&sk->sk_rmem_alloc));
	kfree(bs->close);
	kfree(bs->room);
}

static int bp_autobind_locked(struct bp_sock *bs)
{
	static const struct bp_addr any = {
		.ipn = { .bp_family = AF_BP, .bp_scheme = BP_SCHEME_IPN },
		.len = sizeof(any.ipn),
	};

	if (bs->number)
		return 0;
	return bp_link_bind(bs, &any, sock_sndtimeo(&bs->sk, false));
}

/* Binds a socket without an address to any free service. */
int bp_autobind(struct bp_sock *bs)
{
	int err;

	if (READ_ONCE(bs->number))
		return 0;
	if (mutex_lock_interruptible(&bs->bind_lock))
		return -ERESTARTSYS;
	err = bp_autobind_locked(bs);
	mutex_unlock(&bs->bind_lock);
	return err;
}

static int bp_bind(struct socket *sock, struct bp_sockaddr *address, int len)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	struct bp_addr addr;
	int err;

	err = bp_addr_parse(&addr, address, len);
	if (err == -EAFNOSUPPORT && ((struct sockaddr *)address)->sa_family != AF_BP)
		return -EINVAL;
	if (err)
		return err;
	if (mutex_lock_interruptible(&bs->bind_lock))
		return -ERESTARTSYS;
	if (bs->number)
		err = -EINVAL;
	else
		err = bp_link_bind(bs, &addr, sock_sndtimeo(&bs->sk, false));
	mutex_unlock(&bs->bind_lock);
	return err;
}

static int bp_connect(struct socket *sock, struct bp_sockaddr *address, int len, int flags)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	struct bp_addr addr = {};
	int err;

	if (len < (int)sizeof(sa_family_t))
		return -EINVAL;
	if (((struct sockaddr *)address)->sa_family != AF_UNSPEC) {
		err = bp_addr_parse(&addr, address, len);
		if (!err)
			err = bp_autobind(bs);
		if (err)
			return err;
	}
	spin_lock(&bs->lock);
	bs->peer = addr;
	spin_unlock(&bs->lock);
	return 0;
}

static int bp_getname(struct socket *sock, struct sockaddr *address, int peer)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	struct bp_addr addr;

	if (peer) {
		spin_lock(&bs->lock);
		addr = bs->peer;
		spin_unlock(&bs->lock);
		if (!addr.len)
			return -ENOTCONN;
	} else {
		spin_lock(&bs->bn->lock);
		addr = bs->local;
		spin_unlock(&bs->bn->lock);
		if (!addr.len) {
			addr.ipn.bp_family = AF_BP;
			addr.ipn.bp_scheme = BP_SCHEME_IPN;
			addr.len = sizeof(addr.ipn);
		}
	}
	memcpy(address, &addr, addr.len);
	return addr.len;
}

static int bp_shutdown(struct socket *sock, int how)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	struct sock *sk = sock->sk;
	bool is_connected;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	spin_lock(&bs->lock);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | (how + 1));
	is_connected = bs->peer.len;
	spin_unlock(&bs->lock);
	sk->sk_state_change(sk);
	/* As with UDP, it takes effect all the same. */
	return is_connected ? 0 : -ENOTCONN;
}

/* The length of the next message; 0 if there is none, or one without data. */
static int bp_next_length(struct sock *sk)
{
	struct sk_buff_head *queue = &sk->sk_receive_queue;
	struct sk_buff *skb;
	int length = 0;

	spin_lock_bh(&queue->lock);
	skb = skb_peek(queue);
	if (skb)
		length = skb->len;
	spin_unlock_bh(&queue->lock);
	return length;
}

static int bp_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case SIOCINQ:
		return put_user(bp_next_length(sock->sk), (int __user *)arg);
	case SIOCOUTQ:
		return put_user(sk_wmem_alloc_get(sock->sk), (int __user *)arg);
	default:
		return -ENOIOCTLCMD;
	}
}

static const struct proto_ops bp_ops = {
	.family = PF_BP,
	.owner = THIS_MODULE,
	.release = bp_release,
	.bind = bp_bind,
	.connect = bp_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = bp_getname,
	.poll = datagram_poll,
	.ioctl = bp_ioctl,
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = bp_shutdown,
	.setsockopt = bp_setsockopt,
	.getsockopt = bp_getsockopt,
	.sendmsg = bp_sendmsg,
	.recvmsg = bp_recvmsg,
	.mmap = sock_no_mmap,
};

static void bp_init_sock(struct bp_sock *bs, struct bp_net *bn)
{
	bs->bn = bn;
	mutex_init(&bs->bind_lock);
	spin_lock_init(&bs->lock);
	INIT_LIST_HEAD(&bs->parts);
	bs->uid = current_euid();
	bs->gid = current_egid();
	bs->pid = task_tgid_vnr(current);
	bs->privileged = ns_capable_noaudit(bn->net->user_ns, CAP_NET_BIND_SERVICE);
}

static int bp_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	struct bp_net *bn = bp_net(net);
	struct sock *sk;

	if (sock->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol && protocol != BP_PROTOCOL_1 && protocol != BP_PROTOCOL_UDP)
		return -EPROTONOSUPPORT;
	sk = sk_alloc(net, PF_BP, GFP_KERNEL, &bp_prot, kern);
	if (!sk)
		return -ENOMEM;
	sock->ops = &bp_ops;
	sock_init_data(sock, sk);
	sk->sk_protocol = protocol;
	sk->sk_destruct = bp_destruct;
	bp_init_sock(bp_sk(sk), bn);
	mutex_lock(&bn->all_lock);
	sk_add_node(sk, &bn->all);
	mutex_unlock(&bn->all_lock);
	return 0;
}

const struct net_proto_family bp_family = {
	.family = PF_BP,
	.create = bp_create,
	.owner = THIS_MODULE,
};
