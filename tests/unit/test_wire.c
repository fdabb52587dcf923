/* SPDX-License-Identifier: MIT */
#include "tests/support/test.h"

#include "common/base.h"
#include "common/wire.h"

static void test_numbers_are_big_endian(void **state)
{
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                       0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x'};
    uint8_t room[sizeof(expected)];
    struct wire_writer w = WIRE_WRITER(room, sizeof(room));

    (void)state;
    wire_put_u8(&w, 0x01);
    wire_put_u16(&w, 0x0203);
    wire_put_u32(&w, 0x04050607);
    wire_put_u64(&w, 0x08090a0b0c0d0e0f);
    wire_put_bytes(&w, "x", 1);
    assert_false(w.overrun);
    assert_int_equal(w.left, 0);
    assert_memory_equal(room, expected, sizeof(expected));
}

static void test_reader_gives_back_what_was_written(void **state)
{
    uint8_t room[16];
    uint8_t byte;
    struct wire_writer w = WIRE_WRITER(room, sizeof(room));
    struct wire_reader r = WIRE_READER(room, sizeof(room));

    (void)state;
    wire_put_u64(&w, UINT64_MAX - 1);
    wire_put_u32(&w, UINT32_MAX - 1);
    wire_put_u16(&w, UINT16_MAX - 1);
    wire_put_u8(&w, UINT8_MAX - 1);
    wire_put_bytes(&w, "y", 1);
    assert_true(wire_get_u64(&r) == UINT64_MAX - 1);
    assert_true(wire_get_u32(&r) == UINT32_MAX - 1);
    assert_int_equal(wire_get_u16(&r), UINT16_MAX - 1);
    assert_int_equal(wire_get_u8(&r), UINT8_MAX - 1);
    wire_get_bytes(&r, &byte, 1);
    assert_int_equal(byte, 'y');
    assert_false(r.overrun);
    assert_int_equal(r.left, 0);
}

/* Bytes that are left must not come out behind a number that did not fit: fields would shift. */
static void test_reader_yields_zeros_after_an_overrun(void **state)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff};
    uint8_t taken[2] = {1, 1};
    struct wire_reader r = WIRE_READER(bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(wire_get_u16(&r), 0xffff);
    assert_int_equal(wire_get_u32(&r), 0);
    assert_true(r.overrun);
    assert_int_equal(wire_get_u8(&r), 0);
    assert_int_equal(wire_get_u16(&r), 0);
    assert_int_equal(wire_get_u64(&r), 0);
    wire_get_bytes(&r, taken, sizeof(taken));
    assert_int_equal(taken[0] | taken[1], 0);
    assert_true(r.overrun);
}

static void test_writer_stays_within_its_room_after_an_overrun(void **state)
{
    uint8_t room[4] = {0, 0, 0xaa, 0xaa};
    struct wire_writer w = WIRE_WRITER(room, 3);

    (void)state;
    wire_put_u16(&w, 0x1122);
    wire_put_u32(&w, UINT32_MAX);
    assert_true(w.overrun);
    wire_put_u8(&w, 0xff);
    assert_int_equal(room[1], 0x22);
    assert_int_equal(room[2], 0xaa);
    assert_int_equal(room[3], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_big_endian),
        cmocka_unit_test(test_reader_gives_back_what_was_written),
        cmocka_unit_test(test_reader_yields_zeros_after_an_overrun),
        cmocka_unit_test(test_writer_stays_within_its_room_after_an_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
