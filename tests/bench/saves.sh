#!/bin/bash
# How long a save of 1 KiB on A takes to be readable on B, over loopback: 100 saves, and their median.
. "$(dirname "$0")/../harness.sh"
begin bench
SAVES=${1:-100}
LIMIT_US=10000000
A=$WORK/a B=$WORK/b

# save NUMBER: how many microseconds until B has it. Everything here is the shell's own, so nothing is forked.
save() {
    local content began now seen=
    printf -v content '%-1023s.' "save $1 at $EPOCHREALTIME"
    began=${EPOCHREALTIME/./}
    printf '%s' "$content" >"$A/file"
    while [ "$seen" != "$content" ]; do
        # Looking without a pause would take the time from those who are measured.
        read -r -t 0.0001 -u "$NOTHING"
        read -r -d '' seen 2>/dev/null <"$B/file"
        now=${EPOCHREALTIME/./}
        [ $((now - began)) -lt "$LIMIT_US" ] || fail "save $1 has not arrived"
    done
    TOOK=$((now - began))
}

start_hub
create_space
start_members a b
echo first >"$A/file"
sync_all a b
save 0 # opens everything there is to open
for number in $(seq "$SAVES"); do
    save "$number"
    echo "$TOOK"
done | sort -n >"$WORK/times"
[ "$(wc -l <"$WORK/times")" = "$SAVES" ] || fail "not all saves have arrived"
at() { sed -n "$(((SAVES * $1 + 99) / 100))p" "$WORK/times"; }
ms() { printf '%d.%02d ms' $(($1 / 1000)) $(($1 % 1000 / 10)); }
say "1 KiB saved on A and read on B, $SAVES times: p50 $(ms "$(at 50)"), p90 $(ms "$(at 90)"), most $(ms "$(at 100)")"
finish
