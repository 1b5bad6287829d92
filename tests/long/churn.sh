#!/bin/bash
# Names that come and go quickly, as lock files do: what was removed or renamed away stays so while the hub answers.
. "$(dirname "$0")/../harness.sh"
begin churn
A=$WORK/a B=$WORK/b

start_hub
create_space
start_members a b

step "a lock file, taken and released 1000 times, is never there when it was released"
set -o noclobber # > makes a file that must not exist, as git does with its index.lock
for number in $(seq 1000); do
    echo "content $((number % 3))" 2>/dev/null >"$A/index.lock" || fail "the lock is there in round $number"
    if [ $((number % 5)) = 4 ]; then
        rm "$A/index.lock"
    else
        mv "$A/index.lock" "$A/index"
    fi
    [ ! -e "$A/index.lock" ] || fail "the lock stays in round $number"
done
set +o noclobber
sync_all a b
same_trees "$A" "$B"
same "$(ls -A "$B")" "index" "what is left"

step "a directory of temporary files leaves nothing"
mkdir "$A/tmp"
for number in $(seq 500); do
    echo "$number" >"$A/tmp/t$number" && mkdir "$A/tmp/d$number" && mv "$A/tmp/t$number" "$A/tmp/d$number/x" &&
        rm "$A/tmp/d$number/x" && rmdir "$A/tmp/d$number" || fail "round $number"
done
rmdir "$A/tmp" || fail "something is left"
sync_all a b
same_trees "$A" "$B"
finish
