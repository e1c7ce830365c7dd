/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Messages of the daemon protocol over generic netlink, for the scripted
 * daemon and for tests that play a daemon.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "bp_netlink.h"

struct wire {
	int fd;
	uint16_t family;
};

/* A message being written. Too long a message is a fault of the program. */
struct out {
	size_t len;
	_Alignas(8) unsigned char octets[80 * 1024];
};

/* A message that was read; what is missing is NULL. */
struct in {
	uint16_t type;
	uint8_t cmd;
	int error;			/* of NLMSG_ERROR */
	const struct nlattr *attrs[BP_A_MAX + 1];
};

/* Opens a socket and finds the family; -1 and errno if there is none. */
int wire_open(struct wire *wire);

void out_begin(struct out *out, const struct wire *wire, int cmd);
void out_put(struct out *out, int type, const void *value, size_t len);
void out_u32(struct out *out, int type, uint32_t value);
void out_u64(struct out *out, int type, uint64_t value);
int out_send(struct out *out, const struct wire *wire);

/*
 * Reads the message at *at and moves *at behind it; 0 at the end. The
 * messages are in the buffer until *end.
 */
int in_next(struct in *in, unsigned char **at, unsigned char *end);

static inline const void *in_data(const struct in *in, int type)
{
	return (const unsigned char *)in->attrs[type] + NLA_HDRLEN;
}

static inline size_t in_len(const struct in *in, int type)
{
	return in->attrs[type] ? in->attrs[type]->nla_len - NLA_HDRLEN : 0;
}

uint32_t in_u32(const struct in *in, int type);
uint64_t in_u64(const struct in *in, int type);

#endif
