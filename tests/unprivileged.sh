#!/bin/bash
# An ordinary user mounts by fusermount3: everything is that user's, the daemon is killed under programs at work, and the
# mount goes as it came.
HERE=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then
    # Root becomes somebody else, who may not look where programs were built.
    command -v setpriv >/dev/null || { echo "SKIPPED: setpriv is not installed" >&2; exit 77; }
    base=$(mktemp -d "${FL0WFS_TEST_DIR:-/var/tmp}/fl0wfs-user.XXXXXX") || exit 1
    trap 'rm -rf --one-file-system "$base"' EXIT
    cp "${FL0WFS_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/fl0wfs/target}/release}/fl0wfs" "$HERE"/{harness.sh,steady.py,unprivileged.sh} "$base" || exit 1
    chown -R 65534:65534 "$base"
    # Where only root may open the device, this test has one of its own, in a place of its own.
    mknod -m 666 "$base/device" c 10 229 || { echo "SKIPPED: no device can be made" >&2; exit 77; }
    cd "$base" && FL0WFS_BIN=$base FL0WFS_TEST_DIR=$base HOME=$base unshare --mount bash -c \
        'mount --bind device /dev/fuse && exec setpriv --reuid=65534 --regid=65534 --clear-groups bash ./unprivileged.sh'
    exit $?
fi
. "$HERE/harness.sh"
begin unprivileged
need python3
A=$WORK/a B=$WORK/b
is_unmounted() { ! any -F " $1 " </proc/self/mountinfo; }
has_new_daemon() { local now; now=$(pid_of a); [ -n "$now" ] && [ "$now" != "$1" ]; }
WORKERS=
clear_up_more() { [ -z "$WORKERS" ] || end_process "$WORKERS" KILL; }

start_hub
create_space
start_members a b
any -F " $A " </proc/self/mountinfo || fail "nothing is mounted"
step "mounted as user $(id -u)"

mkdir "$A/work"
same "$(stat -c %u:%g "$A/work")" "$(id -u):$(id -g)" "the owner of what is made"
python3 "$HERE/steady.py" "$A/work" "$WORK/until" >"$WORK/work.out" 2>"$WORK/work.err" &
WORKERS=$!
must 30 "nobody works" test -s "$A/work/append"
for kill in 1 2 3; do
    before=$(pid_of a)
    kill_daemon a
    must 30 "no daemon follows" has_new_daemon "$before"
done
touch "$WORK/until"
wait_for 60 is_gone "$WORKERS" || fail "programs hang"
wait "$WORKERS" || fail "programs saw errors: $(cat "$WORK/work.err")"
WORKERS=
sync_all a b
same_trees "$A" "$B"
step "killed three times, nobody noticed"

if command -v inotifywait >/dev/null; then
    inotifywait -m -e create,close_write,delete --format '%f %e' "$A" >"$WORK/watched" 2>"$WORK/watched.err" &
    WORKERS=$!
    must 30 "inotifywait does not watch" grep -q established "$WORK/watched.err"
    echo "seen" >"$B/seen" && sync_all b a && rm "$B/seen" && sync_all b a
    must 30 "a watcher sees nothing of what another member does" grep -q "^seen DELETE" "$WORK/watched"
    same "$(tr '\n' ' ' <"$WORK/watched")" "seen CREATE seen CLOSE_WRITE,CLOSE seen DELETE " "what was seen"
    end_process "$WORKERS" TERM
    WORKERS=
    step "a watcher sees what another member does"
fi

exec {file}<"$A/work/append"
expect 1 fl a umount "$A"
said "busy"
exec {file}<&-
kill_member a
must 5 "the dead mount is still there" is_unmounted "$A"
mount_member a
has "$A/work/save" "$(cat "$B/work/save")" || fail "what was saved is lost"
kill -s KILL "${KEEPERS[a]}"
must 5 "the mount does not end with its supervisor" is_unmounted "$A"
must 20 "the daemon goes on alone" is_gone "${PIDS[a]}"
mount_member a
umount_member a
umount_member b
is_unmounted "$A" || fail "the mount is still there"
step "unmounted, with and without its processes"
finish
