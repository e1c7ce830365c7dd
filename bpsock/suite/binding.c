// SPDX-License-Identifier: Apache-2.0 OR MIT
/* socket, bind, connect and names */
#include "suite.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void types_and_protocols(void)
{
	static const int protocols[] = { 0, 1, 17 };
	static const int types[] = { SOCK_STREAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM };
	unsigned int at;
	int protocol;

	for (at = 0; at < 3; at++) {
		int fd = socket(AF_BP, SOCK_DGRAM, protocols[at]);

		CHECK(fd >= 0);
		close(fd);
	}
	for (at = 0; at < 4; at++)
		CHECK_ERRNO(socket(AF_BP, types[at], 0), ESOCKTNOSUPPORT);
	for (protocol = 2; protocol < 256; protocol++)
		if (protocol != 17)
			CHECK_ERRNO(socket(AF_BP, SOCK_DGRAM, protocol), EPROTONOSUPPORT);
}

static void flags_of_socket(void)
{
	int fd = new_socket(SOCK_NONBLOCK | SOCK_CLOEXEC);

	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_ERRNO(recv(fd, NULL, 0, 0), EADDRNOTAVAIL);
}

static void calls_for_streams(void)
{
	int fd = new_socket(0), pair[2];

	CHECK_ERRNO(listen(fd, 1), EOPNOTSUPP);
	CHECK_ERRNO(accept(fd, NULL, NULL), EOPNOTSUPP);
	CHECK_ERRNO(socketpair(AF_BP, SOCK_DGRAM, 0, pair), EOPNOTSUPP);
}

static void options_of_core(void)
{
	int fd = new_socket(0), value = 0;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) == 0 && value == SOCK_DGRAM);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) == 0 && value == AF_BP);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) == 0 && value == 0);
	value = 1;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)) == 0);
}

static void lengths_of_addresses(void)
{
	struct sockaddr_storage storage = { 0 };
	struct sockaddr *address = (struct sockaddr *)&storage;
	struct sockaddr_bp short_one = ipn(0, 0);
	int fd = new_socket(0), len;

	memcpy(&storage, &short_one, sizeof(short_one));
	for (len = 0; len < 16; len++) {
		CHECK_ERRNO(bind(fd, address, len), EINVAL);
		CHECK_ERRNO(connect(fd, address, len), EINVAL);
		if (len)
			CHECK_ERRNO(sendto(fd, "x", 1, 0, address, len), EINVAL);
	}
	CHECK_ERRNO(sendto(fd, "x", 1, 0, address, 0), EDESTADDRREQ);
	for (; len <= 128; len++) {
		int other = new_socket(0);

		CHECK(bind(other, address, len) == 0);
		close(other);
	}
	CHECK_ERRNO(bind(fd, address, 129), EINVAL);
	CHECK_ERRNO(bind(fd, address, -1), EINVAL);
	CHECK_ERRNO(bind(fd, NULL, 16), EFAULT);
	CHECK_ERRNO(bind(fd, NULL, 0), EINVAL);
}

static void lengths_of_other_schemes(void)
{
	struct sockaddr_bp_wide wide = {
		.bp_family = AF_BP, .bp_scheme = BP_SCHEME_IPN_WIDE, .bp_elements = 2,
	};
	struct sockaddr_bp_dtn dtn = {
		.bp_family = AF_BP, .bp_scheme = BP_SCHEME_DTN, .bp_length = 20,
	};
	int fd = new_socket(0), len;

	for (len = 0; len < (int)sizeof(wide); len++)
		CHECK_ERRNO(bind(fd, (struct sockaddr *)&wide, len), EINVAL);
	memset(dtn.bp_name, 'a', sizeof(dtn.bp_name));
	for (len = 0; len < 30; len++)
		CHECK_ERRNO(bind(fd, (struct sockaddr *)&dtn, len), EINVAL);
	dtn.bp_length = 0;
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&dtn, sizeof(dtn)), EINVAL);
	dtn.bp_length = BP_DTN_NAME_MAX + 1;
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&dtn, sizeof(dtn)), EINVAL);
	dtn.bp_length = 20;
	dtn.bp_name[3] = ' ';
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&dtn, sizeof(dtn)), EINVAL);
	wide.bp_elements = 4;
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&wide, sizeof(wide)), EINVAL);
	wide.bp_elements = 2;
	wide.bp_allocator = 1;
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&wide, sizeof(wide)), EINVAL);
	wide.bp_elements = 3;
	wide.bp_node = 1ull << 32;
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&wide, sizeof(wide)), EINVAL);
}

static void families_and_schemes(void)
{
	struct sockaddr_bp address = ipn(0, 0);
	struct sockaddr *any = (struct sockaddr *)&address;
	int fd = new_socket(0), family, scheme;

	for (family = 1; family < 64; family++) {
		if (family == AF_BP)
			continue;
		address.bp_family = family;
		CHECK_ERRNO(bind(fd, any, sizeof(address)), EINVAL);
		CHECK_ERRNO(connect(fd, any, sizeof(address)), EAFNOSUPPORT);
		CHECK_ERRNO(send_to(fd, "x", 1, 0, &address), EAFNOSUPPORT);
	}
	address.bp_family = AF_BP;
	for (scheme = 0; scheme < 10; scheme = scheme ? scheme + 1 : 4) {
		address.bp_scheme = scheme;
		CHECK_ERRNO(bind(fd, any, sizeof(address)), EAFNOSUPPORT);
		CHECK_ERRNO(connect(fd, any, sizeof(address)), EAFNOSUPPORT);
		CHECK_ERRNO(send_to(fd, "x", 1, 0, &address), EAFNOSUPPORT);
	}
}

/* Applications do not clear the padding, and get it cleared. */
static void padding_is_not_read(void)
{
	struct sockaddr_bp address = ipn(0, 0), name;
	socklen_t len = sizeof(name);
	int fd = new_socket(0);

	address.bp_reserved = 0xffff;
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	memset(&name, 0xff, sizeof(name));
	CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	CHECK(name.bp_reserved == 0);
}

static void bind_any(void)
{
	struct sockaddr_bp one, two;

	bound(&one);
	bound(&two);
	CHECK(one.bp_family == AF_BP && one.bp_scheme == BP_SCHEME_IPN);
	CHECK(one.bp_addr.ipn.node_id == own_node && two.bp_addr.ipn.node_id == own_node);
	CHECK(one.bp_addr.ipn.service_id != 0);
	CHECK(one.bp_addr.ipn.service_id != two.bp_addr.ipn.service_id);
}

static void bind_twice(void)
{
	struct sockaddr_bp address, free_one;
	int fd = bound(&address), other = bound(&free_one);

	CHECK(close(other) == 0);
	CHECK_ERRNO(bind_ipn(fd, 0, 0), EINVAL);
	CHECK_ERRNO(bind(fd, (struct sockaddr *)&free_one, sizeof(free_one)), EINVAL);
	round_trip(fd, fd, &address, 10);
	other = new_socket(0);
	CHECK(bind(other, (struct sockaddr *)&free_one, sizeof(free_one)) == 0);
	round_trip(fd, other, &free_one, 10);
}

static void bind_taken(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address), other = new_socket(0);

	CHECK_ERRNO(bind(other, (struct sockaddr *)&address, sizeof(address)), EADDRINUSE);
	/* The failure changes nothing: the same socket can be bound elsewhere, and there later. */
	CHECK(close(fd) == 0);
	CHECK(bind(other, (struct sockaddr *)&address, sizeof(address)) == 0);
	round_trip(other, other, &address, 3);
}

static void bind_foreign(void)
{
	int fd = new_socket(0);

	CHECK_ERRNO(bind_ipn(fd, own_node + 1, 5000), EADDRNOTAVAIL);
	CHECK_ERRNO(recv(fd, NULL, 0, MSG_DONTWAIT), EADDRNOTAVAIL);
	CHECK(bind_ipn(fd, own_node, 0) == 0);
}

static void bind_is_refused(void)
{
	static const int numbers[] = { EACCES, EADDRINUSE, ENETDOWN, ENOMEM, EAFNOSUPPORT };
	struct sockaddr_bp address;
	unsigned int at;
	int fd = new_socket(0);
	socklen_t len = sizeof(address);

	for (at = 0; at < sizeof(numbers) / sizeof(*numbers); at++)
		CHECK_ERRNO(bind_ipn(fd, own_node, 50000 + numbers[at]), numbers[at]);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	CHECK(address.bp_addr.ipn.node_id == 0 && address.bp_addr.ipn.service_id == 0);
	CHECK(bind_ipn(fd, own_node, 0) == 0);
}

struct racer {
	struct sockaddr_bp address;
	int fd;				/* -1 if the other one was first */
};

static void *bind_racing(void *argument)
{
	struct racer *racer = argument;

	racer->fd = new_socket(0);
	if (bind(racer->fd, (struct sockaddr *)&racer->address, sizeof(racer->address)) == 0)
		return NULL;
	CHECK(errno == EADDRINUSE);
	close(racer->fd);
	racer->fd = -1;
	return NULL;
}

static void bind_races(void)
{
	struct racer one, two;
	int round;

	close(bound(&one.address));
	two.address = one.address;
	for (round = 0; round < 50; round++) {
		unsigned long thread;

		start_thread(&thread, bind_racing, &one);
		bind_racing(&two);
		join_thread(thread);
		CHECK((one.fd < 0) != (two.fd < 0));
		close(one.fd < 0 ? two.fd : one.fd);
	}
}

static void bind_by_users(void)
{
	int fd;

	CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	fd = new_socket(0);
	CHECK_ERRNO(bind_ipn(fd, own_node, 7), EACCES);
	CHECK(bind_ipn(fd, own_node, 0) == 0);
}

static void names_of_unbound(void)
{
	struct sockaddr_bp name;
	socklen_t len = sizeof(name);
	int fd = new_socket(0);

	memset(&name, 0xff, sizeof(name));
	CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	CHECK(len == sizeof(name) && name.bp_family == AF_BP && name.bp_scheme == BP_SCHEME_IPN);
	CHECK(name.bp_addr.ipn.node_id == 0 && name.bp_addr.ipn.service_id == 0);
	CHECK_ERRNO(getpeername(fd, (struct sockaddr *)&name, &len), ENOTCONN);
}

static void names_in_short_buffers(void)
{
	struct sockaddr_bp address;
	int fd = bound(&address);
	unsigned char buffer[32];
	socklen_t room, len;

	for (room = 0; room < 32; room++) {
		memset(buffer, 0xa5, sizeof(buffer));
		len = room;
		CHECK(getsockname(fd, (struct sockaddr *)buffer, &len) == 0);
		CHECK(len == sizeof(address));
		len = room < sizeof(address) ? room : sizeof(address);
		CHECK(!memcmp(buffer, &address, len) && buffer[len] == 0xa5);
	}
	CHECK_ERRNO(getsockname(fd, (struct sockaddr *)buffer, NULL), EFAULT);
	CHECK_ERRNO(getsockname(fd, NULL, &len), EFAULT);
	len = -1;
	CHECK_ERRNO(getsockname(fd, (struct sockaddr *)buffer, &len), EINVAL);
}

static void connect_gives_a_peer(void)
{
	struct sockaddr unspecified = { .sa_family = AF_UNSPEC };
	struct sockaddr_bp address, name;
	socklen_t len = sizeof(name);
	int to = bound(&address), fd = new_socket(0);
	char data[8];

	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(getpeername(fd, (struct sockaddr *)&name, &len) == 0);
	CHECK(len == sizeof(name) && !memcmp(&name, &address, sizeof(name)));
	CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
	CHECK(name.bp_addr.ipn.service_id != 0);
	CHECK(send(fd, "one", 3, 0) == 3 && receive(to, data, 8, NULL) == 3);
	CHECK(write(fd, "four", 4) == 4);
	wait_for(to, 1);
	CHECK(read(to, data, 8) == 4 && !memcmp(data, "four", 4));
	CHECK(connect(fd, &unspecified, sizeof(unspecified)) == 0);
	CHECK_ERRNO(send(fd, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERRNO(getpeername(fd, (struct sockaddr *)&name, &len), ENOTCONN);
}

/* Three elements, two elements and 64 bits are kept as they are. */
static void wide_and_dtn_names(void)
{
	struct sockaddr_bp_wide wide = {
		.bp_family = AF_BP, .bp_scheme = BP_SCHEME_IPN_WIDE, .bp_elements = 3,
		.bp_node = own_node, .bp_service = 1ull << 40,
	};
	struct sockaddr_bp_dtn dtn = {
		.bp_family = AF_BP, .bp_scheme = BP_SCHEME_DTN, .bp_length = 14,
		.bp_name = "//node10/suite",
	};
	socklen_t dtn_len = offsetof(struct sockaddr_bp_dtn, bp_name) + 14, len;
	int one = new_socket(0), two = new_socket(0);
	struct sockaddr_storage name;
	char data[4];

	CHECK(bind(one, (struct sockaddr *)&wide, sizeof(wide)) == 0);
	CHECK(bind(two, (struct sockaddr *)&dtn, dtn_len) == 0);
	len = sizeof(name);
	CHECK(getsockname(one, (struct sockaddr *)&name, &len) == 0 && len == sizeof(wide));
	CHECK(!memcmp(&name, &wide, sizeof(wide)));
	len = sizeof(name);
	CHECK(getsockname(two, (struct sockaddr *)&name, &len) == 0 && len == dtn_len);
	CHECK(!memcmp(&name, &dtn, dtn_len));
	CHECK(sendto(one, "a", 1, 0, (struct sockaddr *)&dtn, dtn_len) == 1);
	wait_for(two, 1);
	len = sizeof(name);
	CHECK(recvfrom(two, data, 4, 0, (struct sockaddr *)&name, &len) == 1);
	CHECK(len == sizeof(wide) && !memcmp(&name, &wide, sizeof(wide)));
	CHECK(sendto(two, "b", 1, 0, (struct sockaddr *)&wide, sizeof(wide)) == 1);
	wait_for(one, 1);
	len = sizeof(name);
	CHECK(recvfrom(one, data, 4, 0, (struct sockaddr *)&name, &len) == 1);
	CHECK(len == dtn_len && !memcmp(&name, &dtn, dtn_len));
}

static void many_sockets(void)
{
	static struct sockaddr_bp addresses[1000];
	static int fds[1000];
	int at;

	for (at = 0; at < 1000; at++)
		fds[at] = bound(&addresses[at]);
	for (at = 0; at < 1000; at++)
		CHECK(send_to(fds[at], &at, sizeof(at), 0, &addresses[999 - at]) == sizeof(at));
	for (at = 0; at < 1000; at++) {
		int got = -1;

		CHECK(receive(fds[at], &got, sizeof(got), NULL) == sizeof(got));
		CHECK(got == 999 - at);
	}
}

const struct test binding_tests[] = {
	{ "socket_types_and_protocols", types_and_protocols, 0 },
	{ "socket_flags", flags_of_socket, 0 },
	{ "socket_calls_for_streams", calls_for_streams, 0 },
	{ "socket_options_of_core", options_of_core, 0 },
	{ "address_lengths", lengths_of_addresses, 0 },
	{ "address_lengths_of_other_schemes", lengths_of_other_schemes, 0 },
	{ "address_families_and_schemes", families_and_schemes, 0 },
	{ "address_padding", padding_is_not_read, 0 },
	{ "bind_any", bind_any, 0 },
	{ "bind_twice", bind_twice, 0 },
	{ "bind_taken", bind_taken, 0 },
	{ "bind_foreign", bind_foreign, 0 },
	{ "bind_is_refused", bind_is_refused, NEEDS_SCRIPT },
	{ "bind_races", bind_races, 0 },
	{ "bind_by_users", bind_by_users, NEEDS_SCRIPT | NEEDS_ROOT },
	{ "name_of_unbound", names_of_unbound, 0 },
	{ "name_in_short_buffer", names_in_short_buffers, 0 },
	{ "connect", connect_gives_a_peer, 0 },
	{ "address_wide_and_dtn", wide_and_dtn_names, NEEDS_SCRIPT },
	{ "socket_many", many_sockets, 0 },
	{ 0 },
};
