/* The peer around the C reference of KCP. See peer_program.ts for what it reads and prints.
 *
 *   echo serve             sends every message back
 *   echo dial PORT CONV    sends the messages that it reads from stdin
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ikcp.h"

enum { WINDOW = 256, QUEUE = 2 * WINDOW, MESSAGE = 1 << 17 };

static int udp;
static struct sockaddr_in peer;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static IUINT32 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (IUINT32)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

static int output(const char *bytes, int length, ikcpcb *kcp, void *user) {
  (void)kcp, (void)user;
  return (int)sendto(udp, bytes, (size_t)length, 0, (struct sockaddr *)&peer, sizeof peer);
}

static ikcpcb *start(IUINT32 conv) {
  ikcpcb *kcp = ikcp_create(conv, NULL);
  ikcp_setoutput(kcp, output);
  ikcp_wndsize(kcp, WINDOW, WINDOW);
  ikcp_nodelay(kcp, 1, 10, 2, 1);
  return kcp;
}

/* Prints a frame: the length, then the bytes. */
static void print(const char *bytes, uint32_t length) {
  unsigned char header[4] = {length, length >> 8, length >> 16, length >> 24};
  fwrite(header, 1, 4, stdout);
  fwrite(bytes, 1, length, stdout);
  fflush(stdout);
}

/* The bytes that stdin has brought and that no message has used yet. */
static unsigned char *input;
static size_t held, capacity;

static int read_input(void) {
  if (held == capacity) {
    capacity = capacity ? 2 * capacity : 1 << 20;
    input = realloc(input, capacity);
    if (!input) fail("realloc");
  }
  ssize_t count = read(0, input + held, capacity - held);
  if (count < 0) fail("stdin");
  held += (size_t)count;
  return count > 0;
}

/* Hands whole frames of stdin to KCP, as far as its queue has room. */
static void send_input(ikcpcb *kcp) {
  size_t at = 0;
  while (held - at >= 4 && ikcp_waitsnd(kcp) < QUEUE) {
    const unsigned char *header = input + at;
    size_t length = header[0] | header[1] << 8 | header[2] << 16 | (size_t)header[3] << 24;
    if (held - at < 4 + length) break;
    if (ikcp_send(kcp, (const char *)header + 4, (int)length) < 0) fail("ikcp_send");
    at += 4 + length;
  }
  held -= at;
  memmove(input, input + at, held);
}

int main(int count, char **args) {
  int serve = count == 2 && !strcmp(args[1], "serve");
  if (!serve && !(count == 4 && !strcmp(args[1], "dial"))) {
    fputs("usage: echo serve | dial PORT CONV\n", stderr);
    return 1;
  }
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof local;
  if (bind(udp, (struct sockaddr *)&local, size) < 0) fail("bind");
  if (getsockname(udp, (struct sockaddr *)&local, &size) < 0) fail("getsockname");

  ikcpcb *kcp = NULL;
  if (serve) {
    char port[8];
    print(port, (uint32_t)snprintf(port, sizeof port, "%d", ntohs(local.sin_port)));
  } else {
    peer = local;
    peer.sin_port = htons((uint16_t)atoi(args[2]));
    kcp = start((IUINT32)strtoul(args[3], NULL, 10));
  }

  static char bytes[MESSAGE];
  for (;;) {
    struct pollfd sources[] = {{.fd = udp, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    IUINT32 time = now();
    if (poll(sources, 2, kcp ? (int)(ikcp_check(kcp, time) - time) : -1) < 0) fail("poll");
    /* The end of stdin says that the test has everything. */
    if (sources[1].revents && !read_input()) return 0;
    if (sources[0].revents & POLLIN) {
      struct sockaddr_in from;
      socklen_t length = sizeof from;
      ssize_t got = recvfrom(udp, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
      if (got >= 24) {
        if (serve && !kcp) {
          peer = from;
          kcp = start(ikcp_getconv(bytes));
        }
        ikcp_input(kcp, bytes, (long)got);
      }
    }
    if (!kcp) continue;
    /* A server takes a message only if its queue has room for the answer. */
    while (!serve || ikcp_waitsnd(kcp) < QUEUE) {
      int length = ikcp_recv(kcp, bytes, sizeof bytes);
      if (length < 0) break;
      if (length == 0) continue; /* The end of our stream is an empty message. */
      print(bytes, (uint32_t)length);
      if (serve && ikcp_send(kcp, bytes, length) < 0) fail("ikcp_send");
    }
    if (!serve) send_input(kcp);
    ikcp_update(kcp, now());
  }
}
