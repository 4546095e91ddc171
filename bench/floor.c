/* floor.c: what the kernel imposes: one thread, one epoll instance, a read, a look for the blank
 * line and a write of a fixed answer. It parses nothing and defends itself against nothing; it is
 * here to be divided by. usage: floor PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, IN_BYTES = 16 * 1024, FDS_MAX = 65536 };

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Length: 13\r\n"
                             "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "\r\n"
                             "Hello, World!";

enum { ANSWER_LEN = sizeof answer - 1, OUT_ANSWERS = 128 };

static char out[OUT_ANSWERS * ANSWER_LEN];

/* Bytes of an unfinished head, a descriptor: how much of the blank line was seen at the end. */
static unsigned char seen[FDS_MAX];

/* Counts the blank lines in what came; a head may end in a later read. */
static int count_heads(int fd, const char *in, ssize_t len)
{
    int count = 0;
    const char *at = in, *end = in + len;
    if (seen[fd]) { /* rare: step through the bytes that belong to the last read's end */
        static const char blank[] = "\r\n\r\n";
        while (at < end && seen[fd] && seen[fd] < 4)
            seen[fd] = *at == blank[seen[fd]] ? (unsigned char)(seen[fd] + 1) : 0, at++;
        count += seen[fd] == 4;
        seen[fd] = 0;
    }
    for (const char *blank; (blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)); at = blank + 4)
        count++;
    for (unsigned char n = 3; n > 0 && at < end; n--) {
        if (end - at >= n && memcmp(end - n, "\r\n\r", n) == 0) {
            seen[fd] = n;
            break;
        }
    }
    return count;
}

static void serve(int fd)
{
    char in[IN_BYTES];
    ssize_t n = recv(fd, in, sizeof in, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(fd);
        return;
    }
    for (int left = count_heads(fd, in, n); left > 0;) {
        int now = left < OUT_ANSWERS ? left : OUT_ANSWERS;
        if (send(fd, out, (size_t)now * ANSWER_LEN, MSG_NOSIGNAL) < 0) {
            close(fd);
            return;
        }
        left -= now;
    }
}

static void accept_all(int poll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
        if (fd >= FDS_MAX || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            close(fd);
        else
            seen[fd] = 0;
    }
}

int main(int argc, char **argv)
{
    int on = 1, port = argc == 2 ? atoi(argv[1]) : 0;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int poll_fd = epoll_create1(0);
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd};
    if (port <= 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listen_fd, 4096) < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0) {
        fprintf(stderr, "usage: floor PORT (%s)\n", strerror(errno));
        return 2;
    }
    for (int i = 0; i < OUT_ANSWERS; i++)
        memcpy(out + i * ANSWER_LEN, answer, ANSWER_LEN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listen_fd)
                accept_all(poll_fd, listen_fd);
            else
                serve(events[i].data.fd);
        }
    }
}
