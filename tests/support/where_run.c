/* SPDX-License-Identifier: MIT */
#include "tests/support/where_run.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/test.h"

#include "common/base.h"

void where_run_init(struct where_run *r, uint64_t seed, double skew, size_t max,
                    const struct where_window_config *config)
{
    static const struct where_window_config one = {.n_conns = 1};

    if (!config)
        config = &one;
    *r = (struct where_run){.seed = seed, .max = max};
    assert_int_equal(where_window_new(&r->window, config), 0);
    r->conns = calloc(config->n_conns, sizeof(*r->conns));
    r->messages = calloc(max, sizeof(*r->messages));
    r->parts = calloc(max, sizeof(*r->parts));
    assert_non_null(r->conns);
    assert_non_null(r->messages);
    assert_non_null(r->parts);
    for (uint32_t i = 0; i < config->n_conns; i++)
        truth_init(&r->conns[i], seed * 1000 + i, skew);
    r->rng = &r->conns[0].rng;
}

void where_run_deinit(struct where_run *r)
{
    free(r->parts);
    free(r->messages);
    free(r->conns);
    where_window_free(r->window);
}

struct where_sample where_run_send(struct where_run *r, uint32_t conn, struct truth_message m)
{
    struct where_sample s = truth_send(&r->conns[conn], &m);

    assert_true(r->n < r->max);
    s.conn = conn;
    s.seq = r->n;
    r->messages[r->n++] = m;
    return s;
}

static void visit(void *ctx, const struct where_sample *s, const struct where_parts *parts,
                  const struct where_fit *fit, const struct cause_note *note)
{
    struct where_run *r = ctx;
    nsec_t sum = 0;

    (void)fit;
    (void)note;
    for (int i = 0; i < PART_COUNT; i++)
        sum += parts->ns[i];
    if (sum != s->read - s->due)
        fail_msg("seed %d: parts of message %d add up to %lld, not %lld", (int)r->seed, (int)s->seq,
                 (long long)sum, (long long)(s->read - s->due));
    r->parts[s->seq] = *parts;
    r->n_visited++;
}

void where_run_close(struct where_run *r)
{
    const struct where_fit *fits;
    size_t n;

    where_window_close(r->window, visit, r);
    fits = where_window_fits(r->window, &n);
    for (size_t i = 0; i < n; i++) {
        r->last = fits[i];
        r->n_fits++;
        r->n_valid += fits[i].validity == WHERE_VALID;
        r->n_changes += fits[i].skew_changed;
        if (fits[i].clock_step != 0) {
            r->n_steps++;
            r->clock_step = fits[i].clock_step;
        }
        if (fits[i].base_shift != 0) {
            r->n_shifts++;
            r->base_shift = fits[i].base_shift;
            r->forward_shift = fits[i].forward_shift;
        }
    }
}

void where_run_add(struct where_run *r, const struct where_sample *s)
{
    assert_non_null(where_window_add(r->window, s));
    if (where_window_due(r->window, s->read))
        where_run_close(r);
}

void where_run_message(struct where_run *r, struct truth_message m)
{
    struct where_sample s = where_run_send(r, 0, m);

    where_run_add(r, &s);
}

struct truth_message where_run_noisy(struct where_run *r, nsec_t now, double out, double back)
{
    return (struct truth_message){.send = now,
                                  .out = (nsec_t)rng_exponential(r->rng, out),
                                  .back = (nsec_t)rng_exponential(r->rng, back),
                                  .residence = 15 * US + (nsec_t)rng_exponential(r->rng, 5e3),
                                  .wakeup = 3 * US + (nsec_t)rng_exponential(r->rng, 2e3)};
}

double where_run_error(const struct where_run *r, size_t begin, size_t end)
{
    double worst = 0;

    for (size_t i = begin; i < end; i++) {
        const nsec_t *found = r->parts[i].ns;

        worst = fmax(worst, fabs((double)found[PART_FORWARD] - (double)r->messages[i].out));
        worst = fmax(worst, fabs((double)found[PART_RETURN] - (double)r->messages[i].back));
    }
    return worst;
}

void assert_below(const struct where_run *r, double value, double limit, const char *what)
{
    if (!(value < limit))
        fail_msg("seed %d: %s is %g, not below %g", (int)r->seed, what, value, limit);
}
