#include "keeper/audit/copy.h"

#include "base/file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

int copy_bytes(int to, int from, uint64_t offset, uint64_t n, struct chain_hash *sha256)
{
    EVP_MD_CTX *ctx = sha256 ? EVP_MD_CTX_new() : NULL;
    char block[64 * 1024];
    int r = 0;

    if (sha256 && (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)))
        r = -ENOMEM;
    while (r == 0 && n) {
        size_t want = n < sizeof(block) ? (size_t)n : sizeof(block);
        ssize_t got = pread(from, block, want, (off_t)offset);

        if (got <= 0)
            r = got < 0 ? -errno : -EIO;
        else if (ctx && !EVP_DigestUpdate(ctx, block, (size_t)got))
            r = -ENOMEM;
        else
            r = file_write_fd(to, block, (size_t)got);
        offset += (uint64_t)(got > 0 ? got : 0);
        n -= (uint64_t)(got > 0 ? got : 0);
    }
    if (r == 0 && ctx && !EVP_DigestFinal_ex(ctx, sha256->bytes, NULL))
        r = -ENOMEM;
    EVP_MD_CTX_free(ctx);
    return r;
}
