/* The floor: what answering costs when nothing is decided.  An epoll loop that finds the end of a head and says 204. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST = 4096, ROOM = 65536, AT_ONCE = 64, GONE = 65 };
static const char answer[] = "HTTP/1.1 204 No Content\r\nServer: floor\r\n\r\n";
static char *pending[MOST]; /* by file descriptor: the bytes of a head that is not whole yet */
static size_t length[MOST];

static size_t answer_some(int fd) { /* how many heads were whole; at most AT_ONCE */
    char answers[AT_ONCE * sizeof answer], *head = pending[fd], *end;
    size_t ready = 0;
    while (ready < AT_ONCE && (end = memmem(head, length[fd], "\r\n\r\n", 4))) {
        memcpy(answers + ready++ * (sizeof answer - 1), answer, sizeof answer - 1);
        length[fd] -= (size_t)(end + 4 - head);
        head = end + 4;
    }
    if (length[fd]) memmove(pending[fd], head, length[fd]);
    ssize_t wanted = (ssize_t)(ready * (sizeof answer - 1));
    return !ready || send(fd, answers, (size_t)wanted, MSG_NOSIGNAL) == wanted ? ready : GONE;
}

static int hear(int fd) { /* 0: the connection is over */
    ssize_t got = recv(fd, pending[fd] + length[fd], ROOM - length[fd], 0);
    size_t answered;
    if (got <= 0) return 0;
    length[fd] += (size_t)got;
    while ((answered = answer_some(fd)) == AT_ONCE) {}
    return answered != GONE && length[fd] < ROOM;
}

static void welcome(int poll, int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (fd < 0) return;
    if (fd >= MOST || (!pending[fd] && !(pending[fd] = malloc(ROOM)))) { close(fd); return; }
    length[fd] = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int count, char **words) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, poll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];
    if (count != 2) return 2;
    address.sin_port = htons((uint16_t)atoi(words[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) return 1;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++)
            if (events[i].data.fd == listener) welcome(poll, listener);
            else if (!hear(events[i].data.fd)) close(events[i].data.fd);
    }
}
