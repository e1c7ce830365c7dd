// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * A daemon for tests: node 10 with a store. What is sent to node 10 is kept
 * until its endpoint exists and has read it. Other addresses ask for more:
 *
 *	bind   ipn:10.(50000+E)  is refused with errno E
 *	bind   ipn:10.60001	 gets no answer
 *	bind   ipn:10.60002	 kills the daemon
 *	send   ipn:20.X		 is taken and forgotten
 *	send   ipn:30.E		 is refused with errno E
 *	send   ipn:40.X		 is not answered before something is sent to ipn:41.X;
 *				 then it succeeds, or fails with errno X if X is not 0
 *	send   ipn:50.X		 is taken, and a status report "delivered" comes back
 *	send   ipn:60.E		 loses the sender's endpoint with errno E
 *	send   ipn:61.K		 comes back from an odd source: see odd_source()
 *	send   ipn:62.X		 comes back X times
 *	send   ipn:70.K		 kills the daemon at point K: see KILL_*
 *
 * Services below 1024 are for the privileged.
 */
#include "testd.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define KILL_FIRST_CHUNK	1	/* when the first chunk has come */
#define KILL_STORED		2	/* when the bundle is stored, without an answer */
#define KILL_ANSWERED		3	/* after the answer */
#define KILL_DELIVERING		4	/* after the first chunk of a delivery of several */
#define KILL_DELIVERED		5	/* after the next delivery */
#define KILL_ACK		6	/* when the next ACK comes, without handling it */

#define CHUNK		30000
#define FIRST_FREE	32768

struct endpoint {
	struct endpoint *next;
	uint32_t socket;
	struct eid eid;
	int full;
};

/* A SEND that is not complete, or not answered. */
struct request {
	struct request *next;
	uint32_t id, socket, got;
	struct bundle *bundle;
};

static struct wire wire;
static struct out out;
static struct endpoint *endpoints;
static struct request *requests, *silent;
static int kill_at;
static int look;			/* something may be offered now */
static uint32_t next_service = FIRST_FREE;
static uint64_t sequence;

static void die(void)
{
	raise(SIGKILL);
}

static void send_out(void)
{
	if (out_send(&out, &wire))
		err(1, "cannot send to the kernel");
}

static void reply(uint32_t request, int error)
{
	out_begin(&out, &wire, BP_CMD_REPLY);
	out_u32(&out, BP_A_REQUEST, request);
	out_u32(&out, BP_A_ERROR, error);
}

static void reply_error(uint32_t request, int error)
{
	reply(request, error);
	send_out();
}

static void get_address(union address *address, uint16_t *len, const struct in *in, int type)
{
	*len = in_len(in, type) < sizeof(*address) ? in_len(in, type) : sizeof(*address);
	memset(address, 0, sizeof(*address));
	if (*len)
		memcpy(address, in_data(in, type), *len);
}

/* Endpoints. */

static struct endpoint *find_endpoint(const struct eid *eid)
{
	struct endpoint *endpoint = endpoints;

	while (endpoint && !eid_equal(&endpoint->eid, eid))
		endpoint = endpoint->next;
	return endpoint;
}

static struct endpoint *find_socket(uint32_t socket)
{
	struct endpoint *endpoint = endpoints;

	while (endpoint && endpoint->socket != socket)
		endpoint = endpoint->next;
	return endpoint;
}

static void take_back(uint32_t socket)
{
	struct bundle *bundle;

	for (bundle = bundles; bundle; bundle = bundle->next)
		if (bundle->offered == socket)
			bundle->offered = 0;
	look = 1;
}

static void remove_endpoint(uint32_t socket)
{
	struct endpoint **at = &endpoints, *gone;

	while (*at && (*at)->socket != socket)
		at = &(*at)->next;
	gone = *at;
	if (gone)
		*at = gone->next;
	free(gone);
	take_back(socket);
}

/* Messages that an earlier owner did not read are for whoever asks for its number. */
static int is_awaited(const struct eid *eid)
{
	const struct bundle *bundle = bundles;

	while (bundle && !eid_equal(&bundle->to, eid))
		bundle = bundle->next;
	return bundle != NULL;
}

static int check_open(struct eid *eid, uint32_t flags)
{
	if (eid->scheme == BP_SCHEME_DTN) {
		if (strncmp(eid->name, NAME_PREFIX, strlen(NAME_PREFIX)))
			return EADDRNOTAVAIL;
		return find_endpoint(eid) ? EADDRINUSE : 0;
	}
	if (eid->node == 0 || eid->node == UINT32_MAX)
		eid->node = NODE;
	if (eid->node != NODE)
		return EADDRNOTAVAIL;
	if (eid->service == 0) {
		do {
			eid->service = next_service++;
		} while (find_endpoint(eid) || is_awaited(eid));
		return 0;
	}
	if (eid->service > 50000 && eid->service < 50000 + 133)
		return eid->service - 50000;
	if (eid->service < 1024 && !(flags & BP_OPEN_PRIVILEGED))
		return EACCES;
	return find_endpoint(eid) ? EADDRINUSE : 0;
}

static void on_open(const struct in *in)
{
	uint32_t request = in_u32(in, BP_A_REQUEST);
	union address address;
	struct endpoint *endpoint;
	struct eid eid;
	uint16_t len;
	int error;

	get_address(&address, &len, in, BP_A_ADDRESS);
	if (eid_from(&eid, &address)) {
		reply_error(request, EAFNOSUPPORT);
		return;
	}
	if (eid.service == 60002)
		die();
	if (eid.service == 60001)
		return;
	error = check_open(&eid, in_u32(in, BP_A_FLAGS));
	if (error) {
		reply_error(request, error);
		return;
	}
	endpoint = calloc(1, sizeof(*endpoint));
	if (!endpoint)
		err(1, "endpoint");
	endpoint->socket = in_u32(in, BP_A_SOCKET);
	endpoint->eid = eid;
	endpoint->next = endpoints;
	endpoints = endpoint;
	look = 1;
	if (eid.scheme == BP_SCHEME_IPN && address.ipn.bp_scheme == BP_SCHEME_IPN) {
		address.ipn.bp_addr.ipn.node_id = eid.node;
		address.ipn.bp_addr.ipn.service_id = eid.service;
	}
	reply(request, 0);
	out_put(&out, BP_A_ADDRESS, &address, len);
	send_out();
}

/* Sending. */

static void reply_sent(const struct request *request)
{
	reply(request->id, 0);
	out_put(&out, BP_A_BUNDLE, &request->bundle->bundle, sizeof(struct bp_bundle));
	send_out();
}

static void report(const struct request *request)
{
	const struct bundle *bundle = request->bundle;
	struct bp_report report = {
		.kind = BP_REPORT_STATUS,
		.status = BP_STATUS_DELIVERED,
		.reason = 1,
		.time_ms = 12345,
		.bundle = bundle->bundle,
	};

	out_begin(&out, &wire, BP_CMD_REPORT);
	out_u32(&out, BP_A_SOCKET, request->socket);
	out_put(&out, BP_A_REPORT, &report, sizeof(report));
	out_put(&out, BP_A_SOURCE, &bundle->destination, bundle->destination_len);
	send_out();
}

static void hang_up(uint32_t socket, int error)
{
	out_begin(&out, &wire, BP_CMD_HANGUP);
	out_u32(&out, BP_A_SOCKET, socket);
	out_u32(&out, BP_A_ERROR, error);
	send_out();
	remove_endpoint(socket);
}

static void odd_source(struct bundle *bundle, int kind)
{
	union address *source = &bundle->source;

	memset(source, 0, sizeof(*source));
	source->wide.bp_family = AF_BP;
	source->wide.bp_scheme = kind < 3 ? BP_SCHEME_IPN_WIDE : BP_SCHEME_DTN;
	bundle->source_len = sizeof(source->wide);
	switch (kind) {
	case 1:	/* two elements of 64 bits */
		source->wide.bp_elements = 2;
		source->wide.bp_node = 1ull << 40;
		source->wide.bp_service = 1ull << 50;
		break;
	case 2:	/* three elements, the allocator 0 */
		source->wide.bp_elements = 3;
		source->wide.bp_node = 77;
		source->wide.bp_service = 7;
		break;
	case 3:
		source->dtn.bp_length = 9;
		memcpy(source->dtn.bp_name, "//far/app", 9);
		bundle->source_len = offsetof(struct sockaddr_bp_dtn, bp_name) + 9;
		break;
	default:	/* a name that does not fit */
		bundle->source_len = offsetof(struct sockaddr_bp_dtn, bp_name);
	}
}

/* Puts a bundle for the sender of @request into the store. */
static void send_back(struct request *request)
{
	const struct bundle *sent = request->bundle;
	struct bundle *back = store_new(sent->length);
	struct endpoint *sender = find_socket(request->socket);

	memcpy(back, sent, sizeof(*sent) + sent->length);
	if (sender) {
		back->to = sender->eid;
		store_add(back);
		look = 1;
	} else {
		free(back);
	}
}

static void end_request(struct request *request)
{
	free(request->bundle);
	free(request);
}

static void answer_silent(int error)
{
	while (silent) {
		struct request *request = silent;

		silent = request->next;
		if (error)
			reply_error(request->id, error);
		else
			reply_sent(request);
		end_request(request);
	}
}

/* What a complete bundle leads to; 1 if the request goes on. */
static int act(struct request *request)
{
	struct bundle *bundle = request->bundle;
	uint64_t service = bundle->to.service;
	uint64_t copies;

	switch (bundle->to.scheme == BP_SCHEME_DTN ? NODE : bundle->to.node) {
	case NODE:
		if (bundle->options.present & BP_OPTION_LIFETIME)
			bundle->expires_ms = now_ms() + bundle->options.lifetime_ms;
		store_add(bundle);
		look = 1;
		reply_sent(request);
		request->bundle = NULL;
		return 0;
	case 20:
		reply_sent(request);
		return 0;
	case 30:
		reply_error(request->id, service);
		return 0;
	case 40:
		request->next = silent;
		silent = request;
		return 1;
	case 41:
		answer_silent(service);
		reply_sent(request);
		return 0;
	case 50:
		reply_sent(request);
		report(request);
		return 0;
	case 60:
		hang_up(request->socket, service);
		reply_error(request->id, EBADF);
		return 0;
	case 61:
		odd_source(bundle, service);
		send_back(request);
		reply_sent(request);
		return 0;
	case 62:
		for (copies = 0; copies < service; copies++)
			send_back(request);
		reply_sent(request);
		return 0;
	case 70:
		kill_at = service;
		if (kill_at == KILL_STORED || kill_at >= KILL_DELIVERING)
			send_back(request);
		if (kill_at == KILL_STORED)
			die();
		reply_sent(request);
		if (kill_at == KILL_ANSWERED)
			die();
		return 0;
	default:
		reply_error(request->id, EHOSTUNREACH);
		return 0;
	}
}

static struct request *begin_request(const struct in *in)
{
	struct request *request = calloc(1, sizeof(*request));
	struct bundle *bundle = store_new(in_u32(in, BP_A_TOTAL));

	if (!request)
		err(1, "request");
	request->id = in_u32(in, BP_A_REQUEST);
	request->socket = in_u32(in, BP_A_SOCKET);
	request->bundle = bundle;
	get_address(&bundle->source, &bundle->source_len, in, BP_A_SOURCE);
	get_address(&bundle->destination, &bundle->destination_len, in, BP_A_DESTINATION);
	get_address(&bundle->report_to, &bundle->report_to_len, in, BP_A_REPORT_TO);
	memcpy(&bundle->options, in_data(in, BP_A_OPTIONS), sizeof(bundle->options));
	bundle->bundle.creation_ms = 1000 + now_ms();
	bundle->bundle.sequence = ++sequence;
	eid_from(&bundle->to, &bundle->destination);
	request->next = requests;
	requests = request;
	if (bundle->to.node == 70 && bundle->to.service == KILL_FIRST_CHUNK)
		die();
	return request;
}

static void on_send(const struct in *in)
{
	uint32_t id = in_u32(in, BP_A_REQUEST);
	struct request **at, *request;

	if (!in_u32(in, BP_A_OFFSET))
		begin_request(in);
	for (at = &requests; *at && (*at)->id != id;)
		at = &(*at)->next;
	request = *at;
	if (!request)
		return;
	if (in_u32(in, BP_A_OFFSET) != request->got ||
	    in_len(in, BP_A_DATA) > request->bundle->length - request->got)
		errx(1, "chunks are out of order");
	if (in_len(in, BP_A_DATA))
		memcpy(request->bundle->data + request->got, in_data(in, BP_A_DATA),
		       in_len(in, BP_A_DATA));
	request->got += in_len(in, BP_A_DATA);
	if (request->got < request->bundle->length)
		return;
	*at = request->next;
	if (!act(request))
		end_request(request);
}

/* Receiving. */

static struct bundle *find_bundle(uint64_t id)
{
	struct bundle *bundle = bundles;

	while (bundle && bundle->id != id)
		bundle = bundle->next;
	return bundle;
}

static void put_first(const struct bundle *bundle)
{
	struct bp_info info = {
		.bundle = bundle->bundle,
		.lifetime_ms = bundle->options.lifetime_ms,
		.flags = bundle->options.flags,
		.hop_limit = bundle->options.hop_limit,
		.hop_count = 3,
		.priority = bundle->options.priority,
		.version = 7,
		.present = BP_INFO_LIFETIME | BP_INFO_FLAGS | BP_INFO_HOPS | BP_INFO_PRIORITY,
	};

	out_u32(&out, BP_A_TOTAL, bundle->length);
	out_put(&out, BP_A_SOURCE, &bundle->source, bundle->source_len);
	out_put(&out, BP_A_DESTINATION, &bundle->destination, bundle->destination_len);
	out_put(&out, BP_A_INFO, &info, sizeof(info));
	if (bundle->report_to_len)
		out_put(&out, BP_A_REPORT_TO, &bundle->report_to, bundle->report_to_len);
}

static void offer(struct bundle *bundle, const struct endpoint *endpoint)
{
	uint32_t offset = 0, chunk;

	bundle->offered = endpoint->socket;
	do {
		chunk = bundle->length - offset < CHUNK ? bundle->length - offset : CHUNK;
		out_begin(&out, &wire, BP_CMD_DELIVER);
		out_u32(&out, BP_A_SOCKET, endpoint->socket);
		out_u64(&out, BP_A_DELIVERY, bundle->id);
		if (offset)
			out_u32(&out, BP_A_OFFSET, offset);
		else
			put_first(bundle);
		out_put(&out, BP_A_DATA, bundle->data + offset, chunk);
		send_out();
		offset += chunk;
		if (kill_at == KILL_DELIVERING && offset < bundle->length)
			die();
	} while (offset < bundle->length);
	if (kill_at == KILL_DELIVERED)
		die();
}

static void offer_all(void)
{
	struct pollfd poller = { .fd = wire.fd, .events = POLLIN };
	struct bundle *bundle = look ? bundles : NULL;

	look = 0;
	for (; bundle; bundle = bundle->next) {
		struct endpoint *endpoint;

		if (bundle->offered)
			continue;
		endpoint = find_endpoint(&bundle->to);
		if (!endpoint || endpoint->full)
			continue;
		offer(bundle, endpoint);
		/* It may be a refusal: what is sent behind it is sent for nothing. */
		if (poll(&poller, 1, 0) > 0) {
			look = 1;
			return;
		}
	}
}

static void expire(void)
{
	struct bundle *bundle = bundles, *next;
	struct endpoint *endpoint;

	for (; bundle; bundle = next) {
		next = bundle->next;
		if (!bundle->expires_ms || bundle->expires_ms > now_ms())
			continue;
		/* Also one that was refused: the kernel waits for it. */
		endpoint = find_endpoint(&bundle->to);
		if (endpoint) {
			out_begin(&out, &wire, BP_CMD_REVOKE);
			out_u32(&out, BP_A_SOCKET, endpoint->socket);
			out_u64(&out, BP_A_DELIVERY, bundle->id);
			send_out();
		}
		store_remove(bundle);
	}
}

static void on_refuse(const struct in *in)
{
	struct bundle *bundle = find_bundle(in_u64(in, BP_A_DELIVERY));
	struct endpoint *endpoint = find_socket(in_u32(in, BP_A_SOCKET));

	if (!endpoint || !bundle || bundle->offered != endpoint->socket)
		return;
	/* Those behind it, in the order in which they were sent, are ignored as well. */
	for (; bundle; bundle = bundle->next)
		if (bundle->offered == endpoint->socket)
			bundle->offered = 0;
	endpoint->full = 1;
}

static void on_ack(const struct in *in)
{
	struct bundle *bundle = find_bundle(in_u64(in, BP_A_DELIVERY));

	if (kill_at == KILL_ACK)
		die();
	if (!bundle || bundle->offered != in_u32(in, BP_A_SOCKET))
		errx(1, "ACK of a bundle that was not delivered there");
	store_remove(bundle);
}

static void on_room(const struct in *in)
{
	struct endpoint *endpoint = find_socket(in_u32(in, BP_A_SOCKET));

	if (endpoint)
		endpoint->full = 0;
	look = 1;
}

/* There are no bundles of others to cancel: what is stored can be. */
static void on_cancel(const struct in *in)
{
	struct bundle *bundle = bundles;
	struct bp_bundle wanted;

	memcpy(&wanted, in_data(in, BP_A_BUNDLE), sizeof(wanted));
	while (bundle && (bundle->offered || memcmp(&bundle->bundle, &wanted, sizeof(wanted))))
		bundle = bundle->next;
	if (bundle)
		store_remove(bundle);
	reply_error(in_u32(in, BP_A_REQUEST), bundle ? 0 : ENOENT);
}

static void on_message(const struct in *in)
{
	if (in->type == NLMSG_ERROR)
		errx(1, "the kernel refused a message: %s", strerror(in->error));
	switch (in->cmd) {
	case BP_CMD_HELLO:
		break;
	case BP_CMD_OPEN:
		on_open(in);
		break;
	case BP_CMD_CLOSE:
		remove_endpoint(in_u32(in, BP_A_SOCKET));
		break;
	case BP_CMD_SEND:
		on_send(in);
		break;
	case BP_CMD_CANCEL:
		on_cancel(in);
		break;
	case BP_CMD_REFUSE:
		on_refuse(in);
		break;
	case BP_CMD_ACK:
		on_ack(in);
		break;
	case BP_CMD_ROOM:
		on_room(in);
		break;
	default:
		errx(1, "unknown command %d", in->cmd);
	}
}

static void start(int argc, char **argv)
{
	if (argc < 2)
		errx(2, "usage: bp-testd STORE [MAX_MESSAGE]");
	store_open(argv[1]);
	if (wire_open(&wire))
		err(1, "the kernel module is not loaded");
	out_begin(&out, &wire, BP_CMD_REGISTER);
	out_u32(&out, BP_A_VERSION, BP_PROTOCOL_VERSION);
	out_u32(&out, BP_A_CHUNK_MAX, CHUNK);
	if (argc > 2)
		out_u32(&out, BP_A_MAX_MESSAGE, atoi(argv[2]));
	send_out();
}

int main(int argc, char **argv)
{
	static unsigned char buffer[256 * 1024];
	struct pollfd poller;

	start(argc, argv);
	poller = (struct pollfd){ .fd = wire.fd, .events = POLLIN };
	for (;;) {
		unsigned char *at = buffer;
		struct in in;
		ssize_t len;

		if (poll(&poller, 1, 20) > 0) {
			len = recv(wire.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
			if (len < 0 && errno != EAGAIN && errno != ENOBUFS)
				err(1, "cannot read from the kernel");
			while (len > 0 && in_next(&in, &at, buffer + len))
				on_message(&in);
		}
		expire();
		offer_all();
	}
}
