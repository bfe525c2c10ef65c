#include "ctl/central/archive_entries.h"

#include "base/hex.h"
#include "ctl/central/finding.h"

#include <errno.h>
#include <stdlib.h>

bool archive_entry_matches(const struct seal_key *log, struct slice digits)
{
    char all[SEAL_KEY_HEX];
    size_t n = 0;

    hex_put(all, log->bytes, SEAL_KEY);
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] == '-')
            continue;
        if (n == sizeof(all) || all[n++] != (digits.data[i] | 0x20))
            return false;
    }
    return true;
}

int archive_entry_sound(const struct archive_entry *entry, struct err *err)
{
    char log[FINDING_LOG];

    if (!entry->wrong)
        return 0;
    finding_log(log, &entry->log);
    return err_set(err, -EBADMSG, "log %s: %s", log, entry->wrong);
}

struct reading {
    struct archive_entries *out;
    struct slice digits;
};

static int add(void *arg, const struct archive_log *log)
{
    struct reading *r = arg;
    struct archive_entries *all = r->out;
    struct archive_entry *grown;
    char *host;

    if (!archive_entry_matches(&log->log, r->digits))
        return 0;
    host = strdup(log->host ? log->host : "");
    grown = host ? reallocarray(all->list, all->n + 1, sizeof(*grown)) : NULL;
    if (!grown) {
        free(host);
        return -ENOMEM;
    }
    all->list = grown;
    all->list[all->n++] = (struct archive_entry){log->log, host, log->first, log->last, log->wrong};
    /* cppcheck-suppress memleak ; the list has it */
    return 0;
}

static int by_host(const void *a, const void *b)
{
    const struct archive_entry *x = a, *y = b;
    int r = strcmp(x->host, y->host);

    return r ? r : memcmp(x->log.bytes, y->log.bytes, SEAL_KEY);
}

int archive_entries_read(struct archive_entries *out, struct archive *archive, struct slice digits,
                         struct err *err)
{
    struct reading reading = {out, digits};
    int r;

    *out = (struct archive_entries){0};
    r = archive->kind->logs(archive, add, &reading, err);
    if (r < 0) {
        archive_entries_deinit(out);
        return err->text[0] ? r : err_set(err, r, "the centre's logs: %s", strerror(-r));
    }
    if (out->n)
        qsort(out->list, out->n, sizeof(*out->list), by_host);
    return 0;
}

void archive_entries_deinit(struct archive_entries *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].host);
    free(all->list);
    *all = (struct archive_entries){0};
}
