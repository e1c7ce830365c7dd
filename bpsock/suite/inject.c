// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "inject.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fail_nth = -1;

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY), bad;

	if (fd < 0)
		return -1;
	bad = write(fd, value, strlen(value)) < 0;
	close(fd);
	return bad ? -1 : 0;
}

/* For small allocations, and for whole pages. */
static int set_both(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/failslab/%s", name);
	if (write_file(path, value))
		return -1;
	snprintf(path, sizeof(path), "/sys/kernel/debug/fail_page_alloc/%s", name);
	return write_file(path, value);
}

/* Allocations that may wait fail too, and the console stays quiet: it is searched for trouble. */
int inject_open(void)
{
	if (set_both("ignore-gfp-wait", "N") || set_both("verbose", "0") ||
	    write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0"))
		return -1;
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	return fail_nth < 0 ? -1 : 0;
}

void inject_arm(int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	CHECK(pwrite(fail_nth, text, len, 0) == len);
}

int inject_disarm(void)
{
	char text[16] = "";

	CHECK(pread(fail_nth, text, sizeof(text) - 1, 0) > 0);
	CHECK(pwrite(fail_nth, "0", 1, 0) == 1);
	return atoi(text) == 0;
}

void inject_often(void)
{
	CHECK(set_both("task-filter", "Y") == 0 && set_both("times", "-1") == 0);
	CHECK(set_both("probability", "1") == 0);
	CHECK(write_file("/proc/self/make-it-fail", "1") == 0);
}
