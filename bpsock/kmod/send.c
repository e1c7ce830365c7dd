// SPDX-License-Identifier: GPL-2.0
/*
 * Sending: a message becomes a request, which ends with the daemon's answer.
 */
#include <linux/uio.h>

#include "af_bp.h"

/* What a message costs on top of its data. */
#define BP_OVERHEAD	SKB_TRUESIZE(sizeof(struct bp_request))

static int bp_destination(struct bp_sock *bs, struct msghdr *msg, struct bp_addr *dest)
{
	if (msg->msg_name && msg->msg_namelen)
		return bp_addr_parse(dest, msg->msg_name, msg->msg_namelen);
	spin_lock(&bs->lock);
	*dest = bs->peer;
	spin_unlock(&bs->lock);
	return dest->len ? 0 : -EDESTADDRREQ;
}

/* Reserves room in the send buffer: one message may reach beyond its end. */
static bool bp_try_charge(struct bp_sock *bs, u32 charge)
{
	struct sock *sk = &bs->sk;
	bool has_room;

	spin_lock(&bs->lock);
	has_room = sk_wmem_alloc_get(sk) < READ_ONCE(sk->sk_sndbuf);
	if (has_room)
		refcount_add(charge, &sk->sk_wmem_alloc);
	spin_unlock(&bs->lock);
	return has_room;
}

void bp_uncharge(struct bp_sock *bs, u32 charge)
{
	struct sock *sk = &bs->sk;

	WARN_ON(refcount_sub_and_test(charge, &sk->sk_wmem_alloc));
	sk->sk_write_space(sk);
}

/* Waits for room in the send buffer. */
static int bp_charge(struct bp_sock *bs, u32 charge, long timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct sock *sk = &bs->sk;
	int err;

	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		err = sock_error(sk);
		if (!err && READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
			err = -EPIPE;
		if (err || bp_try_charge(bs, charge))
			break;
		err = -EAGAIN;
		if (!timeo)
			break;
		err = sock_intr_errno(timeo);
		if (signal_pending(current))
			break;
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return err;
}

/* Tells the result of a message to an application that did not wait for it. */
static void bp_tell_failed(struct bp_request *req)
{
	struct bp_report report = {
		.kind = BP_REPORT_FAILED,
		.error = req->error,
		.tag = req->out.tag,
	};
	struct bp_sock *bs = req->bs;
	struct sock *sk = &bs->sk;

	if (READ_ONCE(bs->recverr)) {
		bp_queue_report(bs, &report, &req->out.dest);
		return;
	}
	WRITE_ONCE(sk->sk_err, req->error);
	sk_error_report(sk);
}

static void bp_tell_sent(struct bp_request *req)
{
	struct bp_report report = {
		.kind = BP_REPORT_SENT,
		.tag = req->out.tag,
		.bundle = req->bundle,
	};
	struct bp_sock *bs = req->bs;

	if (req->has_bundle) {
		spin_lock(&bs->lock);
		bs->last = req->bundle;
		bs->has_last = true;
		spin_unlock(&bs->lock);
	}
	if (req->out.tagged)
		bp_queue_report(bs, &report, &req->out.dest);
}

/* The answer has come; @waited if sendmsg() returns it. */
void bp_send_done(struct bp_request *req, bool waited)
{
	if (sock_flag(&req->bs->sk, SOCK_DEAD))
		return;
	if (!req->error)
		bp_tell_sent(req);
	else if (!waited)
		bp_tell_failed(req);
}

/*
 * Waits for the answer. What is under way cannot be called back, so a time-out,
 * a signal and a socket that does not wait make a message that was sent, and
 * whose failure is told later.
 */
static int bp_send_wait(struct bp_request *req, long timeo)
{
	struct bp_net *bn = req->bs->bn;
	int result = req->total;

	if (timeo)
		wait_for_completion_interruptible_timeout(&req->finished, timeo);
	spin_lock(&bn->lock);
	if (!req->done)
		req->waited = false;
	else if (req->error)
		result = -req->error;
	spin_unlock(&bn->lock);
	return result;
}

static int bp_send_data(struct bp_request *req, struct msghdr *msg, long timeo)
{
	int err;

	if (!copy_from_iter_full(req->data, req->total, &msg->msg_iter))
		return -EFAULT;
	req->waited = true;
	err = bp_request_start(req);
	if (err)
		return err;
	bp_link_kick(req->bs->bn);
	return bp_send_wait(req, timeo);
}

/* What can be refused without the daemon is refused first. */
static int bp_send_prepare(struct bp_sock *bs, struct msghdr *msg, size_t len,
			   struct bp_outgoing *out)
{
	int err;

	if (msg->msg_flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (len > bp_link_max_message(bs->bn))
		return -EMSGSIZE;
	err = bp_destination(bs, msg, &out->dest);
	if (!err)
		err = bp_send_cmsgs(bs, out, msg);
	if (!err)
		err = bp_autobind(bs);
	if (!err && bp_link_is_full(bs->bn))
		err = -ENOBUFS;
	return err;
}

int bp_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	long timeo = sock_sndtimeo(sock->sk, msg->msg_flags & MSG_DONTWAIT);
	struct bp_sock *bs = bp_sk(sock->sk);
	struct bp_outgoing out = {};
	struct bp_request *req;
	u32 charge;
	int result;

	result = bp_send_prepare(bs, msg, len, &out);
	if (result)
		return result;
	charge = len + BP_OVERHEAD;
	result = bp_charge(bs, charge, timeo);
	if (result)
		return result;
	req = bp_request_new(bs, BP_CMD_SEND, len);
	if (!req) {
		bp_uncharge(bs, charge);
		return -ENOBUFS;
	}
	req->socket = bs->number;
	req->charge = charge;
	req->total = len;
	req->out = out;
	result = bp_send_data(req, msg, timeo);
	bp_request_put(req);
	return result;
}
