/*
 * Process 1 of the lab guest: runs one COMMAND and carries its stdin, stdout, stderr (or its terminal), signals and
 * exit status over one virtio-serial port in frames. Layer: scripts (guest side of scripts/lab/lab.mjs).
 * Frame: type byte, little-endian 32-bit length, payload; types are listed here and in frames.mjs.
 * Invariants: bytes pass unchanged; everything COMMAND wrote is sent before its exit status; a broken port powers off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { TO_STDIN = 'i', TO_STDIN_END = 'e', TO_SIGNAL = 'k', TO_WINDOW = 'w' };             /* host to guest */
enum { FROM_STARTED = 's', FROM_STDOUT = 'o', FROM_STDERR = 'r', FROM_EXIT = 'x', FROM_FAILED = 'f' }; /* to host */

static int port;

static void power_off(void) {
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

static void write_all(int fd, const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t n = write(fd, at, length);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        poll(&p, 1, 1000);
        continue;
      }
      if (fd == port) power_off();
      return;
    }
    at += n;
    length -= (size_t)n;
  }
}

static void send_frame(char type, const void *data, uint32_t length) {
  /* One write for head and body: each write is one trip to the host. */
  static char buffer[5 + 65536];
  buffer[0] = type;
  memcpy(buffer + 1, &length, 4);
  memcpy(buffer + 5, data, length);
  write_all(port, buffer, 5 + length);
}

static void fail(const char *what) {
  char text[512];
  int n = snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  send_frame(FROM_FAILED, text, (uint32_t)n);
  sleep(5);
  power_off();
}

/* Reads a file of NUL-terminated strings into a NULL-terminated vector. */
static char **read_strings(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) fail(path);
  size_t room = 1 << 20, length, count = 0;
  char *text = malloc(room);
  length = fread(text, 1, room - 1, file);
  fclose(file);
  text[length] = 0;
  for (size_t i = 0; i < length; i++) count += text[i] == 0;
  char **list = calloc(count + 1, sizeof *list);
  for (size_t i = 0, k = 0; i < length; i += strlen(text + i) + 1) list[k++] = text + i;
  return list;
}

/* Stdin that COMMAND has not taken yet. It never blocks the loop: COMMAND may print before it reads. */
static char *pending;
static size_t pending_length, pending_room;
static int stdin_fd = -1, stdin_ended;

static void push_stdin(const char *data, size_t length) {
  if (stdin_fd < 0) return;
  if (pending_length + length > pending_room) {
    pending_room = (pending_length + length) * 2;
    pending = realloc(pending, pending_room);
  }
  memcpy(pending + pending_length, data, length);
  pending_length += length;
}

static void drain_stdin(int is_terminal) {
  size_t done = 0;
  while (stdin_fd >= 0 && done < pending_length) {
    ssize_t n = write(stdin_fd, pending + done, pending_length - done);
    if (n > 0) {
      done += (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
      break;
    } else if (n < 0 && errno != EINTR) { /* the reader has gone */
      done = pending_length;
      stdin_ended = 1;
    }
  }
  memmove(pending, pending + done, pending_length - done);
  pending_length -= done;
  if (stdin_ended && pending_length == 0 && stdin_fd >= 0 && !is_terminal) {
    close(stdin_fd);
    stdin_fd = -1;
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  port = open(argv[1], O_RDWR | O_CLOEXEC);
  if (port < 0) power_off();

  /* /run/lab: argv and env, NUL-terminated strings; settings: working folder, "tty" or "pipe", rows, columns. */
  char **command = read_strings("/run/lab/argv");
  char **environment = read_strings("/run/lab/env");
  char **settings = read_strings("/run/lab/settings");
  int terminal = settings[1] && strcmp(settings[1], "tty") == 0;

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  int children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);

  int in[2] = {-1, -1}, out[2], err[2] = {-1, -1}, master = -1;
  pid_t child;
  if (terminal) {
    struct winsize size = {.ws_row = (unsigned short)atoi(settings[2]), .ws_col = (unsigned short)atoi(settings[3])};
    child = forkpty(&master, NULL, NULL, &size);
    out[0] = master;
    stdin_fd = master;
  } else {
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) fail("pipe");
    child = fork();
    stdin_fd = in[1];
  }
  if (child < 0) fail("fork");
  if (child == 0) {
    if (!terminal) {
      setsid();
      dup2(in[0], 0);
      dup2(out[1], 1);
      dup2(err[1], 2);
    }
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (chdir(settings[0])) {
      dprintf(2, "lab: cannot enter %s: %s\n", settings[0], strerror(errno));
      _exit(126);
    }
    environ = environment;
    execvp(command[0], command);
    dprintf(2, "lab: cannot run %s: %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  if (terminal) {
    fcntl(master, F_SETFD, FD_CLOEXEC);
  } else {
    close(in[0]);
    close(out[1]);
    close(err[1]);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
  }
  fcntl(stdin_fd, F_SETFL, O_NONBLOCK);
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  send_frame(FROM_STARTED, "", 0);

  static char input[131072], chunk[65536];
  size_t held = 0;
  int status = 0, ended = 0;
  for (;;) {
    struct pollfd fds[] = {
        /* A full backlog stops reading the port: back-pressure reaches the host. */
        {.fd = pending_length < (1 << 20) ? port : -1, .events = POLLIN},
        {.fd = children, .events = POLLIN},
        {.fd = out[0], .events = POLLIN},
        {.fd = err[0], .events = POLLIN},
        {.fd = pending_length > 0 || (stdin_ended && !terminal) ? stdin_fd : -1, .events = POLLOUT},
    };
    int ready = poll(fds, 5, ended ? 0 : -1);
    if (ready < 0 && errno != EINTR) fail("poll");

    for (int i = 2; i <= 3; i++) {
      if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      int *fd = i == 2 ? &out[0] : &err[0];
      ssize_t n = read(*fd, chunk, sizeof chunk);
      if (n > 0) {
        send_frame(i == 2 ? FROM_STDOUT : FROM_STDERR, chunk, (uint32_t)n);
      } else if (n == 0 || errno != EAGAIN) { /* a terminal ends with EIO */
        if (!terminal) close(*fd);
        *fd = -1;
      }
    }

    /* COMMAND has ended and what it wrote has been sent. What it left running may hold the pipes: not waited for. */
    if (ended && !((fds[2].revents | fds[3].revents) & POLLIN)) break;

    if (fds[1].revents & POLLIN) {
      struct signalfd_siginfo info;
      while (read(children, &info, sizeof info) > 0) continue;
      int how;
      for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) { /* orphans too: this is process 1 */
        if (pid != child) continue;
        status = how;
        ended = 1;
      }
    }

    if (fds[0].revents & (POLLIN | POLLHUP)) {
      ssize_t n = read(port, input + held, sizeof input - held);
      if (n <= 0) {
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        power_off(); /* the host has gone */
      }
      held += (size_t)n;
      size_t at = 0;
      while (held - at >= 5) {
        uint32_t length;
        memcpy(&length, input + at + 1, 4);
        if (length > 65536) fail("frame too long");
        if (held - at < 5 + length) break;
        char *body = input + at + 5;
        switch (input[at]) {
          case TO_STDIN:
            push_stdin(body, length);
            break;
          case TO_STDIN_END:
            stdin_ended = 1;
            if (terminal) push_stdin("\004", 1);
            break;
          case TO_SIGNAL: /* to the whole session's process group */
            if (length == 1 && !ended) kill(-child, body[0]);
            break;
          case TO_WINDOW:
            if (length == 4 && terminal) {
              uint16_t size[2];
              memcpy(size, body, 4);
              struct winsize window = {.ws_row = size[0], .ws_col = size[1]};
              ioctl(master, TIOCSWINSZ, &window);
            }
            break;
        }
        at += 5 + length;
      }
      memmove(input, input + at, held - at);
      held -= at;
    }
    drain_stdin(terminal);
  }

  int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  unsigned char body[2] = {(unsigned char)code, (unsigned char)(WIFSIGNALED(status) ? WTERMSIG(status) : 0)};
  send_frame(FROM_EXIT, body, 2);
  /* The host ends QEMU now; the guest has no state to save. */
  sleep(10);
  power_off();
}
