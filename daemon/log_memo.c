/* SPDX-License-Identifier: MIT */
#include "daemon/log_memo.h"

#include <string.h>

#define MICROS_DIGITS 6

const char *log_memo_time(struct log_memo *m, nsec_t real)
{
    nsec_t second = real / NSEC_PER_SEC;
    unsigned micros = (unsigned)(real % NSEC_PER_SEC / NSEC_PER_USEC);

    if (m->micros_at == 0 || second != m->second) {
        clock_format_rfc3339(real, m->when);
        m->micros_at = (size_t)(strchr(m->when, '.') - m->when) + 1;
        m->second = second;
        return m->when;
    }
    for (size_t i = MICROS_DIGITS; i-- > 0; micros /= 10)
        m->when[m->micros_at + i] = (char)('0' + micros % 10);
    return m->when;
}

const char *log_memo_client(struct log_memo *m, const struct addr_key *key)
{
    struct log_memo_client *c = &m->clients[(key->port ^ key->ip[15]) % LOG_MEMO_CLIENTS];

    /* A zone is a network device, which may get another name. */
    if (memcmp(&c->key, key, sizeof(*key)) == 0 && key->scope_id == 0)
        return c->text;
    addr_key_format(key, c->text);
    c->key = *key;
    return c->text;
}
