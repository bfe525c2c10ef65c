/*
 * What a peer can make one call of the library do. The library handles messages that carry nothing
 * (HelloRequest, KeyUpdate, tickets) in a loop as long as they come, and answers some of them. So
 * it reads through a BIO that gives it TLS_TURN bytes a call and then says "not now": the rest is
 * still in the socket, whose event fires again. And who sends more than TLS_EMPTY_MAX such messages
 * on one connection is given up.
 */
#include "proxy/tls/tls_inner.h"

#include <errno.h>
#include <pthread.h>

enum {
    TLS_TURN = 64 * 1024, /* bytes of the socket for one call */
    TLS_EMPTY_MAX = 16,   /* messages without a meaning */
    TLS_TICKETS_MAX = 64, /* messages that offer to resume */
    MT_HELLO_REQUEST = 0, /* RFC 5246, 7.4; RFC 8446, B.3 */
    MT_TICKET = 4,
    MT_KEY_UPDATE = 24,
};

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int guard_read(BIO *b, char *data, size_t len, size_t *n)
{
    struct tls *t = BIO_get_data(b);
    int r;

    *n = 0;
    BIO_clear_retry_flags(b);
    if (t->flooded) {
        errno = EPROTO;
        return 0;
    }
    if (t->turn == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    r = BIO_read_ex(BIO_next(b), data, len < t->turn ? len : t->turn, n);
    BIO_copy_next_retry(b);
    t->turn -= *n;
    return r;
}

static long guard_ctrl(BIO *b, int command, long number, void *argument)
{
    return BIO_ctrl(BIO_next(b), command, number, argument);
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "guard");

    if (made && BIO_meth_set_read_ex(made, guard_read) == 1 &&
        BIO_meth_set_ctrl(made, guard_ctrl) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

static void on_message(int is_sent, int version, int type, const void *message, size_t len,
                       SSL *ssl, void *arg)
{
    struct tls *t = arg;
    const unsigned char *kind = message;
    unsigned *count;

    (void)version;
    (void)ssl;
    if (is_sent || type != SSL3_RT_HANDSHAKE || len == 0)
        return;
    if (*kind == MT_TICKET)
        count = &t->tickets;
    else if (*kind == MT_HELLO_REQUEST || *kind == MT_KEY_UPDATE)
        count = &t->empty;
    else
        return;
    if (++*count <= (count == &t->tickets ? TLS_TICKETS_MAX : TLS_EMPTY_MAX) || t->flooded)
        return;
    t->flooded = true;
    if (t->buffer)
        (void)BIO_reset(t->buffer); /* what is read ahead is not looked at */
}

void tls_guard_turn(struct tls *t)
{
    t->turn = TLS_TURN;
}

/* The write side stays the socket's own: its BIO counts what the kernel took. */
int tls_guard(struct tls *t)
{
    BIO *socket = SSL_get_rbio(t->ssl), *guard;

    (void)pthread_once(&once, make_method);
    guard = method ? BIO_new(method) : NULL;
    if (!guard || BIO_up_ref(socket) != 1) {
        BIO_free(guard);
        return -ENOMEM;
    }
    BIO_set_data(guard, t);
    BIO_set_init(guard, 1);
    SSL_set0_rbio(t->ssl, BIO_push(guard, socket));
    SSL_set_msg_callback(t->ssl, on_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    tls_guard_turn(t);
    return 0;
}
