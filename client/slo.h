/* SPDX-License-Identifier: MIT */
/*
 * SLO: the conditions of --fail-if, 'p99>5ms,loss>0.1%': read once, judged at the end of a run.
 *
 * The list fails if one of its conditions is true.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/result.h"

enum slo_kind {
    SLO_PERCENTILE,                 /* of the RTT [ns] */
    SLO_MIN,
    SLO_MEAN,
    SLO_MAX,
    SLO_MDEV,
    SLO_LOSS,                       /* lost of sent, a fraction */
    SLO_LOST,                       /* counts, from here on */
    SLO_LATE,
    SLO_WRONG,
    SLO_OUTAGES,
    SLO_NOT_SENT,
};

enum slo_operator { SLO_ABOVE, SLO_AT_LEAST, SLO_BELOW, SLO_AT_MOST };

struct slo_condition {
    enum slo_kind kind;
    bool of_service;                /* of the service RTT, else of the response RTT */
    double percentile;              /* of SLO_PERCENTILE */
    enum slo_operator op;
    double limit;                   /* in the unit of the kind */
    char text[40];                  /* as the user wrote it, without spaces around it */
};

#define SLO_CONDITIONS_MAX 16

struct slo {
    struct slo_condition conditions[SLO_CONDITIONS_MAX];
    size_t n_conditions;
};

#define SLO_ERROR_SIZE 160

/**
 * slo_parse() - read the list
 * @text:       conditions between commas: METRIC OP LIMIT. METRIC is pN, min, avg, max or mdev, of
 *              the response RTT or with "service." in front of the service RTT, against a duration;
 *              loss against a percentage; lost, late, wrong, outages or not_sent against a number.
 *              OP is one of > >= < <=. There may be spaces between all of them
 * @ret:        the list
 * @ret_error:  on failure which condition is wrong and what was expected
 *
 * Return: 0 or -EINVAL.
 */
int slo_parse(const char *text, struct slo *ret, char ret_error[static SLO_ERROR_SIZE]);

/* What the run has to show for the condition's metric; NaN if that is nothing. */
double slo_value(const struct slo_condition *c, const struct result *r);

/* Whether the sample is large enough for the condition's percentile; other metrics need none. */
bool slo_is_supported(const struct slo_condition *c, const struct result *r);

/* Judges all conditions by what the run has to show: which are met. Return: whether any is. */
bool slo_judge(const struct slo *slo, const struct result *r,
               bool ret_met[static SLO_CONDITIONS_MAX]);

/* Whether the condition is true of a metric that has this value; NaN (not known) is. */
bool slo_is_met(const struct slo_condition *c, double value);
