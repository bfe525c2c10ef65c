#!/bin/sh
# Installs with apt what is missing on a Debian 12 machine.
#
#     install-deps.sh [build] [test]     (default: build)
set -eu
sets=${*:-build}
wanted=
optional= # without these, some tests are skipped

for set in $sets; do
    case $set in
    build) wanted="$wanted build-essential autoconf automake pkg-config libevent-dev libssl-dev libnghttp2-dev
        libjson-c-dev libconfig-dev libsystemd-dev libzstd-dev libseccomp-dev libcunit1-dev ca-certificates openssl curl python3" ;;
    test) wanted="$wanted python3-pytest python3-pytest-xdist python3-cryptography clang-format strace systemd tinyproxy zstd man-db wrk nginx-light"
        optional="$optional chromium" ;;
    *)
        echo "usage: install-deps.sh [build] [test]" >&2
        exit 2
        ;;
    esac
done

absent() { # those of the packages that are not installed
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            printf ' %s' "$package"
    done
}

# shellcheck disable=SC2086 # lists of words
missing=$(absent $wanted) more=$(absent $optional)
[ -n "$missing$more" ] || exit 0

echo "installing:$missing$more"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
# shellcheck disable=SC2086 # lists of words
if [ -n "$missing" ]; then
    $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
fi
for package in $more; do
    $as_root apt-get -qq install -y --no-install-recommends "$package" >/dev/null ||
        echo "$package can't be installed: its tests will be skipped"
done
