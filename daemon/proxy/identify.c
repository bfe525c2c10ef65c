#include "proxy/identify.h"

#include <stdio.h>

_Static_assert(PROCESS_TEXT_MAX <= (int)REQUEST_NAME_MAX &&
                   IDENTIFY_TOKEN_MAX <= (int)REQUEST_NAME_MAX,
               "what is known of a client fits a message");
_Static_assert(PEER_UID_UNKNOWN == CLIENT_UID_UNKNOWN, "nobody is nobody on both sides");

static const struct slice AUTHORIZATION = SLICE_LIT("authorization");
static const struct slice TOKEN = SLICE_LIT("x-cention-token");
static const struct slice BEARER = SLICE_LIT("bearer");

/* One token68 from the first byte to the last. */
static bool is_token(struct slice s)
{
    size_t n = 0;

    if (s.len > IDENTIFY_TOKEN_MAX)
        return false;
    while (n < s.len &&
           ((s.data[n] >= 'a' && s.data[n] <= 'z') || (s.data[n] >= 'A' && s.data[n] <= 'Z') ||
            (s.data[n] >= '0' && s.data[n] <= '9') || memchr("-._~+/", s.data[n], 6)))
        n++;
    if (n == 0)
        return false;
    while (n < s.len && s.data[n] == '=')
        n++;
    return n == s.len;
}

/* True for an Authorization of the scheme Bearer; *token is what follows the scheme. */
static bool is_bearer(struct slice value, struct slice *token)
{
    if (!slice_eq_nocase(slice_cut(value, BEARER.len), BEARER))
        return false;
    *token = slice_of(value.data + BEARER.len, value.len - BEARER.len);
    if (token->len && *token->data != ' ' && *token->data != '\t')
        return false;
    while (token->len && *token->data == ' ')
        *token = slice_of(token->data + 1, token->len - 1);
    return true;
}

/* The token; empty when there is none. False: *field is the one that is wrong, *text says how. */
static bool find_token(const struct http_head *head, struct slice *token, const char **field,
                       const char **text)
{
    unsigned bearers = 0, tokens = 0;

    *token = SLICE_NULL;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *f = &head->fields[i];
        struct slice found;

        if (slice_eq_nocase(f->name, AUTHORIZATION) && is_bearer(f->value, &found)) {
            *field = "Authorization";
            bearers++;
        } else if (slice_eq_nocase(f->name, TOKEN)) {
            *field = "X-Cention-Token";
            found = f->value;
            tokens++;
        } else {
            continue;
        }
        *token = found;
        *text = "a token is 1 to 128 letters, digits and -._~+/ with = at its end only";
        if (!is_token(found))
            return false;
    }
    *text = "a token comes once, in Authorization: Bearer or in X-Cention-Token";
    return bearers + tokens == 0 ||
           (bearers + tokens == 1 && (!bearers || http_field_count(head, AUTHORIZATION) == 1));
}

bool identify_check(const struct http_head *head, struct refusal *why)
{
    const char *field, *text;
    struct slice token;

    if (find_token(head, &token, &field, &text))
        return true;
    refuse(why, 400, "bad_request", "%s: %s", field, text);
    (void)snprintf(why->field, sizeof(why->field), "%s", field);
    return false;
}

struct client_identity identify_client(struct client *client, const struct http_head *head)
{
    const struct client_peer *peer = client_peer(client);
    struct slice token = SLICE_NULL;
    const char *field, *text;
    int socket = client_unix_socket(client);

    if (head && !find_token(head, &token, &field, &text))
        token = SLICE_NULL;
    return (struct client_identity){.uid = client_uid(client),
                                    .pid = peer->pid,
                                    .exe = slice_str(peer->process.exe),
                                    .via = slice_str(peer->via),
                                    .address = slice_str(peer->address),
                                    .unit = slice_str(peer->process.unit),
                                    .certificate = slice_str(peer->certificate),
                                    .token = token,
                                    .has_socket = socket >= 0,
                                    .socket = socket};
}
