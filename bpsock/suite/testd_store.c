// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testd.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct bundle *bundles;
static const char *store;
static uint64_t last_file, last_id;

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static void path_of(char *path, size_t size, uint64_t file)
{
	snprintf(path, size, "%s/%016llx", store, (unsigned long long)file);
}

static void insert(struct bundle *bundle)
{
	struct bundle **at = &bundles;

	while (*at && (*at)->file < bundle->file)
		at = &(*at)->next;
	bundle->next = *at;
	*at = bundle;
}

struct bundle *store_new(uint32_t length)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle) + length);

	if (!bundle)
		err(1, "bundle of %u octets", length);
	bundle->length = length;
	return bundle;
}

/* Writes it under another name first: half a bundle is none. */
static void save(const struct bundle *bundle)
{
	char path[512], draft[512];
	size_t size = sizeof(*bundle) + bundle->length;
	int fd;

	path_of(path, sizeof(path), bundle->file);
	snprintf(draft, sizeof(draft), "%s/draft", store);
	fd = open(draft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bundle, size) != (ssize_t)size || close(fd) || rename(draft, path))
		err(1, "%s", path);
}

void store_add(struct bundle *bundle)
{
	bundle->file = ++last_file;
	bundle->id = ++last_id;
	save(bundle);
	insert(bundle);
}

void store_remove(struct bundle *bundle)
{
	struct bundle **at = &bundles;
	char path[512];

	while (*at != bundle)
		at = &(*at)->next;
	*at = bundle->next;
	path_of(path, sizeof(path), bundle->file);
	unlink(path);
	free(bundle);
}

static void load(const char *name)
{
	char path[512];
	struct bundle *bundle;
	struct stat stat;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", store, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat) || stat.st_size < (off_t)sizeof(*bundle))
		errx(1, "%s is no bundle", path);
	bundle = store_new(stat.st_size - sizeof(*bundle));
	if (read(fd, bundle, stat.st_size) != stat.st_size)
		err(1, "%s", path);
	close(fd);
	bundle->offered = 0;
	bundle->id = ++last_id;
	if (bundle->file > last_file)
		last_file = bundle->file;
	insert(bundle);
}

void store_open(const char *folder)
{
	struct dirent *entry;
	DIR *dir;

	store = folder;
	mkdir(folder, 0700);
	dir = opendir(folder);
	if (!dir)
		err(1, "%s", folder);
	while ((entry = readdir(dir)))
		if (strlen(entry->d_name) == 16)
			load(entry->d_name);
	closedir(dir);
}

int eid_from(struct eid *eid, const union address *address)
{
	memset(eid, 0, sizeof(*eid));
	switch (address->ipn.bp_scheme) {
	case BP_SCHEME_IPN:
		eid->scheme = BP_SCHEME_IPN;
		eid->node = address->ipn.bp_addr.ipn.node_id;
		eid->service = address->ipn.bp_addr.ipn.service_id;
		return 0;
	case BP_SCHEME_IPN_WIDE:
		eid->scheme = BP_SCHEME_IPN;
		eid->node = (uint64_t)address->wide.bp_allocator << 32 | address->wide.bp_node;
		eid->service = address->wide.bp_service;
		return 0;
	case BP_SCHEME_DTN:
		eid->scheme = BP_SCHEME_DTN;
		memcpy(eid->name, address->dtn.bp_name, address->dtn.bp_length);
		return 0;
	default:
		return -1;
	}
}

int eid_equal(const struct eid *one, const struct eid *other)
{
	return one->service == other->service && one->node == other->node &&
	       one->scheme == other->scheme && !strcmp(one->name, other->name);
}
