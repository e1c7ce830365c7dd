/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Bundle Protocol sockets: what applications see.
 *
 *	fd = socket(AF_BP, SOCK_DGRAM, 0);
 *
 * Numbers are in the byte order of the host. Fields called reserved are not
 * read, and are zero in what the system returns.
 */
#ifndef _UAPI_BP_H
#define _UAPI_BP_H

#include <linux/types.h>

#ifdef __cplusplus
#define BP_ASSERT(condition) static_assert(condition, #condition)
#else
#define BP_ASSERT(condition) _Static_assert(condition, #condition)
#endif

/* The address family. The kernel's own name of this number is AF_MPLS. */
#define AF_BP			28
#define PF_BP			AF_BP

/* The level of socket options and control messages. */
#define SOL_BP			0x4250

/*
 * Addresses. The scheme says which structure it is; more octets than the
 * structure has are allowed and not looked at.
 */
#define BP_SCHEME_IPN		1	/* struct sockaddr_bp */
#define BP_SCHEME_DTN		2	/* struct sockaddr_bp_dtn */
#define BP_SCHEME_IPN_WIDE	3	/* struct sockaddr_bp_wide */

/*
 * ipn:NODE.SERVICE with numbers of 32 bits.
 *
 * In bind(), node 0 is the node of this host, whatever its number, and
 * service 0 is a free service. getsockname() tells the numbers.
 */
struct sockaddr_bp {
	__u16 bp_family;		/* AF_BP */
	__u16 bp_reserved;
	__u32 bp_scheme;		/* BP_SCHEME_IPN */
	union {
		struct {
			__u32 node_id;
			__u32 service_id;
		} ipn;
	} bp_addr;
};

/*
 * ipn with larger numbers, or with three elements (RFC 9758).
 *
 * With two elements the allocator is 0, and the node has up to 64 bits. With
 * three, the node has up to 32. Both forms may name one endpoint; which form
 * a bundle had is kept.
 */
struct sockaddr_bp_wide {
	__u16 bp_family;		/* AF_BP */
	__u16 bp_reserved;
	__u32 bp_scheme;		/* BP_SCHEME_IPN_WIDE */
	__u32 bp_elements;		/* 2 or 3 */
	__u32 bp_allocator;
	__u64 bp_node;
	__u64 bp_service;
};

#define BP_DTN_NAME_MAX		118

/*
 * dtn:NAME, with what stands behind the colon: "//node/service" or "none".
 *
 * The address ends behind the name. A name that the system returns with no
 * octets is one that does not fit. Applications cannot pass such a name.
 */
struct sockaddr_bp_dtn {
	__u16 bp_family;		/* AF_BP */
	__u16 bp_reserved;
	__u32 bp_scheme;		/* BP_SCHEME_DTN */
	__u16 bp_length;		/* octets of the name, 1 to BP_DTN_NAME_MAX */
	__u8 bp_name[BP_DTN_NAME_MAX];	/* printable ASCII, no terminator */
};

/*
 * Options of the bundles to send. As a socket option: for all messages; a
 * value of no octets takes the choice back. As a control message: for one.
 */
#define BP_LIFETIME		1	/* __u64, milliseconds, not 0 */
#define BP_FLAGS		2	/* __u32, BP_FLAG_* */
#define BP_HOP_LIMIT		3	/* __u32, 1 to 255 */
#define BP_PRIORITY		4	/* __u32, BP_PRIORITY_* */
#define BP_REPORT_TO		5	/* an address; also received, see below */

/* Control message to send: comes back in struct bp_report. */
#define BP_TAG			6	/* __u64 */

/* Socket options for what to receive. */
#define BP_RECVINFO		7	/* __u32, BP_RECVINFO_* */
#define BP_RECVERR		8	/* __u32, 0 or 1; as a control message,
					 * on the error queue: struct bp_report
					 */

/* Control messages received, if BP_RECVINFO asks for them. */
#define BP_INFO			9	/* struct bp_info */
#define BP_DESTINATION		10	/* an address: where it was sent to */
#define BP_PREVIOUS_NODE	11	/* an address */

#define BP_RECVINFO_INFO		0x1
#define BP_RECVINFO_DESTINATION		0x2
#define BP_RECVINFO_REPORT_TO		0x4
#define BP_RECVINFO_PREVIOUS_NODE	0x8
#define BP_RECVINFO_ALL			0xf

/* Socket options about bundles that were sent. */
#define BP_LAST_SENT		12	/* get struct bp_bundle; ENOENT if none */
#define BP_CANCEL		13	/* set struct bp_bundle */

/* Socket option: the longest message, in octets. */
#define BP_MAX_MESSAGE		14	/* get __u32 */

/* Bundle processing control flags, as in RFC 9171. No others can be set. */
#define BP_FLAG_NO_FRAGMENT		0x000004
#define BP_FLAG_ACK_REQUESTED		0x000020
#define BP_FLAG_STATUS_TIME		0x000040
#define BP_FLAG_REPORT_RECEPTION	0x004000
#define BP_FLAG_REPORT_FORWARDING	0x010000
#define BP_FLAG_REPORT_DELIVERY		0x020000
#define BP_FLAG_REPORT_DELETION		0x040000
#define BP_FLAG_ALL			0x074064

#define BP_PRIORITY_BULK		0
#define BP_PRIORITY_NORMAL		1
#define BP_PRIORITY_EXPEDITED		2

/* Times are DTN times: milliseconds since 2000-01-01T00:00:00Z, 0 if unknown. */

/* Which bundle of a source: with the source, its identity. */
struct bp_bundle {
	__u64 creation_ms;
	__u64 sequence;
};

/* Which fields of struct bp_info say something. */
#define BP_INFO_LIFETIME	0x01
#define BP_INFO_AGE		0x02
#define BP_INFO_FLAGS		0x04
#define BP_INFO_HOPS		0x08
#define BP_INFO_PRIORITY	0x10

/* About a message received. */
struct bp_info {
	struct bp_bundle bundle;
	__u64 lifetime_ms;
	__u64 age_ms;
	__u32 flags;			/* as the bundle has them */
	__u32 hop_limit;
	__u32 hop_count;
	__u32 priority;
	__u32 version;			/* 6 or 7; 0 if unknown */
	__u32 present;			/* BP_INFO_* */
};

/* struct bp_report, kind */
#define BP_REPORT_SENT		1	/* the agent took the bundle */
#define BP_REPORT_FAILED	2	/* it did not: see error */
#define BP_REPORT_STATUS	3	/* a status report came */

/* struct bp_report, status: as in RFC 5050, and without custody RFC 9171 */
#define BP_STATUS_RECEIVED	0x01
#define BP_STATUS_CUSTODY	0x02
#define BP_STATUS_FORWARDED	0x04
#define BP_STATUS_DELIVERED	0x08
#define BP_STATUS_DELETED	0x10
#define BP_STATUS_ALL		0x1f

/*
 * On the error queue, without data. The address of the message is the
 * destination of the bundle, or for BP_REPORT_STATUS who reports.
 */
struct bp_report {
	__u32 kind;			/* BP_REPORT_* */
	__u32 error;			/* errno, for BP_REPORT_FAILED */
	__u32 status;			/* BP_STATUS_*, for BP_REPORT_STATUS */
	__u32 reason;			/* of the report, for BP_REPORT_STATUS */
	__u64 time_ms;			/* when it happened, if it says so */
	__u64 tag;			/* BP_TAG, for SENT and FAILED, or 0 */
	struct bp_bundle bundle;	/* zero for BP_REPORT_FAILED */
};

BP_ASSERT(sizeof(struct sockaddr_bp) == 16);
BP_ASSERT(sizeof(struct sockaddr_bp_wide) == 32);
BP_ASSERT(sizeof(struct sockaddr_bp_dtn) == 128);
BP_ASSERT(sizeof(struct bp_bundle) == 16);
BP_ASSERT(sizeof(struct bp_info) == 56);
BP_ASSERT(sizeof(struct bp_report) == 48);

#endif /* _UAPI_BP_H */
