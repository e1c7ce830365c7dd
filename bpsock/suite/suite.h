/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Tests of sockets of family 28, for any implementation of them. Each test
 * runs in a process of its own, with a time limit.
 */
#ifndef SUITE_H
#define SUITE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "bp.h"

/* What a test needs besides sockets. */
#define NEEDS_DAEMON	1	/* a daemon that the suite may kill: --daemon */
#define NEEDS_SCRIPT	2	/* bp-testd and its addresses: --scripted */
#define NEEDS_KERNEL	4	/* the kernel module: --kernel */
#define NEEDS_ROOT	8
#define NEEDS_ECHO	16	/* the example: --echo */
#define NEEDS_FAULTS	32	/* a kernel that lets allocations fail: inject.h */

struct test {
	const char *name;
	void (*run)(void);
	int needs;
};

extern const struct test binding_tests[], data_tests[], daemon_tests[], error_tests[];
extern const struct test option_tests[], waiting_tests[], kernel_tests[], fault_tests[];

/* Ends the test if the condition does not hold. */
#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* Ends the test unless the call fails with this errno. */
#define CHECK_ERRNO(call, number) \
	(errno = 0, (call) == -1 && errno == (number) ? (void)0 : \
	 check_errno_failed(__FILE__, __LINE__, #call, number))

void check_failed(const char *file, int line, const char *condition) __attribute__((noreturn));
void check_errno_failed(const char *file, int line, const char *call, int expected)
	__attribute__((noreturn));

/* The node of the daemon; see --node. */
extern uint32_t own_node;

/* See --echo. */
extern const char *echo_program;

struct sockaddr_bp ipn(uint32_t node, uint32_t service);
int new_socket(int flags);
int bind_ipn(int fd, uint32_t node, uint32_t service);

/* A socket bound to a free service, which getsockname() has told. */
int bound(struct sockaddr_bp *address);

long send_to(int fd, const void *data, size_t len, int flags, const struct sockaddr_bp *to);

/* Waits up to 30 s for events of poll(); returns what is there. */
int wait_for(int fd, short events);

/* Receives a message that has to come within 30 s. */
long receive(int fd, void *data, size_t len, struct sockaddr_bp *from);

/* Sends one message and ends the test unless exactly it is received. */
void round_trip(int from, int to, const struct sockaddr_bp *address, size_t len);

/* With bp-testd: ends what was sent to ipn:40.X, with an error or with 0. */
void answer_all(uint32_t error);

void fill(unsigned char *data, size_t len, unsigned int seed);
void set_timeout(int fd, int option, int ms);
void sleep_ms(int ms);
uint64_t clock_ms(void);
/*
 * The time at the last tick. Time-outs of sockets are counted in ticks from
 * the last one, which may be late in a guest: they are too short by that for
 * clock_ms(), in every family.
 */
uint64_t tick_ms(void);

/* Starts a thread that the test joins; arguments are the test's own. */
void start_thread(unsigned long *thread, void *(*run)(void *), void *argument);
void join_thread(unsigned long thread);

/* Kills the daemon and waits for the next one; or leaves none until resumed. */
void kill_daemon(void);
void stop_daemon(void);
void resume_daemon(void);
/* Waits until the daemon has died by itself and the next one works. */
unsigned int daemon_count(void);
void wait_next_daemon(unsigned int count);

#endif
