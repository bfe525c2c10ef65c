/*
 * libconfig gives a tree with line numbers but is lax: it follows @include, ignores what nobody
 * asks for, and reads a file of any size. This module adds the strictness; nothing else of the
 * project includes libconfig.
 */
#include "base/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SETTINGS_FILE_MAX = 1024 * 1024, /* bytes */
};

struct settings {
    config_t config;
    char *shown;
};

/* Reads at most SETTINGS_FILE_MAX bytes of a file into a terminated block of the caller's. */
static int read_file(const char *path, const char *shown, char **out, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", shown, strerror(errno));
    text = malloc(SETTINGS_FILE_MAX + 1);
    if (!text)
        r = err_set(err, -ENOMEM, "%s: out of memory", shown);
    while (r == 0 && n > 0 && len < SETTINGS_FILE_MAX) {
        n = read(fd, text + len, SETTINGS_FILE_MAX - len);
        if (n < 0)
            r = err_set(err, -errno, "%s: %s", shown, strerror(errno));
        else
            len += (size_t)n;
    }
    (void)close(fd);
    if (r == 0 && len == SETTINGS_FILE_MAX)
        r = err_set(err, -EFBIG, "%s: larger than %d bytes", shown, SETTINGS_FILE_MAX);
    if (r == 0 && memchr(text, '\0', len))
        r = err_set(err, -EINVAL, "%s: holds a NUL byte", shown);
    if (r < 0) {
        free(text);
        return r;
    }
    text[len] = '\0';
    *out = text;
    return 0;
}

/* @include would let a protected file pull in an unprotected one. */
static int refuse_include(const char *text, const char *shown, struct err *err)
{
    unsigned line = 1;

    for (const char *p = text; p; line++) {
        while (*p == ' ' || *p == '\t')
            p++;
        if (strncmp(p, "@include", 8) == 0)
            return err_set(err, -EINVAL, "%s:%u: @include is not supported", shown, line);
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static bool same(config_setting_t *a, config_setting_t *b)
{
    int type = config_setting_type(a), n;

    if (type != config_setting_type(b) ||
        config_setting_source_line(a) != config_setting_source_line(b))
        return false;
    switch (type) {
    case CONFIG_TYPE_GROUP:
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_ARRAY:
        break;
    case CONFIG_TYPE_STRING:
        return same_text(config_setting_get_string(a), config_setting_get_string(b));
    case CONFIG_TYPE_FLOAT:
        return !(config_setting_get_float(a) < config_setting_get_float(b)) &&
               !(config_setting_get_float(a) > config_setting_get_float(b));
    default:
        return config_setting_get_int64(a) == config_setting_get_int64(b);
    }
    n = config_setting_length(a);
    if (n != config_setting_length(b))
        return false;
    for (unsigned i = 0; i < (unsigned)n; i++) {
        config_setting_t *x = config_setting_get_elem(a, i), *y = config_setting_get_elem(b, i);

        if (type == CONFIG_TYPE_GROUP && !same_text(config_setting_name(x), config_setting_name(y)))
            return false;
        if (!same(x, y))
            return false;
    }
    return true;
}

/*
 * Reads the text twice and compares: when the library gets no memory it may silently drop a name, a
 * value or a whole setting, and a policy must not be lost that way.
 */
static int parse(config_t *config, const char *text, const char *shown, struct err *err)
{
    config_t again;
    int r = 0;

    if (config_read_string(config, text) != CONFIG_TRUE)
        return err_set(err, -EINVAL, "%s:%d: %s", shown, config_error_line(config),
                       config_error_text(config));
    config_init(&again);
    if (config_read_string(&again, text) != CONFIG_TRUE ||
        !same(config_root_setting(config), config_root_setting(&again)))
        r = err_set(err, -ENOMEM, "%s: out of memory", shown);
    config_destroy(&again);
    return r;
}

int settings_open(struct settings **out, const char *path, struct err *err)
{
    return settings_open_named(out, path, path, err);
}

int settings_open_named(struct settings **out, const char *path, const char *shown, struct err *err)
{
    struct settings *s;
    char *text = NULL;
    int r = read_file(path, shown, &text, err);

    if (r == 0)
        r = refuse_include(text, shown, err);
    if (r < 0) {
        free(text);
        return r;
    }
    s = calloc(1, sizeof(*s));
    if (s)
        s->shown = strdup(shown);
    if (!s || !s->shown) {
        free(s);
        free(text);
        return err_set(err, -ENOMEM, "%s: out of memory", shown);
    }
    config_init(&s->config);
    r = parse(&s->config, text, shown, err);
    free(text);
    if (r < 0) {
        settings_free(s);
        return r;
    }
    *out = s;
    return 0;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    config_destroy(&s->config);
    free(s->shown);
    free(s);
}

struct settings_node settings_root(struct settings *s)
{
    return (struct settings_node){s, config_root_setting(&s->config)};
}

static config_setting_t *member(struct settings_node group, const char *name)
{
    return group.node ? config_setting_get_member(group.node, name) : NULL;
}

/* "upstream.url", "listen[1].port": the way from the root to the setting. */
static void describe(config_setting_t *node, char *out, size_t room)
{
    config_setting_t *parent = config_setting_parent(node);
    const char *name = config_setting_name(node);
    size_t len;

    out[0] = '\0';
    if (!parent)
        return;
    describe(parent, out, room);
    len = strlen(out);
    if (name)
        (void)snprintf(out + len, room - len, "%s%s", len ? "." : "", name);
    else
        (void)snprintf(out + len, room - len, "[%d]", config_setting_index(node));
}

void settings_say(struct settings_node group, const char *name, struct err *err, const char *format,
                  ...)
{
    config_setting_t *at = member(group, name);
    char where[192] = "", text[400];
    va_list args;
    size_t len;

    if (at) {
        describe(at, where, sizeof(where));
    } else {
        if (group.node)
            describe(group.node, where, sizeof(where));
        len = strlen(where);
        (void)snprintf(where + len, sizeof(where) - len, "%s%s", len ? "." : "", name);
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    at = at ? at : group.node;
    /* The root group has no line of its own. */
    if (at && config_setting_parent(at))
        err_text(err, "%s:%u: %s: %s", group.file->shown, config_setting_source_line(at), where,
                 text);
    else
        err_text(err, "%s: %s: %s", group.file->shown, where, text);
}

bool settings_is_string(struct settings_node group, const char *name)
{
    config_setting_t *s = member(group, name);

    return s && config_setting_type(s) == CONFIG_TYPE_STRING;
}

int settings_string(struct settings_node group, const char *name, const char **out, struct err *err)
{
    config_setting_t *s = member(group, name);

    if (!s)
        return 0;
    if (config_setting_type(s) != CONFIG_TYPE_STRING)
        return settings_fail(group, name, err, "must be a string in double quotes");
    *out = config_setting_get_string(s);
    return 0;
}

int settings_text(struct settings_node group, const char *name, char **out, struct err *err)
{
    const char *value = NULL;
    int r = settings_string(group, name, &value, err);

    if (r < 0 || !value)
        return r;
    if (value[0] == '\0')
        return settings_fail(group, name, err, "must not be empty");
    *out = strdup(value);
    return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int settings_text_required(struct settings_node group, const char *name, char **out,
                           struct err *err)
{
    int r = settings_text(group, name, out, err);

    return r == 0 && !*out ? settings_fail(group, name, err, "missing") : r;
}

int settings_bool(struct settings_node group, const char *name, bool *out, struct err *err)
{
    config_setting_t *s = member(group, name);

    if (!s)
        return 0;
    if (config_setting_type(s) != CONFIG_TYPE_BOOL)
        return settings_fail(group, name, err, "must be true or false");
    *out = config_setting_get_bool(s) == CONFIG_TRUE;
    return 0;
}

static bool is_integer(config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

int settings_integer(struct settings_node group, const char *name, int64_t min, int64_t max,
                     int64_t *out, struct err *err)
{
    config_setting_t *s = member(group, name);
    int64_t value;

    if (!s)
        return 0;
    if (!is_integer(s))
        return settings_fail(group, name, err, "must be a whole number");
    value = config_setting_get_int64(s);
    if (value < min || value > max)
        return settings_fail(group, name, err, "must be from %lld to %lld", (long long)min,
                             (long long)max);
    *out = value;
    return 0;
}

int settings_seconds(struct settings_node group, const char *name, uint64_t min_us, uint64_t max_us,
                     uint64_t *out_us, struct err *err)
{
    config_setting_t *s = member(group, name);
    double value;

    if (!s)
        return 0;
    if (is_integer(s))
        value = (double)config_setting_get_int64(s);
    else if (config_setting_type(s) == CONFIG_TYPE_FLOAT)
        value = config_setting_get_float(s);
    else
        return settings_fail(group, name, err, "must be a number of seconds");
    /* Written so that NaN fails too. */
    if (!(value * 1e6 >= (double)min_us && value * 1e6 <= (double)max_us))
        return settings_fail(group, name, err, "must be from %g to %g seconds",
                             (double)min_us / 1e6, (double)max_us / 1e6);
    *out_us = (uint64_t)(value * 1e6 + 0.5);
    return 0;
}

int settings_real(struct settings_node group, const char *name, double min, double max, double *out,
                  struct err *err)
{
    config_setting_t *s = member(group, name);
    double value;

    if (!s)
        return 0;
    if (is_integer(s))
        value = (double)config_setting_get_int64(s);
    else if (config_setting_type(s) == CONFIG_TYPE_FLOAT)
        value = config_setting_get_float(s);
    else
        return settings_fail(group, name, err, "must be a number");
    /* Written so that NaN fails too. */
    if (!(value >= min && value <= max))
        return settings_fail(group, name, err, "must be from %g to %g", min, max);
    *out = value;
    return 0;
}

int settings_strings(struct settings_node group, const char *name, struct settings_node *out,
                     unsigned *n, struct err *err)
{
    config_setting_t *s = member(group, name);
    int type = s ? config_setting_type(s) : CONFIG_TYPE_NONE;

    *out = (struct settings_node){group.file, s};
    *n = 0;
    if (!s)
        return 0;
    if (type == CONFIG_TYPE_STRING) {
        *n = 1;
        return 0;
    }
    if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY)
        return settings_fail(group, name, err,
                             "must be a string, or a list of strings: ( \"...\", \"...\" )");
    *n = (unsigned)config_setting_length(s);
    if (*n == 0)
        return settings_fail(group, name, err, "must not be empty");
    for (unsigned i = 0; i < *n; i++)
        if (config_setting_type(config_setting_get_elem(s, i)) != CONFIG_TYPE_STRING)
            return settings_fail(group, name, err, "element %u must be a string in double quotes",
                                 i + 1);
    return 0;
}

const char *settings_string_at(struct settings_node strings, unsigned i)
{
    config_setting_t *s = strings.node;

    return config_setting_type(s) == CONFIG_TYPE_STRING ? config_setting_get_string(s)
                                                        : config_setting_get_string_elem(s, (int)i);
}

static bool is_value(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
    case CONFIG_TYPE_FLOAT:
    case CONFIG_TYPE_BOOL:
    case CONFIG_TYPE_GROUP:
        return true;
    default:
        return false;
    }
}

int settings_values(struct settings_node group, const char *name, struct settings_node *out,
                    unsigned *n, struct err *err)
{
    config_setting_t *s = member(group, name);

    *out = (struct settings_node){group.file, s};
    *n = s ? 1 : 0;
    if (!s || (is_value(s) && config_setting_type(s) != CONFIG_TYPE_GROUP))
        return 0;
    if (!config_setting_is_aggregate(s) || config_setting_is_group(s))
        return settings_fail(group, name, err, "must be a value, or a list of values: ( ... )");
    *n = (unsigned)config_setting_length(s);
    if (*n == 0)
        return settings_fail(group, name, err, "must not be empty");
    for (unsigned i = 0; i < *n; i++)
        if (!is_value(config_setting_get_elem(s, i)))
            return settings_fail(group, name, err,
                                 "element %u must be a string, a number, true, false or a group",
                                 i + 1);
    return 0;
}

enum settings_kind settings_value_at(struct settings_node values, unsigned i,
                                     char text[SETTINGS_TEXT_MAX], const char **string)
{
    const config_setting_t *s = values.node;

    if (!is_value(s))
        s = config_setting_get_elem(s, i);
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        *string = config_setting_get_string(s);
        return SETTINGS_STRING;
    case CONFIG_TYPE_FLOAT:
        (void)snprintf(text, SETTINGS_TEXT_MAX, "%.15g", config_setting_get_float(s));
        return SETTINGS_NUMBER;
    case CONFIG_TYPE_BOOL:
        (void)snprintf(text, SETTINGS_TEXT_MAX, "%s",
                       config_setting_get_bool(s) ? "true" : "false");
        return SETTINGS_BOOL;
    case CONFIG_TYPE_GROUP:
        return SETTINGS_GROUP;
    default:
        (void)snprintf(text, SETTINGS_TEXT_MAX, "%lld", config_setting_get_int64(s));
        return SETTINGS_NUMBER;
    }
}

int settings_choice(struct settings_node group, const char *name, const char *const *words,
                    unsigned *out, struct err *err)
{
    const char *value = NULL;
    char known[192] = "";
    int r = settings_string(group, name, &value, err);

    if (r < 0 || !value)
        return r;
    for (unsigned i = 0; words[i]; i++) {
        size_t len = strlen(known);

        if (strcmp(words[i], value) == 0) {
            *out = i;
            return 0;
        }
        (void)snprintf(known + len, sizeof(known) - len, "%s\"%s\"", i ? ", " : "", words[i]);
    }
    return settings_fail(group, name, err, "\"%.64s\" is none of %s", value, known);
}

int settings_group(struct settings_node group, const char *name, struct settings_node *out,
                   struct err *err)
{
    config_setting_t *s = member(group, name);

    *out = (struct settings_node){group.file, s};
    if (s && config_setting_type(s) != CONFIG_TYPE_GROUP)
        return settings_fail(group, name, err, "must be a group in { }");
    return 0;
}

int settings_list(struct settings_node group, const char *name, struct settings_node *out,
                  unsigned *n, struct err *err)
{
    config_setting_t *s = member(group, name);

    *out = (struct settings_node){group.file, s};
    *n = 0;
    if (!s)
        return 0;
    if (config_setting_type(s) != CONFIG_TYPE_LIST)
        return settings_fail(group, name, err, "must be a list of groups: ( { ... }, { ... } )");
    *n = (unsigned)config_setting_length(s);
    for (unsigned i = 0; i < *n; i++)
        if (config_setting_type(config_setting_get_elem(s, i)) != CONFIG_TYPE_GROUP)
            return settings_fail(group, name, err, "element %u must be a group in { }", i + 1);
    return 0;
}

struct settings_node settings_element(struct settings_node list, unsigned i)
{
    return (struct settings_node){list.file, config_setting_get_elem(list.node, i)};
}

unsigned settings_line(struct settings_node node)
{
    config_setting_t *s = node.node;

    return config_setting_source_line(s);
}

int settings_known(struct settings_node group, const char *const *known, struct err *err)
{
    char names[256] = "";
    size_t len = 0;
    int n = group.node ? config_setting_length(group.node) : 0;

    for (unsigned i = 0; known[i] && len < sizeof(names); i++, len = strlen(names))
        (void)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "", known[i]);
    for (int i = 0; i < n; i++) {
        const char *name = config_setting_name(config_setting_get_elem(group.node, (unsigned)i));
        bool found = false;

        for (unsigned k = 0; known[k] && !found; k++)
            found = strcmp(known[k], name) == 0;
        if (!found)
            return settings_fail(group, name, err, "unknown setting; known here: %s", names);
    }
    return 0;
}
