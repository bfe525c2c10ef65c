#!/bin/sh
# Installs what the tests need, builds, runs every test, then again with AddressSanitizer and
# UndefinedBehaviorSanitizer. The last line is `N passed, N failed, N skipped`.
#
# check.sh [plain] [asan]   only these rounds
set -u
cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
rounds=${*:-plain asan}
jobs=$(nproc 2>/dev/null || echo 2)
passed=0 failed=0 skipped=0
# Independent cases, when they lie beside the checkout.
CENTION_SHARED=${CENTION_SHARED:-$top/../shared}
export CENTION_SHARED

say() { printf '\n== %s\n' "$*"; }

count() { # PASSED FAILED SKIPPED
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Runs one check that passes or fails as a whole; 77 is a skip that the check explains itself.
step() { # NAME COMMAND...
    name=$1
    shift
    say "$name"
    "$@"
    case $? in
    0) count 1 0 0 ;;
    77) count 0 0 1 ;;
    *)
        echo "FAILED: $name"
        count 0 1 0
        ;;
    esac
}

finish() {
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
    exit
}

sh tests/install-deps.sh build test || { count 0 1 0; finish; }

formatted() {
    find daemon tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run --Werror
}
step "clang-format" formatted
step "OpenAPI lint" sh tests/lint-openapi.sh

build() { # ROUND
    case $1 in
    plain) options= ;;
    asan) options="--enable-sanitizers CFLAGS=-g\ -O1" ;;
    esac
    source=$(sh tests/source-tree.sh "$top/build-$1") || return 1
    mkdir -p "build-$1" && cd "build-$1" || return 1
    { [ -f Makefile ] || eval "\"$source/configure\" --quiet --enable-werror $options"; } &&
        make -s -j"$jobs" && make -s -j"$jobs" check TESTS= >/dev/null
    r=$?
    cd "$top" || return 1
    return $r
}

# `make check` keeps each program's output in PROGRAM.log; their closing lines are added up.
unit() { # ROUND
    say "unit tests ($1)"
    (cd "build-$1" && timeout 900 make -s -k check >/dev/null 2>&1)
    status=$?
    for log in $(find "build-$1/tests" -name '*.log' ! -name 'test-suite.log' | sort); do
        line=$(sed -n 's/^\(unit\|replay\) .*: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\2 \3 \4/p' \
            "$log" | tail -n 1)
        result=$(sed -n 's/^:test-result: //p' "${log%.log}.trs" 2>/dev/null)
        # shellcheck disable=SC2086 # three words
        if [ "$result" != PASS ]; then
            echo "FAILED: $log ($result)"
            tail -n 60 "$log"
            if [ -n "$line" ] && [ "$(echo "$line" | cut -d' ' -f2)" -gt 0 ]; then count $line; else count 0 1 0; fi
        elif [ -n "$line" ]; then count $line; else count 1 0 0; fi
        grep -h SKIPPED "$log" 2>/dev/null | sed 's/^ */  /' | sort -u | head -n 20
    done
    [ "$status" -eq 0 ] && echo "make check: good" || echo "make check: exit $status"
}

# Promises that have to hold with several workers, too (test_workers.py has what only they have).
with_workers="test_calls test_pipeline test_drain test_audit test_config test_answers
    test_origin test_listen_tls test_policy"

# End-to-end tests wait half of their time, hence one more at once than there are cores; those with real
# servers wait most of theirs.
centres="test_central test_central_months test_from_centres test_js test_js_shipd test_pg test_rsyslog"

files() { printf 'tests/e2e/%s.py ' "$@"; }

e2e() { # ROUND [WORKERS FILE...]
    say "end-to-end tests ($1${2:+, $2 workers})${at_once:+, of the centres}"
    out=$(mktemp) round=$1 workers=${2:-}
    shift $(($# > 1 ? 2 : 1))
    CENTION_BUILD="$top/build-$round" CENTION_WORKERS="${workers:-0}" \
        timeout 1200 /usr/bin/python3 -m pytest -q -n "${at_once:-$((jobs + 1))}" -rs -p no:cacheprovider \
        "${@:-tests/e2e}" >"$out" 2>&1
    status=$?
    cat "$out"
    last=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|skipped)|^[0-9]+ .* in [0-9.]+s' "$out" | tail -n 1)
    n() { echo "$last" | grep -oE "[0-9]+ $1" | cut -d' ' -f1 | head -n 1; }
    p=$(n passed) f=$(n failed) e=$(n error) s=$(n skipped)
    count "${p:-0}" $((${f:-0} + ${e:-0})) "${s:-0}"
    if [ "$status" -ne 0 ] && [ $((${f:-0} + ${e:-0})) -eq 0 ]; then
        echo "FAILED: pytest ended with $status"
        count 0 1 0
    fi
    rm -f "$out"
}

# A first look with the fuzzers themselves; `make check` only replays what they once found.
fuzz() {
    CONFIG_H_DIR="$top/build-plain" sh tests/fuzz/fuzz.sh all 4 >build-plain/fuzz.log 2>&1 || {
        tail -n 60 build-plain/fuzz.log
        return 1
    }
    set -- tests/fuzz/fuzz_*.c
    echo "$# targets, no finding"
}

for round in $rounds; do
    say "build ($round)"
    if build "$round"; then count 1 0 0; else
        echo "FAILED: the $round build"
        count 0 1 0
        continue
    fi
    unit "$round"
    # shellcheck disable=SC2046,SC2086 # words
    e2e "$round" 0 tests/e2e $(printf -- '--ignore=tests/e2e/%s.py ' $centres)
    # shellcheck disable=SC2046,SC2086 # words
    at_once=$((2 * jobs)) e2e "$round" 0 $(files $centres)
    # shellcheck disable=SC2046,SC2086 # words
    [ "$round" != plain ] || e2e "$round" 2 $(files $with_workers)
    [ "$round" != plain ] || step "fuzzing, 4 s for each target" fuzz
    [ "$round" != plain ] || step "static analysis" sh tests/analyze.sh
done
finish
