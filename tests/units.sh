#!/bin/sh
# Looks at the systemd units of this build: `systemd-analyze verify` must find nothing, and the
# exposure that `systemd-analyze security` tells must be low; systemd-sysusers and systemd-tmpfiles
# must make the users and folders that the units name. Nothing of the machine's own is touched.
set -u
srcdir=${srcdir:-.}
top=$(pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

good() { passed=$((passed + 1)) && echo "$*"; }
bad() { failed=$((failed + 1)) && echo "FAILED: $*"; }

finish() {
    printf 'unit units: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$1"
    [ "$failed" = 0 ]
    exit
}

for tool in systemd-analyze systemd-sysusers systemd-tmpfiles; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: there is no $tool; install systemd"
        finish 1
    fi
done

# The units as they are installed, but for the programs: those of this build, which exist.
cp "$srcdir"/systemd/*.socket systemd/*.service "$dir"
sed -i -E "s#(=| )/[^ ]*/(cention-(keeper|proxy|ship)d)#\1$top/daemon/\2#g" "$dir"/*.service

quietly() { # NAME COMMAND...: good when it succeeds and says nothing
    name=$1
    shift
    if out=$("$@" 2>&1 </dev/null) && [ -z "$out" ]; then
        good "$name: clean"
    else
        bad "$name: $out"
    fi
}

for unit in "$dir"/*.service "$dir"/*.socket; do
    SYSTEMD_UNIT_PATH=$dir: quietly "verify ${unit##*/}" systemd-analyze verify --man=no "$unit"
done

exposed() { # UNIT MOST (tenths)
    out=$(SYSTEMD_UNIT_PATH=$dir: systemd-analyze security --no-pager --offline=true \
        --threshold="$2" "$dir/$1" 2>&1)
    status=$?
    line=$(echo "$out" | sed -n 's/.*Overall exposure level for \([^:]*: [0-9.]*\).*/\1/p')
    if [ "$status" = 0 ] && [ -n "$line" ]; then
        good "exposure of $line (at most $(($2 / 10)).$(($2 % 10)))"
    else
        bad "exposure of $1: $out"
    fi
}

exposed cention-keeper.service 10
exposed cention-proxy.service 15
exposed cention-ship.service 15

root=$dir/root
mkdir -p "$root/etc/cention-proxy" "$root/run" "$root/var/log"
cp "$srcdir/systemd/sysusers.d/cention-proxy.conf" "$dir/sysusers.conf"
if systemd-sysusers --root="$root" "$dir/sysusers.conf" >"$dir/out" 2>&1; then
    good "sysusers: clean"
else
    bad "sysusers: $(cat "$dir/out")"
fi
for user in cention-keeper cention-proxy cention-ship; do
    line=$(grep "^$user:" "$root/etc/passwd" 2>/dev/null)
    case $line in
    *:0:*) bad "$user is root: $line" ;;
    *:/usr/sbin/nologin | */nologin) good "user $user can't log in" ;;
    *) bad "user $user: '$line'" ;;
    esac
done

# Every user and group that a unit or tmpfiles names must be among them.
for name in $(sed -n 's/^\(User\|Group\|SupplementaryGroups\|SocketUser\|SocketGroup\)=//p' "$dir"/*.service "$dir"/*.socket |
    sort -u) $(awk '/^[a-z]/ { print $4; print $5 }' systemd/tmpfiles.d/cention-proxy.conf | sort -u); do
    [ "$name" = root ] || grep -q "^$name:" "$root/etc/group" || bad "no group $name"
    case $name in
    cention-*) ;;
    root) sed -n '/^User=\(root\)\?$/p' "$dir"/*.service | grep . && bad "a service runs as root" ;;
    *) bad "an unknown user or group: $name" ;;
    esac
done

if [ "$(id -u)" = 0 ]; then
    : >"$root/etc/cention-proxy/keys.conf"
    chmod 0644 "$root/etc/cention-proxy/keys.conf"
    sed "s#^\(z \).*\(/cention-proxy/keys.conf\)#\1/etc\2#" systemd/tmpfiles.d/cention-proxy.conf >"$dir/tmpfiles.conf"
    quietly tmpfiles systemd-tmpfiles --root="$root" --create "$dir/tmpfiles.conf"
    id_of() { sed -n "s/^$1:[^:]*:\([0-9]*\):.*/\1/p" "$root/etc/$2"; }
    keeper=$(id_of cention-keeper passwd):$(id_of cention-keeper group)
    is() { # PATH MODE:UID:GID
        found=$(stat -c '%a:%u:%g' "$root$1" 2>&1)
        if [ "$found" = "$2" ]; then good "$1 is $2"; else bad "$1 is $found, not $2"; fi
    }
    is /run/cention-proxy 755:0:0
    is /var/log/cention-proxy "750:$keeper"
    is /var/lib/cention-ship "755:$(id_of cention-ship passwd):$(id_of cention-ship group)"
    is /etc/cention-proxy/keys.conf 600:0:0
    finish 0
fi
echo "SKIPPED: owners of what systemd-tmpfiles makes are checked by root only"
finish 1
