// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * bp-load: loads the module while one allocation after the other fails, until none is left to fail.
 * Each time it is refused for want of memory and leaves nothing behind, or it works and is unloaded.
 */
#include "inject.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int refused = 0, loaded = 0, injected, fd, nth;

	if (argc != 2 || argv[1][0] == '-') {
		fputs("usage: bp-load MODULE\n"
		      "Loads a kernel module of the name af_bp with failing allocations.\n", stderr);
		return 2;
	}
	if (inject_open()) {
		puts("bp-load: this kernel lets no allocation fail on purpose");
		return 0;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	for (nth = 1, injected = 1; injected; nth++) {
		long bad;

		/* The number is that of the part of the kernel that had no memory. */
		inject_arm(nth);
		bad = syscall(SYS_finit_module, fd, "", 0);
		injected = inject_disarm();
		CHECK(!bad || injected);
		if (bad) {
			refused++;
			continue;
		}
		loaded++;
		CHECK(syscall(SYS_delete_module, "af_bp", 0) == 0);
	}
	printf("bp-load: %d allocations failed: refused %d times, loaded %d times\n", nth - 2,
	       refused, loaded);
	return 0;
}
