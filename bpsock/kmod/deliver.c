// SPDX-License-Identifier: GPL-2.0
/*
 * Messages from the daemon into receive queues: chunks, room, and what is
 * taken back.
 */
#include <linux/filter.h>
#include <linux/sched/mm.h>

#include "af_bp.h"

/* Data up to this length stands behind struct bp_meta, without pages. */
#define BP_LINEAR_MAX	2048

/* A delivery of which chunks are missing. */
struct bp_part {
	struct list_head list;		/* bp_sock.parts */
	u64 delivery;
	u32 total;
	struct sk_buff *skb;
	struct sk_buff *tail;		/* the last one in its frag_list */
};

struct bp_meta *bp_meta(const struct sk_buff *skb)
{
	return (struct bp_meta *)skb->head;
}

const void *bp_meta_addr(const struct bp_meta *meta, int which)
{
	const u8 *at = meta->addrs;
	int before;

	for (before = 0; before < which; before++)
		at += ALIGN(meta->len[before], 8);
	return at;
}

/* Charges what is allocated to the memory cgroup of the socket. */
static struct mem_cgroup *bp_memcg_enter(struct sock *sk)
{
#ifdef CONFIG_MEMCG
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return set_active_memcg(mem_cgroup_from_sk(sk));
#else
	return set_active_memcg(sk->sk_memcg);
#endif
#else
	return NULL;
#endif
}

static void bp_memcg_leave(struct mem_cgroup *old)
{
	set_active_memcg(old);
}

/* What a first chunk says, checked. */
struct bp_first {
	struct bp_addr addrs[BP_META_ADDRS];
	const struct nlattr *info;
	u32 total;
};

static int bp_first_parse(struct bp_first *first, struct nlattr **attrs)
{
	static const u8 types[BP_META_ADDRS] = {
		[BP_META_SOURCE] = BP_A_SOURCE,
		[BP_META_DESTINATION] = BP_A_DESTINATION,
		[BP_META_REPORT_TO] = BP_A_REPORT_TO,
		[BP_META_PREVIOUS_NODE] = BP_A_PREVIOUS_NODE,
	};
	int which, err;

	if (!attrs[BP_A_TOTAL] || !attrs[BP_A_SOURCE])
		return -EINVAL;
	for (which = 0; which < BP_META_ADDRS; which++) {
		err = bp_addr_from_daemon(&first->addrs[which], attrs[types[which]]);
		if (err)
			return err;
	}
	first->total = nla_get_u32(attrs[BP_A_TOTAL]);
	first->info = attrs[BP_A_INFO];
	return 0;
}

static size_t bp_meta_size(const struct bp_first *first)
{
	size_t size = sizeof(struct bp_meta);
	int which;

	for (which = 0; which < BP_META_ADDRS; which++)
		size += ALIGN(first->addrs[which].len, 8);
	return size;
}

static void bp_meta_fill(struct bp_meta *meta, const struct bp_first *first)
{
	u8 *at = meta->addrs;
	int which;

	memset(meta, 0, sizeof(*meta));
	for (which = 0; which < BP_META_ADDRS; which++) {
		const struct bp_addr *addr = &first->addrs[which];

		meta->len[which] = addr->len;
		memcpy(at, addr, addr->len);
		at += ALIGN(addr->len, 8);
	}
	if (first->info) {
		meta->has_info = true;
		nla_memcpy(&meta->info, first->info, sizeof(meta->info));
	}
}

/* A buffer with @head octets of headroom and the data of one chunk. */
static struct sk_buff *bp_chunk(struct sock *sk, size_t head, const struct nlattr *data)
{
	int linear = nla_len(data) <= BP_LINEAR_MAX ? nla_len(data) : 0;
	int paged = nla_len(data) - linear;
	struct mem_cgroup *old = bp_memcg_enter(sk);
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(head + linear, paged, PAGE_ALLOC_COSTLY_ORDER, &err,
				   GFP_KERNEL_ACCOUNT);
	bp_memcg_leave(old);
	if (!skb)
		return NULL;
	skb_reserve(skb, head);
	skb_put(skb, linear);
	skb->data_len = paged;
	skb->len += paged;
	WARN_ON_ONCE(skb_store_bits(skb, 0, nla_data(data), nla_len(data)));
	return skb;
}

static void bp_free_message(struct sk_buff *skb)
{
	kfree(bp_meta(skb)->ack);
	kfree_skb(skb);
}

/* Is there room to begin with another message? */
static bool bp_has_room(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc) < READ_ONCE(sk->sk_rcvbuf);
}

/*
 * Tells the daemon that there is room again, if it waits for that. A reader
 * frees and then looks for who waits; who refuses writes that it waits and
 * then looks for room: one of the two sees the other.
 */
void bp_make_room(struct bp_sock *bs)
{
	struct sock *sk = &bs->sk;
	struct bp_control *room = NULL;

	smp_mb(); /* between freeing and looking who waits, and the other way round */
	if (!READ_ONCE(bs->room) ||
	    atomic_read(&sk->sk_rmem_alloc) > READ_ONCE(sk->sk_rcvbuf) / 2)
		return;
	spin_lock(&bs->bn->lock);
	swap(room, bs->room);
	spin_unlock(&bs->bn->lock);
	if (room)
		bp_link_tell(bs->bn, room);
}

/* Answers a delivery with the error @err, which is negative. */
static int bp_refuse(struct bp_net *bn, struct bp_sock *bs, struct genl_info *info, int err)
{
	u32 socket = nla_get_u32(info->attrs[BP_A_SOCKET]);
	struct bp_control *refuse, *room = NULL;

	/* The daemon does not read the answers that it makes. */
	if (bp_link_is_full(bn))
		return -ENOBUFS;
	refuse = bp_control_new(BP_CMD_REFUSE, socket);
	if (!refuse)
		return -ENOMEM;
	refuse->delivery = nla_get_u64(info->attrs[BP_A_DELIVERY]);
	refuse->error = -err;
	if (err == -EAGAIN && !READ_ONCE(bs->room)) {
		room = bp_control_new(BP_CMD_ROOM, socket);
		if (!room) {
			kfree(refuse);
			return -ENOMEM;
		}
	}
	bp_link_tell(bn, refuse);
	if (room) {
		spin_lock(&bn->lock);
		WRITE_ONCE(bs->room, room);
		spin_unlock(&bn->lock);
	}
	return 0;
}

/* The message is complete: hands it to whoever reads. */
static void bp_queue_message(struct bp_sock *bs, struct sk_buff *skb)
{
	struct sock *sk = &bs->sk;

	if (sk_filter(sk, skb)) {
		struct bp_control *ack = bp_meta(skb)->ack;

		/* The application wants none of this: it has been read. */
		kfree_skb(skb);
		bp_link_tell(bs->bn, ack);
		return;
	}
	__net_timestamp(skb);
	skb_set_owner_r(skb, sk);
	skb_queue_tail(&sk->sk_receive_queue, skb);
	sk->sk_data_ready(sk);
}

static struct bp_part *bp_find_part(struct bp_sock *bs, u64 delivery)
{
	struct bp_part *part;

	list_for_each_entry(part, &bs->parts, list)
		if (part->delivery == delivery)
			return part;
	return NULL;
}

/* While chunks are missing, a delivery is charged with its whole length. */
static void bp_free_part(struct bp_sock *bs, struct bp_part *part)
{
	atomic_sub(part->total, &bs->sk.sk_rmem_alloc);
	list_del(&part->list);
	if (part->skb)
		bp_free_message(part->skb);
	kfree(part);
}

static int bp_begin_part(struct bp_sock *bs, struct sk_buff *skb, u32 total)
{
	struct bp_part *part = kmalloc(sizeof(*part), GFP_KERNEL_ACCOUNT);

	if (!part)
		return -EAGAIN;
	part->delivery = bp_meta(skb)->delivery;
	part->total = total;
	part->skb = skb;
	part->tail = NULL;
	atomic_add(total, &bs->sk.sk_rmem_alloc);
	list_add(&part->list, &bs->parts);
	return 0;
}

static int bp_check_first(struct bp_sock *bs, const struct bp_first *first, int len)
{
	if (READ_ONCE(bs->sk.sk_shutdown) & RCV_SHUTDOWN)
		return -ESHUTDOWN;
	if (first->total > bp_link_max_message(bs->bn))
		return -EMSGSIZE;
	if (len > first->total || (!len && first->total))
		return -EINVAL;
	if (READ_ONCE(bs->room) || !bp_has_room(&bs->sk))
		return -EAGAIN;
	return 0;
}

static int bp_accept_first(struct bp_sock *bs, struct genl_info *info)
{
	struct nlattr *data = info->attrs[BP_A_DATA];
	struct bp_first first;
	struct bp_meta *meta;
	struct sk_buff *skb;
	int err;

	if (bp_first_parse(&first, info->attrs))
		return -EINVAL;
	err = bp_check_first(bs, &first, nla_len(data));
	if (err)
		return err;
	skb = bp_chunk(&bs->sk, bp_meta_size(&first), data);
	if (!skb)
		return -EAGAIN;
	meta = bp_meta(skb);
	bp_meta_fill(meta, &first);
	meta->delivery = nla_get_u64(info->attrs[BP_A_DELIVERY]);
	meta->epoch = bs->bn->epoch;
	meta->ack = bp_control_new(BP_CMD_ACK, bs->number);
	if (!meta->ack) {
		kfree_skb(skb);
		return -EAGAIN;
	}
	meta->ack->delivery = meta->delivery;
	if (skb->len == first.total) {
		bp_queue_message(bs, skb);
		return 0;
	}
	err = bp_begin_part(bs, skb, first.total);
	if (err)
		bp_free_message(skb);
	return err;
}

/*
 * The first chunk of a delivery. An error refuses it. After a refusal for want
 * of room, only the same delivery is looked at: those that were sent before
 * the daemon heard of it would be out of order.
 */
static int bp_deliver_first(struct bp_sock *bs, struct genl_info *info)
{
	u64 delivery = nla_get_u64(info->attrs[BP_A_DELIVERY]);
	struct bp_part *old = bp_find_part(bs, delivery);
	int err;

	if (bs->is_refusing && bs->refused != delivery)
		return 0;
	if (old)
		bp_free_part(bs, old);
	err = bp_accept_first(bs, info);
	bs->is_refusing = err == -EAGAIN;
	bs->refused = delivery;
	return err;
}

static void bp_append(struct bp_part *part, struct sk_buff *chunk)
{
	struct sk_buff *skb = part->skb;

	if (part->tail)
		part->tail->next = chunk;
	else
		skb_shinfo(skb)->frag_list = chunk;
	part->tail = chunk;
	skb->len += chunk->len;
	skb->data_len += chunk->len;
	skb->truesize += chunk->truesize;
}

static int bp_deliver_next(struct bp_sock *bs, struct genl_info *info, u32 offset)
{
	struct nlattr *data = info->attrs[BP_A_DATA];
	struct bp_part *part = bp_find_part(bs, nla_get_u64(info->attrs[BP_A_DELIVERY]));
	struct sk_buff *chunk;

	if (!part)
		return 0;	/* refused before */
	if (offset != part->skb->len || !nla_len(data) ||
	    nla_len(data) > part->total - offset) {
		bp_free_part(bs, part);
		return -EINVAL;
	}
	chunk = bp_chunk(&bs->sk, 0, data);
	if (!chunk) {
		/* As if there had been no room: those behind it have to wait. */
		bs->is_refusing = true;
		bs->refused = part->delivery;
		bp_free_part(bs, part);
		return -EAGAIN;
	}
	bp_append(part, chunk);
	if (part->skb->len == part->total) {
		struct sk_buff *skb = part->skb;

		part->skb = NULL;
		bp_free_part(bs, part);
		bp_queue_message(bs, skb);
	}
	return 0;
}

/* The socket that a message of the daemon is for. */
static struct bp_sock *bp_addressee(struct bp_net *bn, struct genl_info *info)
{
	u32 number = nla_get_u32(info->attrs[BP_A_SOCKET]);
	struct bp_sock *bs;

	lockdep_assert_held(&bn->rx);
	bs = xa_load(&bn->sockets, number);
	return bs && bs->number == number ? bs : NULL;
}

/* DELIVER */
int bp_deliver(struct bp_net *bn, struct genl_info *info)
{
	struct nlattr *at = info->attrs[BP_A_OFFSET];
	struct bp_sock *bs = bp_addressee(bn, info);
	u32 offset = at ? nla_get_u32(at) : 0;
	int err;

	if (!bs)
		err = offset ? 0 : -EBADF;
	else if (offset)
		err = bp_deliver_next(bs, info, offset);
	else
		err = bp_deliver_first(bs, info);
	if (!err)
		return 0;
	err = bp_refuse(bn, bs, info, err);
	if (bs)
		bp_make_room(bs);	/* chunks may have gone with the refusal */
	return err;
}

/* Takes the message out of the queue, unless somebody has read it. */
static struct sk_buff *bp_unqueue(struct bp_sock *bs, u64 delivery)
{
	struct sk_buff_head *queue = &bs->sk.sk_receive_queue;
	struct sk_buff *skb, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	skb_queue_walk(queue, skb) {
		if (bp_meta(skb)->delivery == delivery) {
			__skb_unlink(skb, queue);
			found = skb;
			break;
		}
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	return found;
}

/* REVOKE */
int bp_revoke(struct bp_net *bn, struct genl_info *info)
{
	u64 delivery = nla_get_u64(info->attrs[BP_A_DELIVERY]);
	struct bp_sock *bs = bp_addressee(bn, info);
	struct bp_part *part;
	struct sk_buff *skb;

	if (!bs)
		return 0;
	if (bs->refused == delivery)
		bs->is_refusing = false;
	part = bp_find_part(bs, delivery);
	skb = bp_unqueue(bs, delivery);
	if (part)
		bp_free_part(bs, part);
	if (skb)
		bp_free_message(skb);
	bp_make_room(bs);
	return 0;
}

/* The daemon has these messages, and keeps them or is gone. */
void bp_drop_deliveries(struct bp_sock *bs)
{
	struct bp_net *bn = bs->bn;
	struct bp_part *part, *next;
	struct bp_control *room = NULL;
	struct sk_buff *skb;

	lockdep_assert_held(&bn->rx);
	while ((skb = skb_dequeue(&bs->sk.sk_receive_queue)))
		bp_free_message(skb);
	list_for_each_entry_safe(part, next, &bs->parts, list)
		bp_free_part(bs, part);
	bs->is_refusing = false;
	spin_lock(&bn->lock);
	swap(room, bs->room);
	spin_unlock(&bn->lock);
	kfree(room);
}
