// SPDX-License-Identifier: GPL-3.0-or-later
//
// A disk that forgets: what a program did not synchronise is gone after a power cut.
//
// Loaded in front of the C library. Each time the program synchronises a file below POWER_CUT_LIVE, the file as it is
// then is copied to the same place below POWER_CUT_DISK, in one step. So that folder always is what a disk would hold
// that writes nothing before it has to. Names are kept at once, as journals of file systems do; a file that is renamed
// without having been synchronised is empty on the disk.
//
// With POWER_CUT_DEAF, synchronising does nothing: so a program looks that forgets to do it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Where on the disk a file is, with `suffix` behind; 0 if it is not below the folder that is watched.
static int place(const char *path, const char *suffix, char out[PATH_MAX]) {
	const char *live = getenv("POWER_CUT_LIVE"), *disk = getenv("POWER_CUT_DISK");
	if (!live || !disk) return 0;
	size_t length = strlen(live);
	if (strncmp(path, live, length) != 0 || path[length] != '/') return 0;
	if (snprintf(out, PATH_MAX, "%s%s%s", disk, path + length, suffix) >= PATH_MAX) return 0;
	for (char *slash = out + strlen(disk) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(out, 0700);
		*slash = '/';
	}
	return 1;
}

// A power cut is played by killing the program, so what cannot be kept must not go unnoticed.
static void fail(const char *what) {
	perror(what);
	abort();
}

static void keep(int fd) {
	char link[64], path[PATH_MAX], to[PATH_MAX], part[PATH_MAX], buffer[1 << 16];
	struct stat status;
	if (getenv("POWER_CUT_DEAF") || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0) return;
	path[length] = 0;
	if (!place(path, "", to) || !place(path, ".part", part)) return;
	pthread_mutex_lock(&lock);
	int in = open(path, O_RDONLY | O_CLOEXEC);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, status.st_mode & 0777);
	// A file without a name any more is gone with the power anyway.
	if (in >= 0) {
		if (out < 0) fail(part);
		for (ssize_t got; (got = read(in, buffer, sizeof buffer)) != 0;)
			if (got < 0 || write(out, buffer, (size_t)got) != got) fail(path);
	}
	if (out >= 0) close(out);
	if (in >= 0) close(in);
	int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	if (in >= 0 && next(part, to) != 0) fail(to);
	pthread_mutex_unlock(&lock);
}

int fsync(int fd) {
	keep(fd);
	return 0;
}

int fdatasync(int fd) {
	keep(fd);
	return 0;
}

int rename(const char *from, const char *to) {
	int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	char before[PATH_MAX], after[PATH_MAX];
	pthread_mutex_lock(&lock);
	int outcome = next(from, to);
	if (outcome == 0 && place(to, "", after)) {
		int is_kept = place(from, "", before) && next(before, after) == 0;
		if (!is_kept) {
			int empty = open(after, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
			if (empty >= 0) close(empty);
		}
	}
	pthread_mutex_unlock(&lock);
	return outcome;
}

int unlink(const char *path) {
	int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
	char on_disk[PATH_MAX];
	pthread_mutex_lock(&lock);
	int outcome = next(path);
	if (outcome == 0 && place(path, "", on_disk)) next(on_disk);
	pthread_mutex_unlock(&lock);
	return outcome;
}
