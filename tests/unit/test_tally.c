/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "client/tally.h"
#include "common/base.h"
#include "tests/support/fake_clock.h"

#define START ((nsec_t)1000000000)
#define TIMEOUT NSEC_PER_SEC

struct fixture {
    struct options options;
    struct fake_clock clock;
    struct clock_src clock_src;
    struct tally tally;
    struct link link;
    int report_fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock = (struct fake_clock){.now = START, .real = 5 * START};
    f->clock_src = fake_clock_src(&f->clock);
    f->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(f->report_fd >= 0);
    f->options.timeout = TIMEOUT;
    assert_int_equal(tally_init(&f->tally, &f->clock_src, &f->options, 1, f->report_fd), 0);
    tally_begin(&f->tally);
    f->link = (struct link){.fd = -1, .index = 3};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tally_deinit(&f->tally);
    fd_closep(&f->report_fd);
    free(f);
    return 0;
}

static void reply_to(struct fixture *f, const struct request *q, nsec_t rtt)
{
    const struct target_event event = {.kind = TARGET_REPLY, .request = *q, .ends_stamp = true};
    struct tally_read read;

    f->clock.now = q->sent + rtt;
    f->clock.real = 4 * START + q->sent + rtt;
    read = tally_read(&f->tally, &(struct stream_rx){0}, f->clock.now);
    tally_reply(&f->tally, &f->link, &event, &read);
}

/* A reply to a message that was due at the start and sent @wait later, @rtt after that. */
static void reply(struct fixture *f, nsec_t wait, nsec_t rtt, bool omitted)
{
    reply_to(f, &(struct request){.due = START, .sent = START + wait, .seq = 9,
                                  .omitted = omitted}, rtt);
}

static const struct record *next_record(struct fixture *f)
{
    const struct record *record = ring_peek(&f->tally.ring);

    assert_non_null(record);
    return record;
}

static void test_reply_counts_from_the_send_and_from_the_due_time(void **state)
{
    struct fixture *f = *state;
    const struct record *record;

    reply(f, 40, 100, false);
    assert_int_equal(f->tally.result.received, 1);
    assert_int_equal(hist_max(f->tally.result.service), 100);
    assert_int_equal(hist_max(f->tally.result.response), 140);
    record = next_record(f);
    assert_int_equal(record->kind, RECORD_REPLY);
    assert_int_equal(record->connection, 3);
    assert_int_equal(record->reply.sample.seq, 9);
    assert_int_equal(record_service(record), 100);
    assert_int_equal(record_response(record), 140);
}

static void test_reply_after_the_timeout_is_late(void **state)
{
    struct fixture *f = *state;

    reply(f, 2 * TIMEOUT, TIMEOUT, false);      /* the wait before the send does not count */
    assert_int_equal(f->tally.result.late, 0);
    reply(f, 0, TIMEOUT + 1, false);
    assert_int_equal(f->tally.result.late, 1);
    assert_int_equal(f->tally.result.received, 2);
}

static void test_warm_up_is_in_no_distribution(void **state)
{
    struct fixture *f = *state;

    reply(f, 0, 100, true);
    assert_int_equal(f->tally.result.omitted, 1);
    assert_int_equal(f->tally.result.received, 0);
    assert_int_equal(hist_count(f->tally.result.response), 0);
    assert_true(next_record(f)->reply.sample.flags & SAMPLE_OMIT);
}

static void test_kernel_stamp_is_carried_to_the_monotonic_clock(void **state)
{
    struct fixture *f = *state;
    const struct target_event event = {
        .kind = TARGET_REPLY, .request = {.due = START, .sent = START}, .ends_stamp = true};
    const struct stream_rx info = {.stamp_real = 5 * START + 700};
    struct tally_read read;

    fake_clock_advance(&f->clock, 1000);
    read = tally_read(&f->tally, &info, f->clock.now);
    assert_true(read.has_stamp);
    assert_int_equal(read.stamp, START + 700);
    tally_reply(&f->tally, &f->link, &event, &read);
    assert_int_equal(next_record(f)->reply.sample.rx, START + 700);
    assert_true(next_record(f)->reply.sample.flags & SAMPLE_RX_KERNEL);
}

/* The first of a hundred that waited together lift the threshold; all are slow. */
static void test_all_that_waited_together_have_notes(void **state)
{
    struct fixture *f = *state;
    int n_notes = 0;

    for (nsec_t i = 0; i < 1200; i++) {
        nsec_t sent = START + i * NSEC_PER_MSEC, rtt = 50 * NSEC_PER_USEC + i * 617 % 1000 * 50;
        bool waits = i >= 1000 && i < 1100;

        if (waits)
            rtt = (1105 - i) * NSEC_PER_MSEC + i * NSEC_PER_USEC;
        while (ring_peek(&f->tally.ring))
            ring_release(&f->tally.ring);
        reply_to(f, &(struct request){.due = sent, .sent = sent}, rtt);
        f->tally.last_look++;
        assert_true(next_record(f)->has_note || !waits);
        n_notes += next_record(f)->has_note;
    }
    assert_in_range(n_notes, 100, 300);
}

/* A reply that was read at @now as one of several, with @n_queued bytes behind them.
 * Return: after when it came. */
static nsec_t earliest_of_one_amid_a_read(struct fixture *f, nsec_t now, nsec_t stamp,
                                          uint32_t n_queued)
{
    const struct target_event event = {.kind = TARGET_REPLY,
                                       .request = {.due = START, .sent = START}};
    const struct stream_rx info = {.stamp_real = 4 * START + stamp, .n_queued = n_queued};
    struct tally_read read;

    while (ring_peek(&f->tally.ring))
        ring_release(&f->tally.ring);
    fake_clock_advance(&f->clock, now - f->clock.now);
    (void)tally_look(&f->tally, 1, false);
    read = tally_read(&f->tally, &info, f->clock.now);
    tally_reply(&f->tally, &f->link, &event, &read);
    tally_read_done(&f->tally, &f->link, &read);
    assert_true(next_record(f)->reply.sample.flags & SAMPLE_RX_SHARED);
    return next_record(f)->reply.sample.rx_earliest;
}

/* What a read leaves was there at that read, and the looks since say nothing of it; until another
 * stamp tells that all is read that had the one before. */
static void test_what_a_read_leaves_came_no_later_for_that(void **state)
{
    static const struct {
        nsec_t now, stamp;
        uint32_t n_queued;
        nsec_t earliest;
    } reads[] = {{1, 1, 0, 0},     {90, 80, 500, 1}, {91, 80, 400, 1},
                 {92, 92, 300, 1}, {93, 93, 0, 80},  {95, 95, 0, 93}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
        assert_int_equal(earliest_of_one_amid_a_read(f, START + reads[i].now * NSEC_PER_MSEC,
                                                     START + reads[i].stamp * NSEC_PER_MSEC,
                                                     reads[i].n_queued),
                         START + reads[i].earliest * NSEC_PER_MSEC);
}

/* A reply called it, and then it was stopped before it could look at the clock: it seems to have
 * slept until now, but the stamp tells. */
static void test_thread_that_was_stopped_on_its_way_up_knows_nothing_of_its_sleep(void **state)
{
    struct fixture *f = *state;
    nsec_t stopped = START + 2 * NSEC_PER_MSEC, woke = START + 152 * NSEC_PER_MSEC;

    assert_int_equal(earliest_of_one_amid_a_read(f, START + NSEC_PER_MSEC, START + NSEC_PER_MSEC, 0),
                     START);
    lookout_sleep(&f->tally.lookout, stopped);
    lookout_wake(&f->tally.lookout, woke);
    assert_int_equal(earliest_of_one_amid_a_read(f, woke, stopped, 500), START + NSEC_PER_MSEC);
    assert_int_equal(f->link.left_since, START + NSEC_PER_MSEC);
}

/* It was called by something else, and stopped before it could look at the clock: that look seems to
 * be one from after the stop. */
static void test_look_from_before_a_stop_is_not_one_from_after_it(void **state)
{
    struct fixture *f = *state;
    nsec_t came = START + 3 * NSEC_PER_MSEC;

    for (nsec_t i = 1; i <= 2; i++)
        assert_int_equal(earliest_of_one_amid_a_read(f, START + i * NSEC_PER_MSEC,
                                                     START + i * NSEC_PER_MSEC, 0),
                         START + (i - 1) * NSEC_PER_MSEC);
    fake_clock_advance(&f->clock, 150 * NSEC_PER_MSEC);
    (void)tally_look(&f->tally, 1, false);
    assert_int_equal(earliest_of_one_amid_a_read(f, START + 153 * NSEC_PER_MSEC, came, 500),
                     START + 2 * NSEC_PER_MSEC);
}

/* A look at TCP's counters costs a system call or two. */
static void test_counters_are_looked_at_now_and_then(void **state)
{
    struct fixture *f = *state;
    uint32_t n_looks;

    for (nsec_t i = 1; i <= 100; i++)
        reply(f, 0, i * 1000, true);
    n_looks = f->tally.sched.n_looks;           /* each was slower than those before */
    assert_in_range(n_looks, 1, 100);
    for (int i = 0; i < 100; i++)
        reply(f, 0, 100 * 1000, false);
    assert_int_equal(f->tally.sched.n_looks, n_looks);
    reply(f, 150 * NSEC_PER_MSEC, 50 * 1000, false);
    assert_int_equal(f->tally.sched.n_looks, n_looks + 1);
    reply(f, 150 * NSEC_PER_MSEC, 50 * 1000, false);
    assert_int_equal(f->tally.sched.n_looks, n_looks + 1);
}

/* @n connections that have been looked at before each get a reply of 100 us, together with one that
 * is slow. Return: how many of them are looked at again. */
static int look_at_those_beside_a_slow_one(struct fixture *f, int n, nsec_t wait)
{
    const struct link slow = f->link;
    int n_looks = 0;

    fake_clock_advance(&f->clock, wait);
    (void)tally_look(&f->tally, n + 1, false);
    for (int i = 0; i <= n; i++) {
        f->link = i == 0 ? slow : (struct link){.fd = -1, .looked_at = f->clock.now - wait};
        reply_to(f, &(struct request){.due = f->clock.now, .sent = f->clock.now},
                 i == 0 ? NSEC_PER_SEC : 100 * NSEC_PER_USEC);
        n_looks += i > 0 && f->link.looked_at == f->clock.now;
    }
    f->link = slow;
    return n_looks;
}

/* Where all connections are busy each message has a slow one beside it. */
static void test_looks_at_what_is_not_slow_are_few(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    reply(f, 0, 200 * NSEC_PER_USEC, false);
    assert_int_equal(look_at_those_beside_a_slow_one(f, 1, 2 * NSEC_PER_MSEC), 1);
    for (int i = 0; i < 10; i++)
        n += look_at_those_beside_a_slow_one(f, 100, 2 * NSEC_PER_MSEC);
    /* Half the store, and what the 100 replies take, one after the other: 10 ms. */
    assert_in_range(n, 10 * (32 + 9), 10 * (32 + 13));
}

/* Nor may a threshold that is crossed by all cost a system call for each. */
static void test_looks_at_what_is_slow_are_not_without_end(void **state)
{
    struct fixture *f = *state;
    int n = 0;

    reply(f, 0, 200 * NSEC_PER_USEC, false);
    for (nsec_t i = 1; i <= 1000; i++) {
        f->tally.slow_service.value = f->tally.slow_response.value = 1;
        reply_to(f, &(struct request){.due = f->clock.now, .sent = f->clock.now}, 1000);
        n += f->link.looked_at == f->clock.now;
    }
    assert_in_range(n, 64, 64 + 2);     /* those that are in store, and one a millisecond */
}

/* A packet that waited for its interrupt, after some that did not. */
static void test_wait_that_the_network_card_tells_is_taken_off(void **state)
{
    struct fixture *f = *state;
    const struct target_event event = {
        .kind = TARGET_REPLY, .request = {.due = START, .sent = START}, .ends_stamp = true};
    struct tally_read read;

    for (nsec_t i = 1; i <= NIC_LAG_FEW; i++) {
        nsec_t lag = i == NIC_LAG_FEW ? 60 : 0;

        fake_clock_advance(&f->clock, 1000);
        read = tally_read(&f->tally, &(struct stream_rx){.stamp_real = f->clock.real - 100,
                                                         .stamp_nic = 1000 * i - lag},
                          f->clock.now);
        assert_int_equal(read.has_nic_stamp, i == NIC_LAG_FEW);
    }
    assert_int_equal(read.stamp, f->clock.now - 160);
    tally_reply(&f->tally, &f->link, &event, &read);
    assert_int_equal(next_record(f)->reply.sample.rx, f->clock.now - 160);
    assert_true(next_record(f)->reply.sample.flags & SAMPLE_RX_KERNEL);
    assert_true(next_record(f)->reply.sample.flags & SAMPLE_RX_NIC);
}

/* Nobody reads: the counts stay right, what is lost is known, and the slow ones get the room. */
static void test_full_ring_loses_rows_but_no_counts(void **state)
{
    struct fixture *f = *state;
    const uint64_t n = 60000;
    uint64_t n_kept = 0;

    for (uint64_t i = 0; i < n; i++)
        reply(f, 0, 1000, false);
    assert_int_equal(f->tally.result.received, n);
    assert_int_equal(hist_count(f->tally.result.service), n);
    while (ring_peek(&f->tally.ring)) {
        ring_release(&f->tally.ring);
        n_kept++;
    }
    assert_int_equal(n_kept + tally_n_dropped(&f->tally), n);
    assert_true(tally_n_dropped(&f->tally) > ring_dropped(&f->tally.ring));

    reply(f, 0, 1000, false);       /* still left out */
    assert_null(ring_peek(&f->tally.ring));
    reply(f, 0, 5000000, false);
    assert_int_equal(record_service(next_record(f)), 5000000);
    assert_true(next_record(f)->has_note);
}

static void test_lost_messages_are_counted_by_their_kind(void **state)
{
    struct fixture *f = *state;
    const struct request q = {.seq = 1}, warm_up = {.seq = 2, .omitted = true};

    tally_lost(&f->tally, &f->link, &q, RECORD_MISSING, START);
    tally_lost(&f->tally, &f->link, &q, RECORD_LOST, START);
    tally_lost(&f->tally, &f->link, &warm_up, RECORD_LOST, START);
    assert_int_equal(f->tally.result.lost, 2);
    assert_int_equal(f->tally.result.missing, 1);
    assert_int_equal(f->tally.result.omitted, 1);
    assert_int_equal(next_record(f)->kind, RECORD_MISSING);
    assert_int_equal(next_record(f)->message.seq, 1);
    assert_false(next_record(f)->message.omitted);
    ring_release(&f->tally.ring);
    ring_release(&f->tally.ring);
    assert_true(next_record(f)->message.omitted);
}

/* One that is overdue may still be answered; that it is lost is told in the end. */
static void test_lost_message_says_that_it_was_overdue(void **state)
{
    struct fixture *f = *state;
    struct request q = {.seq = 1, .overdue = true};

    tally_overdue(&f->tally, &f->link, &q, START);
    tally_lost(&f->tally, &f->link, &q, RECORD_LOST, START);
    q = (struct request){.seq = 2};
    tally_lost(&f->tally, &f->link, &q, RECORD_LOST, START);
    assert_int_equal(f->tally.result.lost, 2);
    assert_int_equal(next_record(f)->kind, RECORD_OVERDUE);
    assert_false(next_record(f)->message.was_overdue);
    ring_release(&f->tally.ring);
    assert_int_equal(next_record(f)->kind, RECORD_LOST);
    assert_int_equal(next_record(f)->message.seq, 1);
    assert_true(next_record(f)->message.was_overdue);
    ring_release(&f->tally.ring);
    assert_int_equal(next_record(f)->message.seq, 2);
    assert_false(next_record(f)->message.was_overdue);
}

static void test_what_is_rare_wakes_the_reader(void **state)
{
    struct fixture *f = *state;
    uint64_t count;

    reply(f, 0, 100, false);
    assert_int_equal(read(f->report_fd, &count, sizeof(count)), -1);
    tally_text(&f->tally, RECORD_OUTAGE, &f->link, START, "look");
    assert_int_equal(read(f->report_fd, &count, sizeof(count)), sizeof(count));
}

#define IN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN(test_reply_counts_from_the_send_and_from_the_due_time),
        IN(test_reply_after_the_timeout_is_late),
        IN(test_warm_up_is_in_no_distribution),
        IN(test_kernel_stamp_is_carried_to_the_monotonic_clock),
        IN(test_what_a_read_leaves_came_no_later_for_that),
        IN(test_thread_that_was_stopped_on_its_way_up_knows_nothing_of_its_sleep),
        IN(test_all_that_waited_together_have_notes),
        IN(test_look_from_before_a_stop_is_not_one_from_after_it),
        IN(test_counters_are_looked_at_now_and_then),
        IN(test_looks_at_what_is_not_slow_are_few),
        IN(test_looks_at_what_is_slow_are_not_without_end),
        IN(test_wait_that_the_network_card_tells_is_taken_off),
        IN(test_full_ring_loses_rows_but_no_counts),
        IN(test_lost_messages_are_counted_by_their_kind),
        IN(test_lost_message_says_that_it_was_overdue),
        IN(test_what_is_rare_wakes_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
