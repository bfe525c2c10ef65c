#include "ctl/audit/audit_print.h"

#include "base/utf8.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <stdlib.h>

struct audit_entry {
    struct slice first, second;
    const char *host; /* in bytes, or NULL */
    char bytes[];
};

static void drop_kept(struct audit_print *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->kept[(p->first + i) % p->cap]);
    free(p->kept);
    p->kept = NULL;
    p->n = p->first = p->cap = 0;
}

void audit_print_deinit(struct audit_print *p)
{
    drop_kept(p);
    audit_table_deinit(&p->table);
}

static struct audit_entry *entry_new(struct slice first, struct slice second, const char *host)
{
    size_t n = host ? strlen(host) + 1 : 0;
    struct audit_entry *e = malloc(sizeof(*e) + first.len + second.len + n);

    if (!e)
        return NULL;
    e->host = host ? memcpy(e->bytes + first.len + second.len, host, n) : NULL;
    e->first = slice_of(e->bytes, first.len);
    e->second = slice_of(e->bytes + first.len, second.len);
    if (first.len)
        memcpy(e->bytes, first.data, first.len);
    if (second.len)
        memcpy(e->bytes + first.len, second.data, second.len);
    return e;
}

/* Only while `first` is 0: a ring that is not full yet is no ring. */
static int grow(struct audit_print *p)
{
    size_t cap = p->cap ? 2 * p->cap : 64;
    struct audit_entry **grown;

    cap = cap < p->most ? cap : p->most;
    grown = reallocarray(p->kept, cap, sizeof(struct audit_entry *));
    if (!grown)
        return -ENOMEM;
    p->kept = grown;
    p->cap = cap;
    return 0;
}

static int keep(struct audit_print *p, struct slice first, struct slice second)
{
    struct audit_entry *e;

    if (p->most == 0)
        return 0;
    if (p->n == p->cap && p->cap < p->most && grow(p) < 0)
        return -ENOMEM;
    e = entry_new(first, second, p->host);
    if (!e)
        return -ENOMEM;
    if (p->n < p->cap) {
        p->kept[p->n++] = e;
        return 0;
    }
    free(p->kept[p->first]);
    p->kept[p->first] = e;
    p->first = (p->first + 1) % p->cap;
    return 0;
}

static void put_string(FILE *to, struct slice text)
{
    for (size_t i = 0, n; i < text.len; i += n) {
        const unsigned char *c = (const unsigned char *)text.data + i;

        n = utf8_len(c, text.len - i);
        if (n == 0)
            (void)fputs("\\ufffd", to);
        else if (*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\')
            (void)fprintf(to, "\\u%04x", *c);
        else
            (void)fwrite(c, 1, n, to);
        n += n == 0;
    }
}

/* As the first member of a record, whose brace was taken away. */
static void print_host(const struct audit_print *p)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (!f)
        return;
    (void)fputs("{\"host\":\"", f);
    put_string(f, slice_str(p->host));
    (void)fputs("\",", f);
    if (fclose(f) == 0 && p->terminal)
        show_json(stdout, slice_of(text, n));
    else if (text)
        (void)fwrite(text, 1, n, stdout);
    free(text);
}

static void print_line(const struct audit_print *p, struct slice record)
{
    if (record.len == 0)
        return;
    if (p->host) {
        print_host(p);
        record = slice_of(record.data + 1, record.len - 1); /* behind its brace */
    }
    if (p->terminal)
        show_json(stdout, record);
    else
        (void)fwrite(record.data, 1, record.len, stdout);
    (void)putchar('\n');
}

static int print_now(struct audit_print *p, struct slice first, struct slice second)
{
    p->table.host = p->host;
    if (p->as_table)
        return audit_table_row(&p->table, first, second);
    print_line(p, first);
    print_line(p, second);
    return 0;
}

int audit_print(struct audit_print *p, struct slice first, struct slice second)
{
    return p->keep ? keep(p, first, second) : print_now(p, first, second);
}

int audit_print_kept(struct audit_print *p)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n; i++) {
        const struct audit_entry *e = p->kept[(p->first + i) % p->cap];

        p->host = e->host;
        r = print_now(p, e->first, e->second);
    }
    p->keep = false;
    drop_kept(p);
    return r;
}
