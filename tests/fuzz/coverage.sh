#!/bin/sh
# How much of its subject each fuzz target reaches with its seeds and with what fuzzing found
# (build-fuzz/corpus): lines and branches of the files named below.
#     sh tests/fuzz/coverage.sh [TARGET...]
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
sh tests/fuzz/build.sh coverage "$@"

with= # of the centres whose library is there
! pkg-config --exists libnats || with="daemon/jetstream/js_ack.c daemon/jetstream/js_config.c \
    daemon/jetstream/js_form.c daemon/jetstream/js_url.c"
! pkg-config --exists libpq || with="$with daemon/postgres/pg_target.c"

subject() { # TARGET
    case $1 in
    api) echo daemon/message/api_load.c daemon/message/doc.c daemon/message/schema_load.c daemon/message/schema.c ;;
    canon) echo daemon/message/canon.c daemon/message/json.c daemon/message/string_to_sign.c ;;
    centre) echo daemon/ctl/centre_check.c daemon/ctl/centre_verify.c daemon/ctl/centre_hosts.c daemon/ctl/finding.c \
        daemon/ctl/identities.c ;;
    config) echo daemon/proxy_conf.c daemon/keeper_conf.c daemon/ship_conf.c daemon/base/settings.c daemon/keeper/veil_rules.c ;;
    h2) echo daemon/h2/*.c ;;
    http) echo daemon/http/*.c ;;
    json) echo daemon/message/json.c daemon/message/canon.c ;;
    keeper) echo daemon/keeper/keeper.c daemon/keeper/check.c daemon/keeper/permit.c daemon/keeper/pending.c \
        daemon/keeper/signing.c daemon/keeper/veil.c daemon/wire/codec.c daemon/wire/link.c daemon/trail/record.c ;;
    pattern) echo daemon/message/pattern.c daemon/message/pattern_parse.c ;;
    ship) echo daemon/trail/receipt.c daemon/ship/tail.c daemon/ship/tail_look.c daemon/ship/source.c \
        daemon/ship/desk.c ;;
    sinks) echo $with ;;
    trail) echo daemon/trail/verify.c daemon/trail/line.c daemon/trail/requests.c daemon/trail/take.c ;;
    validate) echo daemon/message/validate.c daemon/message/schema.c ;;
    wire) echo daemon/wire/codec.c ;;
    esac
}

printf '%-10s %8s %8s %8s\n' target inputs lines branches
for target in "$@"; do
    out=build-fuzz/coverage/$target
    program=build-fuzz/coverage/fuzz_$target
    [ ! -d "build-fuzz/corpus/$target" ] || more=build-fuzz/corpus/$target
    ran=$(LLVM_PROFILE_FILE=$out.profraw "$program" "tests/fuzz/corpus/$target" ${more:-} 2>/dev/null | tail -n 1)
    more=
    llvm-profdata merge -o "$out.profdata" "$out.profraw"
    # shellcheck disable=SC2046 # a list of words
    llvm-cov report "$program" -instr-profile="$out.profdata" $(subject "$target") >"$out.txt"
    # Regions, functions, lines and branches, three columns each; the last of each is the share.
    printf '%-10s %8s %8s %8s\n' "$target" "$(echo "$ran" | tr -dc 0-9)" $(awk '/^TOTAL/ { print $10, $13 }' "$out.txt")
done
