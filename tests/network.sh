#!/bin/bash
# What users of systems like this one suffer from when the network is not there, and must not here: a mount that does
# not start, requests that hang, files that look deleted.
. "$(dirname "$0")/harness.sh"
begin network
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b
MIB=1048576

random() { head -c "$1" /dev/urandom; }

# at_once COMMAND...: it succeeds within a few seconds, whatever the network does.
at_once() { timeout -s KILL 5 "$@" >"$WORK/at-once" 2>&1 || fail "this fails or hangs without the hub: $* -- $(cat "$WORK/at-once")"; }

# works_alone DIR NAME: all that one does with files.
works_alone() {
    at_once ls -lR "$1/u5"
    at_once cat "$1/u5/old"
    at_once stat "$1/u5/old" "$1/u5/dir"
    at_once cp "$1/u5/old" "$1/u5/$2"
    at_once sh -c 'echo more >>"$0" && sync "$0"' "$1/u5/$2"
    at_once mkdir -p "$1/u5/dir-$2"
    at_once mv "$1/u5/$2" "$1/u5/dir-$2/moved"
    at_once grep -q more "$1/u5/dir-$2/moved"
    at_once rm -r "$1/u5/dir-$2"
    at_once df "$1"
}

u5_no_network_is_no_reason_to_hang_or_to_lose_sight_of_files() {
    step "U5: a mount starts and works without the hub; when the network drops nothing hangs and nothing looks deleted"
    mkdir "$A/u5" "$A/u5/dir" && echo "old" >"$A/u5/old" && echo "x" >"$A/u5/dir/x" || fail "a cannot write"
    sync_all a b
    find "$B/u5" | sort >"$WORK/u5.before"
    stop_hub
    umount_member b --timeout 1s
    at_once env FL0WFS_HOME="$(home_of b)" "$FL0WFS" mount "work:$SPACE" "$B"
    PIDS[b]=$(pid_of b)
    works_alone "$B" alone
    find "$B/u5" | sort | diff "$WORK/u5.before" - >&2 || fail "without the hub other files are there"
    expect 3 fl b status "$B"
    start_hub
    sync_all b a
    same_trees "$A" "$B"

    random $((96 * MIB)) >"$A/u5/large" || fail "a cannot write"
    must 60 "b hears nothing of a large file" status_says b "still to come"
    kill -s STOP "$HUB_PID"
    status_says b "still to come" || fail "the large file has come too fast for this test"
    local began=$EPOCHSECONDS reader round=0
    timeout -s KILL 60 cmp "$A/u5/large" "$B/u5/large" >"$WORK/u5.cmp" 2>&1 &
    reader=$!
    until status_says b "hub unreachable since" && status_says a "hub unreachable since"; do
        round=$((round + 1))
        works_alone "$B" "frozen-$round"
        works_alone "$A" "frozen-$round"
        [ $((EPOCHSECONDS - began)) -lt 60 ] || fail "nobody notices that the hub does not answer"
    done
    wait "$reader"
    same "$? $(cat "$WORK/u5.cmp")" "2 cmp: $B/u5/large: Input/output error" "reading what is not here"
    at_most 45 $((EPOCHSECONDS - began)) "seconds until a reader is told"
    works_alone "$B" last
    kill -s CONT "$HUB_PID"
    sync_all b a
    same_trees "$A" "$B"
    rm "$A/u5/large"
}

start_hub
create_space
start_relays a b
start_members a b
run_rows u "$@"
finish
