#!/bin/sh
# Fuzzes one target with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer:
#     sh tests/fuzz/fuzz.sh TARGET SECONDS
# Targets are the fuzz_*.c beside this file. New inputs are kept in build-fuzz/TARGET; a finding
# ends the run with its input in the current folder. Bounded in time and memory.
set -eu
cd "$(dirname "$0")/../.."
target=${1:?target} seconds=${2:?seconds}
out=build-fuzz/$target
mkdir -p "$out"
sources=$(find daemon -name '*.c' ! -name '*_main.c')
# shellcheck disable=SC2046,SC2086 # lists of words
clang -std=gnu11 -D_GNU_SOURCE -DPACKAGE_VERSION='"fuzz"' -g -O1 -Idaemon -Itests \
    -I"${CONFIG_H_DIR:-build-plain}" -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "tests/fuzz/fuzz_$target.c" $sources -o "build-fuzz/fuzz_$target" \
    $(pkg-config --cflags --libs libevent_core libevent_extra libnghttp2 libssl libcrypto json-c libconfig libsystemd libzstd libseccomp)
exec "build-fuzz/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
    -print_final_stats=1 "$out" "tests/fuzz/corpus/$target"
