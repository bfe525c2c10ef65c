#include "ctl/audit/audit_table.h"

#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

enum column { TIME, CLIENT, METHOD, WORKSPACE, PATH, STATUS, TOOK, SET, ID };

enum {
    GAP = 2,
    SET_LEAST = 16, /* on a terminal that is too narrow for the rest */
    CLIENT_LEAST = 8,
    HOST_LEAST = 8,
    HOST_MOST = 32,
    PATH_LEAST = 14,
    VALUE_MOST = 40,
    TIME_SHOWN = 23, /* bytes of a time: up to the milliseconds */
    MEMBERS_MOST = 4096,
};

static const struct {
    const char *title;
    size_t most; /* columns */
} COLUMNS[AUDIT_TABLE_COLUMNS] = {
    {"TIME", 24},   {"CLIENT", 20}, {"METHOD", 10}, {"WORKSPACE", 16}, {"PATH", 48},
    {"STATUS", 40}, {"TOOK", 9},    {"SET", 0},     {"ID", 128},
};

void audit_table_deinit(struct audit_table *t)
{
    audit_facts_deinit(&t->first);
    audit_facts_deinit(&t->second);
}

/* ---- cells ---- */

/* A row that is being made: its cells one after the other in one block of text. */
struct row {
    FILE *out;
    char *text;
    size_t len;
    const char *colour; /* of the status, or "" */
};

static int row_begin(struct row *r)
{
    *r = (struct row){.colour = ""};
    r->out = open_memstream(&r->text, &r->len);
    return r->out ? 0 : -ENOMEM;
}

static void put_time(FILE *out, struct slice time)
{
    show_cell_put(out, slice_cut(time, TIME_SHOWN), COLUMNS[TIME].most);
    (void)fputc('Z', out);
}

static void put_known(FILE *out, struct slice text, enum column c)
{
    if (text.len)
        show_cell_put(out, text, COLUMNS[c].most);
    else
        (void)fputc('-', out);
}

static void put_client(FILE *out, const struct audit_facts *f)
{
    if (f->name.len == 0 && f->user.len == 0 && f->has_uid)
        (void)fprintf(out, "uid:%" PRIu64, f->uid);
    else
        put_known(out, f->name.len ? f->name : f->user.len ? f->user : f->address, CLIENT);
}

static void put_took(FILE *out, const struct audit_facts *f)
{
    double us = (double)f->duration_us;

    if (!f->timed)
        (void)fputc('-', out);
    else if (us < 1000)
        (void)fprintf(out, "%.0fus", us);
    else if (us < 1e6)
        (void)fprintf(out, "%.1fms", us / 1e3);
    else
        (void)fprintf(out, "%.2fs", us / 1e6);
}

#define RED    "\x1b[31m"
#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"

static void put_status(struct row *r, const struct audit_facts *first,
                       const struct audit_facts *outcome)
{
    uint32_t status = outcome ? outcome->status : first->status;

    if (slice_eq(first->type, SLICE_LIT("reject"))) {
        (void)fputs("refused", r->out);
        r->colour = YELLOW;
        if (status)
            (void)fprintf(r->out, " %u", status);
        if (first->code.len) {
            (void)fputc(' ', r->out);
            show_cell_put(r->out, first->code, 24);
        }
    } else if (!outcome) {
        (void)fputs("open", r->out);
        r->colour = YELLOW;
    } else if (status) {
        (void)fprintf(r->out, "%u", status);
        r->colour = status / 100 == 2 ? GREEN : RED;
    } else {
        r->colour = RED;
        (void)fputs(slice_eq(outcome->sent, SLICE_LIT("none")) ? "not sent" : "unknown", r->out);
    }
}

static void put_pair(FILE *out, const char *name, const struct audit_value *value, size_t most)
{
    show_cell_put(out, slice_str(name), VALUE_MOST);
    (void)fputc('=', out);
    audit_table_put_value(out, value, most);
}

/* What was set, and the error when it went wrong. */
static void put_set(FILE *out, const struct audit_facts *first, const struct audit_facts *outcome)
{
    struct slice error = outcome ? outcome->error : first->error;
    const char *between = "";

    if (error.len == 0 && outcome)
        error = outcome->answer_error;

    if (error.len) {
        (void)fputs("error=", out);
        show_cell_put(out, error, MEMBERS_MOST);
        between = " ";
    }
    if (first->fields) {
        json_object_object_foreach(first->fields, name, value)
        {
            struct audit_value v = audit_value_of(value);

            (void)fputs(between, out);
            put_pair(out, name, &v, VALUE_MOST);
            between = " ";
            if (ftell(out) > MEMBERS_MOST)
                break;
        }
    }
    if (between[0] == '\0')
        (void)fputc('-', out);
}

static bool is_frame(const char *name)
{
    static const char *const FRAME[] = {"seq", "time", "type", "h"};

    for (size_t i = 0; i < sizeof(FRAME) / sizeof(FRAME[0]); i++)
        if (strcmp(name, FRAME[i]) == 0)
            return true;
    return false;
}

/* A record of another type: what it holds beside what every record has. */
static void put_members(FILE *out, const struct audit_facts *f)
{
    json_object_object_foreach(f->doc, name, value)
    {
        struct audit_value v = audit_value_of(value);

        if (is_frame(name))
            continue;
        (void)fputc(' ', out);
        put_pair(out, name, &v, MEMBERS_MOST);
        if (ftell(out) > MEMBERS_MOST)
            break;
    }
}

/* ---- rows ---- */

static void put_padded(struct audit_table *t, enum column c, const char *text, const char *colour)
{
    size_t wide = show_cell_width(text);

    if (wide > t->widths[c])
        t->widths[c] = wide;
    (void)fprintf(t->to, "%s%s%s%*s", colour, text, colour[0] ? "\x1b[0m" : "",
                  (int)(t->widths[c] - wide + GAP), "");
}

/* In front of the row. */
static void put_host(struct audit_table *t, const char *host)
{
    char *text = NULL;
    size_t n = 0, wide;
    FILE *out = t->host ? open_memstream(&text, &n) : NULL;

    if (!out)
        return;
    show_cell_put(out, slice_str(host), HOST_MOST);
    if (fclose(out) == 0) {
        wide = show_cell_width(text);
        t->host_width = wide > t->host_width ? wide : t->host_width;
        (void)fprintf(t->to, "%s%*s", text, (int)(t->host_width - wide + GAP), "");
    }
    free(text);
}

/* The columns that are left between the others and the id. */
static size_t room(const struct audit_table *t, const char *id)
{
    size_t taken = show_cell_width(id) + GAP + (t->host ? t->host_width + GAP : 0);

    for (enum column c = TIME; c < SET; c++)
        taken += t->widths[c] + GAP;
    return t->width > taken + SET_LEAST ? t->width - taken : SET_LEAST;
}

static void print_cells(struct audit_table *t, const char *const cells[], const char *colour)
{
    char *set = NULL;
    size_t n = 0, wide;
    FILE *out;

    for (enum column c = TIME; c < SET; c++)
        put_padded(t, c, cells[c], c == STATUS && t->colour ? colour : "");
    out = open_memstream(&set, &n);
    if (!out)
        return;
    wide = t->width ? room(t, cells[ID]) : 0;
    if (wide)
        show_cell_put_cut(out, cells[SET], wide);
    else
        (void)fputs(cells[SET], out);
    if (fclose(out) == 0) {
        size_t have = show_cell_width(set);

        (void)fprintf(t->to, "%s%*s%s\n", set, (int)(wide > have ? wide - have : 0) + GAP, "",
                      cells[ID]);
    }
    free(set);
}

static void print_head(struct audit_table *t)
{
    const char *titles[AUDIT_TABLE_COLUMNS];

    if (t->headed)
        return;
    t->headed = true;
    for (enum column c = TIME; c <= ID; c++)
        titles[c] = COLUMNS[c].title;
    t->widths[TIME] = COLUMNS[TIME].most;
    t->widths[CLIENT] = CLIENT_LEAST;
    t->widths[PATH] = PATH_LEAST;
    t->host_width = HOST_LEAST;
    put_host(t, "HOST");
    print_cells(t, titles, "");
}

/* Cells don't hold a line's end: they are made harmless. */
static int print_request(struct audit_table *t, const struct audit_facts *first,
                         const struct audit_facts *outcome)
{
    const char *cells[AUDIT_TABLE_COLUMNS];
    struct row r;
    char *next;
    int failed = row_begin(&r);

    if (failed < 0)
        return failed;
    put_time(r.out, first->time);
    (void)fputc('\n', r.out);
    put_client(r.out, first);
    (void)fputc('\n', r.out);
    put_known(r.out, first->method, METHOD);
    (void)fputc('\n', r.out);
    put_known(r.out, first->workspace, WORKSPACE);
    (void)fputc('\n', r.out);
    put_known(r.out, outcome && outcome->object.len ? outcome->object : first->path, PATH);
    (void)fputc('\n', r.out);
    put_status(&r, first, outcome);
    (void)fputc('\n', r.out);
    put_took(r.out, outcome ? outcome : first);
    (void)fputc('\n', r.out);
    put_set(r.out, first, outcome);
    (void)fputc('\n', r.out);
    put_known(r.out, first->id, ID);
    if (fclose(r.out) != 0) {
        free(r.text);
        return -ENOMEM;
    }
    next = r.text;
    for (enum column c = TIME; c <= ID; c++)
        cells[c] = strsep(&next, "\n");
    put_host(t, t->host);
    print_cells(t, cells, r.colour);
    free(r.text);
    return 0;
}

static int print_other(struct audit_table *t, const struct audit_facts *f)
{
    size_t before = t->host ? t->host_width + GAP : 0;
    struct row r;
    int failed = row_begin(&r);

    if (failed < 0)
        return failed;
    put_time(r.out, f->time);
    (void)fprintf(r.out, "%*s[", GAP, "");
    show_cell_put(r.out, f->type, VALUE_MOST);
    (void)fputc(']', r.out);
    put_members(r.out, f);
    if (fclose(r.out) == 0) {
        put_host(t, t->host);
        show_cell_put_cut(t->to, r.text, t->width > before ? t->width - before : SIZE_MAX);
        (void)fputc('\n', t->to);
    } else {
        failed = -ENOMEM;
    }
    free(r.text);
    return failed;
}

int audit_table_row(struct audit_table *t, struct slice first, struct slice second)
{
    const struct audit_facts *one = first.len ? &t->first : &t->second;
    const struct audit_facts *outcome = second.len ? &t->second : NULL;
    int r = first.len ? audit_facts_read(&t->first, first) : 0;

    if (r == 0 && second.len)
        r = audit_facts_read(&t->second, second);
    if (r < 0)
        return r;
    print_head(t);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): `t` is not NULL, nor is what it holds */
    if (outcome || slice_eq(one->type, SLICE_LIT("intent")) ||
        slice_eq(one->type, SLICE_LIT("reject")))
        return print_request(t, one, outcome);
    return print_other(t, one);
}

enum {
    MAC_SHOWN = 8, /* digits */
};

void audit_table_put_value(FILE *to, const struct audit_value *value, size_t most)
{
    switch (value->kind) {
    case AUDIT_VALUE_TEXT:
        show_cell_put(to, value->text, most);
        return;
    case AUDIT_VALUE_MAC:
        (void)fputs("mac:", to);
        (void)show_text(to, slice_cut(value->text, MAC_SHOWN));
        (void)fputs("\xe2\x80\xa6", to);
        return;
    case AUDIT_VALUE_OMITTED:
        (void)fputs("(omitted)", to);
        return;
    case AUDIT_VALUE_OTHER:
        show_cell_put(to, value->text, most);
        return;
    }
}

void audit_table_put_whole(FILE *to, struct json_object *value)
{
    struct audit_value v = audit_value_of(value);

    if (v.kind == AUDIT_VALUE_TEXT)
        show_cell_put_quoted(to, v.text);
    else
        audit_table_put_value(to, &v, SIZE_MAX);
}
