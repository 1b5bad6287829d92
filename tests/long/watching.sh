#!/bin/bash
# A thousand changes for those who watch, and a build watcher that reacts to what others save.
. "$(dirname "$0")/../harness.sh"
FL0WFS_TEST_CHANGES=1000 FL0WFS_TEST_FILES=10000 "$(dirname "$0")/../watching.sh" || fail "watching.sh with 1000 changes"
begin watchexec
WATCHEXEC=$(command -v watchexec || echo "${CARGO_HOME:-$HOME/.cargo}/bin/watchexec")
[ -x "$WATCHEXEC" ] || skip "watchexec is not installed (cargo install watchexec-cli)"
A=$WORK/a B=$WORK/b
start_hub
create_space
start_members a b
mkdir -p "$A/src" && echo "fn main() {}" >"$A/src/main.rs" && sync_all a b

step "watchexec at b runs its command within a second of a save at a"
"$WATCHEXEC" --watch "$B" --debounce 50ms --shell none --emit-events-to none -- touch "$WORK/built" \
    >"$WORK/watchexec.out" 2>&1 &
WATCHEXEC_PID=$!
clear_up_more() { end_process "$WATCHEXEC_PID" KILL; }
must 30 "watchexec does not begin" test -e "$WORK/built"
slowest=0
for round in $(seq 20); do
    # What it does at the start, and for the save before, is over.
    rm -f "$WORK/built"
    wait_for 1 test -e "$WORK/built" && rm -f "$WORK/built"
    began=${EPOCHREALTIME/./}
    if [ $((round % 2)) = 0 ]; then
        echo "// $round" >>"$A/src/main.rs"
    else
        echo "fn main() {} // $round" >"$A/src/main.rs.new" && mv "$A/src/main.rs.new" "$A/src/main.rs"
    fi
    must 10 "watchexec does not react to save $round" test -e "$WORK/built"
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    [ "$took" -gt "$slowest" ] && slowest=$took
done
step "the slowest of 20 took $slowest ms"
at_most 1000 "$slowest" "milliseconds until watchexec reacts"
end_process "$WATCHEXEC_PID" TERM
umount_member a
umount_member b
finish
