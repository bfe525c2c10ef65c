#!/bin/sh
# Compares cention-proxy with HAProxy, nginx, and nginx that signs: requests a second, latency, CPU time
# for each request, memory. Installs and builds what it needs (in build-bench) and stops by itself, in
# less than 20 minutes unless told otherwise. Loopback only.
#
# run.sh [--rounds N] [--seconds S] [--connections 1,64] [--bodies 600] [--contestants a,b] [--build DIR]
#        [--out DIR] [--quick] [--profile] [--soak N]          (run.sh --help tells more)
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=
frames= # a profile needs the callers
previous=
for word in "$@"; do
    case $word in
    --build=*) build=${word#--build=} ;;
    --profile) frames=-fno-omit-frame-pointer ;;
    -h | --help) exec /usr/bin/python3 "$top/tests/bench/compare.py" --help ;;
    esac
    [ "$previous" != --build ] || build=$word
    previous=$word
done

sh "$top/tests/install-deps.sh" build bench

if [ -z "$build" ]; then
    build=$top/build-bench${frames:+-profile}
    source=$(sh "$top/tests/source-tree.sh" "$build")
    mkdir -p "$build"
    echo "building in $build"
    (
        cd "$build"
        [ -f Makefile ] || "$source/configure" --quiet ${frames:+"CFLAGS=-g -O2 $frames"}
        make -s -j"$(nproc)"
    ) >"$build/build.log" 2>&1 || {
        tail -n 30 "$build/build.log" >&2
        exit 1
    }
    set -- --build "$build" "$@"
fi

child=
stop() {
    [ -z "$child" ] || { kill "$child" 2>/dev/null && wait "$child"; } || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
/usr/bin/python3 "$top/tests/bench/compare.py" "$@" &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
