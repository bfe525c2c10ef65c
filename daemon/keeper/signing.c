#include "keeper/signing.h"

#include <errno.h>
#include <stdlib.h>

enum {
    TEXT_MAX = WIRE_MESSAGE_MAX + 4096, /* bytes of a string to sign */
    TEXT_KEEP = 256 * 1024,             /* bytes of its block that stay */
};

int signing_init(struct signing *s, const struct signer *signer)
{
    *s = (struct signing){
        .signer = signer,
        .fields = calloc(WIRE_FIELDS_MAX, sizeof(*s->fields)),
        .text = BUF_INIT(TEXT_MAX),
    };
    return s->fields ? 0 : -ENOMEM;
}

void signing_deinit(struct signing *s)
{
    free(s->fields);
    buf_deinit(&s->text);
}

int signing_request(struct signing *s, const struct wire_sign *sign, const struct keystore_key *key,
                    char signature[WIRE_SIGNATURE])
{
    int r;

    for (uint32_t i = 0; i < sign->n_fields; i++)
        s->fields[i] = (struct sign_field){sign->fields[i].name, sign->fields[i].value};
    r = string_to_sign(&s->text, key->id, sign->workspace, sign->path, s->fields, sign->n_fields);
    if (r == 0)
        r = signer_sign(s->signer, key->secret, buf_slice(&s->text), signature);
    buf_reset(&s->text, TEXT_KEEP);
    return r;
}
