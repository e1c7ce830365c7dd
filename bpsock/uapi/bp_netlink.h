/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Bundle Protocol sockets: what a front door (the kernel module, the preload
 * library, a client) and the daemon say to each other. The rules are in
 * docs/bpsock-protocol.md.
 *
 * Each message is a struct nlmsghdr, a struct genlmsghdr and attributes, over
 * generic netlink and over UNIX sockets alike.
 */
#ifndef _UAPI_BP_NETLINK_H
#define _UAPI_BP_NETLINK_H

#include "bp.h"

#define BP_GENL_NAME		"bp_sock"
#define BP_GENL_VERSION		1

/* nlmsg_type over UNIX sockets, where no family is looked up. */
#define BP_UNIX_TYPE		0x4250

/*
 * Commands. "D" is the daemon, "F" the front door. Attributes in brackets may
 * be missing; those behind "first:" are in the first chunk only, which is the
 * one without BP_A_OFFSET or with offset 0.
 */

/* D > F: VERSION, [MAX_MESSAGE, CHUNK_MAX, WINDOW_BYTES, WINDOW_REQUESTS] */
#define BP_CMD_REGISTER		1
/* F > D: VERSION, MAX_MESSAGE, CHUNK_MAX */
#define BP_CMD_HELLO		2
/* F > D: REQUEST, SOCKET, ADDRESS, FLAGS, UID, GID, PID */
#define BP_CMD_OPEN		3
/* F > D: SOCKET */
#define BP_CMD_CLOSE		4
/*
 * F > D: REQUEST, SOCKET, [OFFSET], DATA
 *	first: TOTAL, SOURCE, DESTINATION, OPTIONS, [REPORT_TO]
 */
#define BP_CMD_SEND		5
/* F > D: REQUEST, SOCKET, BUNDLE */
#define BP_CMD_CANCEL		6
/*
 * D > F: REQUEST, ERROR
 *	to OPEN without error: ADDRESS; to SEND without error: [BUNDLE]
 */
#define BP_CMD_REPLY		7
/*
 * D > F: SOCKET, DELIVERY, [OFFSET], DATA
 *	first: TOTAL, SOURCE, [DESTINATION, INFO, REPORT_TO, PREVIOUS_NODE]
 */
#define BP_CMD_DELIVER		8
/* F > D: SOCKET, DELIVERY, ERROR */
#define BP_CMD_REFUSE		9
/* F > D: SOCKET */
#define BP_CMD_ROOM		10
/* F > D: SOCKET, DELIVERY */
#define BP_CMD_ACK		11
/* D > F: SOCKET, DELIVERY */
#define BP_CMD_REVOKE		12
/* D > F: SOCKET, REPORT, [SOURCE] */
#define BP_CMD_REPORT		13
/* D > F: SOCKET, ERROR */
#define BP_CMD_HANGUP		14

#define BP_CMD_MAX		14

/* Attributes. An address is one of the structures of bp.h, without its tail. */
#define BP_A_PAD		1	/* aligns the next attribute; skip it */
#define BP_A_VERSION		2	/* u32, BP_PROTOCOL_VERSION */
#define BP_A_MAX_MESSAGE	3	/* u32, octets */
#define BP_A_CHUNK_MAX		4	/* u32, octets of DATA */
#define BP_A_WINDOW_BYTES	5	/* u32 */
#define BP_A_WINDOW_REQUESTS	6	/* u32 */
#define BP_A_REQUEST		7	/* u32 */
#define BP_A_SOCKET		8	/* u32, not 0 */
#define BP_A_ADDRESS		9	/* address: of the socket */
#define BP_A_FLAGS		10	/* u32, BP_OPEN_* */
#define BP_A_UID		11	/* u32 */
#define BP_A_GID		12	/* u32 */
#define BP_A_PID		13	/* u32, for people to read */
#define BP_A_TOTAL		14	/* u32, octets of the message */
#define BP_A_OFFSET		15	/* u32, where DATA begins in it */
#define BP_A_DATA		16	/* octets */
#define BP_A_SOURCE		17	/* address */
#define BP_A_DESTINATION	18	/* address */
#define BP_A_REPORT_TO		19	/* address */
#define BP_A_PREVIOUS_NODE	20	/* address */
#define BP_A_OPTIONS		21	/* struct bp_options */
#define BP_A_INFO		22	/* struct bp_info */
#define BP_A_BUNDLE		23	/* struct bp_bundle */
#define BP_A_REPORT		24	/* struct bp_report */
#define BP_A_ERROR		25	/* u32, a positive errno, or 0 */
#define BP_A_DELIVERY		26	/* u64, chosen by the daemon */

#define BP_A_MAX		26

#define BP_PROTOCOL_VERSION	1

/* BP_A_FLAGS */
#define BP_OPEN_RESTORE		0x1	/* was open before the daemon started */
#define BP_OPEN_PRIVILEGED	0x2	/* the owner may bind reserved services */

/* What BP_A_CHUNK_MAX, if missing, stands for, and the largest there can be. */
#define BP_CHUNK_DEFAULT	16384
#define BP_CHUNK_LIMIT		65000

/* Which fields of struct bp_options the application chose. */
#define BP_OPTION_LIFETIME	0x1
#define BP_OPTION_FLAGS		0x2
#define BP_OPTION_HOP_LIMIT	0x4
#define BP_OPTION_PRIORITY	0x8

/* How to send a message. What the application did not choose is 0. */
struct bp_options {
	__u64 lifetime_ms;
	__u32 flags;			/* BP_FLAG_* */
	__u32 hop_limit;
	__u32 priority;			/* BP_PRIORITY_* */
	__u32 present;			/* BP_OPTION_* */
};

BP_ASSERT(sizeof(struct bp_options) == 24);

#endif /* _UAPI_BP_NETLINK_H */
