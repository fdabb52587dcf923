/* SPDX-License-Identifier: MIT */
/* When a message came, as the reply to it tells: a connection reads it from a scripted stream. */
#include <sys/epoll.h>

#include "tests/support/test.h"

#include "tests/support/conn_fixture.h"

#define UUID "f47ac10b-58cc-4372-a567-0e02b2c3d479"
#define REPLY(delta) "UUID: " UUID " received after " delta " seconds"

static void test_kernel_stamp_is_the_arrival(void **state)
{
    struct conn_fixture *f = *state;

    fake_stream_will_read_text(&f->fake, UUID);
    f->fake.reads[0].info.stamp_real = f->clock.real + 2 * NSEC_PER_SEC;
    conn_fixture_advance(f, 3 * NSEC_PER_SEC);
    conn_fixture_ready(f, EPOLLIN);
    assert_string_equal(conn_fixture_take_sent(f), REPLY("2.000000"));
    assert_int_equal(f->stats.stamps_kernel, 1);
}

/* Some messages to see how far the card is from the kernel at best, and one that waited there. */
static void test_wait_that_the_network_card_tells_is_taken_off(void **state)
{
    struct conn_fixture *f = *state;

    for (nsec_t i = 1; i <= NIC_LAG_FEW; i++) {
        nsec_t lag = i == NIC_LAG_FEW ? 60 * NSEC_PER_USEC : 0;

        fake_stream_clear_sent(&f->fake);
        fake_stream_will_read_text(&f->fake, UUID);
        conn_fixture_advance(f, NSEC_PER_MSEC);
        f->fake.reads[f->fake.n_reads - 1].info = (struct stream_rx){
            .stamp_real = f->clock.real, .stamp_nic = i * NSEC_PER_MSEC - lag};
        conn_fixture_ready(f, EPOLLIN);
    }
    assert_string_equal(conn_fixture_take_sent(f), REPLY("0.000940"));
    assert_int_equal(f->stats.stamps_kernel, NIC_LAG_FEW);
    assert_int_equal(f->stats.stamps_nic, 1);
}

/* A native client whose messages the kernel stamps; the last stamp was @by ago. */
static void greet_and_stamp(struct conn_fixture *f, nsec_t by)
{
    static uint8_t request[PROTO_REQUEST_LEN];

    conn_fixture_feed(f, "tcptimer-hello version=1;");
    proto_request_encode(request, &(struct proto_request){0});
    fake_stream_will_read(&f->fake, request, sizeof(request));
    f->fake.reads[f->fake.n_reads - 1].info.stamp_real = f->clock.real;
    conn_fixture_ready(f, EPOLLIN);
    fake_stream_clear_sent(&f->fake);
    conn_fixture_advance(f, by);
}

/* Requests wait in the kernel, in packets with stamps of their own, @back before now. */
static void will_read_packet(struct conn_fixture *f, const uint8_t *bytes, size_t len, nsec_t back,
                             uint32_t n_queued)
{
    fake_stream_will_read(&f->fake, bytes, len);
    f->fake.reads[f->fake.n_reads - 1].info =
        (struct stream_rx){.stamp_real = f->clock.real - back, .n_queued = n_queued};
}

static struct proto_reply sent_reply(const struct conn_fixture *f, size_t index)
{
    struct proto_reply reply;

    assert_in_range((index + 1) * PROTO_REPLY_LEN, 1, f->fake.n_sent);
    proto_reply_decode(f->fake.sent + index * PROTO_REPLY_LEN, &reply);
    return reply;
}

/* What came while the server was kept from reading does not make the first message late. */
static void test_first_message_has_its_own_stamp_where_others_follow(void **state)
{
    struct conn_fixture *f = *state;
    uint8_t requests[3 * PROTO_REQUEST_LEN];
    struct proto_reply reply;

    greet_and_stamp(f, 10 * NSEC_PER_MSEC);
    for (uint64_t i = 0; i < 3; i++)
        proto_request_encode(requests + i * PROTO_REQUEST_LEN, &(struct proto_request){.seq = i});
    will_read_packet(f, requests, PROTO_REQUEST_LEN, 5 * NSEC_PER_MSEC, 2 * PROTO_REQUEST_LEN);
    will_read_packet(f, requests + PROTO_REQUEST_LEN, 2 * PROTO_REQUEST_LEN, NSEC_PER_MSEC, 0);
    conn_fixture_ready(f, EPOLLIN);

    assert_int_equal(f->fake.n_sent, 3 * PROTO_REPLY_LEN);
    reply = sent_reply(f, 0);
    assert_int_equal(reply.flags, PROTO_REPLY_KERNEL_STAMP);
    assert_int_equal(reply.delta, 5 * NSEC_PER_MSEC);
    assert_int_equal(reply.arrival_real, f->clock.real - 5 * NSEC_PER_MSEC);
    assert_int_equal(reply.window, 0);
    reply = sent_reply(f, 1);
    assert_int_equal(reply.flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP);
    assert_int_equal(reply.delta, 4 * NSEC_PER_MSEC);
    assert_int_equal(reply.window, 4 * NSEC_PER_MSEC);
    reply = sent_reply(f, 2);
    assert_int_equal(reply.flags, PROTO_REPLY_KERNEL_STAMP);
    assert_int_equal(reply.delta, 0);
}

/* ... unless so many connections have something that all would wait for such reads. */
static void test_crowd_is_not_read_one_message_at_a_time(void **state)
{
    struct conn_fixture *f = *state;
    uint8_t requests[2 * PROTO_REQUEST_LEN];

    greet_and_stamp(f, 10 * NSEC_PER_MSEC);
    for (uint64_t i = 0; i < 2; i++)
        proto_request_encode(requests + i * PROTO_REQUEST_LEN, &(struct proto_request){.seq = i});
    for (int i = 0; i < 2; i++) {
        will_read_packet(f, requests, sizeof(requests), NSEC_PER_MSEC, 0);
        fake_stream_clear_sent(&f->fake);
        f->fake.n_recvs = 0;
        f->shared.n_ready = i == 0 ? 1 : 500;
        conn_fixture_advance(f, 10 * NSEC_PER_MSEC);
        conn_fixture_ready(f, EPOLLIN);
        assert_int_equal(f->fake.n_sent, 2 * PROTO_REPLY_LEN);
        assert_int_equal(f->fake.n_recvs, i == 0 ? 3 : 1);
    }
}

/* The kernel merged what waited: the stamp of the whole is that of its last byte. */
static void test_first_message_of_a_merged_packet_has_a_window(void **state)
{
    struct conn_fixture *f = *state;
    uint8_t requests[2 * PROTO_REQUEST_LEN];
    struct proto_reply reply;

    greet_and_stamp(f, 10 * NSEC_PER_MSEC);
    for (uint64_t i = 0; i < 2; i++)
        proto_request_encode(requests + i * PROTO_REQUEST_LEN, &(struct proto_request){.seq = i});
    will_read_packet(f, requests, sizeof(requests), NSEC_PER_MSEC, 0);
    conn_fixture_ready(f, EPOLLIN);

    assert_int_equal(f->fake.n_sent, 2 * PROTO_REPLY_LEN);
    reply = sent_reply(f, 0);
    assert_int_equal(reply.flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP);
    assert_int_equal(reply.delta, 9 * NSEC_PER_MSEC);
    assert_int_equal(reply.window, 9 * NSEC_PER_MSEC);
}

/* Two requests that the kernel holds; the second is read in two parts, as its first byte is looked
 * at alone. Takes their replies. */
static void ask_twice(struct conn_fixture *f, nsec_t first_stamp, nsec_t second_stamp,
                      struct proto_reply ret_replies[static 2])
{
    uint8_t requests[2][PROTO_REQUEST_LEN];
    struct fake_read *reads = f->fake.reads + f->fake.n_reads;

    for (unsigned i = 0; i < 2; i++)
        proto_request_encode(requests[i], &(struct proto_request){.seq = i});
    fake_stream_will_read(&f->fake, requests[0], PROTO_REQUEST_LEN);
    fake_stream_will_read(&f->fake, requests[1], 1);
    fake_stream_will_read(&f->fake, requests[1] + 1, PROTO_REQUEST_LEN - 1);
    reads[0].info = (struct stream_rx){.stamp_real = first_stamp, .n_queued = PROTO_REQUEST_LEN};
    reads[1].info = (struct stream_rx){.stamp_real = second_stamp,
                                       .n_queued = PROTO_REQUEST_LEN - 1};
    reads[2].info = (struct stream_rx){.stamp_real = second_stamp};
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(f->fake.n_sent, 2 * PROTO_REPLY_LEN);
    for (unsigned i = 0; i < 2; i++)
        proto_reply_decode(f->fake.sent + i * PROTO_REPLY_LEN, &ret_replies[i]);
    fake_stream_clear_sent(&f->fake);
}

static void test_first_message_of_several_has_a_stamp_of_its_own(void **state)
{
    struct conn_fixture *f = *state;
    struct proto_reply replies[2];
    nsec_t real = f->clock.real;

    fake_stream_will_read_text(&f->fake, "tcptimer-hello version=1;");
    f->fake.reads[0].info.stamp_real = real;
    conn_fixture_ready(f, EPOLLIN);
    fake_stream_clear_sent(&f->fake);

    conn_fixture_advance(f, NSEC_PER_SEC);
    ask_twice(f, real + NSEC_PER_MSEC, real + 5 * NSEC_PER_MSEC, replies);
    assert_int_equal(replies[0].arrival, CONN_FIXTURE_START + NSEC_PER_MSEC);
    assert_int_equal(replies[0].flags, PROTO_REPLY_KERNEL_STAMP);
    assert_int_equal(replies[1].arrival, CONN_FIXTURE_START + 5 * NSEC_PER_MSEC);
    assert_int_equal(replies[1].flags, PROTO_REPLY_KERNEL_STAMP);

    /* Merged by the kernel, they have one stamp: that is the last one's. */
    conn_fixture_advance(f, NSEC_PER_SEC);
    real = f->clock.real;
    ask_twice(f, real - 1, real - 1, replies);
    assert_int_equal(replies[0].flags, PROTO_REPLY_KERNEL_STAMP | PROTO_REPLY_SHARED_STAMP);
    assert_int_equal(replies[0].window, NSEC_PER_SEC - 1);
    assert_int_equal(replies[1].flags, PROTO_REPLY_KERNEL_STAMP);
}

/* Many requests, one after the other, with padding: more than one read's worth. */
enum { PADDED = 4096, N_PADDED = 40 };

static const uint8_t *padded_requests(void)
{
    static uint8_t requests[N_PADDED][PADDED];

    for (uint64_t i = 0; i < N_PADDED; i++)
        proto_request_encode(requests[i], &(struct proto_request){
                                              .seq = i, .padding = PADDED - PROTO_REQUEST_LEN});
    return requests[0];
}

/* The server was stopped for 300 ms, and what came meanwhile has one stamp, for the kernel has
 * merged it: it may have come at any time, and no more than that is known of what the first read
 * left. */
static void test_what_a_read_leaves_came_no_later_for_that(void **state)
{
    struct conn_fixture *f = *state;
    size_t n_before = 0;

    greet_and_stamp(f, 300 * NSEC_PER_MSEC);
    f->shared.away = true;
    will_read_packet(f, padded_requests(), sizeof(uint8_t[N_PADDED][PADDED]), NSEC_PER_MSEC, 0);
    for (int turn = 0; turn < 3; turn++) {
        fake_stream_clear_sent(&f->fake);
        conn_fixture_ready(f, EPOLLIN);
        for (size_t i = 0; i < f->fake.n_sent / PROTO_REPLY_LEN; i++) {
            struct proto_reply reply = sent_reply(f, i);

            assert_int_equal(reply.seq, n_before + i);
            assert_int_equal(reply.window, reply.seq == N_PADDED - 1 ? 0 : 299 * NSEC_PER_MSEC);
            if (reply.seq < N_PADDED - 1)
                assert_true(reply.flags & PROTO_REPLY_SERVER_AWAY);
        }
        n_before += f->fake.n_sent / PROTO_REPLY_LEN;
        conn_fixture_advance(f, 100 * NSEC_PER_USEC);
        f->shared.away = false;
    }
    assert_int_equal(n_before, N_PADDED);
}

/* A peer that sends more than is read, for ever: what a read leaves came after the read before the
 * last, as far as their stamps tell, so that the windows do not grow. */
static void test_window_does_not_grow_where_something_is_always_left(void **state)
{
    struct conn_fixture *f = *state;
    const uint8_t *requests = padded_requests();

    greet_and_stamp(f, 10 * NSEC_PER_MSEC);
    for (int turn = 0; turn < 6; turn++) {
        fake_stream_clear_sent(&f->fake);
        will_read_packet(f, requests, PADDED, 0, 10 * PADDED);
        will_read_packet(f, requests, PADDED, 0, 10 * PADDED);
        conn_fixture_ready(f, EPOLLIN);
        conn_fixture_ready(f, EPOLLIN);
        for (size_t i = 0; i < 2; i++)
            assert_in_range(sent_reply(f, i).window, 10 * NSEC_PER_MSEC, 20 * NSEC_PER_MSEC);
        conn_fixture_advance(f, 10 * NSEC_PER_MSEC);
    }
}

/* Without stamps nothing tells that what is left came later: the windows reach back to the time
 * when the process was away, but that is less and less of them. */
static void test_server_is_no_longer_away_where_it_ran_for_most_of_the_window(void **state)
{
    struct conn_fixture *f = *state;
    const uint8_t *requests = padded_requests();

    greet_and_stamp(f, 300 * NSEC_PER_MSEC);
    f->shared.away = true;
    for (nsec_t later = 0; later <= 200; later += 50) {
        fake_stream_clear_sent(&f->fake);
        fake_stream_will_read(&f->fake, requests, PADDED);
        f->fake.reads[f->fake.n_reads - 1].info = (struct stream_rx){.n_queued = PADDED};
        conn_fixture_ready(f, EPOLLIN);
        assert_int_equal(sent_reply(f, 0).flags & PROTO_REPLY_SERVER_AWAY,
                         later <= 100 ? PROTO_REPLY_SERVER_AWAY : 0);
        conn_fixture_advance(f, 50 * NSEC_PER_MSEC);
        f->shared.away = false;
    }
}

/* While the peer takes no replies its requests are not looked for: the last look says nothing. */
static void test_what_waited_behind_a_backlog_has_a_window(void **state)
{
    struct conn_fixture *f = *state;
    uint8_t requests[2 * PROTO_REQUEST_LEN];

    greet_and_stamp(f, NSEC_PER_MSEC);
    for (uint64_t i = 0; i < 2; i++)
        proto_request_encode(requests + i * PROTO_REQUEST_LEN, &(struct proto_request){.seq = i});
    fake_stream_will_take(&f->fake, 10);
    will_read_packet(f, requests, PROTO_REQUEST_LEN, 0, 0);
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(f->conn->events, EPOLLOUT);
    conn_fixture_advance(f, 40 * NSEC_PER_MSEC);
    conn_fixture_advance(f, NSEC_PER_MSEC);
    conn_fixture_ready(f, EPOLLOUT);
    fake_stream_clear_sent(&f->fake);

    will_read_packet(f, requests, sizeof(requests), 0, 0);
    conn_fixture_ready(f, EPOLLIN);
    assert_int_equal(sent_reply(f, 0).window, 41 * NSEC_PER_MSEC);
}

#define IN(test) cmocka_unit_test_setup_teardown(test, conn_fixture_set_up, conn_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_kernel_stamp_is_the_arrival),
        IN(test_wait_that_the_network_card_tells_is_taken_off),
        IN(test_first_message_has_its_own_stamp_where_others_follow),
        IN(test_crowd_is_not_read_one_message_at_a_time),
        IN(test_first_message_of_a_merged_packet_has_a_window),
        IN(test_first_message_of_several_has_a_stamp_of_its_own),
        IN(test_what_a_read_leaves_came_no_later_for_that),
        IN(test_window_does_not_grow_where_something_is_always_left),
        IN(test_server_is_no_longer_away_where_it_ran_for_most_of_the_window),
        IN(test_what_waited_behind_a_backlog_has_a_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
