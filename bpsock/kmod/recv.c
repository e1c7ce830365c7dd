// SPDX-License-Identifier: GPL-2.0
/*
 * Reading: messages, what is known of them, and the error queue.
 */
#include "af_bp.h"

/* A record of the error queue, at skb->data. */
struct bp_record {
	struct bp_report report;
	struct bp_addr addr;
};

static void bp_set_name(struct msghdr *msg, const void *addr, int len)
{
	if (!msg->msg_name)
		return;
	memcpy(msg->msg_name, addr, len);
	msg->msg_namelen = len;
}

static void bp_put_addr(struct msghdr *msg, const struct bp_meta *meta, int which, int type)
{
	if (meta->len[which])
		put_cmsg(msg, SOL_BP, type, meta->len[which], (void *)bp_meta_addr(meta, which));
}

static void bp_put_cmsgs(struct bp_sock *bs, struct msghdr *msg, const struct bp_meta *meta)
{
	u32 wanted = READ_ONCE(bs->recvinfo);

	if (wanted & BP_RECVINFO_INFO && meta->has_info) {
		struct bp_info info = meta->info;

		put_cmsg(msg, SOL_BP, BP_INFO, sizeof(info), &info);
	}
	if (wanted & BP_RECVINFO_DESTINATION)
		bp_put_addr(msg, meta, BP_META_DESTINATION, BP_DESTINATION);
	if (wanted & BP_RECVINFO_REPORT_TO)
		bp_put_addr(msg, meta, BP_META_REPORT_TO, BP_REPORT_TO);
	if (wanted & BP_RECVINFO_PREVIOUS_NODE)
		bp_put_addr(msg, meta, BP_META_PREVIOUS_NODE, BP_PREVIOUS_NODE);
}

/*
 * A message of an earlier daemon, or of a lost endpoint, has no one to be
 * acknowledged to.
 */
static bool bp_is_current(struct bp_sock *bs, const struct bp_meta *meta)
{
	struct bp_net *bn = bs->bn;

	lockdep_assert_held(&bn->lock);
	return bn->portid && meta->epoch == bn->epoch && !bs->lost;
}

/* The application has read it. */
static void bp_acknowledge(struct bp_sock *bs, struct sk_buff *skb)
{
	struct bp_meta *meta = bp_meta(skb);
	struct bp_net *bn = bs->bn;
	struct bp_control *ack = meta->ack;

	meta->ack = NULL;
	spin_lock(&bn->lock);
	if (bp_is_current(bs, meta)) {
		bp_link_queue(bn, ack);
		ack = NULL;
	}
	spin_unlock(&bn->lock);
	kfree(ack);
	bp_link_kick(bn);
}

/* The application could not be given it: it stays the next one to read. */
static void bp_put_back(struct bp_sock *bs, struct sk_buff *skb)
{
	struct sock *sk = &bs->sk;
	struct bp_net *bn = bs->bn;
	bool current_one;

	mutex_lock(&bn->rx);
	spin_lock(&bn->lock);
	current_one = bp_is_current(bs, bp_meta(skb));
	spin_unlock(&bn->lock);
	if (current_one) {
		skb_queue_head(&sk->sk_receive_queue, skb);
		sk->sk_data_ready(sk);
	} else {
		kfree(bp_meta(skb)->ack);
		kfree_skb(skb);
	}
	mutex_unlock(&bn->rx);
}

static int bp_recv_report(struct sock *sk, struct msghdr *msg)
{
	struct sk_buff *skb = sock_dequeue_err_skb(sk);
	struct bp_record *record;

	if (!skb)
		return -EAGAIN;
	record = (struct bp_record *)skb->data;
	if (record->addr.len)
		bp_set_name(msg, &record->addr, record->addr.len);
	else
		msg->msg_namelen = 0;
	put_cmsg(msg, SOL_BP, BP_RECVERR, sizeof(record->report), &record->report);
	msg->msg_flags |= MSG_ERRQUEUE;
	consume_skb(skb);
	bp_make_room(bp_sk(sk));
	return 0;
}

/* Puts a record on the error queue; one that does not fit is dropped. */
void bp_queue_report(struct bp_sock *bs, const struct bp_report *report,
		     const struct bp_addr *addr)
{
	struct bp_record *record;
	struct sk_buff *skb;

	if (!READ_ONCE(bs->recverr))
		return;
	skb = alloc_skb(sizeof(*record), GFP_KERNEL_ACCOUNT);
	if (!skb)
		return;
	record = skb_put_zero(skb, sizeof(*record));
	record->report = *report;
	record->addr = *addr;
	if (sock_queue_err_skb(&bs->sk, skb))
		kfree_skb(skb);
}

/* Without an address nothing can ever arrive. */
static bool bp_is_readable(const struct bp_sock *bs)
{
	return READ_ONCE(bs->number) || READ_ONCE(bs->sk.sk_shutdown) & RCV_SHUTDOWN;
}

static int bp_copy_message(struct bp_sock *bs, struct msghdr *msg, struct sk_buff *skb, size_t len)
{
	const struct bp_meta *meta = bp_meta(skb);
	size_t copied = min_t(size_t, len, skb->len);
	int err;

	err = skb_copy_datagram_msg(skb, 0, msg, copied);
	if (err)
		return err;
	if (copied < skb->len)
		msg->msg_flags |= MSG_TRUNC;
	bp_set_name(msg, bp_meta_addr(meta, BP_META_SOURCE), meta->len[BP_META_SOURCE]);
	sock_recv_timestamp(msg, &bs->sk, skb);
	bp_put_cmsgs(bs, msg, meta);
	return copied;
}

int bp_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct bp_sock *bs = bp_sk(sock->sk);
	bool is_peek = flags & MSG_PEEK;
	struct sk_buff *skb;
	int err, result;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_ERRQUEUE)
		return bp_recv_report(sock->sk, msg);
	if (!bp_is_readable(bs))
		return -EADDRNOTAVAIL;
	skb = skb_recv_datagram(sock->sk, flags & (MSG_PEEK | MSG_DONTWAIT), &err);
	if (!skb)
		return err;
	result = bp_copy_message(bs, msg, skb, len);
	if (result < 0 && !is_peek) {
		bp_put_back(bs, skb);
		return result;
	}
	if (result >= 0 && flags & MSG_TRUNC)
		result = skb->len;
	if (!is_peek)
		bp_acknowledge(bs, skb);
	skb_free_datagram(sock->sk, skb);
	bp_make_room(bs);
	return result;
}
