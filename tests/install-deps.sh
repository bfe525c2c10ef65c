#!/bin/sh
# Installs with apt what is missing on a Debian 12 machine.
#
#     install-deps.sh [build] [test] [bench] [central]     (default: build)
set -eu
sets=${*:-build}
wanted=
optional= # without these, some tests are skipped
services= # that their packages would start

for set in $sets; do
    case $set in
    build) wanted="$wanted build-essential autoconf automake pkg-config libevent-dev libssl-dev libnghttp2-dev
        libjson-c-dev libpcre2-dev libunistring-dev libconfig-dev libsystemd-dev libzstd-dev libseccomp-dev libpq-dev libnats-dev libcunit1-dev ca-certificates openssl curl python3" ;;
    test) wanted="$wanted python3-pytest python3-pytest-xdist python3-cryptography clang clang-format libclang-rt-14-dev strace systemd tinyproxy zstd man-db wrk nginx libnginx-mod-http-js haproxy
        postgresql-15 nats-server rsyslog rsyslog-openssl rsyslog-relp"
        optional="$optional chromium clang-tidy cppcheck" services="$services nginx haproxy postgresql nats-server rsyslog" ;;
    central) wanted="$wanted postgresql-15 nats-server python3 python3-pytest openssl zstd" # for demo-central.sh
        services="$services postgresql nats-server" ;;
    bench) wanted="$wanted nginx libnginx-mod-http-js haproxy wrk openssl python3"
        optional="$optional linux-perf valgrind" services="$services nginx haproxy" ;;
    *)
        echo "usage: install-deps.sh [build] [test] [bench] [central]" >&2
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

# Programs are wanted, not services: those that come now are not started, now or at the next boot.
quiet=
if [ -n "$services" ] && [ -d /run/systemd/system ]; then
    for service in $services; do
        case " $missing " in *" $service "*) quiet="$quiet $service.service" ;; esac
    done
    # shellcheck disable=SC2086 # lists of words
    [ -z "$quiet" ] || $as_root systemctl --quiet mask --runtime $quiet
fi
# PostgreSQL comes without a database of its own: the tests make theirs.
clusters=/etc/postgresql-common/createcluster.conf
restore() {
    if [ -f "$clusters.before" ]; then
        $as_root mv "$clusters.before" "$clusters"
    elif [ -f /usr/share/postgresql-common/createcluster.conf ]; then
        $as_root cp /usr/share/postgresql-common/createcluster.conf "$clusters"
    else
        $as_root rm -f "$clusters"
    fi
}
case " $missing " in *" postgresql-15 "*)
    $as_root mkdir -p "${clusters%/*}"
    [ ! -f "$clusters" ] || $as_root cp -p "$clusters" "$clusters.before"
    trap restore EXIT
    echo 'create_main_cluster = false' | $as_root tee "$clusters" >/dev/null
    ;;
esac
# shellcheck disable=SC2086 # lists of words
if [ -n "$missing" ]; then
    $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
fi
for package in $more; do
    $as_root apt-get -qq install -y --no-install-recommends "$package" >/dev/null ||
        echo "$package can't be installed: its tests will be skipped"
done
if [ -n "$quiet" ]; then
    # shellcheck disable=SC2086 # lists of words
    $as_root systemctl --quiet unmask --runtime $quiet
    # shellcheck disable=SC2086 # lists of words
    $as_root systemctl --quiet disable $quiet
fi
