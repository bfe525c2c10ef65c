/*
 * CENTION_ASAN is 1 in a build with AddressSanitizer, else 0: gcc says so with a macro, clang with
 * a feature. Its leak check has to trace the process, and it uses memory of its own.
 */
#ifndef CENTION_BASE_ASAN_H
#define CENTION_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define CENTION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CENTION_ASAN 1
#endif
#endif
#ifndef CENTION_ASAN
#define CENTION_ASAN 0
#endif

#endif
