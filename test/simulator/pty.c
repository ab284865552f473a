/*
 * A serial line between a simulated meter and whoever opens the other end: a raw pseudo-terminal.
 *
 * Prints the path of the terminal and a newline, then relays standard input to the terminal's readers and what
 * they write to standard output. It holds the terminal open itself, so readers may come and go. Ends with its
 * standard input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "pty: couldn't %s: %s\n", what, strerror(errno));
  exit(1);
}

static void write_all(int fd, const char *bytes, ssize_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, (size_t)length);
    if (written < 0) {
      if (errno == EINTR) continue;
      /* Nobody reads the terminal: the line is cut there, as a real one would be. */
      if (errno == EAGAIN) return;
      fail("write");
    }
    bytes += written;
    length -= written;
  }
}

int main(void) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) fail("make a pseudo-terminal");
  const char *path = ptsname(master);
  if (path == NULL) fail("name the pseudo-terminal");
  int held = open(path, O_RDWR | O_NOCTTY);
  if (held < 0) fail("open the pseudo-terminal");

  struct termios raw;
  if (tcgetattr(held, &raw) < 0) fail("read the terminal's settings");
  cfmakeraw(&raw);
  if (tcsetattr(held, TCSANOW, &raw) < 0) fail("make the terminal raw");
  if (fcntl(master, F_SETFL, O_NONBLOCK) < 0) fail("set up the terminal");

  if (printf("%s\n", path) < 0 || fflush(stdout) != 0) fail("print the path");

  struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = master, .events = POLLIN}};
  char buffer[4096];
  for (;;) {
    if (poll(ends, 2, -1) < 0) {
      if (errno == EINTR) continue;
      fail("wait");
    }
    if (ends[0].revents != 0) {
      ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
      if (length == 0) return 0;
      if (length < 0 && errno != EINTR) fail("read standard input");
      if (length > 0) write_all(master, buffer, length);
    }
    if (ends[1].revents != 0) {
      ssize_t length = read(master, buffer, sizeof buffer);
      if (length < 0 && errno != EINTR && errno != EAGAIN) fail("read the terminal");
      if (length > 0) write_all(STDOUT_FILENO, buffer, length);
    }
  }
}
