/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "client/cause.h"

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC

/* A message with 20 us here and there, and this much more of one part. */
static struct where_parts slow(enum where_part part, nsec_t by)
{
    struct where_parts p = {.known = UINT8_MAX, .error = 5 * US};

    for (int i = 0; i < PART_COUNT; i++)
        p.ns[i] = 20 * US;
    p.ns[part] += by;
    return p;
}

/* With kernel stamps at both ends, and @flags. */
static void assert_cause(const struct where_parts *p, uint16_t flags,
                         const struct cause_note *note, const char *name)
{
    flags |= SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL | SAMPLE_RX_KERNEL;
    assert_string_equal(cause_name(cause_of(p, flags, note)), name);
}

static void test_place_is_told_without_a_note(void **state)
{
    static const struct {
        enum where_part part;
        const char *name;
    } places[] = {
        {PART_FORWARD, "path_out"}, {PART_RESIDENCE, "server"},      {PART_RETURN, "path_back"},
        {PART_UNSPLIT, "unknown"},  {PART_WAKEUP, "local_wakeup"},   {PART_QUEUED, "local_wakeup"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct where_parts p = slow(places[i].part, 10 * MS);

        assert_cause(&p, 0, NULL, places[i].name);
        assert_cause(&p, 0, &(struct cause_note){0}, places[i].name);
    }
}

static void test_unknown_if_nothing_stands_out_of_the_error_bar(void **state)
{
    struct where_parts p = slow(PART_FORWARD, 0);

    (void)state;
    p.ns[PART_FORWARD] = 30 * US;
    p.error = 30 * US;
    assert_cause(&p, 0, NULL, "unknown");
}

static void test_base_is_nobodys_fault(void **state)
{
    struct where_parts p = slow(PART_BASE, 100 * MS);

    (void)state;
    p.ns[PART_RESIDENCE] += 1 * US;
    assert_cause(&p, 0, NULL, "server");
}

static void test_head_of_line_if_it_was_held_before_the_send(void **state)
{
    struct where_parts p = slow(PART_QUEUED, 300 * MS);

    (void)state;
    assert_cause(&p, SAMPLE_HELD, NULL, "head_of_line");
}

static void test_retransmit_explains_the_way_out(void **state)
{
    struct where_parts p = slow(PART_FORWARD, 30 * MS);
    struct cause_note note = {.tcp_sampled = true, .retransmits = 1, .rto = 204 * MS};

    (void)state;
    assert_cause(&p, 0, &note, "retransmit");
    p = slow(PART_UNSPLIT, 30 * MS);
    assert_cause(&p, 0, &note, "retransmit");
}

/* What we send again is what we sent: the reply was not late for it, nor the server. */
static void test_retransmit_does_not_explain_other_parts(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .retransmits = 3, .timeouts = 1};
    struct where_parts p = slow(PART_RETURN, 30 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "path_back");
    p = slow(PART_RESIDENCE, 30 * MS);
    assert_cause(&p, SAMPLE_SERVER_AWAY, &note, "server");
}

/* The server's kernel had it, but above a hole, and gave its stamp to what filled that, too. */
static void test_retransmit_explains_what_waited_in_the_servers_kernel(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .retransmits = 1};
    struct where_parts p = slow(PART_RESIDENCE, 30 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "retransmit");
    p.behind_out = true;
    assert_cause(&p, 0, &note, "head_of_line");
}

static void test_rto_if_the_timer_ran_out(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .retransmits = 1, .timeouts = 1};
    struct where_parts p = slow(PART_FORWARD, 30 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "rto");
}

/* Kernels before 6.7 don't count it. */
static void test_rto_by_the_length_of_the_delay(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .retransmits = 1, .rto = 204 * MS};
    struct where_parts p = slow(PART_FORWARD, 210 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "rto");
}

static void test_head_of_line_behind_what_was_sent_again(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .retransmits = 1, .timeouts = 1};
    struct where_parts p = slow(PART_FORWARD, 190 * MS);

    (void)state;
    p.behind_out = true;
    assert_cause(&p, 0, &note, "head_of_line");
    note = (struct cause_note){.tcp_sampled = true, .holes = 1};
    p = slow(PART_RETURN, 30 * MS);
    p.behind_back = true;
    assert_cause(&p, 0, &note, "head_of_line");
}

/* A path that holds everything lets it go in one go as well; only TCP can tell a loss. */
static void test_behind_alone_stays_the_path(void **state)
{
    struct where_parts p = slow(PART_FORWARD, 30 * MS);

    (void)state;
    p.behind_out = true;
    assert_cause(&p, 0, &(struct cause_note){.tcp_sampled = true}, "path_out");
}

static void test_hole_explains_the_way_back(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .holes = 2};
    struct where_parts p = slow(PART_RETURN, 30 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "retransmit");
    p = slow(PART_FORWARD, 30 * MS);
    assert_cause(&p, 0, &note, "path_out");
}

static void test_delayed_ack_needs_nagle_and_its_forty_milliseconds(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .nagle = true, .unacked = true};
    struct where_parts p = slow(PART_FORWARD, 40 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "delayed_ack");
    p = slow(PART_UNSPLIT, 43 * MS);
    assert_cause(&p, 0, &note, "delayed_ack");
    p = slow(PART_FORWARD, 60 * MS);
    assert_cause(&p, 0, &note, "path_out");
    p = slow(PART_RETURN, 40 * MS);
    assert_cause(&p, 0, &note, "path_back");
    p = slow(PART_FORWARD, 40 * MS);
    note.nagle = false;
    assert_cause(&p, 0, &note, "path_out");
}

/* Its window was shut because it read nothing; or because nothing got there, which is the path. */
static void test_server_that_does_not_read_is_the_server(void **state)
{
    struct cause_note note = {.tcp_sampled = true, .shut_out = 20 * MS};
    struct where_parts p = slow(PART_FORWARD, 30 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "path_out");
    p.behind_others = true;
    assert_cause(&p, 0, &note, "server");
    note.shut_out = 10 * MS;
    assert_cause(&p, 0, &note, "path_out");
    p = slow(PART_RETURN, 30 * MS);
    p.behind_others = true;
    note.shut_out = 30 * MS;
    assert_cause(&p, 0, &note, "path_back");
}

/* Then a way contains the wake-up of who read it. */
static void test_way_is_not_blamed_without_a_kernel_stamp(void **state)
{
    struct where_parts p = slow(PART_FORWARD, 30 * MS);

    (void)state;
    assert_int_equal(cause_of(&p, SAMPLE_ARRIVAL | SAMPLE_RX_KERNEL, NULL), CAUSE_UNKNOWN);
    p = slow(PART_RETURN, 30 * MS);
    assert_int_equal(cause_of(&p, SAMPLE_ARRIVAL | SAMPLE_ARRIVAL_KERNEL, NULL), CAUSE_UNKNOWN);
}

static void test_wait_for_a_cpu_explains_what_may_be_our_wakeup(void **state)
{
    struct cause_note note = {.sched_sampled = true, .run_delay = 8 * MS};
    struct where_parts p = slow(PART_RETURN, 10 * MS);

    (void)state;
    assert_int_equal(cause_of(&p, SAMPLE_ARRIVAL, &note), CAUSE_LOCAL_WAKEUP);
    p = slow(PART_UNSPLIT, 10 * MS);
    p.known = (uint8_t)~(1 << PART_RETURN);
    assert_cause(&p, 0, &note, "local_wakeup");
    p = slow(PART_UNSPLIT, 30 * MS);
    p.known = (uint8_t)~(1 << PART_RETURN);
    assert_cause(&p, 0, &note, "unknown");
}

/* A busy machine always waits a little somewhere. */
static void test_wait_for_a_cpu_explains_no_way_with_stamps(void **state)
{
    struct cause_note note = {.sched_sampled = true, .run_delay = 8 * MS};
    struct where_parts p = slow(PART_FORWARD, 10 * MS);

    (void)state;
    assert_cause(&p, 0, &note, "path_out");
    p = slow(PART_RETURN, 10 * MS);
    assert_cause(&p, 0, &note, "path_back");
    p = slow(PART_UNSPLIT, 10 * MS);
    p.known = (uint8_t)~(1 << PART_FORWARD);
    assert_cause(&p, 0, &note, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_is_told_without_a_note),
        cmocka_unit_test(test_unknown_if_nothing_stands_out_of_the_error_bar),
        cmocka_unit_test(test_base_is_nobodys_fault),
        cmocka_unit_test(test_head_of_line_if_it_was_held_before_the_send),
        cmocka_unit_test(test_retransmit_explains_the_way_out),
        cmocka_unit_test(test_retransmit_does_not_explain_other_parts),
        cmocka_unit_test(test_retransmit_explains_what_waited_in_the_servers_kernel),
        cmocka_unit_test(test_rto_if_the_timer_ran_out),
        cmocka_unit_test(test_rto_by_the_length_of_the_delay),
        cmocka_unit_test(test_head_of_line_behind_what_was_sent_again),
        cmocka_unit_test(test_behind_alone_stays_the_path),
        cmocka_unit_test(test_hole_explains_the_way_back),
        cmocka_unit_test(test_delayed_ack_needs_nagle_and_its_forty_milliseconds),
        cmocka_unit_test(test_server_that_does_not_read_is_the_server),
        cmocka_unit_test(test_way_is_not_blamed_without_a_kernel_stamp),
        cmocka_unit_test(test_wait_for_a_cpu_explains_what_may_be_our_wakeup),
        cmocka_unit_test(test_wait_for_a_cpu_explains_no_way_with_stamps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
