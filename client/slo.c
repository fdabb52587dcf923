/* SPDX-License-Identifier: MIT */
#include "client/slo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base.h"
#include "common/parse.h"

#define SERVICE_PREFIX "service."

static const struct {
    const char *name;
    enum slo_kind kind;
} metrics[] = {
    {"min", SLO_MIN},   {"avg", SLO_MEAN},  {"max", SLO_MAX},     {"mdev", SLO_MDEV},
    {"loss", SLO_LOSS}, {"lost", SLO_LOST}, {"late", SLO_LATE},   {"wrong", SLO_WRONG},
    {"outages", SLO_OUTAGES}, {"not_sent", SLO_NOT_SENT},
};

static bool is_rtt(enum slo_kind kind)
{
    return kind < SLO_LOSS;
}

static int parse_metric(const char *name, struct slo_condition *c)
{
    if (strncmp(name, SERVICE_PREFIX, strlen(SERVICE_PREFIX)) == 0) {
        c->of_service = true;
        name += strlen(SERVICE_PREFIX);
    }

    if (name[0] == 'p' && parse_double(name + 1, 0, 100, &c->percentile) == 0 &&
        c->percentile > 0 && c->percentile < 100) {
        c->kind = SLO_PERCENTILE;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        if (strcmp(metrics[i].name, name) == 0 && (!c->of_service || is_rtt(metrics[i].kind))) {
            c->kind = metrics[i].kind;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_operator(const char **at, enum slo_operator *ret)
{
    bool or_equal = (*at)[1] == '=';

    if (**at == '>')
        *ret = or_equal ? SLO_AT_LEAST : SLO_ABOVE;
    else if (**at == '<')
        *ret = or_equal ? SLO_AT_MOST : SLO_BELOW;
    else
        return -EINVAL;
    *at += or_equal ? 2 : 1;
    return 0;
}

/* What a limit of this kind looks like, for the line of error. */
static const char *parse_limit(const char *text, struct slo_condition *c)
{
    char number[sizeof(c->text)];
    size_t len = strlen(text);
    nsec_t duration;
    uint64_t count;

    if (is_rtt(c->kind)) {
        if (parse_duration(text, &duration) < 0)
            return "a duration such as 5ms";
        c->limit = (double)duration;
    } else if (c->kind == SLO_LOSS) {
        if (len == 0 || text[len - 1] != '%')
            return "a percentage such as 0.1%";
        (void)snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
        if (parse_double(number, 0, 100, &c->limit) < 0)
            return "a percentage such as 0.1%";
        c->limit /= 100;
    } else {
        if (parse_u64(text, 0, UINT64_MAX, &count) < 0)
            return "a number";
        c->limit = (double)count;
    }
    return NULL;
}

#define SPACES " \t"

/* The length without the spaces behind it. */
static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && strchr(SPACES, text[len - 1]))
        len--;
    return len;
}

static int parse_condition(struct slo_condition *c, char ret_error[static SLO_ERROR_SIZE])
{
    const char *at = c->text + strcspn(c->text, "<>");
    const char *expected;
    char name[sizeof(c->text)];

    (void)snprintf(name, sizeof(name), "%.*s", (int)trimmed(c->text, (size_t)(at - c->text)),
                   c->text);
    if (parse_metric(name, c) < 0) {
        (void)snprintf(ret_error, SLO_ERROR_SIZE,
                       "'%s': expected [service.]pN, min, avg, max, mdev, loss, lost, late, "
                       "wrong, outages or not_sent", name);
        return -EINVAL;
    }
    if (parse_operator(&at, &c->op) < 0) {
        (void)snprintf(ret_error, SLO_ERROR_SIZE, "'%s': expected > >= < or <= and a limit behind "
                       "it", name);
        return -EINVAL;
    }
    at += strspn(at, SPACES);
    expected = parse_limit(at, c);
    if (expected) {
        (void)snprintf(ret_error, SLO_ERROR_SIZE, "'%s': expected %s", at, expected);
        return -EINVAL;
    }
    return 0;
}

int slo_parse(const char *text, struct slo *ret, char ret_error[static SLO_ERROR_SIZE])
{
    struct slo slo = {.n_conditions = 0};

    for (const char *at = text;; at++) {
        struct slo_condition *c = &slo.conditions[slo.n_conditions];
        size_t len;

        at += strspn(at, SPACES);
        len = trimmed(at, strcspn(at, ","));
        if (slo.n_conditions == SLO_CONDITIONS_MAX || len >= sizeof(c->text)) {
            (void)snprintf(ret_error, SLO_ERROR_SIZE, "expected at most %d conditions of %zu "
                           "characters", SLO_CONDITIONS_MAX, sizeof(c->text) - 1);
            return -EINVAL;
        }
        (void)snprintf(c->text, sizeof(c->text), "%.*s", (int)len, at);
        if (parse_condition(c, ret_error) < 0)
            return -EINVAL;
        slo.n_conditions++;
        at += strcspn(at, ",");
        if (*at == '\0')
            break;
    }

    *ret = slo;
    return 0;
}

bool slo_is_met(const struct slo_condition *c, double value)
{
    if (isnan(value))
        return true;
    switch (c->op) {
    case SLO_ABOVE:
        return value > c->limit;
    case SLO_AT_LEAST:
        return value >= c->limit;
    case SLO_BELOW:
        return value < c->limit;
    case SLO_AT_MOST:
        return value <= c->limit;
    }
    return false;
}

double slo_value(const struct slo_condition *c, const struct result *r)
{
    const struct hist *h = c->of_service ? r->service : r->response;
    bool is_empty = hist_count(h) == 0;

    switch (c->kind) {
    case SLO_PERCENTILE:
        return is_empty ? NAN : (double)hist_value_at_percentile(h, c->percentile);
    case SLO_MIN:
        return is_empty ? NAN : (double)hist_min(h);
    case SLO_MEAN:
        return is_empty ? NAN : hist_mean(h);
    case SLO_MAX:
        return is_empty ? NAN : (double)hist_max(h);
    case SLO_MDEV:
        return is_empty ? NAN : hist_stddev(h);
    case SLO_LOSS:
        return r->sent == 0 ? NAN : (double)r->lost / (double)r->sent;
    case SLO_LOST:
        return (double)r->lost;
    case SLO_LATE:
        return (double)r->late;
    case SLO_WRONG:
        return (double)r->wrong;
    case SLO_OUTAGES:
        return (double)r->n_outages;
    case SLO_NOT_SENT:
        return (double)r->not_sent;
    }
    return NAN;
}

bool slo_is_supported(const struct slo_condition *c, const struct result *r)
{
    nsec_t low, high;

    return c->kind != SLO_PERCENTILE ||
           hist_percentile_bounds(c->of_service ? r->service : r->response, c->percentile, &low,
                                  &high);
}

bool slo_judge(const struct slo *slo, const struct result *r,
               bool ret_met[static SLO_CONDITIONS_MAX])
{
    bool is_met = false;

    for (size_t i = 0; i < slo->n_conditions; i++) {
        const struct slo_condition *c = &slo->conditions[i];

        ret_met[i] = slo_is_met(c, slo_value(c, r));
        is_met = is_met || ret_met[i];
    }
    return is_met;
}
