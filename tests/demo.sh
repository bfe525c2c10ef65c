#!/bin/sh
# Shows the main job: on a fresh Debian 12 installs what is missing, builds, starts a look-alike of
# the API, the keeper and the proxy, makes all 18 documented calls as an application would (plain,
# unsigned JSON with curl), and shows each answer, the audit trail, and what the look-alike thought
# of the signatures. Stops everything; exit 0 when all 18 were accepted.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build-demo
dir=$(mktemp -d)
lookalike= daemons=

cleanup() {
    status=$?
    trap - EXIT INT TERM
    [ -z "$daemons" ] || kill "$daemons" 2>/dev/null || true
    [ -z "$lookalike" ] || kill "$lookalike" 2>/dev/null || true
    wait 2>/dev/null || true
    [ "$status" = 0 ] || { echo "demo: failed; the daemons said:" >&2; cat "$dir"/*.log >&2 || true; }
    rm -rf "$dir"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }

wait_for() { # FILE PATTERN
    n=0
    until grep -q "$2" "$1" 2>/dev/null; do
        n=$((n + 1))
        [ "$n" -lt 200 ] || { echo "demo: no $2 in $1" >&2; return 1; }
        sleep 0.05
    done
}

say "1. Installing what is missing"
sh "$top/tests/install-deps.sh" build
echo "done"

say "2. Building (in build-demo)"
source=$(sh "$top/tests/source-tree.sh" "$build" 2>"$dir/autogen.log")
mkdir -p "$build"
(
    cd "$build"
    [ -f Makefile ] || "$source/configure" --quiet >"$dir/configure.log" 2>&1
    make -s -j"$(nproc)" >"$dir/make.log" 2>&1
)
"$build/daemon/cention-keeperd" --version
"$build/daemon/cention-proxyd" --version

say "3. Starting the look-alike API, the keeper and the proxy"
/usr/bin/python3 "$top/tests/lookalike" --dir "$dir/ca" --key demo-key-id:demo-secret:televox \
    >"$dir/lookalike.out" 2>"$dir/lookalike.log" &
lookalike=$!
wait_for "$dir/lookalike.out" '"url"'
url=$(sed -n '1s/.*"url": "\([^"]*\)".*/\1/p' "$dir/lookalike.out")
mkdir -m 0750 "$dir/audit"
(
    umask 077
    cat >"$dir/keys.conf" <<END
keys = ( { workspace = "televox"; access_key_id = "demo-key-id"; access_key_secret = "demo-secret"; } );
END
)
cat >"$dir/keeper.conf" <<END
socket = "$dir/keeper.sock";
keys = "$dir/keys.conf";
audit = { directory = "$dir/audit"; durability = "fsync"; };
clients = ( { name = "demo"; uid = $(id -u); } ); // who may have requests signed: the user who runs this
END
cat >"$dir/proxy.conf" <<END
listen = ( { address = "127.0.0.1"; port = 0; } );
admin = { address = "127.0.0.1"; port = 0; };
keeper = "$dir/keeper.sock";
workspace = "televox";
api = "$top/conf/cention-openapi.json";
upstream = { url = "$url"; ca_file = "$dir/ca/ca.pem"; };
END
"$build/daemon/cention-keeperd" -c "$dir/keeper.conf" -- \
    "$build/daemon/cention-proxyd" -c "$dir/proxy.conf" 2>"$dir/daemons.log" &
daemons=$!
wait_for "$dir/daemons.log" 'event=keeper_connected'
port=$(sed -n 's/.*listener=api address=127.0.0.1:\([0-9]*\).*/\1/p' "$dir/daemons.log")
admin=$(sed -n 's/.*listener=admin address=127.0.0.1:\([0-9]*\).*/\1/p' "$dir/daemons.log")
echo "the API's look-alike: $url"
echo "the proxy:            http://127.0.0.1:$port (ready: $(curl -s "http://127.0.0.1:$admin/readyz"))"

say "4. All 18 documented calls, in plain JSON, without a key"
good=0

call() { # METHOD PATH [BODY]
    printf '\n%s http://127.0.0.1:%s%s\n' "$1" "$port" "$2"
    if [ $# -gt 2 ]; then
        printf '  -> %s\n' "$3"
        answer=$(curl -s -w '\n%{http_code}' -X "$1" -H 'Content-Type: application/json' \
            --data-binary "$3" "http://127.0.0.1:$port$2")
    else
        answer=$(curl -s -w '\n%{http_code}' -X "$1" "http://127.0.0.1:$port$2")
    fi
    code=$(printf '%s' "$answer" | tail -n 1)
    printf '  <- %s %s\n' "$code" "$(printf '%s' "$answer" | sed '$d' | tr -s '\n ' ' ')"
    id=$(printf '%s' "$answer" | sed -n 's/^ *"id": \([0-9]*\).*/\1/p; s/^{"id": \([0-9]*\).*/\1/p' | head -n 1)
    case $code in 2??) good=$((good + 1)) ;; esac
}

three() { # RESOURCE CREATE UPDATE
    call POST "/v1/$1" "$2"
    made=$id
    call PUT "/v1/$1/$made" "$3"
    call DELETE "/v1/$1/$made"
}

three org '{"name":"new organisation","active":true,"anonymize_day":365,"time_zone":"CET","bright_settings":{"active":true,"language_code":"SE","survey_reference_code":"123"},"working_time_data":{"Monday":{"end":"18:00","start":"09:00","working":true}}}' \
    '{"anonymize_contact":true}'
three area '{"name":"Area 1","agent_groups":[{"id":1,"name":"API Agents"}],"server_emails":[{"id":-1,"name":"s1@example.com","order":1}]}' \
    '{"name":"Area 1 name"}'
three routing/keywords '{"areas":[1,2,3],"content":"account","type":"Subject or text"}' \
    '{"areas":[1,3],"content":"faulty","type":"Subject or text"}'
three routing/autotags '{"areas":[1,2,3],"content":"account","type":"Subject or text","tag":"tag-name"}' \
    '{"content":"faulty"}'
three routing/sip '{"areas":[1,2,3],"route_sip_id":"123456"}' '{"areas":[1,3],"route_sip_id":"123456"}'
three tag '{"areas":[1,2,3],"tag_name":"tagLv1","tag_delete":false}' \
    '{"areas":[1,2,3],"parent_tag":"tagLv1","tag_name":"tagLv2"}'

say "5. Stopping: the proxy drains, the keeper closes the trail"
kill "$daemons"
wait "$daemons"
daemons=
kill "$lookalike"
wait "$lookalike"
lookalike=
echo "done"

say "6. The audit trail"
cat "$dir"/audit/audit-*.jsonl
echo
"$build/daemon/cention-proxyctl" audit show --table "$dir/audit"
echo
"$build/daemon/cention-proxyctl" audit history --table /v1/org/1 "$dir/audit"
echo
# It is sound; that nothing was cut off at its end takes a head that was kept elsewhere.
"$build/daemon/cention-proxyctl" audit head "$dir/audit" >"$dir/head.json"
"$build/daemon/cention-proxyctl" audit verify --head "$dir/head.json" "$dir/audit"

say "7. What the look-alike saw, with signatures verified by its own code"
tail -n 1 "$dir/lookalike.out"
accepted=$(sed -n '$s/.*"accepted": \([0-9]*\).*/\1/p' "$dir/lookalike.out")
if grep -q demo-secret "$dir"/audit/* "$dir/daemons.log"; then
    echo "demo: the secret is in the trail or the log" >&2
    exit 1
fi
printf '\n%s of 18 calls answered with success, %s of 18 signatures accepted\n' "$good" "$accepted"
[ "$good" = 18 ] && [ "$accepted" = 18 ]
