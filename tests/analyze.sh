#!/bin/sh
# Static analysis of daemon/: gcc -fanalyzer, clang-tidy (bugprone, cert, clang-analyzer) and cppcheck. Whatever one of
# them says fails; where one is wrong, the place itself says why. A tool that is not installed is skipped. With
# ANALYZE_NODES=225000 clang's analyzer looks as far as it does by default, in three times the time.
# Usage: analyze.sh [gcc] [tidy] [cppcheck]    (default: all; config.h comes from $CONFIG_H_DIR, default build-plain)
set -u
cd "$(dirname "$0")/.." || exit 1
config=${CONFIG_H_DIR:-build-plain}
[ -f "$config/config.h" ] || { echo "no config.h in $config: build there first, or set CONFIG_H_DIR" >&2; exit 1; }
jobs=$(nproc 2>/dev/null || echo 2)
tools=${*:-gcc tidy cppcheck}
packages="libevent_core libevent_extra libssl libcrypto json-c libpcre2-8 libconfig libsystemd libzstd libseccomp libnghttp2"
absent= # rooms of the centres whose library is not there
for centre in postgres:libpq nats:libnats; do
    if pkg-config --exists "${centre#*:}"; then packages="$packages ${centre#*:}"; else
        absent="$absent ! -path daemon/central/${centre%:*}/*"
    fi
done
set -f # the rooms' patterns are for find
# trap.c is compiled into debug builds only.
# shellcheck disable=SC2086 # a list of words
files=${FILES:-$(find daemon -name '*.c' ! -name trap.c $absent | sort)}
set +f
# shellcheck disable=SC2086 # a list of words
flags="-std=gnu11 -D_GNU_SOURCE -DHAVE_CONFIG_H -DCENTION_SYSCONFDIR=\"/etc\" -DCENTION_DATADIR=\"/usr/share\"
    -DCENTION_RUNDIR=\"/run\" -Idaemon -Itests -I$config $(pkg-config --cflags $packages)"

# Leaks are left to clang's analyzer and to LeakSanitizer: gcc 12 calls most of what a caller's struct owns a leak.
run_gcc() {
    gcc -fanalyzer -Wno-analyzer-malloc-leak -O1 -Wall -Wextra -c -o /dev/null $flags "$1"
}

# Left out: what asks for C11's optional Annex K; for lengths that count a terminator, where bytes have a length beside
# them (slices); for the order of parameters; for narrowing, where 'a' is taken for a wide int.
checks='-*,bugprone-*,cert-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-not-null-terminated-result'
checks="$checks,-bugprone-narrowing-conversions,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
run_tidy() {
    clang-tidy --quiet --checks="$checks" --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang \
        --extra-arg="max-nodes=${ANALYZE_NODES:-50000}" "$1" -- $flags 2>/dev/null
}

# cppcheck 2.10 stumbles over macros within macros that hold initializers; it reads no header of a library.
run_cppcheck() {
    cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --template=gcc \
        --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective --include="$config/analyze.h" \
        -DHAVE_CONFIG_H -Idaemon -I"$config" "$1"
}

# One file: called by itself, some at once.
if [ "${ANALYZE_ONE:-}" ]; then
    set -f
    out=$("run_$ANALYZE_ONE" "$1" 2>&1)
    r=$?
    [ -z "$out" ] || printf '%s\n' "$out"
    [ "$r" = 0 ] && [ -z "$out" ]
    exit
fi
echo '#define json_object_object_foreach(o, k, v) char *k = ""; json_object *v = 0; for (; *k;)' >"$config/analyze.h"
failed=0 ran=0
for tool in $tools; do
    case $tool in tidy) program=clang-tidy ;; *) program=$tool ;; esac
    if ! command -v "$program" >/dev/null; then
        echo "SKIPPED: $program is not installed"
        continue
    fi
    ran=$((ran + 1))
    echo "$files" | ANALYZE_ONE=$tool xargs -P "$jobs" -n 1 sh tests/analyze.sh || failed=1
done
[ "$failed" = 0 ] || exit 1
[ "$ran" -gt 0 ] || exit 77
echo "$(echo "$files" | wc -l) files, $ran tools, no finding"
