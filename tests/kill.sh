#!/bin/bash
# kill -9 of A's daemon, B's daemon and the hub, each at a random moment while files are written on A; each is
# started again. The trees converge, and every file whose close had returned without error is there.
#
#   kill.sh [ROUNDS [FILES]]   [default: 1 round, 1500 files]
. "$(dirname "$0")/harness.sh"
begin kill
ROUNDS=${1:-1} FILES=${2:-1500}
SYNC_TIMEOUT=300s
A=$WORK/a B=$WORK/b

# write_all DIR: copies the sources there, one after the other, and notes what was written and closed. A copy that
# fails because its daemon was killed is not noted; the writer waits for the mount and goes on. It writes from inside
# the mount: by its path it could hit the bare directory in the moment between a dead mount and the next.
write_all() {
    local path
    while IFS= read -r -d '' path; do
        until cd "$1" 2>/dev/null && mkdir -p "./$(dirname "$path")" 2>/dev/null; do pause; done
        if cp "$WORK/sources/$path" "./$path" 2>/dev/null; then printf '%s\0' "$path" >>"$WORK/written"; fi
    done <"$WORK/paths"
}

# at_some_moment MOST_MS: a random moment, soon.
at_some_moment() {
    local ms=$((RANDOM % $1 + 1))
    read -r -t "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))" -u "$NOTHING"
}

check_written() {
    local path missing=0
    while IFS= read -r -d '' path; do
        cmp -s "$WORK/sources/$path" "$1/$path" && continue
        missing=$((missing + 1))
        say "not there, or not whole: $1/$path" >&2
    done <"$WORK/written"
    [ "$missing" = 0 ] || fail "$missing files whose close had returned are not whole in $1"
}

round() {
    local dir=round-$1 writer victims victim
    mkdir "$A/$dir" || fail "A cannot be written before round $1"
    : >"$WORK/written"
    write_all "$A/$dir" &
    writer=$!
    victims=$(printf '%s\n' a b hub | shuf)
    for victim in $victims; do
        at_some_moment 1500
        if [ "$victim" = hub ]; then
            kill_hub
            at_some_moment 300
            start_hub
        else
            kill_member "$victim"
            at_some_moment 300
            mount_member "$victim"
        fi
    done
    wait "$writer"
    sync_all a b
    same_trees "$A" "$B"
    check_written "$A/$dir"
    check_written "$B/$dir"
    step "round $1: killed $(echo $victims); $(tr -cd '\0' <"$WORK/written" | wc -c) of $FILES files were closed, all are whole"
}

# Between a dead mount's removal and its successor the directory below is bare: nothing may be written there.
clear_up_more() { chattr -i "$A" "$B" 2>/dev/null; }
mkdir -p "$A" "$B"
chattr +i "$A" "$B" 2>/dev/null || say "this file system knows no immutable directories: files may be written below a mount point"
make_sources "$WORK/sources" 1
(cd "$WORK/sources" && find . -type f -size -64k -printf '%P\0' | shuf -z -n "$FILES") >"$WORK/paths"
start_hub
create_space
start_members a b
for number in $(seq "$ROUNDS"); do round "$number"; done
finish
