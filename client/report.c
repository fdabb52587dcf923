/* SPDX-License-Identifier: MIT */
#include "client/report.h"

const struct report_ops *report_find(enum output output)
{
    switch (output) {
    case OUTPUT_TEXT:
        return &report_text_ops;
    case OUTPUT_JSON:
        return &report_json_ops;
    case OUTPUT_JSON_STREAM:
        return &report_json_stream_ops;
    case OUTPUT_CSV:
        return &report_csv_ops;
    }
    return &report_text_ops;
}
