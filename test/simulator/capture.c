/*
 * What passes on a network device, as the kernel sees it there: one line for each frame.
 *
 *   capture DEVICE
 *
 * Prints "ready", then `SECONDS.NANOSECONDS in|out ETHERTYPE PROTOCOL FROM TO FLAGS BYTES`: ports, flags as a number and bytes of
 * payload for TCP over IPv4, zeros for anything else. Ends with its standard input. Needs CAP_NET_RAW.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "capture: couldn't %s: %s\n", what, strerror(errno));
  exit(1);
}

static void print_frame(const unsigned char *frame, size_t length, int is_out, const struct timespec *at) {
  unsigned type = length >= ETH_HLEN ? (unsigned)(frame[12] << 8 | frame[13]) : 0;
  unsigned protocol = 0, from = 0, to = 0, flags = 0, bytes = 0;
  if (type == ETHERTYPE_IP && length >= ETH_HLEN + sizeof(struct iphdr)) {
    struct iphdr ip;
    memcpy(&ip, frame + ETH_HLEN, sizeof ip);
    size_t head = ip.ihl * 4u;
    protocol = ip.protocol;
    if (protocol == IPPROTO_TCP && length >= ETH_HLEN + head + sizeof(struct tcphdr)) {
      struct tcphdr tcp;
      memcpy(&tcp, frame + ETH_HLEN + head, sizeof tcp);
      from = ntohs(tcp.source);
      to = ntohs(tcp.dest);
      flags = frame[ETH_HLEN + head + 13];
      size_t heads = head + tcp.doff * 4u;
      /* Short frames may be padded: the IP header has the length. */
      bytes = ntohs(ip.tot_len) > heads ? (unsigned)(ntohs(ip.tot_len) - heads) : 0;
    }
  }
  if (printf("%lld.%09ld %s %04x %u %u %u %u %u\n", (long long)at->tv_sec, at->tv_nsec, is_out ? "out" : "in",
             type, protocol, from, to, flags, bytes) < 0 || fflush(stdout) != 0) {
    fail("print");
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: capture DEVICE\n");
    return 2;
  }
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (fd < 0) fail("open a packet socket");
  struct sockaddr_ll device = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  device.sll_ifindex = (int)if_nametoindex(argv[1]);
  if (device.sll_ifindex == 0) fail("find the device");
  if (bind(fd, (struct sockaddr *)&device, sizeof device) < 0) fail("bind to the device");
  int on = 1, room = 4 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) fail("ask for times");
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (puts("ready") < 0 || fflush(stdout) != 0) fail("print");

  struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  static unsigned char frame[65536];
  for (;;) {
    if (poll(ends, 2, -1) < 0) {
      if (errno == EINTR) continue;
      fail("wait");
    }
    if (ends[1].revents != 0) {
      struct sockaddr_ll from;
      char control[256];
      struct iovec piece = {.iov_base = frame, .iov_len = sizeof frame};
      struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1,
                               .msg_control = control, .msg_controllen = sizeof control};
      ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
      /* The device was taken down: nothing passes then, and it comes up again. */
      if (length < 0 && errno != ENETDOWN && errno != EAGAIN && errno != EINTR) fail("receive");
      if (length >= 0) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
          if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) memcpy(&at, CMSG_DATA(part), sizeof at);
        }
        print_frame(frame, (size_t)length, from.sll_pkttype == PACKET_OUTGOING, &at);
        continue;
      }
    }
    /* Looked at last, so that everything that came before the end is printed. */
    if (ends[0].revents != 0) {
      char byte;
      if (read(STDIN_FILENO, &byte, 1) <= 0) return 0;
    }
  }
}
