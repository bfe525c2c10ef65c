#!/bin/sh
# Fails when a setting that the daemons know is missing from its sample file or from the manual,
# or an option from the program's manual page; when the manual says no default, when a relative link of a
# document leads nowhere, and when README.md is longer than 150 lines.
set -eu
cd "${srcdir:-.}"
failed=0

missing() { echo "docs: $1" >&2; failed=1; }

settings() { # FILE: the words in its tables of known settings
    awk '/static const char \*const [A-Z_]+\[\] = \{/ { on = 1 } on { print } /};/ { on = 0 }' "$1" |
        grep -oE '"[a-z_]+"' | tr -d '"' | sort -u
}

for pair in daemon/proxy/proxy_conf.c:conf/proxy.conf daemon/keeper/keeper_conf.c:conf/keeper.conf \
    daemon/policy/policy_conf.c:conf/keeper.conf daemon/ship/ship_conf.c:conf/ship.conf; do
    source=${pair%%:*} sample=${pair##*:} n=0
    for word in $(settings "$source"); do
        n=$((n + 1))
        grep -qw -- "$word" "$sample" || missing "$word ($source) is not in $sample"
        sed 's/\\f[BIRP]//g' doc/cention-proxy.conf.5 | grep -qw -- "$word" || missing "$word is not in cention-proxy.conf(5)"
    done
    [ "$n" -gt 2 ] || missing "no settings found in $source"
done

options() { # FILE: the long options in its table
    sed -n '/struct option/,/};/p; /struct ctl_option/,/};/p' "$1" | grep -oE '\{"[a-z-]+"' | tr -d '{"' | sort -u
}

for pair in daemon/base/process.c:doc/cention-proxyd.8 daemon/base/process.c:doc/cention-keeperd.8 \
    daemon/base/process.c:doc/cention-shipd.8 \
    daemon/ctl/api/explain.c:doc/cention-proxyctl.1 daemon/ctl/api/endpoints.c:doc/cention-proxyctl.1 daemon/ctl/api/probe.c:doc/cention-proxyctl.1 \
    daemon/ctl/audit/audit_verify.c:doc/cention-proxyctl.1 daemon/ctl/audit/audit_head.c:doc/cention-proxyctl.1 \
    daemon/ctl/audit/audit_show.c:doc/cention-proxyctl.1 daemon/ctl/audit/audit_diff.c:doc/cention-proxyctl.1 \
    daemon/ctl/audit/audit_mac.c:doc/cention-proxyctl.1 daemon/ctl/policy/policy_test.c:doc/cention-proxyctl.1 \
    daemon/ctl/policy/policy_suggest.c:doc/cention-proxyctl.1; do
    source=${pair%%:*} page=${pair##*:}
    for word in $(options "$source"); do
        sed 's/\\-/-/g' "$page" | grep -q -- "--$word" || missing "--$word ($source) is not in $page"
    done
done

# The manual says of each setting its type, its default and what it does.
undefault=$(awk '/^\.SH SEE/ { exit } /^\.B [a-z]/ { name = $2; getline; if ($0 !~ /Default: /) print name }' doc/cention-proxy.conf.5)
[ -z "$undefault" ] || missing "no Default: in cention-proxy.conf(5) for $undefault"

# Relative links lead somewhere, to a heading too where they name one.
for page in *.md doc/*.md; do
    folder=$(dirname "$page")
    for link in $(grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+:' | sort -u); do
        file=${link%%#*} heading=
        case $link in *#*) heading=${link#*#} ;; esac
        target=$folder/$file
        [ -n "$file" ] || target=$page
        if [ ! -e "$target" ]; then
            missing "the link $link in $page leads nowhere"
        elif [ -n "$heading" ] && ! grep -E '^#+ ' "$target" | sed 's/^#* //' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9\n-' |
            grep -qx -- "$heading"; then
            missing "the link $link in $page names no heading"
        fi
    done
done

lines=$(wc -l <README.md)
[ "$lines" -le 150 ] || missing "README.md has $lines lines; the limit is 150: move the rest to doc/"
lines=$(wc -l <HACKING.md)
[ "$lines" -lt 80 ] || missing "HACKING.md has $lines lines; the limit is 79"

[ "$failed" = 0 ] && echo "docs: every setting and option is documented"
exit "$failed"
