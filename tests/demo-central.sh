#!/bin/sh
# Shows the central audit: on a fresh Debian 12 installs what is missing, builds, and lets
# demo_central.py start three "hosts" (each a keeper, a proxy and a shipper in its own folder),
# PostgreSQL with a quorum of standbys, three nats-servers and a look-alike of the API, all on
# loopback. Changes are made on all hosts; a nats-server is killed and a standby promoted in the
# middle; then one merged trail is shown, verified from both centres, and compared with the hosts'
# logs. Stops everything; exit 0 when nothing was lost, doubled or altered.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build-demo
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

say() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }

say "1. Installing what is missing"
sh "$top/tests/install-deps.sh" build central
echo "done"

say "2. Building (in build-demo)"
(
    source=$(sh "$top/tests/source-tree.sh" "$build")
    mkdir -p "$build"
    cd "$build"
    [ -f Makefile ] || "$source/configure" --quiet --with-postgresql --with-nats
    make -s -j"$(nproc)"
) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
for program in cention-keeperd cention-proxyd cention-shipd; do "$build/daemon/$program" --version; done

CENTION_BUILD=$build exec /usr/bin/python3 "$top/tests/demo_central.py"
