// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/bp: the sockets of a network namespace, one a line.
 */
#include <linux/seq_file.h>

#include "af_bp.h"

#define BP_NAME_SIZE	(sizeof("dtn:") + BP_DTN_NAME_MAX)

static void bp_proc_socket(struct seq_file *seq, struct bp_sock *bs)
{
	struct user_namespace *user_ns = seq_user_ns(seq);
	char local[BP_NAME_SIZE], peer[BP_NAME_SIZE];
	struct sock *sk = &bs->sk;
	u32 number, pending;
	bool busy;

	spin_lock(&bs->bn->lock);
	number = bs->number;
	pending = bs->pending;
	busy = bs->room;
	bp_addr_print(local, sizeof(local), &bs->local);
	spin_unlock(&bs->bn->lock);
	spin_lock(&bs->lock);
	bp_addr_print(peer, sizeof(peer), &bs->peer);
	spin_unlock(&bs->lock);
	seq_printf(seq, "%u %s %s %d %d %u %u %lu %u\n", number, local, peer,
		   sk_rmem_alloc_get(sk), sk_wmem_alloc_get(sk), pending, busy,
		   (unsigned long)sock_i_ino(sk),
		   from_kuid_munged(user_ns, bs->uid));
}

int bp_proc_show(struct seq_file *seq, void *unused)
{
	struct bp_net *bn = bp_net(seq_file_single_net(seq));
	u32 portid, bytes, requests;
	struct sock *sk;

	spin_lock(&bn->lock);
	portid = bn->portid;
	bytes = bn->open_bytes;
	requests = bn->open_requests;
	spin_unlock(&bn->lock);
	seq_printf(seq, "daemon %u requests %u octets %u queued %ld\n", portid, requests, bytes,
		   atomic_long_read(&bn->queued));
	seq_puts(seq, "number local peer rx tx pending full inode uid\n");
	mutex_lock(&bn->all_lock);
	sk_for_each(sk, &bn->all)
		bp_proc_socket(seq, bp_sk(sk));
	mutex_unlock(&bn->all_lock);
	return 0;
}
