#!/bin/bash
# Two members work alone on one tree, 2,000 random operations each, and meet in both orders: equal trees, nothing
# unreachable, all JSON and XML well formed.
#
#   MEETING_SEEDS  how many [default: 20]     MEETING_OPS  operations of each [default: 2000]
. "$(dirname "$0")/../harness.sh"
begin meeting
need python3
SYNC_TIMEOUT=300s
HERE=$(cd "$(dirname "$0")/.." && pwd)
A=$WORK/a B=$WORK/b
SEEDS=${MEETING_SEEDS:-20} OPS=${MEETING_OPS:-2000}

work() { python3 "$HERE/random_work.py" "$@"; }

# meeting SEED ORDER...: a hub and two members of their own, one whole meeting.
meeting() {
    local seed=$1 member
    shift
    start_hub
    create_space
    start_relays a b
    start_members a b
    work make "$A" || fail "the first tree cannot be made"
    sync_all a b
    freeze a b
    for member in a b; do
        work work "$WORK/$member" "$seed" "$member" "$OPS" || fail "$member cannot work alone (seed $seed)"
        work note "$WORK/$member" "$member" "$WORK/noted-$member" || fail "what $member has cannot be noted"
    done
    for member in "$@"; do
        thaw "$member"
        expect 0 fl "$member" sync "$WORK/$member" --timeout "$SYNC_TIMEOUT"
    done
    sync_all "$@"
    same_trees "$A" "$B"
    fl a log --json "$A" >"$WORK/log" || fail "the space has no log"
    for member in a b; do
        OUTPUT=$(work check "$A" "$WORK/noted-$member" "$WORK/log") || fail "seed $seed, $* (of $member): $OUTPUT"
        step "seed $seed, $1 first: of $member, $OUTPUT; $(find "$A" -name '*(conflict *' | wc -l) conflict copies"
    done
    clear_meeting
}

clear_meeting() {
    local member
    for member in a b; do
        umount_member "$member"
        end_process "${RELAYS[$member]}" KILL
        unset "RELAYS[$member]" "ADDRESSES[$member]"
    done
    stop_hub
    HUB_ADDRESS=
    rm -rf "$WORK"/hub "$WORK"/home-* "$WORK"/relay-* "$WORK"/noted-* "$WORK/log"
}

for seed in $(seq 1 "$SEEDS"); do
    meeting "$seed" a b
    meeting "$seed" b a
done
finish
