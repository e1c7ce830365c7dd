// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * The UDP echo server of every textbook, for bundles: two lines differ, the
 * ones with BP in the comment. echo PORT [COUNT]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bp.h"

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 7, count = argc > 2 ? atoi(argv[2]) : -1;
	struct sockaddr_storage from;
	char data[65536];

#ifdef UDP
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
#else
	int fd = socket(AF_BP, SOCK_DGRAM, 0);		/* BP */
	struct sockaddr_bp own = { AF_BP, 0, BP_SCHEME_IPN, { { 0, port } } };	/* BP */
#endif

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		perror("echo");
		return 1;
	}
	while (count--) {
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length);

		if (size < 0 || sendto(fd, data, size, 0, (struct sockaddr *)&from, length) < 0) {
			perror("echo");
			return 1;
		}
	}
	return 0;
}
