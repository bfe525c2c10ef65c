#include "proxy/request_id.h"

#include <errno.h>
#include <sys/random.h>

int request_ids_init(struct request_ids *ids)
{
    ids->serial = 0;
    if (getrandom(&ids->start, sizeof(ids->start), 0) != (ssize_t)sizeof(ids->start))
        return -EIO;
    return 0;
}

static char *put_hex(char *out, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
    return out + digits;
}

/* Letters, digits and a few marks: nothing that JSON, a log line or a shell would read otherwise.
 */
static bool is_plain(struct slice s)
{
    if (s.len == 0 || s.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c && strchr("._:+/=@-", c))))
            return false;
    }
    return true;
}

void request_id_fill(char out[REQUEST_ID_MAX + 1], const struct http_head *head,
                     struct request_ids *ids)
{
    const struct http_field *field = head ? http_field(head, SLICE_LIT("x-request-id")) : NULL;

    if (field && is_plain(field->value) && http_field_count(head, SLICE_LIT("x-request-id")) == 1) {
        memcpy(out, field->value.data, field->value.len);
        out[field->value.len] = '\0';
        return;
    }
    out = put_hex(out, ids->start, 16);
    *out++ = '-';
    ids->serial++;
    *put_hex(out, ids->serial, ids->serial >> 32 ? 16 : 8) = '\0';
}
