#include "api/schema.h"

#include <stdio.h>
#include <stdlib.h>

const struct schema SCHEMA_NOTHING = {
    .types = SCHEMA_OBJECT,
    .closed = true,
};

static const struct {
    unsigned type;
    const char *word, *name;
} TYPES[] = {
    {SCHEMA_STRING, "string", "a string"},  {SCHEMA_INTEGER, "integer", "an integer"},
    {SCHEMA_NUMBER, "number", "a number"},  {SCHEMA_BOOLEAN, "boolean", "true or false"},
    {SCHEMA_OBJECT, "object", "an object"}, {SCHEMA_ARRAY, "array", "an array"},
    {SCHEMA_NULL, "null", "null"},
};

enum {
    N_TYPES = sizeof(TYPES) / sizeof(TYPES[0]),
};

static void schema_free(struct schema *s)
{
    for (size_t i = 0; i < s->n_properties; i++)
        free((char *)s->properties[i].name.data);
    for (size_t i = 0; i < s->n_choices; i++)
        free((char *)s->choices[i].text.data);
    pattern_free(s->pattern);
    free(s->properties);
    free(s->choices);
    free(s->slots);
    free((char *)s->title.data);
    free((char *)s->pattern_text.data);
    free(s);
}

void schemas_free(struct schemas *all)
{
    while (all->first) {
        struct schema *s = all->first;

        all->first = s->next;
        schema_free(s);
    }
}

/* Names of one object differ at an end or in length more often than not. */
static uint32_t hash(struct slice s)
{
    uint64_t first = 0, last = 0;

    if (s.len >= sizeof(first)) {
        memcpy(&first, s.data, sizeof(first));
        memcpy(&last, s.data + s.len - sizeof(last), sizeof(last));
    } else {
        for (size_t i = 0; i < s.len; i++)
            first = first << 8 | (unsigned char)s.data[i];
    }
    first = (first ^ s.len) * 0x9e3779b97f4a7c15u;
    first = (first ^ first >> 32 ^ last) * 0xff51afd7ed558ccdu;
    return (uint32_t)(first >> 32);
}

const struct schema_property *schema_find(const struct schema *schema, struct slice name)
{
    if (!schema->slots)
        return NULL;
    for (uint32_t at = hash(name);; at++) {
        unsigned slot = schema->slots[at & schema->slot_mask];

        if (slot == 0)
            return NULL;
        if (slice_eq(schema->properties[slot - 1].name, name))
            return &schema->properties[slot - 1];
    }
}

bool schema_index(struct schema *s)
{
    uint32_t size = 4;

    if (s->n_properties == 0)
        return true;
    while (size < 2 * s->n_properties)
        size *= 2;
    s->slots = calloc(size, sizeof(*s->slots));
    s->slot_mask = size - 1;
    for (size_t i = 0; s->slots && i < s->n_properties; i++) {
        uint32_t at = hash(s->properties[i].name);

        while (s->slots[at & s->slot_mask])
            at++;
        s->slots[at & s->slot_mask] = (uint16_t)(i + 1);
    }
    return s->slots != NULL;
}

bool schema_has_choice(const struct schema *schema, struct slice text, bool string)
{
    size_t low = 0, high = schema->n_choices;

    if (high == 0)
        return true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = slice_cmp(text, schema->choices[middle].text);

        if (r == 0)
            r = string - schema->choices[middle].string;
        if (r == 0)
            return true;
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

const char *schema_type_name(unsigned type)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (TYPES[i].type == type)
            return TYPES[i].name;
    return "nothing";
}

size_t schema_type_text(const struct schema *schema, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < N_TYPES; i++) {
        if (!(schema->types & TYPES[i].type) || n >= size)
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " or " : "", TYPES[i].word);
        if (TYPES[i].type == SCHEMA_ARRAY && schema->items && n + 5 < size) {
            n += (size_t)snprintf(out + n, size - n, " of ");
            n += schema_type_text(schema->items, out + n, size - n);
        }
    }
    return n < size ? n : size - 1;
}
