#!/bin/sh
# Fuzzes targets with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer:
#     sh tests/fuzz/fuzz.sh TARGET|all SECONDS
# Targets are the fuzz_*.c beside this file; `all` takes each for so many seconds. New inputs are kept in
# build-fuzz/corpus/TARGET; a finding ends the run with its input in build-fuzz. Bounded in time and memory.
set -eu
cd "$(dirname "$0")/../.."
target=${1:?target} seconds=${2:?seconds}
if [ "$target" = all ]; then
    targets=$(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
else
    targets=$target
fi
# shellcheck disable=SC2086 # a list of words
sh tests/fuzz/build.sh fuzz $targets
for target in $targets; do
    found=build-fuzz/corpus/$target
    mkdir -p "$found"
    build-fuzz/fuzz/fuzz_"$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix=build-fuzz/ -print_final_stats=1 "$found" "tests/fuzz/corpus/$target"
done
