#!/bin/sh
# How much of its subject each fuzz target reaches with its seeds and with what fuzzing found
# (build-fuzz/corpus): lines and branches of the files named below.
#     sh tests/fuzz/coverage.sh [TARGET...]
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
sh tests/fuzz/build.sh coverage "$@"

with= # of the centres whose library is there
! pkg-config --exists libnats || with="daemon/central/nats/js_ack.c \
    daemon/central/nats/js_form.c daemon/central/nats/js_url.c"
! pkg-config --exists libpq || with="$with daemon/central/postgres/pg_target.c"

subject() { # TARGET
    case $1 in
    api) echo daemon/api/api_load.c daemon/api/doc.c daemon/api/schema_load.c daemon/api/schema.c ;;
    canon) echo daemon/api/canon.c daemon/api/json.c daemon/api/string_to_sign.c ;;
    archive) echo daemon/ctl/central/archive_check.c daemon/ctl/central/archive_verify.c daemon/ctl/central/archive_hosts.c daemon/ctl/central/finding.c \
        daemon/ctl/central/identities.c ;;
    config) echo daemon/proxy/proxy_conf.c daemon/keeper/keeper_conf.c daemon/ship/ship_conf.c daemon/base/settings.c daemon/keeper/redaction/redaction_rules.c ;;
    h2) echo daemon/proxy/h2/*.c ;;
    http) echo daemon/http/*.c ;;
    json) echo daemon/api/json.c daemon/api/canon.c ;;
    keeper) echo daemon/keeper/keeper.c daemon/keeper/authorize.c daemon/keeper/audit/pending.c \
        daemon/keeper/signer.c daemon/keeper/redaction/redaction.c daemon/wall/codec.c daemon/wall/link.c daemon/audit/record.c ;;
    pattern) echo daemon/api/pattern.c ;;
    ship) echo daemon/audit/receipt.c daemon/ship/tail.c daemon/audit/segments.c daemon/audit/log_reader.c \
        daemon/ship/admin_socket.c ;;
    sinks) echo $with ;;
    audit) echo daemon/audit/verify.c daemon/audit/line.c daemon/audit/requests.c daemon/audit/parse.c ;;
    validate) echo daemon/api/validate.c daemon/api/schema.c ;;
    wire) echo daemon/wall/codec.c ;;
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
