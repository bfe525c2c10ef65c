#!/bin/sh
# Runs every fuzz target of this build over its corpus, without a fuzzer.
set -u
corpus=${srcdir:-.}/tests/fuzz/corpus
passed=0 failed=0

for program in tests/fuzz/replay_*; do
    case $program in *.o | *.c | *'*') continue ;; esac
    name=${program##*replay_}
    if "$program" "$corpus/$name"; then
        passed=$((passed + 1))
    else
        echo "replay: $name failed" >&2
        failed=$((failed + 1))
    fi
done
echo "replay corpora: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
