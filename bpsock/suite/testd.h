/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * bp-testd: a daemon and an agent for tests. It is node 10, keeps messages to
 * itself until somebody has read them, also when it is killed, and does odd
 * things when asked by address. See testd.c.
 */
#ifndef TESTD_H
#define TESTD_H

#include <stdint.h>

#include "bp_netlink.h"

#define NODE		10
#define NAME_PREFIX	"//node10/"

union address {
	struct sockaddr_bp ipn;
	struct sockaddr_bp_wide wide;
	struct sockaddr_bp_dtn dtn;
};

struct eid {
	uint32_t scheme;		/* BP_SCHEME_IPN or BP_SCHEME_DTN */
	uint64_t node, service;
	char name[BP_DTN_NAME_MAX + 1];
};

/* What a bundle is, on disk too: one file for each, removed when it was read. */
struct bundle {
	struct bundle *next;
	uint64_t id;			/* its delivery number, in this run */
	uint64_t file;			/* order of arrival, over all runs */
	struct eid to;
	union address source, destination, report_to;
	uint16_t source_len, destination_len, report_to_len;
	struct bp_options options;
	struct bp_bundle bundle;
	uint64_t expires_ms;		/* CLOCK_MONOTONIC, 0 for never */
	uint32_t offered;		/* to this socket; 0 if it waits */
	uint32_t length;
	unsigned char data[];
};

extern struct bundle *bundles;		/* in the order of arrival */

uint64_t now_ms(void);
void store_open(const char *folder);
struct bundle *store_new(uint32_t length);
void store_add(struct bundle *bundle);
void store_remove(struct bundle *bundle);

int eid_from(struct eid *eid, const union address *address);
int eid_equal(const struct eid *one, const struct eid *other);

#endif
