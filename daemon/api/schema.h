/*
 * What a request body must look like, as compact tables: the subset of JSON Schema (2020-12) that
 * an API description may use. type, properties, required, additionalProperties, enum, pattern,
 * minimum, maximum, items, minLength, maxLength, and $ref within the file; words for people
 * (title, description, default, example...) are let through. Any other keyword is an error when
 * the description is loaded, as is one that could have no effect for its type.
 *
 * Stricter than JSON Schema where a signer must be: each schema names its type; an integer is
 * written plainly (no 1.0, no 1e3, no -0) and fits 64 bits.
 */
#ifndef CENTION_API_SCHEMA_H
#define CENTION_API_SCHEMA_H

#include "api/doc.h"
#include "api/pattern.h"

#include <stdint.h>

/* Bits: a schema's types are one mask. */
enum schema_type {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
};

enum {
    SCHEMA_NAME_MAX = 128, /* bytes of a property's name */
    SCHEMA_PROPERTIES_MAX = 1024,
    SCHEMA_DEPTH_MAX = 64, /* schemas inside each other, references followed */
};

struct schema_property {
    struct slice name;
    const struct schema *schema;
    bool required;
};

/* One value of an enum: a string without its quotes, or the text of another scalar. */
struct schema_choice {
    bool string;
    struct slice text;
};

/* An absent keyword has the value that allows everything. */
struct schema {
    unsigned types; /* never 0 */
    struct slice title;
    struct schema_choice *choices; /* ascending; n_choices 0: any value */
    size_t n_choices;

    int64_t minimum, maximum;        /* integers and numbers */
    uint32_t min_length, max_length; /* strings, in characters */
    struct pattern *pattern;
    struct slice pattern_text;

    const struct schema *items; /* NULL: any */

    struct schema_property *properties; /* ascending by name */
    size_t n_properties, n_required;
    uint16_t *slots; /* a hash table of indices + 1; slot_mask + 1 of them */
    uint32_t slot_mask;
    bool closed;                   /* additionalProperties: false */
    const struct schema *anything; /* additionalProperties as a schema, or NULL */

    /* Private. */
    const void *source;
    struct schema *next;
};

/* All schemas of one description; they point at each other. Zeroed at first. */
struct schemas {
    struct schema *first;
    unsigned depth; /* private: of the schema that is being loaded */
};

void schemas_free(struct schemas *all);

/*
 * The table for a schema of the document, made at the first call for it; valid as long as `all`.
 * -EINVAL with the document's err filled, or -ENOMEM.
 */
int schema_load(struct schemas *all, const struct schema **out, const struct doc *at) MUST_CHECK;

/* The property of that name, or NULL. */
const struct schema_property *schema_find(const struct schema *schema, struct slice name);

/* True when there is no enum, or the value is one of it. */
bool schema_has_choice(const struct schema *schema, struct slice text, bool string);

/* The description's words for the type: "string", "array of integer", "integer or string". */
size_t schema_type_text(const struct schema *schema, char *out, size_t size);

/* "a string", "an integer": one bit's name with its article, static. */
const char *schema_type_name(unsigned type);

/* For schema_load: after the properties are in order; false when there is no memory. */
bool schema_index(struct schema *schema) MUST_CHECK;

/* The schema of an object that has no member at all. */
extern const struct schema SCHEMA_NOTHING;

#endif
