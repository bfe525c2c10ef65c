#!/bin/sh
# Proves the wall from the linked programs: no keystore, signer or policy symbol in the proxy; no TLS,
# JSON or HTTP code in the keeper; no keystore or signer in the tool, which has the keeper's policy; none
# of the keeper's, the policy's and the proxy's code in the shipper. And from the sources, that includes
# go one way only, and from the objects, that no two files need each other.
# Usage: wall.sh [KEEPER PROXY TOOL SHIPPER] (default: those of this build).
set -eu
keeper=${1:-daemon/cention-keeperd}
proxy=${2:-daemon/cention-proxyd}
tool=${3:-daemon/cention-proxyctl}
shipper=${4:-daemon/cention-shipd}
failed=0

symbols() { # PROGRAM: every symbol it defines or wants, without version suffixes
    nm "$1" | sed 's/^.* //; s/@.*$//'
}

none() { # PROGRAM PATTERN WHAT
    found=$(symbols "$1" | grep -E "$2" | sort -u | head -n 5 | tr '\n' ' ') || true
    if [ -n "$found" ]; then
        echo "wall: $1 holds $3: $found" >&2
        failed=1
    fi
}

needs_not() { # PROGRAM PATTERN WHAT
    found=$(readelf -d "$1" | grep NEEDED | grep -E "$2") || true
    if [ -n "$found" ]; then
        echo "wall: $1 needs $3: $found" >&2
        failed=1
    fi
}

# The programs must be readable this way, or the check would pass on nothing.
symbols "$keeper" | grep -q '^signer_' || { echo "wall: no signer in $keeper?" >&2; exit 1; }
symbols "$proxy" | grep -q '^http_request_parse' || { echo "wall: no parser in $proxy?" >&2; exit 1; }

symbols "$tool" | grep -q '^policy_decide' || { echo "wall: no policy in $tool?" >&2; exit 1; }
none "$proxy" '^(signer|signing|keystore|keyfile|audit|keeper|epoch|record|chain|verify|seal|mac|redact|redaction|fields|policy|token|rate|authorize)_' 'code of the keeper'
none "$proxy" '^(EVP_MAC|HMAC)' 'the means to sign'
none "$tool" '^(signer|signing|keystore|keyfile|keeper|epoch|fields_key|authorize)_' 'code of the keeper'
# What the tool reads from elsewhere it reads through rooms of their own (central/archive.h).
if [ -f libctl.a ]; then
    none libctl.a '^(PQ[a-z]|js_|nats)' 'calls of a database or message library'
    none libcentral.a '^(PQ[a-z]|js_|nats)' 'calls of a database or message library'
fi
none "$keeper" '^(SSL|TLS|DTLS)_|^SSL' 'TLS'
none "$keeper" '^(nghttp2|h2)_' 'HTTP/2'
none "$keeper" '^json_|^canon_|^api_|^pcre2_' 'a JSON parser or regular expressions'
none "$keeper" '^(http|evhttp|evdns|client|listener|upstream)_' 'HTTP or network code'
none "$keeper" '^(getaddrinfo|gethostbyname|inet_pton|get(pw|gr)(nam|uid|gid|ent)(_r)?|getgrouplist|initgroups)$' 'name look-ups'
needs_not "$keeper" 'libssl|libnghttp2|libjson|libevent_extra|libevent-' 'a library from beyond the wall'
needs_not "$proxy" 'libcunit' 'a test library'
# It parses records' fixed forms and the administrator's requests; it verifies, and makes no signature.
symbols "$shipper" | grep -q '^tail_next' || { echo "wall: no tail in $shipper?" >&2; exit 1; }
none "$shipper" '^(signer|signing|keystore|keyfile|audit|keeper|epoch|ledger|recover|restore|retention|redact|redaction|fields|authorize|pending|group_commit|mac)_' 'code of the keeper'
none "$shipper" '^(policy|token|rate)_' 'code of the policy'
none "$shipper" '^(upstream|pool|conn|dial|h2_conn|h2_pool|call|client|clients|listener|exchange|forward|answer|workers|canon|json|api|schema|h2|caller|codec|tls)_' 'code of the proxy'
none "$shipper" '^(EVP_MAC|HMAC|EVP_DigestSign|EVP_PKEY_sign)' 'the means to sign'
needs_not "$shipper" 'libnghttp2|libjson|libevent-|libcunit' 'a library from beyond the wall'
none "$keeper" '^(shipper|tail|sink|pg|js|PQ|nats|natsConnection)_|^PQ' 'code of the shipper'
none "$proxy" '^(shipper|tail|sink|pg|js|nats|natsConnection)_|^PQ' 'code of the shipper'

# All confine themselves, with what a normal build has and nothing to look inside with.
for program in "$keeper" "$proxy" "$shipper"; do
    if symbols "$program" | grep -q __asan_init; then continue; fi
    symbols "$program" | grep -q '^seccomp_load$' || { echo "wall: no sandbox in $program" >&2; failed=1; }
    grep -q 'define CENTION_DEBUG_SANDBOX' config.h 2>/dev/null ||
        none "$program" '^trap_' 'the log of denied calls, which is for debug builds'
done

# ---- includes only go down ----

# Which room may include headers of which, lowest first. A folder that is not named belongs to the one
# above it.
rooms='
base:
users: base
http: base
sandbox: base
api: base
audit: base
wall: base users
policy: base users api
keeper/redaction: base audit policy
keeper/audit: base audit wall keeper/redaction
keeper: base users api audit wall policy sandbox keeper/redaction keeper/audit
proxy/tls: base
proxy/h2: base http
proxy/front: base users http proxy/tls
proxy/upstream: base http wall proxy/tls proxy/h2
proxy: base users http api wall sandbox proxy/tls proxy/front proxy/upstream
central: base audit
central/folders: base audit central
central/postgres: base audit central
central/nats: base audit central
ship: base users http audit sandbox central central/postgres central/nats
ctl/command: base
ctl/api: base http api ctl/command
ctl/central: base audit central central/folders central/postgres central/nats ctl/command
ctl/audit: base api audit central ctl/command ctl/central
ctl/policy: base api audit policy ctl/command ctl/audit
ctl: base ctl/command ctl/api ctl/audit ctl/policy
'
includes() { # every include of our own, as ROOM FILE ROOM HEADER
    (cd "$top" && find daemon -name '*.[ch]' -exec grep -H '^#include "' {} +) | awk -v rooms="$rooms" '
        function room(path,   name) {
            for (name = path; sub("/[^/]*$", "", name);)
                if (name in known) return name
            return "none"
        }
        BEGIN { n = split(rooms, lines, "\n"); for (i = 1; i <= n; i++) { split(lines[i], w, ":"); known[w[1]] = 1 } }
        {
            split($0, part, ":#include "); file = part[1]; sub("^daemon/", "", file)
            header = part[2]; gsub("\"", "", header)
            if (header != "config.h") print room(file), file, room(header), header
        }'
}
top=${srcdir:-.}
upward=$(includes | awk -v rooms="$rooms" '
    BEGIN {
        n = split(rooms, lines, "\n")
        for (i = 1; i <= n; i++) {
            split(lines[i], w, ": *"); m = split(w[2], may, " ")
            for (k = 1; k <= m; k++) allowed[w[1], may[k]] = 1
        }
    }
    $1 != $3 && !(($1, $3) in allowed) { print $2 " includes " $4 }')
[ "$(includes | wc -l)" -gt 500 ] || { echo "wall: no includes found in $top/daemon?" >&2; exit 1; }
if [ -n "$upward" ]; then
    printf 'wall: an include goes up, or where its room may not:\n%s\n' "$upward" >&2
    failed=1
fi
loose=$(find "$top/daemon" -maxdepth 1 -type f -name '*.[ch]')
[ -z "$loose" ] || { echo "wall: belongs to no room: $loose" >&2; failed=1; }
for folder in $(find "$top/daemon" -type d); do
    n=$(find "$folder" -maxdepth 1 -type f ! -name '*.o' ! -name 'cention-*' | wc -l)
    [ "$n" -le 30 ] || { echo "wall: $folder holds $n files: more than 30" >&2; failed=1; }
done

# ---- no circle of files ----

# Files that need one another's functions can't be read one after the other. tsort(1) names circles.
circles=$(for library in lib*.a; do
    [ "$library" = libunit.a ] || nm -A "$library" 2>/dev/null
done | awk '
    { file = $1; sub(/^[^:]*:/, "", file); sub(/:.*$/, "", file); name = $NF; kind = $(NF - 1) }
    kind ~ /^[TDBR]$/ { where[name] = file }
    kind == "U" { wants[file, name] = 1 }
    END {
        for (both in wants) {
            split(both, w, SUBSEP)
            if (w[2] in where && where[w[2]] != w[1]) print w[1], where[w[2]]
        }
    }' | sort -u | tsort 2>&1 >/dev/null) || true
if [ -n "$circles" ]; then
    printf 'wall: files that need one another:\n%s\n' "$circles" >&2
    failed=1
fi

[ "$failed" = 0 ] && echo "wall: stands"
exit "$failed"
