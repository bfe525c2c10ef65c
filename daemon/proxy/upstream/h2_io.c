/*
 * The buffer `out` is either empty or was offered to the stream as a whole, so a frame that was
 * collected is one that may be on its way: there is no third state of a call.
 */
#include "proxy/upstream/h2_io.h"

#include "base/log.h"

enum {
    H2_IO_READ = 16 * 1024,  /* bytes of one read; what a TLS record holds */
    H2_IO_TURN = 256 * 1024, /* bytes of one turn, read or written */
};

enum h2_io_result h2_io_read(struct h2_io *io, bool to_the_end)
{
    char data[H2_IO_READ];

    for (size_t done = 0; done < H2_IO_TURN;) {
        ssize_t n = stream_read(&io->stream, data, sizeof(data));
        bool sound;

        if (n == STREAM_WANT_WRITE)
            io->wants_write = true;
        if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE)
            return H2_IO_DONE;
        if (n <= 0)
            return n < 0 ? H2_IO_FAILED : H2_IO_CLOSED;
        done += (size_t)n;
        sound = h2_session_feed(io->session, data, (size_t)n);
        if (!io->heard(io->arg, sound) ||
            (!to_the_end && (size_t)n < sizeof(data) && !stream_pending(&io->stream)))
            return H2_IO_DONE;
    }
    return H2_IO_SHARE; /* of what TLS holds already no event tells */
}

void h2_io_last_words(struct h2_io *io)
{
    struct slice rest = buf_slice(&io->out);

    if (rest.len && !io->failed_write && stream_write(&io->stream, rest.data, rest.len) < 0)
        log_debug("upstream_goodbye_unsent", "%s", "");
}

/* Fills the empty buffer: what the session has to say, and as many requests as go in. */
static bool fill(struct h2_io *io)
{
    do {
        bool going = h2_session_fill(io->session, &io->out, H2_FILL);

        if (!going && !io->closed)
            h2_io_last_words(io);
        if (!going || io->closed)
            return false;
    } while (buf_len(&io->out) < H2_FILL && io->more(io->arg));
    return true;
}

enum h2_io_result h2_io_write(struct h2_io *io)
{
    for (size_t done = 0; done < H2_IO_TURN && !io->failed_write;) {
        struct slice s;
        ssize_t n;

        if (buf_len(&io->out) == 0 && !fill(io))
            return io->closed ? H2_IO_DONE : H2_IO_FAILED;
        if (io->closed)
            return H2_IO_DONE;
        s = buf_slice(&io->out);
        if (s.len == 0)
            return H2_IO_DONE;
        n = stream_write(&io->stream, s.data, s.len);
        io->wants_write = io->wants_write || n == STREAM_WANT_WRITE;
        if (n == STREAM_WANT_WRITE || n == STREAM_WANT_READ)
            return H2_IO_DONE;
        if (n < 0) {
            io->failed_write = true;
            return H2_IO_FAILED;
        }
        buf_consume(&io->out, (size_t)n);
        io->written += (uint64_t)n;
        done += (size_t)n;
    }
    io->wants_write = io->wants_write || !io->failed_write;
    return H2_IO_DONE;
}
