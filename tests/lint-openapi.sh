#!/bin/sh
# Lints the API description with a public OpenAPI linter, kept in build-lint/:
#
#     lint-openapi.sh [FILE]
#
# Exits 0 when the description is good, 1 with the findings, 77 when the linter can't be had here.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$top/conf/cention-openapi.json}
version=2.77.0
cache=$top/build-lint
linter=$cache/node_modules/.bin/redocly

# Neither the linter nor npm reports home or looks for newer versions.
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true DO_NOT_TRACK=1
export NO_UPDATE_NOTIFIER=1 npm_config_update_notifier=false npm_config_fetch_retries=1
export NO_COLOR=1

skip() {
    echo "SKIPPED openapi lint: $1"
    exit 77
}

for program in npm node timeout; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
mkdir -p "$cache" 2>/dev/null
[ -w "$cache" ] || skip "can't write to $cache"

# The stamp is made last: an install that was cut short is made again.
stamp=$cache/redocly-$version
if [ ! -e "$stamp" ]; then
    rm -rf "$cache/node_modules"
    timeout 120 npm install --no-save --no-audit --no-fund --ignore-scripts --prefix "$cache" \
        "@redocly/cli@$version" >"$cache/install.log" 2>&1 ||
        skip "npm could not install the linter, see $cache/install.log"
    timeout 60 "$linter" --version >"$cache/install.log" 2>&1 ||
        skip "the linter does not run with node $(node --version)"
    : >"$stamp"
fi

cat >"$cache/redocly.yaml" <<'END'
extends: [recommended-strict]
rules:
  # The vendor's document names no licence of its API.
  info-license: off
  # It names no status codes either: every answer beyond 2XX is the default one.
  operation-4xx-response: off
END

timeout 60 "$linter" lint --config "$cache/redocly.yaml" --format=stylish "$file" \
    >"$cache/lint.log" 2>&1
result=$?
if [ "$result" -ne 0 ]; then
    cat "$cache/lint.log" >&2
    echo "openapi lint: $file has findings (the linter exited with $result)" >&2
    exit 1
fi
echo "openapi lint: $file is good"
