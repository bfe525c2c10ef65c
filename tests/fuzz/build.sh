#!/bin/sh
# Builds fuzz targets with clang into build-fuzz; what is unchanged is not compiled again.
#     sh tests/fuzz/build.sh fuzz [TARGET...]        libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer
#     sh tests/fuzz/build.sh coverage [TARGET...]    plain programs over files that count what they reach
# Without targets: all of them. config.h comes from $CONFIG_H_DIR (default: build-plain).
set -eu
cd "$(dirname "$0")/../.."
kind=${1:?fuzz or coverage}
shift
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
config=${CONFIG_H_DIR:-build-plain}
[ -f "$config/config.h" ] || { echo "no config.h in $config: build there first, or set CONFIG_H_DIR" >&2; exit 1; }
case $kind in
fuzz)
    flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize=fuzzer-no-link"
    link="-fsanitize=fuzzer,address,undefined"
    main=
    ;;
coverage)
    flags="-fprofile-instr-generate -fcoverage-mapping"
    link=$flags
    main=tests/fuzz/replay.c
    ;;
*)
    echo "usage: build.sh fuzz|coverage [TARGET...]" >&2
    exit 2
    ;;
esac
objects=build-fuzz/$kind
mkdir -p "$objects"
rooms= # without the centres whose library is not there
centres=
for centre in postgres:libpq nats:libnats; do
    if pkg-config --exists "${centre#*:}"; then centres="$centres ${centre#*:}"; else
        rooms="$rooms ! -path daemon/central/${centre%:*}/*"
    fi
done
# shellcheck disable=SC2086 # a list of words
libraries="$(pkg-config --cflags --libs $centres libevent_core libevent_extra libssl libcrypto json-c libpcre2-8 libconfig libsystemd \
    libzstd libseccomp libnghttp2) -lunistring"
compile="clang -std=gnu11 -D_GNU_SOURCE -DPACKAGE_VERSION='\"fuzz\"' -Wno-macro-redefined -g -O1 -Idaemon -Itests -I$config $flags \
    $(pkg-config --cflags $centres libevent_core libssl json-c libpcre2-8 libconfig libsystemd libzstd libseccomp libnghttp2)"

newer() { # SOURCE OBJECT: whether the source, or any header, is newer
    [ ! -f "$2" ] || [ "$1" -nt "$2" ] || [ -n "$(find daemon tests/fuzz "$config/config.h" -name '*.h' -newer "$2" | head -n 1)" ]
}

archive=$objects/daemon.a
set -f # the rooms' patterns are for find
# shellcheck disable=SC2086 # a list of words
list=$(find daemon -name '*.c' ! -name '*_main.c' $rooms | sort)
set +f
for source in $list tests/fuzz/replay.c $(printf 'tests/fuzz/fuzz_%s.c ' "$@"); do
    object=$objects/$(echo "${source%.c}" | tr / -).o
    newer "$source" "$object" && printf '%s %s\n' "$source" "$object"
done >"$objects/stale" || true
xargs -r -P "$(nproc)" -n 2 sh -c "$compile -c \"\$0\" -o \"\$1\"" <"$objects/stale"
if [ -s "$objects/stale" ] || [ ! -f "$archive" ]; then
    rm -f "$archive"
    # shellcheck disable=SC2046 # a list of words
    ar crs "$archive" $(for source in $list; do echo "$objects/$(echo "${source%.c}" | tr / -).o"; done)
fi
for target in "$@"; do
    # shellcheck disable=SC2086 # lists of words
    clang $link "$objects/tests-fuzz-fuzz_$target.o" ${main:+"$objects/tests-fuzz-replay.o"} "$archive" $libraries \
        -o "$objects/fuzz_$target"
done
