#!/bin/sh
# Makes ready a build in a folder of its own:
#
#     source-tree.sh BUILD
#
# Prints the folder to configure it from: the checkout itself or, when that was configured in
# place (autoconf then allows no other build), a fresh copy of it in build-source/. A BUILD that
# came from the other one of the two is removed. Makes ./configure when it is missing or old.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$1
source=$top

if [ -f "$top/config.status" ]; then
    source=$top/build-source
    mkdir -p "$source"
    (cd "$top" && tar -cf - --exclude-vcs --exclude='./build-[!a]*' --exclude='*.o' \
        --exclude='*.a' --exclude='*.log' --exclude='*.trs' --exclude='.deps' \
        --exclude='.dirstamp' --exclude='./config.status' --exclude='./config.h' \
        --exclude='./stamp-h1' --exclude='./Makefile' --exclude='./daemon/cention-*d' \
        --exclude='./daemon/cention-proxyctl' .) | tar -xf - -C "$source"
fi
if [ -f "$build/config.status" ] && ! grep -q "^abs_top_srcdir = $source\$" "$build/Makefile"; then
    rm -rf "$build"
fi
if [ ! -x "$source/configure" ] || [ "$source/configure.ac" -nt "$source/configure" ] ||
    [ ! -f "$source/Makefile.in" ] ||
    [ -n "$(find "$source/Makefile.am" "$source/daemon" -name '*.am' -newer "$source/Makefile.in")" ]; then
    "$source/autogen.sh" >&2
fi
echo "$source"
