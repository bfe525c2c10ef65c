#include "base/mailbox.h"

#include "unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    POSTS = 20000,
    SENDERS = 4,
};

struct letter {
    struct mail mail;
    unsigned sender, number;
};

struct world {
    struct loop *loop;
    struct mailbox *box;
    unsigned got, next[SENDERS];
    pthread_t receiver;
    bool in_order, in_thread;
    unsigned wanted;
};

struct sender {
    struct world *world;
    unsigned number;
    struct letter *letters;
};

static void begin(struct world *w, unsigned wanted)
{
    *w = (struct world){
        .receiver = pthread_self(), .in_order = true, .in_thread = true, .wanted = wanted};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(mailbox_new(&w->box, w->loop), 0);
}

static void finish(struct world *w)
{
    mailbox_free(w->box);
    loop_free(w->loop);
}

static void deliver(struct mail *mail)
{
    struct letter *l = (struct letter *)mail;
    struct world *w = mail->arg;

    w->in_order &= l->number == w->next[l->sender]++;
    w->in_thread &= pthread_equal(pthread_self(), w->receiver) != 0;
    if (++w->got == w->wanted)
        loop_stop(w->loop);
}

static void *send_all(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < POSTS; i++) {
        s->letters[i] = (struct letter){{deliver, s->world, NULL}, s->number, i};
        mailbox_post(s->world->box, &s->letters[i].mail);
    }
    return NULL;
}

/* Nothing is lost, nothing comes twice, and each sender's come in order, in the loop's thread. */
static void many_senders(void)
{
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    struct world w;

    begin(&w, SENDERS * POSTS);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&w, i, calloc(POSTS, sizeof(struct letter))};
        CU_ASSERT_PTR_NOT_NULL_FATAL(senders[i].letters);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        (void)pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(w.next[i], POSTS);
        free(senders[i].letters);
    }
    CU_ASSERT_EQUAL(w.got, SENDERS * POSTS);
    CU_ASSERT(w.in_order);
    CU_ASSERT(w.in_thread);
    finish(&w);
}

static void back(struct mail *mail)
{
    struct world *w = mail->arg;

    if (++w->got == w->wanted)
        loop_stop(w->loop);
    else
        mailbox_post(w->box, mail); /* its own: a later turn's */
}

/* Mail that is posted again while it is delivered comes again; never from within the call. */
static void again(void)
{
    struct mail mail = {.deliver = back};
    struct world w;

    begin(&w, 1000);
    mail.arg = &w;
    mailbox_post(w.box, &mail);
    CU_ASSERT_EQUAL(w.got, 0);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT_EQUAL(w.got, 1000);
    finish(&w);
}

static void undelivered(void)
{
    struct mail mail = {.deliver = back};
    struct world w;

    begin(&w, 1);
    mail.arg = &w;
    mailbox_post(w.box, &mail);
    mailbox_free(w.box);
    mailbox_free(NULL);
    w.box = NULL;
    loop_free(w.loop); /* takes turns, and finds nothing */
    CU_ASSERT_EQUAL(w.got, 0);
}

static const struct unit_case CASES[] = {
    {"many senders", many_senders},
    {"posted again while it is delivered", again},
    {"what was not delivered", undelivered},
};
UNIT_MAIN("mailbox", CASES)
