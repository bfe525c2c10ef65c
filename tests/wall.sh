#!/bin/sh
# Proves the wall from the linked programs: no keystore, signer or policy symbol in the proxy; no TLS,
# JSON or HTTP code in the keeper; no keystore or signer in the tool, which has the keeper's policy; none
# of the keeper's, the policy's and the proxy's code in the shipper.
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
none "$proxy" '^(signer|signing|keystore|keyfile|audit|keeper|epoch|record|chain|verify|seal|mac|redact|redaction|fields|policy|token|rate|users|authorize)_' 'code of the keeper'
none "$proxy" '^(EVP_MAC|HMAC)' 'the means to sign'
none "$tool" '^(signer|signing|keystore|keyfile|keeper|epoch|fields_key|authorize)_' 'code of the keeper'
# What the tool reads from elsewhere it reads through rooms of their own (centre/centre.h).
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
none "$shipper" '^(policy|token|rate|users)_' 'code of the policy'
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

[ "$failed" = 0 ] && echo "wall: stands"
exit "$failed"
