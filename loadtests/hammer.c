/* A load generator for HTTP/1.1 on kept-alive loopback connections: one thread, epoll, requests prepared in a file.
 *
 * Closed loop: every connection keeps --pipeline requests under way.  With --rate, open loop: request k is due at
 * k / rate whatever the server does, and its latency counts from then: a slow server cannot slow its own load.
 * A request in the file is a line "LENGTH STATUS CLASS", then LENGTH bytes.  STATUS is the answer that is right, or 0
 * for any; CLASS, 0 to 7, says under which heading it is counted.  With --beside, a second file's requests are sent on
 * --others more connections, in turn with the rest: neither kind has to fight the other for a processor.  With --awake 1
 * it never sleeps while it waits: on one machine whoever answers a sleeper pays for waking it, which no client elsewhere costs.
 * One line of JSON comes out. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CLASSES = 8, STATUSES = 600, SUBS = 128, BUCKETS = 36 * SUBS };
enum { BUFFER = 65536, MOST_CONNECTIONS = 16384, MOST_UNDER_WAY = 4096, AT_ONCE = 256 };
static const uint64_t SECOND = 1000000000ull;

struct request { const char *bytes; size_t length; int expected, class; };
struct file { const char *name; struct request *requests; size_t count; uint64_t sent; };
struct under_way { uint64_t since; int expected, class; };
struct tally { uint64_t answered, wrong, sum, longest, statuses[STATUSES], buckets[BUCKETS]; };

struct connection {
    int fd;                       /* -1: gone, and not to be had again */
    struct file *file;            /* what is asked here */
    const struct request *half;   /* what the socket has not taken whole yet */
    size_t taken;
    struct under_way *ring;       /* answers come in the order of the requests */
    int first, count;
    char *buffer;
    size_t have, body;            /* bytes read; bytes of the present answer's body still to come */
    int status;                   /* of the answer whose body is being read; 0 between answers */
    bool closing;
};

static struct {
    int port, connections, others, pipeline, awake;
    double seconds, rate, grace;  /* rate 0: closed loop */
    uint64_t count, seed;         /* 0: no bound, in turn */
} options = { .connections = 32, .pipeline = 1, .seconds = 3, .grace = 2 };
static struct file main_file, beside;
static struct tally all, tallies[CLASSES];
static struct connection *connections;
static int poll_fd, timer_fd;
static uint64_t started, deadline, last_answer, sent, lost, reconnects;
static int alive, turn, first_wrong[2];

static void fail(const char *what) {
    fprintf(stderr, "hammer: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(2);
}

static void say(const char *what) { /* that is no system call's fault */
    errno = 0;
    fail(what);
}

static void *some(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail("memory");
    return memory;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ---- counting ---- */

static int bucket_of(uint64_t nanoseconds) { /* logarithmic, 128 steps an octave: within 0.8 % */
    if (nanoseconds < SUBS) return (int)nanoseconds;
    int octave = 63 - __builtin_clzll(nanoseconds);
    int bucket = (octave - 6) * SUBS + (int)(nanoseconds >> (octave - 7) & (SUBS - 1));
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double middle_of(int bucket) {
    if (bucket < SUBS) return bucket;
    return ((SUBS + bucket % SUBS) + 0.5) * (double)(1ull << (bucket / SUBS - 1));
}

static double percentile(const struct tally *tally, double share) { /* microseconds */
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)tally->answered);
    for (int bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += tally->buckets[bucket]) > wanted) return middle_of(bucket) / 1000;
    return (double)tally->longest / 1000;
}

static void count_in(struct tally *tally, int status, uint64_t took, bool right) {
    tally->answered++;
    tally->wrong += !right;
    tally->statuses[status]++;
    tally->buckets[bucket_of(took)]++;
    tally->sum += took;
    if (took > tally->longest) tally->longest = took;
}

static void count_answer(const struct under_way *request, int status, uint64_t at) {
    bool right = !request->expected || request->expected == status;
    if (!right && !all.wrong) first_wrong[0] = request->expected, first_wrong[1] = status;
    count_in(&all, status, at - request->since, right);
    count_in(&tallies[request->class], status, at - request->since, right);
    last_answer = at;
}

/* ---- connections ---- */

static bool open_connection(struct connection *connection) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 2 };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    address.sin_port = htons((uint16_t)options.port);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);   /* bounds connect(), too */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->first = connection->count = connection->status = 0;
    connection->have = connection->body = connection->taken = 0;
    connection->half = NULL;
    connection->closing = false;
    connection->fd = -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) { close(fd); return false; }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
    connection->fd = fd;
    return true;
}

static void replace(struct connection *connection) { /* the server closed it */
    lost += (uint64_t)connection->count;
    close(connection->fd);
    connection->fd = -1;
    connection->count = 0;
    if (now() >= deadline || (reconnects++, !open_connection(connection))) alive--;
}

static void go_on_writing(struct connection *connection) { /* a reset shows itself when we read */
    const struct request *request = connection->half;
    size_t left = request->length - connection->taken;
    ssize_t took = send(connection->fd, request->bytes + connection->taken, left, MSG_NOSIGNAL);
    bool had_to_wait = connection->taken > 0 || took < (ssize_t)left;
    if (took > 0) connection->taken += (size_t)took;
    bool whole = connection->taken == request->length;
    if (whole) connection->half = NULL;
    struct epoll_event event = { .events = EPOLLIN | (whole ? 0 : EPOLLOUT), .data.ptr = connection };
    if (had_to_wait && epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0) fail("epoll_ctl");
}

static const struct request *next_request(struct file *file) {
    uint64_t seed = options.seed;
    if (!seed) return &file->requests[file->sent++ % file->count];
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; /* xorshift */
    options.seed = seed;
    return &file->requests[seed % file->count];
}

static bool has_room(const struct connection *connection) {
    return connection->fd >= 0 && !connection->half && !connection->closing && connection->count < options.pipeline;
}

static void send_one(struct connection *connection, uint64_t since) {
    const struct request *request = next_request(connection->file);
    connection->ring[(connection->first + connection->count++) % options.pipeline] =
        (struct under_way){ since, request->expected, request->class };
    connection->half = request;
    connection->taken = 0;
    sent++;
    go_on_writing(connection);
}

/* ---- answers ---- */

static bool is(const char *line, const char *name) { return !strncasecmp(line, name, strlen(name)); }

static void read_head(struct connection *connection, const char *head, const char *end) {
    bool sized = false, chunked = false;
    if (end - head < 12 || memcmp(head, "HTTP/1.", 7)) say("this is no answer of HTTP/1");
    connection->status = atoi(head + 9);
    if (connection->status < 100 || connection->status >= STATUSES) say("this is no status");
    connection->body = 0;
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(end - line))) && ++line < end;) {
        if (is(line, "content-length:")) connection->body = strtoul(line + 15, NULL, 10), sized = true;
        else if (is(line, "connection: close")) connection->closing = true;
        else if (is(line, "transfer-encoding:")) chunked = true;
    }
    if (connection->status < 200 || connection->status == 204 || connection->status == 304) connection->body = 0;
    else if (chunked || !sized) say("only answers with Content-Length are understood");
}

static void read_answers(struct connection *connection, uint64_t at) {
    size_t done = 0;
    for (;;) {
        if (!connection->status) {
            char *head = connection->buffer + done, *end = memmem(head, connection->have - done, "\r\n\r\n", 4);
            if (!end) break;
            read_head(connection, head, end + 2);
            done += (size_t)(end + 4 - head);
        }
        size_t part = connection->have - done < connection->body ? connection->have - done : connection->body;
        done += part, connection->body -= part;
        if (connection->body) break;
        if (connection->status >= 200) {
            if (!connection->count) say("an answer to no request");
            count_answer(&connection->ring[connection->first], connection->status, at);
            connection->first = (connection->first + 1) % options.pipeline, connection->count--;
        }
        connection->status = 0;
        if (connection->closing) break;
    }
    connection->have -= done;
    if (connection->have == BUFFER) say("an answer's head is too long");
    if (connection->have) memmove(connection->buffer, connection->buffer + done, connection->have);
}

static void hear(struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->buffer + connection->have, BUFFER - connection->have, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) {
        connection->have += (size_t)got;
        read_answers(connection, now());
    }
    if (got <= 0 || (connection->closing && !connection->status)) replace(connection);
}

/* ---- the run ---- */

static uint64_t due_at(uint64_t number) { return started + (uint64_t)((double)number * 1e9 / options.rate); }
static bool may_send(uint64_t at) { return at < deadline && (!options.count || sent < options.count); }

static void send_what_is_due(void) { /* open loop; what finds every connection full stays due */
    int full = 0;
    uint64_t at = now();
    while (full < options.connections && may_send(at) && due_at(sent) <= at) {
        struct connection *connection = &connections[turn];
        turn = (turn + 1) % options.connections;
        if (has_room(connection)) send_one(connection, due_at(sent)), full = 0;
        else full++;
    }
    if (full == options.connections || !may_send(at)) return;   /* an answer, or the end, will wake us */
    struct itimerspec when = { .it_value = { (time_t)(due_at(sent) / SECOND), (long)(due_at(sent) % SECOND) } };
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void keep_busy(struct connection *connection) { /* closed loop */
    for (uint64_t at = now(); has_room(connection) && may_send(at); at = now()) send_one(connection, at);
}

static uint64_t outstanding(void) {
    uint64_t total = 0;
    for (int i = 0; i < options.connections; i++) total += (uint64_t)connections[i].count;
    return total;
}

static void run(void) {
    struct epoll_event events[AT_ONCE];
    uint64_t end = deadline + (uint64_t)(options.grace * 1e9);
    if (options.rate > 0) send_what_is_due();
    else for (int i = 0; i < options.connections; i++) keep_busy(&connections[i]);
    while (alive && now() < end && (may_send(now()) || outstanding())) {
        int ready = epoll_wait(poll_fd, events, AT_ONCE, options.awake ? 0 : 20);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection) { /* the timer: something is due */
                uint64_t times;
                if (read(timer_fd, &times, sizeof times) < 0 && errno != EAGAIN) fail("timer");
                continue;
            }
            if (events[i].events & EPOLLOUT && connection->half) go_on_writing(connection);
            if (events[i].events & ~(uint32_t)EPOLLOUT && connection->fd >= 0) hear(connection);
            if (options.rate <= 0) keep_busy(connection);
        }
        if (options.rate > 0) send_what_is_due();
    }
}

/* ---- before and after ---- */

static void read_requests(struct file *into) {
    FILE *file = fopen(into->name, "rb");
    size_t length, room = 0;
    int expected, class;
    if (!file) fail(into->name);
    while (fscanf(file, "%zu %d %d", &length, &expected, &class) == 3) {
        char *bytes = some(length + 1, 1);
        bool whole = fgetc(file) == '\n' && fread(bytes, 1, length, file) == length;
        if (!whole || !length || class < 0 || class >= CLASSES) say("the file of requests is damaged");
        if (into->count == room &&
            !(into->requests = realloc(into->requests, (room = room * 2 + 16) * sizeof *into->requests)))
            fail("memory");
        into->requests[into->count++] = (struct request){ bytes, length, expected, class };
    }
    if (!feof(file) || !into->count) say("the file of requests is damaged or empty");
    fclose(file);
}

#define COUNT(name, value) printf("\"" name "\": %ju, ", (uintmax_t)(value))
#define MEASURE(name, value) printf("\"" name "\": %.6f, ", (double)(value))

static void print_tally(const struct tally *tally) {
    const char *comma = "";
    double mean = tally->answered ? (double)tally->sum / (double)tally->answered / 1000 : 0;
    COUNT("answered", tally->answered);
    COUNT("wrong", tally->wrong);
    printf("\"statuses\": {");
    for (int status = 0; status < STATUSES; status++) {
        if (!tally->statuses[status]) continue;
        printf("%s\"%d\": %ju", comma, status, (uintmax_t)tally->statuses[status]), comma = ", ";
    }
    printf("}, \"latency_us\": {\"mean\": %.1f, \"max\": %.1f, ", mean, (double)tally->longest / 1000);
    printf("\"p50\": %.1f, \"p90\": %.1f, ", percentile(tally, .5), percentile(tally, .9));
    printf("\"p99\": %.1f, \"p999\": %.1f}", percentile(tally, .99), percentile(tally, .999));
}

static uint64_t never_sent(void) { /* open loop: what was due and found no connection free */
    uint64_t due = (uint64_t)(options.seconds * options.rate);
    if (options.count && due > options.count) due = options.count;
    return due > sent ? due - sent : 0;
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void report(void) {
    struct rusage usage;
    const char *comma = "";
    getrusage(RUSAGE_SELF, &usage);
    printf("{");
    MEASURE("seconds", last_answer ? (double)(last_answer - started) / 1e9 : 0);
    MEASURE("client_cpu", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    COUNT("sent", sent);
    COUNT("unsent", never_sent());
    COUNT("lost", lost);
    COUNT("unanswered", outstanding());
    COUNT("reconnects", reconnects);
    if (all.wrong) printf("\"first_wrong\": {\"expected\": %d, \"status\": %d}, ", first_wrong[0], first_wrong[1]);
    print_tally(&all);
    printf(", \"classes\": {");
    for (int class = 0; class < CLASSES; class++) {
        if (!tallies[class].answered) continue;
        printf("%s\"%d\": {", comma, class);
        print_tally(&tallies[class]);
        printf("}"), comma = ", ";
    }
    printf("}}\n");
}

static bool within(double value, double least, double most) { return value >= least && value <= most; }

static void read_options(int count, char **words) {
    bool sane = count % 2 == 1;
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--requests")) main_file.name = value;
        else if (!strcmp(name, "--beside")) beside.name = value;
        else if (!strcmp(name, "--others")) options.others = atoi(value);
        else if (!strcmp(name, "--connections")) options.connections = atoi(value);
        else if (!strcmp(name, "--pipeline")) options.pipeline = atoi(value);
        else if (!strcmp(name, "--awake")) options.awake = atoi(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--count")) options.count = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--grace")) options.grace = atof(value);
        else if (!strcmp(name, "--random")) options.seed = strtoull(value, NULL, 10) | 1;
        else sane = false;
    }
    sane &= main_file.name && within(options.port, 1, 65535) && within(options.seconds, 0.001, 3600);
    sane &= within(options.rate, 0, 1e7) && within(options.grace, 0, 60);
    sane &= within(options.others, 0, MOST_CONNECTIONS) && !options.others == !beside.name;
    sane &= within(options.connections, 1, MOST_CONNECTIONS) && within(options.pipeline, 1, MOST_UNDER_WAY);
    if (!sane)
        say("usage: hammer --port N --requests FILE [--connections N] [--pipeline N] [--seconds S] [--count N]\n"
            "       [--rate PER_SECOND] [--random SEED] [--grace S] [--awake 1]\n"
            "       [--beside FILE --others N]");
}

int main(int count, char **words) {
    struct epoll_event timer = { .events = EPOLLIN };
    read_options(count, words);
    read_requests(&main_file);
    if (beside.name) read_requests(&beside);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poll_fd < 0 || timer_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &timer) < 0) fail("epoll");
    int own = options.connections;
    options.connections += options.others;
    connections = some((size_t)options.connections, sizeof *connections);
    for (; alive < options.connections; alive++) {
        connections[alive].file = alive < own ? &main_file : &beside;
        connections[alive].ring = some((size_t)options.pipeline, sizeof(struct under_way));
        connections[alive].buffer = some(BUFFER, 1);
        if (!open_connection(&connections[alive])) fail("connect");
    }
    started = now();
    deadline = started + (uint64_t)(options.seconds * 1e9);
    run();
    report();
    return 0;
}
