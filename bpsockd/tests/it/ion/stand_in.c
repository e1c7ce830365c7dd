// SPDX-License-Identifier: Apache-2.0 OR MIT
/*
 * A stand-in for ION's library: the functions that bpsockd uses, with the types that ION 4.1 gives them, on files in
 * the working directory instead of shared memory. There is no bundle, no network and no ION in it.
 *
 *   running         ION runs
 *   node            its number
 *   endpoints/EID/  an endpoint, with a file for each message: a head of two lines, and octets
 *   endpoints/EID.open  the process that has it open
 *   sent/           messages for endpoints that are not here
 *   transaction     somebody changes something: everybody else waits
 *   full, deny, abort  the next message has no room, endpoints cannot be added, the next message is the end of the process
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "STAND-IN-4.1.3"
#endif

struct timestamp { unsigned long msec; unsigned int count; };
struct delivery {
	unsigned int result;
	char *source;
	struct timestamp creation;
	unsigned int lifetime;
	int ack, admin;
	unsigned long adu;
	unsigned char type, length, metadata[30];
};
struct reader { unsigned long zco; int track; long copied[4]; };
struct object { size_t length, done; char *data; };
struct sap { char eid[128]; volatile int interrupted; };

static void (*logger)(char *);
static const char *version = "";
static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;

static int is_there(const char *path) { return access(path, F_OK) == 0; }

static void fail(const char *why)
{
	char line[300];

	snprintf(line, sizeof(line), "at line 1 of stand_in.c, %s", why);
	if (logger)
		logger(line);
}

/* Between processes, as with ION: what is never ended blocks all of them. */
int sdr_begin_xn(void *sdr)
{
	int fd;

	(void)sdr;
	while ((fd = open("transaction", O_CREAT | O_EXCL | O_WRONLY, 0666)) < 0) {
		if (errno != EEXIST)
			return 0;
		usleep(200);
	}
	close(fd);
	return 1;
}

int sdr_end_xn(void *sdr) { (void)sdr; return unlink("transaction"); }

int bp_attach(void)
{
	if (!is_there("running")) {
		fail("there is no ION in this folder");
		return -1;
	}
	version = VERSION;
	return 0;
}

void bp_detach(void) { }
int bp_agent_is_started(void) { return is_there("running"); }
void *bp_get_sdr(void) { return (void *)1; }
const char *getIonVersionNbr(void) { return version; }
#ifndef BPV6
void computeZcoCrc(void) { }
#endif

unsigned long getOwnNodeNbr(void)
{
	unsigned long node = 0;
	FILE *file = fopen("node", "r");

	if (file) {
		if (fscanf(file, "%lu", &node) != 1)
			node = 0;
		fclose(file);
	}
	return node;
}

void setLogger(void (*function)(char *)) { logger = function; }

int addEndpoint(char *eid, unsigned int rule, char *script)
{
	char path[256];

	if (is_there("deny") || rule != 1 || script)
		return 0;
	snprintf(path, sizeof(path), "endpoints/%s", eid);
	return mkdir(path, 0777) == 0 ? 1 : 0;
}

int removeEndpoint(char *eid)
{
	char path[256];

	snprintf(path, sizeof(path), "endpoints/%s", eid);
	return rmdir(path) == 0 ? 1 : 0;
}

int bp_open(char *eid, struct sap **place)
{
	char path[256];
	int holder = 0;
	FILE *file;

	*place = NULL;
	snprintf(path, sizeof(path), "endpoints/%s", eid);
	if (!is_there(path)) {
		fail("Endpoint not known.");
		return -1;
	}
	strcat(path, ".open");
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%d", &holder) != 1)
			holder = 0;
		fclose(file);
		if (holder == getpid())
			return 0;
		if (holder && kill(holder, 0) == 0) {
			fail("Endpoint is already open.");
			return -1;
		}
	}
	file = fopen(path, "w");
	fprintf(file, "%d\n", getpid());
	fclose(file);
	*place = calloc(1, sizeof(struct sap));
	snprintf((*place)->eid, sizeof((*place)->eid), "%s", eid);
	return 0;
}

void bp_close(struct sap *sap)
{
	char path[256];

	snprintf(path, sizeof(path), "endpoints/%s.open", sap->eid);
	unlink(path);
	free(sap);
}

unsigned long Sdr_malloc(const char *file, int line, void *sdr, size_t size)
{
	(void)file, (void)line, (void)sdr;
	return size ? (unsigned long)malloc(size) : 0;
}

void Sdr_write(const char *file, int line, void *sdr, unsigned long to, char *from, size_t size)
{
	(void)file, (void)line, (void)sdr;
	memcpy((void *)to, from, size);
}

void Sdr_free(const char *file, int line, void *sdr, unsigned long object)
{
	(void)file, (void)line, (void)sdr;
	free((void *)object);
}

double zco_get_max_heap_occupancy(void *sdr, unsigned int acct) { (void)sdr, (void)acct; return 8 << 20; }
double zco_get_heap_occupancy(void *sdr, unsigned int acct) { (void)sdr, (void)acct; return 0; }

unsigned long ionCreateZco(unsigned int medium, unsigned long extent, long offset, long length, unsigned char coarse,
			   unsigned char fine, unsigned int acct, void *attendant)
{
	struct object *object;

	(void)coarse, (void)fine;
	if (medium != 4 || offset || acct != 1 || attendant)
		return (unsigned long)-1;
	if (is_there("full"))
		return 0;
	object = calloc(1, sizeof(*object));
	object->data = (char *)extent;
	object->length = (size_t)length;
	return (unsigned long)object;
}

void zco_destroy(void *sdr, unsigned long zco)
{
	struct object *object = (struct object *)zco;

	(void)sdr;
	free(object->data);
	free(object);
}

long zco_source_data_length(void *sdr, unsigned long zco)
{
	(void)sdr;
	return (long)((struct object *)zco)->length;
}

void zco_start_receiving(unsigned long zco, struct reader *reader)
{
	memset(reader, 0, sizeof(*reader));
	reader->zco = zco;
}

long zco_receive_source(void *sdr, struct reader *reader, long length, char *buffer)
{
	struct object *object = (struct object *)reader->zco;

	(void)sdr;
	memcpy(buffer, object->data + reader->copied[1], (size_t)length);
	reader->copied[1] += length;
	return length;
}

static int write_message(const char *folder, const char *head, const struct object *object)
{
	static unsigned int count;
	char new[300], path[300];
	struct timeval now;
	FILE *file;
	int done;

	gettimeofday(&now, NULL);
	pthread_mutex_lock(&counter_lock);
	count++;
	snprintf(new, sizeof(new), "new-%d-%u", getpid(), count);
	snprintf(path, sizeof(path), "%s/%010ld%06ld-%06u", folder, (long)now.tv_sec, (long)now.tv_usec, count);
	pthread_mutex_unlock(&counter_lock);
	file = fopen(new, "w");
	fputs(head, file);
	done = fwrite(object->data, 1, object->length, file) == object->length;
	done &= fclose(file) == 0;
	return done && rename(new, path) == 0;
}

int bp_send(struct sap *sap, char *destination, char *report_to, int lifetime, int priority, unsigned int custody,
	    unsigned char reports, int ack, void *ancillary, unsigned long adu, unsigned long *bundle)
{
	static unsigned int sequence;
	char head[600], folder[256];
	struct timeval now;
	int done;

	if (is_there("abort")) {
		unlink("abort");
		abort();
	}
	if (lifetime <= 0 || custody || bundle || !ancillary)
		return 0;
	gettimeofday(&now, NULL);
	snprintf(head, sizeof(head), "%s %lu %u %u %d 0\nto %s reports %u to %s priority %d\n", sap->eid,
		 (now.tv_sec - 946684800UL) * 1000 + now.tv_usec / 1000, ++sequence, (unsigned int)lifetime * 1000U, ack,
		 destination, reports, report_to ? report_to : "-", priority);
	snprintf(folder, sizeof(folder), "endpoints/%s", destination);
	sdr_begin_xn(NULL);
	done = write_message(is_there(folder) ? folder : "sent", head, (struct object *)adu);
	if (done)
		zco_destroy(NULL, adu);
	sdr_end_xn(NULL);
	return done ? 1 : -1;
}

/* The oldest message of an endpoint. */
static int first_of(const char *folder, char *name, size_t size)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	name[0] = 0;
	if (!directory)
		return 0;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && (!name[0] || strcmp(entry->d_name, name) < 0))
			snprintf(name, size, "%s", entry->d_name);
	closedir(directory);
	return name[0] != 0;
}

static void read_message(const char *path, struct delivery *delivery)
{
	struct object *object = calloc(1, sizeof(*object));
	char source[200];
	struct stat status;
	FILE *file = fopen(path, "r");
	long start;

	delivery->adu = (unsigned long)object;
	if (fscanf(file, "%199s %lu %u %u %d %d%*[^\n]", source, &delivery->creation.msec, &delivery->creation.count,
		   &delivery->lifetime, &delivery->ack, &delivery->admin) != 6)
		abort();
	while (fgetc(file) != '\n')
		;
	while (fgetc(file) != '\n')
		;
	start = ftell(file);
	fstat(fileno(file), &status);
	object->length = (size_t)(status.st_size - start);
	object->data = malloc(object->length + 1);
	if (fread(object->data, 1, object->length, file) != object->length)
		abort();
	fclose(file);
	delivery->source = strdup(source);
}

int bp_receive(struct sap *sap, struct delivery *delivery, int timeout)
{
	char folder[256], name[256], path[520];

	(void)timeout;
	snprintf(folder, sizeof(folder), "endpoints/%s", sap->eid);
	for (;; usleep(1000)) {
		if (!is_there("running")) {
			delivery->result = 4;
			return 0;
		}
		sdr_begin_xn(NULL);
		if (first_of(folder, name, sizeof(name))) {
			snprintf(path, sizeof(path), "%s/%s", folder, name);
			read_message(path, delivery);
			unlink(path);
			sdr_end_xn(NULL);
			delivery->result = 1;
			return 0;
		}
		sdr_end_xn(NULL);
		if (sap->interrupted) {
			sap->interrupted = 0;
			delivery->result = 3;
			return 0;
		}
	}
}

#ifndef WITHOUT_INTERRUPT
void bp_interrupt(struct sap *sap) { sap->interrupted = 1; }
#endif

void bp_release_delivery(struct delivery *delivery, int release)
{
	free(delivery->source);
	if (release)
		zco_destroy(NULL, delivery->adu);
}
