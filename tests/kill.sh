#!/bin/bash
# kill -9 of A's daemon, B's daemon and the hub, each at a random moment while sources are untarred on A; each is
# started again. The trees converge, and every file whose close had returned without error is there.
#
#   kill.sh [ROUNDS [FILES]]   [default: 1 round, 1500 files]
. "$(dirname "$0")/harness.sh"
begin kill
ROUNDS=${1:-1} FILES=${2:-1500}
SYNC_TIMEOUT=300s
MOMENT_MS=$((FILES * 7 / 10)) # so that all three die while the files are written
A=$WORK/a B=$WORK/b

# write_all DIR: untars the sources there, and notes what was written and closed without an error. What fails because the
# daemon was killed is untarred again when the mount is back. It writes from inside the mount: by its path it could hit
# the bare directory in the moment between a dead mount and the next.
write_all() {
    cp "$WORK/paths" "$WORK/left"
    while [ -s "$WORK/left" ]; do
        until cd "$1" 2>/dev/null; do pause; done
        # Names go to the one output before they are written, and faults with their names to the other.
        tar -xvf "$WORK/sources.tar" --verbatim-files-from -T "$WORK/left" >"$WORK/named" 2>"$WORK/faults"
        sed -n 's/^tar: \(.*\): Cannot .*/\1/p; s/^tar: \(.*\): Wrote only .*/\1/p' "$WORK/faults" | LC_ALL=C sort -u >"$WORK/faulty"
        LC_ALL=C sort -u "$WORK/named" | LC_ALL=C comm -23 - "$WORK/faulty" >"$WORK/closed"
        cat "$WORK/closed" >>"$WORK/written"
        LC_ALL=C comm -23 "$WORK/left" "$WORK/closed" >"$WORK/left.next" && mv "$WORK/left.next" "$WORK/left"
        cat "$WORK/left" >>"$WORK/again"
        cd "$WORK" || exit 1
    done
}

# at_some_moment MOST_MS: a random moment, soon.
at_some_moment() {
    local ms=$((RANDOM % $1 + 1))
    read -r -t "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))" -u "$NOTHING"
}

# check_written DIR: what was closed is there, whole.
check_written() {
    (cd "$1" && xargs -d '\n' md5sum <"$WORK/written") >"$WORK/found" 2>"$WORK/faults" || fail "in $1: $(head -n 3 "$WORK/faults")"
    LC_ALL=C sort -u -k2 "$WORK/found" | cmp -s - "$WORK/sums" || fail "files whose close had returned are not whole in $1"
}

round() {
    local dir=round-$1 writer victims victim
    mkdir "$A/$dir" || fail "A cannot be written before round $1"
    : >"$WORK/written" >"$WORK/again"
    write_all "$A/$dir" &
    writer=$!
    victims=$(printf '%s\n' a b hub | shuf)
    for victim in $victims; do
        at_some_moment "$MOMENT_MS"
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
    same_trees "$A/$dir" "$B/$dir"
    check_written "$A/$dir"
    check_written "$B/$dir"
    step "round $1: killed $(echo $victims); $FILES files untarred, $(wc -l <"$WORK/again") of them again; all are whole"
}

# Between a dead mount's removal and its successor the directory below is bare: nothing may be written there.
clear_up_more() { chattr -i "$A" "$B" 2>/dev/null; }
mkdir -p "$A" "$B"
chattr +i "$A" "$B" 2>/dev/null || say "this file system knows no immutable directories: files may be written below a mount point"
make_sources "$WORK/sources" "$FILES"
(cd "$WORK/sources" && find . -type f -size -64k ! -name '*[!a-zA-Z0-9._+/-]*' -printf '%P\n' | shuf -n "$FILES" | LC_ALL=C sort) >"$WORK/paths"
(cd "$WORK/sources" && xargs -d '\n' md5sum <"$WORK/paths" | LC_ALL=C sort -u -k2) >"$WORK/sums"
tar -C "$WORK/sources" -cf "$WORK/sources.tar" --verbatim-files-from -T "$WORK/paths" || fail "no archive"
start_hub
create_space
start_members a b
for number in $(seq "$ROUNDS"); do round "$number"; done
finish
