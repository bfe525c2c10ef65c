#!/bin/sh
# rsyslog-cention-rewind.sh STATE-FOLDER: before each start of the rsyslogd of rsyslog-cention.conf.
#
# imfile notes its place in a segment when a record was sent; whether it has arrived is known to
# omrelp alone, and forgotten with the process. So each place goes back by more than can have been
# on its way; rsyslogd sends those records again. Places are never moved forward; a place that is
# damaged or of no segment is left to imfile, which begins such a segment anew.
set -eu

records=32   # at least windowSize + 2

cd "$1"
for state in imfile-state:*; do
    case $state in *[!0-9a-f:]) continue ;; esac
    [ -s "$state" ] || continue
    name=$(sed -n '1s/^{ *"filename": *"\([^"]*\)".*/\1/p' "$state" | sed 's,\\/,/,g')
    place=$(sed -n '1s/^{ *"filename": *"[^"]*", *"prev_was_nl": *[0-9]*, *"curr_offs": *\([0-9]*\),.*/\1/p' "$state")
    if [ -z "$place" ] || [ ! -r "$name" ]; then
        continue
    fi
    size=$(stat -c %s "$name")
    [ "$place" -le "$size" ] || place=$size
    # The last of the lines may be half a one: then it is one of them.
    back=$(head -c "$place" "$name" | tail -n "$records" | wc -c)
    place=$((place - back))
    printf '{ "filename": "%s", "prev_was_nl": 0, "curr_offs": %d, "strt_offs": %d }' \
        "$name" "$place" "$place" >.rewound
    mv .rewound "$state"
done
