#!/bin/bash
# A thousand changes for those who watch, and a build watcher (nodemon, from npm) that reacts to what others save.
. "$(dirname "$0")/../harness.sh"
FL0WFS_TEST_CHANGES=1000 FL0WFS_TEST_FILES=10000 "$(dirname "$0")/../watching.sh" || fail "watching.sh with 1000 changes"
begin nodemon
need npm
npm install --silent --no-fund --no-audit --prefix "$WORK/npm" nodemon >/dev/null || skip "nodemon cannot be had"
A=$WORK/a B=$WORK/b
start_hub
create_space
start_members a b
mkdir -p "$A/src" && echo "fn main() {}" >"$A/src/main.rs" && sync_all a b

step "nodemon at b runs its command within a second of a save at a"
"$WORK/npm/node_modules/.bin/nodemon" --quiet --delay 20ms --watch "$B" --ext rs --exec "touch '$WORK/built'" \
    >"$WORK/nodemon.out" 2>&1 &
NODEMON=$!
clear_up_more() { end_process "$NODEMON" KILL; }
must 30 "nodemon does not begin" test -e "$WORK/built"
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
    must 10 "nodemon does not react to save $round" test -e "$WORK/built"
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    [ "$took" -gt "$slowest" ] && slowest=$took
done
step "the slowest of 20 took $slowest ms"
at_most 1000 "$slowest" "milliseconds until nodemon reacts"
end_process "$NODEMON" TERM
umount_member a
umount_member b
finish
