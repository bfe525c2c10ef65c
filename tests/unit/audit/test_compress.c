#include "audit/compress.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file(void)
{
    char name[] = "/tmp/test_pack.XXXXXX";
    int fd = mkstemp(name);

    CU_ASSERT_FATAL(fd >= 0);
    (void)unlink(name);
    return fd;
}

/* Compresses n bytes of text in so many steps. */
static int packed(const char *text, size_t n, unsigned steps)
{
    struct compressor *p = NULL;
    int from = file(), to = file();

    CU_ASSERT_EQUAL_FATAL(write(from, text, n), (ssize_t)n);
    CU_ASSERT_EQUAL_FATAL(compressor_new(&p, from, to), 0);
    for (unsigned i = 1; i < steps; i++)
        CU_ASSERT_EQUAL(compressor_step(p), 1);
    CU_ASSERT_EQUAL(compressor_step(p), 0);
    compressor_free(p);
    close(from);
    return to;
}

/* Everything in the file, or the error. */
static ssize_t unpack(int fd, char *out, size_t n)
{
    struct decompressor *u = NULL;
    uint64_t at = 0;
    size_t have = 0;
    ssize_t got;

    CU_ASSERT_EQUAL_FATAL(decompressor_new(&u), 0);
    while ((got = decompressor_read(u, fd, &at, out + have, n - have)) > 0)
        have += (size_t)got;
    decompressor_free(u);
    return got < 0 ? got : (ssize_t)have;
}

static char text[3 * COMPRESS_STEP + 17], back[sizeof(text) + 1];

static void fill(void)
{
    unsigned x = 1;

    for (size_t i = 0; i < sizeof(text); i++) {
        x = x * 1103515245 + 12345;
        text[i] = (char)('a' + (x >> 16) % 16);
    }
}

static void test_round_trip(void)
{
    int fd;

    fill();
    fd = packed(text, sizeof(text), 5);
    CU_ASSERT(lseek(fd, 0, SEEK_END) < (off_t)sizeof(text));
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), (ssize_t)sizeof(text));
    CU_ASSERT_EQUAL(memcmp(back, text, sizeof(text)), 0);
    close(fd);
    fd = packed("", 0, 1);
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), 0);
    close(fd);
}

static void test_damage(void)
{
    off_t size;
    char byte;
    int fd;

    fill();
    fd = packed(text, sizeof(text), 5);
    size = lseek(fd, 0, SEEK_END);
    /* More behind the frame, even another one. */
    CU_ASSERT_EQUAL(pwrite(fd, "x", 1, size), 1);
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), -EBADMSG);
    CU_ASSERT_EQUAL(ftruncate(fd, size), 0);
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), (ssize_t)sizeof(text));
    /* Cut off, wherever. */
    for (off_t n = size - 1; n >= 0; n -= n > 50 ? size / 7 : 1) {
        CU_ASSERT_EQUAL(ftruncate(fd, n), 0);
        CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), -EBADMSG);
        if (n <= 0)
            break;
    }
    close(fd);
    /* A changed byte: the checksum tells. */
    fd = packed(text, sizeof(text), 5);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, size / 2), 1);
    byte ^= 4;
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, size / 2), 1);
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), -EBADMSG);
    close(fd);
    fd = file();
    CU_ASSERT_EQUAL(write(fd, "{\"seq\":1}\n", 10), 10);
    CU_ASSERT_EQUAL(unpack(fd, back, sizeof(back)), -EBADMSG);
    close(fd);
    CU_ASSERT_EQUAL(unpack(-1, back, sizeof(back)), -EBADF);
}

static void test_failing_writes(void)
{
    int from = file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC), r = 1;
    struct compressor *p = NULL;

    fill();
    CU_ASSERT_EQUAL(write(from, text, sizeof(text)), (ssize_t)sizeof(text));
    CU_ASSERT_EQUAL(compressor_new(&p, from, full), 0);
    for (int i = 0; r == 1 && i < 10; i++)
        r = compressor_step(p);
    CU_ASSERT_EQUAL(r, -ENOSPC);
    compressor_free(p);
    CU_ASSERT_EQUAL(compressor_new(&p, -1, full), 0);
    CU_ASSERT_EQUAL(compressor_step(p), -EBADF);
    compressor_free(p);
    close(from);
    close(full);
}

static const struct unit_case CASES[] = {
    {"there and back", test_round_trip},
    {"damage", test_damage},
    {"failing reads and writes", test_failing_writes},
};

UNIT_MAIN("compress", CASES)
