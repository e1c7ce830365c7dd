// SPDX-License-Identifier: GPL-2.0
/*
 * The link to the daemon of a network namespace: what waits to be written, and
 * what waits for an answer. The rules are in docs/bpsock-protocol.md.
 */
#include <linux/module.h>

#include "af_bp.h"

/* When to try again after the daemon's receive buffer was full. */
#define BP_RETRY	(HZ / 100 + 1)

static uint bp_max_message = 16 << 20;
module_param_named(max_message, bp_max_message, uint, 0644);
MODULE_PARM_DESC(max_message, "longest message in octets");

/* What a daemon that does not read or answer may cost a network namespace. */
#define BP_MAX_CONTROLS	65536

static ulong bp_max_queued = 256 << 20;
module_param_named(max_queued, bp_max_queued, ulong, 0644);
MODULE_PARM_DESC(max_queued, "octets of unanswered requests in a network namespace");

bool bp_link_is_full(struct bp_net *bn)
{
	return READ_ONCE(bn->controls) > BP_MAX_CONTROLS ||
	       atomic_long_read(&bn->queued) > (long)READ_ONCE(bp_max_queued);
}

/* Buffers count in int, and one message may reach beyond their end. */
#define BP_MAX_MESSAGE_LIMIT	(256 << 20)

static u32 bp_own_max_message(void)
{
	return min_t(u32, READ_ONCE(bp_max_message), BP_MAX_MESSAGE_LIMIT);
}

/* The longest message that can be sent or received now. */
u32 bp_link_max_message(struct bp_net *bn)
{
	return min(bp_own_max_message(), READ_ONCE(bn->max_message));
}

/* Messages without data. */

struct bp_control *bp_control_new(u8 cmd, u32 socket)
{
	struct bp_control *control = kzalloc(sizeof(*control), GFP_KERNEL_ACCOUNT);

	if (control) {
		control->cmd = cmd;
		control->socket = socket;
	}
	return control;
}

/* Queues a message, or drops it if there is no daemon. Takes ownership. */
void bp_link_queue(struct bp_net *bn, struct bp_control *control)
{
	lockdep_assert_held(&bn->lock);
	if (!bn->portid) {
		kfree(control);
		return;
	}
	list_add_tail(&control->list, &bn->control);
	bn->controls++;
}

void bp_link_tell(struct bp_net *bn, struct bp_control *control)
{
	spin_lock(&bn->lock);
	bp_link_queue(bn, control);
	spin_unlock(&bn->lock);
	bp_link_kick(bn);
}

static int bp_put_control(struct sk_buff *skb, const struct bp_control *control)
{
	if (control->cmd == BP_CMD_HELLO)
		return nla_put_u32(skb, BP_A_VERSION, BP_PROTOCOL_VERSION) ||
		       nla_put_u32(skb, BP_A_MAX_MESSAGE, bp_own_max_message()) ||
		       nla_put_u32(skb, BP_A_CHUNK_MAX, BP_CHUNK_LIMIT);
	if (nla_put_u32(skb, BP_A_SOCKET, control->socket))
		return -EMSGSIZE;
	switch (control->cmd) {
	case BP_CMD_OPEN:
		return nla_put_u32(skb, BP_A_REQUEST, control->request) ||
		       nla_put(skb, BP_A_ADDRESS, control->addr.len, &control->addr) ||
		       nla_put_u32(skb, BP_A_FLAGS, control->flags) ||
		       nla_put_u32(skb, BP_A_UID, control->uid) ||
		       nla_put_u32(skb, BP_A_GID, control->gid) ||
		       nla_put_u32(skb, BP_A_PID, control->pid);
	case BP_CMD_CANCEL:
		return nla_put_u32(skb, BP_A_REQUEST, control->request) ||
		       nla_put(skb, BP_A_BUNDLE, sizeof(control->bundle), &control->bundle);
	case BP_CMD_REFUSE:
		if (nla_put_u32(skb, BP_A_ERROR, control->error))
			return -EMSGSIZE;
		fallthrough;
	case BP_CMD_ACK:
		return nla_put_u64_64bit(skb, BP_A_DELIVERY, control->delivery, BP_A_PAD);
	default:
		return 0;
	}
}

static int bp_write_control(struct bp_net *bn, const struct bp_control *control)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE / 4, GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put(skb, 0, 0, &bp_genl, 0, control->cmd);
	if (WARN_ON_ONCE(!head || bp_put_control(skb, control))) {
		nlmsg_free(skb);
		return 0;
	}
	genlmsg_end(skb, head);
	return genlmsg_unicast(bn->net, skb, bn->portid);
}

/* Messages with data. */

static int bp_put_first(struct sk_buff *skb, const struct bp_request *req)
{
	const struct bp_addr *local = &req->bs->local;
	const struct bp_outgoing *out = &req->out;

	return nla_put_u32(skb, BP_A_TOTAL, req->total) ||
	       nla_put(skb, BP_A_SOURCE, local->len, local) ||
	       nla_put(skb, BP_A_DESTINATION, out->dest.len, &out->dest) ||
	       nla_put(skb, BP_A_OPTIONS, sizeof(out->options), &out->options) ||
	       (out->report_to.len &&
		nla_put(skb, BP_A_REPORT_TO, out->report_to.len, &out->report_to));
}

static int bp_put_chunk(struct sk_buff *skb, const struct bp_request *req, u32 chunk)
{
	if (nla_put_u32(skb, BP_A_REQUEST, req->id) ||
	    nla_put_u32(skb, BP_A_SOCKET, req->socket))
		return -EMSGSIZE;
	if (req->offset ? nla_put_u32(skb, BP_A_OFFSET, req->offset) : bp_put_first(skb, req))
		return -EMSGSIZE;
	return nla_put(skb, BP_A_DATA, chunk, req->data + req->offset);
}

static int bp_write_chunk(struct bp_net *bn, const struct bp_request *req, u32 chunk)
{
	size_t room = 8 * nla_total_size(sizeof(struct sockaddr_bp_dtn)) + nla_total_size(chunk);
	struct sk_buff *skb = genlmsg_new(room, GFP_KERNEL);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put(skb, 0, 0, &bp_genl, 0, BP_CMD_SEND);
	if (WARN_ON_ONCE(!head || bp_put_chunk(skb, req, chunk))) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_unicast(bn->net, skb, bn->portid);
}

/* The next request whose data may be written, with a reference. */
static struct bp_request *bp_next_request(struct bp_net *bn)
{
	struct bp_request *req;

	spin_lock(&bn->lock);
	req = list_first_entry_or_null(&bn->sending, struct bp_request, list);
	if (req && !req->counted) {
		bool fits = bn->open_requests < bn->window_requests &&
			    req->total <= bn->window_bytes &&
			    bn->open_bytes <= bn->window_bytes - req->total;

		if (fits || !bn->open_requests) {
			req->counted = true;
			bn->open_requests++;
			bn->open_bytes += req->total;
		} else {
			req = NULL;
		}
	}
	if (req)
		refcount_inc(&req->ref);
	spin_unlock(&bn->lock);
	return req;
}

/* Takes a request off the list of what is to be written. */
static bool bp_unlist(struct bp_net *bn, struct bp_request *req)
{
	lockdep_assert_held(&bn->lock);
	if (list_empty(&req->list))
		return false;
	list_del_init(&req->list);
	return true;
}

static int bp_write_request(struct bp_net *bn, struct bp_request *req)
{
	u32 chunk = min(req->total - req->offset, bn->chunk_max);
	int err = bp_write_chunk(bn, req, chunk);
	bool listed = false;

	if (!err) {
		req->offset += chunk;
		if (req->offset == req->total) {
			spin_lock(&bn->lock);
			listed = bp_unlist(bn, req);
			spin_unlock(&bn->lock);
		}
	}
	if (listed)
		bp_request_put(req);
	bp_request_put(req);
	return err;
}

/* The next message without data, which is then the caller's. */
static struct bp_control *bp_next_control(struct bp_net *bn)
{
	struct bp_control *control;

	spin_lock(&bn->lock);
	control = list_first_entry_or_null(&bn->control, struct bp_control, list);
	if (control) {
		list_del(&control->list);
		bn->controls--;
	}
	spin_unlock(&bn->lock);
	return control;
}

/* Writes all that may be written. On an error something is left. */
static int bp_link_flush(struct bp_net *bn)
{
	struct bp_control *control;
	struct bp_request *req;
	int err;

	lockdep_assert_held(&bn->tx);
	for (;;) {
		control = bp_next_control(bn);
		if (control) {
			err = bp_write_control(bn, control);
			if (err) {
				spin_lock(&bn->lock);
				list_add(&control->list, &bn->control);
				bn->controls++;
				spin_unlock(&bn->lock);
				return err;
			}
			kfree(control);
			continue;
		}
		req = bp_next_request(bn);
		if (!req)
			return 0;
		err = bp_write_request(bn, req);
		if (err)
			return err;
		cond_resched();
	}
}

/*
 * Writes what is queued, here and now if nobody else does. Whoever holds tx
 * may have looked at the queues before: then the work looks again.
 */
void bp_link_kick(struct bp_net *bn)
{
	unsigned long delay = 0;

	if (mutex_trylock(&bn->tx)) {
		int err = bp_link_flush(bn);

		mutex_unlock(&bn->tx);
		if (!err)
			return;
		delay = BP_RETRY;
	}
	schedule_delayed_work(&bn->work, delay);
}

static void bp_link_work(struct work_struct *work)
{
	struct bp_net *bn = container_of(work, struct bp_net, work.work);
	int err;

	mutex_lock(&bn->tx);
	err = bp_link_flush(bn);
	mutex_unlock(&bn->tx);
	if (err)
		schedule_delayed_work(&bn->work, BP_RETRY);
}

void bp_link_init(struct bp_net *bn, struct net *net)
{
	bn->net = net;
	bn->max_message = U32_MAX;
	mutex_init(&bn->rx);
	mutex_init(&bn->tx);
	mutex_init(&bn->all_lock);
	spin_lock_init(&bn->lock);
	INIT_LIST_HEAD(&bn->control);
	INIT_LIST_HEAD(&bn->sending);
	INIT_HLIST_HEAD(&bn->all);
	xa_init_flags(&bn->sockets, XA_FLAGS_ALLOC1);
	xa_init_flags(&bn->requests, XA_FLAGS_ALLOC1);
	INIT_DELAYED_WORK(&bn->work, bp_link_work);
}

/* No socket, no request and no daemon is left. */
void bp_link_exit(struct bp_net *bn)
{
	struct bp_control *control;

	cancel_delayed_work_sync(&bn->work);
	while ((control = bp_next_control(bn)))
		kfree(control);
	WARN_ON(!hlist_empty(&bn->all));
	WARN_ON(!xa_empty(&bn->sockets) || !xa_empty(&bn->requests));
	xa_destroy(&bn->sockets);
	xa_destroy(&bn->requests);
}

/* The daemon comes and goes. */

static u32 bp_limit(const struct nlattr *attr, u32 missing)
{
	return attr ? nla_get_u32(attr) : missing;
}

static void bp_link_limits(struct bp_net *bn, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;

	WRITE_ONCE(bn->max_message, bp_limit(attrs[BP_A_MAX_MESSAGE], U32_MAX));
	bn->chunk_max = clamp_t(u32, bp_limit(attrs[BP_A_CHUNK_MAX], BP_CHUNK_DEFAULT), 1,
				BP_CHUNK_LIMIT);
	bn->window_bytes = bp_limit(attrs[BP_A_WINDOW_BYTES], BP_WINDOW_BYTES);
	bn->window_requests = bp_limit(attrs[BP_A_WINDOW_REQUESTS], BP_WINDOW_REQUESTS);
}

/* Asks the daemon again for each socket that an earlier one had. */
static int bp_link_restore(struct bp_net *bn)
{
	struct bp_request *req;
	unsigned long number;
	struct bp_sock *bs;
	int err;

	xa_for_each(&bn->sockets, number, bs) {
		if (bs->number != number)
			continue;	/* its bind is not through */
		req = bp_request_new(bs, BP_CMD_OPEN, 0);
		if (!req)
			return -ENOMEM;
		req->restore = true;
		req->socket = number;
		req->addr = bs->local;
		err = bp_request_start(req);
		bp_request_put(req);
		if (err)
			return err;
	}
	return 0;
}

/* Forgets the daemon, and ends what waits for it; rx is held. */
static void bp_link_drop(struct bp_net *bn)
{
	struct bp_control *control, *next;
	struct bp_request *req;
	unsigned long index;
	struct bp_sock *bs;
	LIST_HEAD(dropped);

	mutex_lock(&bn->tx);
	spin_lock(&bn->lock);
	WRITE_ONCE(bn->portid, 0);
	WRITE_ONCE(bn->max_message, U32_MAX);
	list_splice_init(&bn->control, &dropped);
	bn->controls = 0;
	spin_unlock(&bn->lock);
	mutex_unlock(&bn->tx);
	list_for_each_entry_safe(control, next, &dropped, list)
		kfree(control);
	xa_for_each(&bn->requests, index, req)
		bp_request_done(req, req->counted ? ECONNRESET : ECONNREFUSED);
	xa_for_each(&bn->sockets, index, bs)
		bp_drop_deliveries(bs);
}

/* The netlink socket @portid is gone. If it was the daemon's, so is the daemon. */
void bp_link_down(struct bp_net *bn, u32 portid)
{
	if (!portid || READ_ONCE(bn->portid) != portid)
		return;
	mutex_lock(&bn->rx);
	if (bn->portid == portid)
		bp_link_drop(bn);
	mutex_unlock(&bn->rx);
}

/*
 * REGISTER. Nothing else is queued before the OPENs of all sockets that an
 * earlier daemon had: they come before the SENDs of their sockets, and before
 * a new socket can have an address of theirs.
 */
int bp_link_up(struct bp_net *bn, struct genl_info *info)
{
	struct bp_control *hello;
	int err = 0;
	bool known;

	lockdep_assert_held(&bn->rx);
	if (bn->portid && bn->portid != info->snd_portid)
		return -EBUSY;
	if (nla_get_u32(info->attrs[BP_A_VERSION]) != BP_PROTOCOL_VERSION)
		return -EPROTONOSUPPORT;
	hello = bp_control_new(BP_CMD_HELLO, 0);
	if (!hello)
		return -ENOMEM;
	mutex_lock(&bn->tx);
	spin_lock(&bn->lock);
	known = bn->portid;
	bp_link_limits(bn, info);
	WRITE_ONCE(bn->portid, info->snd_portid);
	if (!known)
		bn->epoch++;
	bp_link_queue(bn, hello);
	bn->restoring = !known;
	spin_unlock(&bn->lock);
	if (!known)
		err = bp_link_restore(bn);
	spin_lock(&bn->lock);
	bn->restoring = false;
	spin_unlock(&bn->lock);
	mutex_unlock(&bn->tx);
	if (err)
		bp_link_drop(bn);
	else
		bp_link_kick(bn);
	return err;
}

/* Requests. */

struct bp_request *bp_request_new(struct bp_sock *bs, u8 cmd, size_t len)
{
	struct bp_request *req = kvmalloc(struct_size(req, data, len), GFP_KERNEL_ACCOUNT);

	if (!req)
		return NULL;
	memset(req, 0, sizeof(*req));
	refcount_set(&req->ref, 1);
	req->cmd = cmd;
	req->bs = bs;
	sock_hold(&bs->sk);
	req->size = struct_size(req, data, len);
	atomic_long_add(req->size, &bs->bn->queued);
	init_completion(&req->finished);
	INIT_LIST_HEAD(&req->list);
	return req;
}

void bp_request_put(struct bp_request *req)
{
	struct sock *sk = &req->bs->sk;

	if (!refcount_dec_and_test(&req->ref))
		return;
	atomic_long_sub(req->size, &req->bs->bn->queued);
	if (req->charge)
		bp_uncharge(req->bs, req->charge);
	sock_put(sk);
	kvfree(req);
}

/* The message that asks for what has no data. */
static struct bp_control *bp_request_control(const struct bp_request *req)
{
	struct bp_control *control = bp_control_new(req->cmd, req->socket);
	struct user_namespace *user_ns = req->bs->bn->net->user_ns;
	struct bp_sock *bs = req->bs;

	if (!control)
		return NULL;
	control->request = req->id;
	control->addr = req->addr;
	control->bundle = req->bundle;
	control->flags = (req->restore ? BP_OPEN_RESTORE : 0) |
			 (bs->privileged ? BP_OPEN_PRIVILEGED : 0);
	control->uid = from_kuid_munged(user_ns, bs->uid);
	control->gid = from_kgid_munged(user_ns, bs->gid);
	control->pid = bs->pid;
	return control;
}

/* Under the lock that daemons come and go with: does a daemon hear of it? */
static int bp_request_enqueue(struct bp_request *req, struct bp_control *control)
{
	struct bp_net *bn = req->bs->bn;
	int err = -ECONNREFUSED;

	spin_lock(&bn->lock);
	if (bn->portid && (!bn->restoring || req->restore) && !req->done) {
		err = 0;
		if (control) {
			bp_link_queue(bn, control);
		} else {
			refcount_inc(&req->ref);
			list_add_tail(&req->list, &bn->sending);
			req->pending = true;
			req->bs->pending++;
		}
	}
	spin_unlock(&bn->lock);
	return err;
}

/*
 * Gives the request a number and queues it. On an error, nothing of it is left
 * but the reference of the caller. Writing is up to bp_link_kick().
 */
int bp_request_start(struct bp_request *req)
{
	bool has_data = req->cmd == BP_CMD_SEND;
	struct bp_net *bn = req->bs->bn;
	struct bp_control *control = NULL;
	int err;

	refcount_inc(&req->ref);
	err = xa_alloc_cyclic(&bn->requests, &req->id, req, XA_LIMIT(1, INT_MAX),
			      &bn->next_request, GFP_KERNEL_ACCOUNT);
	if (err < 0) {
		bp_request_put(req);
		return err;
	}
	if (!has_data)
		control = bp_request_control(req);
	err = has_data || control ? bp_request_enqueue(req, control) : -ENOMEM;
	if (!err)
		return 0;
	kfree(control);
	if (xa_cmpxchg(&bn->requests, req->id, req, NULL, 0) == req)
		bp_request_put(req);
	return err;
}

/* What follows from the answer to an OPEN. */
static void bp_open_done(struct bp_request *req)
{
	struct bp_sock *bs = req->bs;
	struct bp_net *bn = bs->bn;

	if (req->restore) {
		/* A daemon that ended as well leaves the socket to the next. */
		if (req->error && bn->portid)
			bp_link_lost(bs, req->error);
		return;
	}
	if (req->error) {
		xa_erase(&bn->sockets, req->socket);
		return;
	}
	spin_lock(&bn->lock);
	bs->local = req->addr;
	WRITE_ONCE(bs->number, req->socket);
	spin_unlock(&bn->lock);
}

/*
 * The answer, or what stands for it, has come. @error is positive. The result
 * is in the request before this is called.
 */
void bp_request_done(struct bp_request *req, int error)
{
	struct bp_sock *bs = req->bs;
	struct bp_net *bn = bs->bn;
	struct bp_control *close = NULL;
	bool listed, waited;

	lockdep_assert_held(&bn->rx);
	if (xa_cmpxchg(&bn->requests, req->id, req, NULL, 0) != req)
		return;
	req->error = error;
	if (req->cmd == BP_CMD_OPEN)
		bp_open_done(req);
	spin_lock(&bn->lock);
	req->done = true;
	waited = req->waited;
	listed = bp_unlist(bn, req);
	if (req->counted) {
		bn->open_requests--;
		bn->open_bytes -= req->total;
	}
	if (req->pending && !--bs->pending && bs->closing)
		swap(close, bs->close);
	if (close)
		bp_link_queue(bn, close);
	spin_unlock(&bn->lock);
	if (req->cmd == BP_CMD_SEND)
		bp_send_done(req, waited);
	complete(&req->finished);
	if (listed)
		bp_request_put(req);
	bp_request_put(req);
}

/* REPLY */
int bp_link_reply(struct bp_net *bn, struct genl_info *info)
{
	struct bp_request *req = xa_load(&bn->requests, nla_get_u32(info->attrs[BP_A_REQUEST]));
	u32 error = nla_get_u32(info->attrs[BP_A_ERROR]);
	struct nlattr *bundle = info->attrs[BP_A_BUNDLE];
	struct bp_addr addr;

	lockdep_assert_held(&bn->rx);
	if (!req)
		return 0;	/* nobody waits for it any more */
	if (req->cmd == BP_CMD_OPEN && !error) {
		if (bp_addr_from_daemon(&addr, info->attrs[BP_A_ADDRESS]) || !addr.len)
			return -EINVAL;
		req->addr = addr;
	}
	if (req->cmd == BP_CMD_SEND && bundle) {
		req->has_bundle = true;
		nla_memcpy(&req->bundle, bundle, sizeof(req->bundle));
	}
	bp_request_done(req, error);
	bp_link_kick(bn);
	return 0;
}

/* Requests that a system call waits for. */

/*
 * A bind was interrupted: unless the answer came meanwhile, the daemon is told
 * to close what it may have opened.
 */
static bool bp_bind_abandon(struct bp_request *req, struct bp_control *close)
{
	struct bp_net *bn = req->bs->bn;
	bool ours;

	mutex_lock(&bn->rx);
	ours = xa_cmpxchg(&bn->requests, req->id, req, NULL, 0) == req;
	if (ours)
		xa_erase(&bn->sockets, req->socket);
	mutex_unlock(&bn->rx);
	if (ours) {
		close->socket = req->socket;
		bp_link_tell(bn, close);
		bp_request_put(req);
	}
	return ours;
}

static int bp_bind_wait(struct bp_request *req, struct bp_control **close, long timeo)
{
	long left = wait_for_completion_interruptible_timeout(&req->finished, timeo);

	if (left > 0)
		return -req->error;
	if (bp_bind_abandon(req, *close)) {
		*close = NULL;
		return left ? sock_intr_errno(timeo) : -EAGAIN;
	}
	/* The answer is here: whoever writes it is about to say so. */
	wait_for_completion(&req->finished);
	return -req->error;
}

static int bp_bind_ask(struct bp_request *req, struct bp_control **close, long timeo)
{
	struct bp_sock *bs = req->bs;
	struct bp_net *bn = bs->bn;
	int err;

	err = xa_alloc_cyclic(&bn->sockets, &req->socket, bs, XA_LIMIT(1, INT_MAX),
			      &bn->next_socket, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		return err;
	err = bp_request_start(req);
	if (err) {
		mutex_lock(&bn->rx);
		xa_cmpxchg(&bn->sockets, req->socket, bs, NULL, 0);
		mutex_unlock(&bn->rx);
		return err;
	}
	bp_link_kick(bn);
	err = bp_bind_wait(req, close, timeo);
	if (err)
		return err;
	spin_lock(&bn->lock);
	swap(bs->close, *close);
	bs->close->socket = bs->number;
	spin_unlock(&bn->lock);
	return 0;
}

/* Opens the endpoint @addr; bind_lock is held and the socket is not bound. */
int bp_link_bind(struct bp_sock *bs, const struct bp_addr *addr, long timeo)
{
	struct bp_control *close = bp_control_new(BP_CMD_CLOSE, 0);
	struct bp_request *req = bp_request_new(bs, BP_CMD_OPEN, 0);
	int err = -ENOBUFS;

	if (close && req && !bp_link_is_full(bs->bn)) {
		req->addr = *addr;
		req->waited = true;
		err = bp_bind_ask(req, &close, timeo);
	}
	if (req)
		bp_request_put(req);
	kfree(close);
	return err;
}

int bp_link_cancel(struct bp_sock *bs, const struct bp_bundle *bundle)
{
	struct bp_request *req = bp_request_new(bs, BP_CMD_CANCEL, 0);
	long timeo = sock_sndtimeo(&bs->sk, false);
	long left;
	int err;

	if (!req)
		return -ENOBUFS;
	if (bp_link_is_full(bs->bn)) {
		bp_request_put(req);
		return -ENOBUFS;
	}
	req->socket = bs->number;
	req->bundle = *bundle;
	req->waited = true;
	err = bp_request_start(req);
	if (!err) {
		bp_link_kick(bs->bn);
		left = wait_for_completion_interruptible_timeout(&req->finished, timeo);
		err = left > 0 ? -req->error : left ? sock_intr_errno(timeo) : -EAGAIN;
	}
	bp_request_put(req);
	return err;
}

/* The end of an endpoint, and of a socket. */

/* The endpoint is gone for good, with all that was delivered to it. */
void bp_link_lost(struct bp_sock *bs, int error)
{
	struct bp_net *bn = bs->bn;
	struct sock *sk = &bs->sk;

	lockdep_assert_held(&bn->rx);
	if (bs->lost || sock_flag(sk, SOCK_DEAD))
		return;
	xa_erase(&bn->sockets, bs->number);
	spin_lock(&bn->lock);
	bs->lost = true;
	spin_unlock(&bn->lock);
	bp_drop_deliveries(bs);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	WRITE_ONCE(sk->sk_err, error);
	sk_error_report(sk);
	sk->sk_state_change(sk);
}

/* The application closed the socket. */
void bp_link_close(struct bp_sock *bs)
{
	struct bp_control *close = NULL;
	struct bp_net *bn = bs->bn;

	mutex_lock(&bn->rx);
	if (bs->number && !bs->lost)
		xa_erase(&bn->sockets, bs->number);
	bp_drop_deliveries(bs);
	spin_lock(&bn->lock);
	bs->closing = !bs->lost;
	if (bs->lost || !bs->pending)
		swap(close, bs->close);
	if (close && bs->lost) {
		kfree(close);
		close = NULL;
	}
	if (close)
		bp_link_queue(bn, close);
	spin_unlock(&bn->lock);
	mutex_unlock(&bn->rx);
	bp_link_kick(bn);
}
