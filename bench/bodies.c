/* bodies.c: large bodies through a server in a process of its own: how fast, and in how much
 * memory. One connection each way over the loopback. usage: bodies [GIGABYTES] (default 4) */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

enum { BLOCK = 256 * 1024, PORT = 18979 };

static char block[BLOCK];
static int64_t bytes;
static int ready[2];

static int take(weft_http *h, void *arg)
{
    char buf[64 * 1024];
    int64_t total = 0;
    ssize_t n;
    (void)arg;
    weft_set_max_body(h, bytes);
    while ((n = weft_body_read(h, buf, sizeof buf)) > 0)
        total += n;
    return n < 0 ? (int)n : weft_textf(h, 200, "%lld", (long long)total);
}

static int give(weft_http *h, void *arg)
{
    int rc = 0;
    (void)arg;
    for (int64_t left = bytes; left > 0 && rc == 0; left -= BLOCK)
        rc = weft_write(h, block, BLOCK);
    return rc;
}

static void on_ready(void *arg)
{
    (void)arg;
    if (write(ready[1], "r", 1) != 1)
        _exit(1);
}

static int serve(void)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", PORT);
    weft_serve_opts opts = {.listen = {address}, .quiet = 1, .threads = 1, .on_ready = on_ready};
    weft_app *app = weft_app_new();
    weft_post(app, "/", take, NULL);
    weft_get(app, "/", give, NULL);
    return weft_app_main_opts(app, &opts);
}

static int connected(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        perror("bodies: connect");
        exit(1);
    }
    return fd;
}

static void send_all(int fd, const char *from, size_t len)
{
    for (ssize_t n; len; from += n, len -= (size_t)n) {
        if ((n = send(fd, from, len, MSG_NOSIGNAL)) <= 0) {
            perror("bodies: send");
            exit(1);
        }
    }
}

static int64_t read_all(int fd)
{
    int64_t total = 0;
    for (ssize_t n; (n = recv(fd, block, BLOCK, 0)) > 0;)
        total += n;
    close(fd);
    return total;
}

/* The server's greatest resident memory so far, in kB. */
static long peak_kb(pid_t pid)
{
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

static void print(const char *what, int64_t began, int64_t total, pid_t pid)
{
    double seconds = (double)(weft_now() - began) / WEFT_SEC;
    printf("%s %.2f GB in %.2f s, %.2f GB/s, server's peak %ld kB\n", what,
           (double)total / (1 << 30), seconds, (double)total / (1 << 30) / seconds, peak_kb(pid));
}

int main(int argc, char **argv)
{
    char head[128], byte;
    bytes = (int64_t)(argc > 1 ? atoi(argv[1]) : 4) << 30;
    if (bytes <= 0 || pipe(ready) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0)
        return serve();
    if (read(ready[0], &byte, 1) != 1)
        return 1;
    printf("server's peak %ld kB at the start\n", peak_kb(pid));
    int n = snprintf(
        head, sizeof head,
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %lld\r\n\r\n",
        (long long)bytes);
    int fd = connected();
    int64_t began = weft_now();
    send_all(fd, head, (size_t)n);
    for (int64_t left = bytes; left > 0; left -= BLOCK)
        send_all(fd, block, BLOCK);
    read_all(fd);
    print("upload  ", began, bytes, pid);
    fd = connected();
    began = weft_now();
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send_all(fd, request, sizeof request - 1);
    print("download", began, read_all(fd), pid);
    kill(pid, SIGTERM);
    int status = 1;
    waitpid(pid, &status, 0);
    return status;
}
