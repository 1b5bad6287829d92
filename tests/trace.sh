#!/usr/bin/env bash
# The trace that fl0wfs began with: three clients, one server; every state and every broadcast shows in the log.
source "$(dirname "$0")/harness.sh"

hub_start
hub space create space >/dev/null
for name in writer one two three; do join_member "$name"; done

in_log() { # in_log PATH MD5: the newest entry of PATH has this tag
    [ "$(as "$WATCHER" log "$AREA/$WATCHER/mnt/$1" --json | head -n 1 | python3 -c '
import json, sys
line = json.loads(sys.stdin.readline())
path, = line["sync"].keys()
print(path, line["sync"][path]["md5"])')" = "$1 $2" ]
}
holds() { [ "$(cat "$AREA/$1/mnt/$2" 2>/dev/null)" = "$3" ]; }
absent() { [ ! -e "$AREA/$1/mnt/$2" ]; }
tag() { md5sum "$1" | cut -d' ' -f1; }
WATCHER=one

# The server has a file; client 2 has an older one, from an earlier visit.
mount_member writer
mount_member two
echo 'print("stale")' >"$AREA/writer/mnt/test.py"
sync_all writer two
umount_member two
echo 'print("fresh")' >"$AREA/writer/mnt/test.py"
sync_all writer
umount_member writer

say "client 1 connects and receives test.py"
mount_member one
wait_until 20 holds one test.py 'print("fresh")'
in_log test.py "$(tag "$AREA/one/mnt/test.py")" || fail "the log does not show test.py"

say "client 2 connects and its stale test.py is replaced"
mount_member two
wait_until 20 holds two test.py 'print("fresh")'

say "client 2 changes test.py"
echo 'print("changed by 2")' >"$AREA/two/mnt/test.py"
sync_all two
wait_until 20 holds one test.py 'print("changed by 2")'
in_log test.py "$(tag "$AREA/two/mnt/test.py")" || fail "the log does not show the change"

say "client 2 deletes test.py"
rm "$AREA/two/mnt/test.py"
sync_all two
wait_until 20 absent one test.py
in_log test.py 0 || fail "the log does not show the tombstone"

say "client 3 connects and sees nothing"
mount_member three
sync_all three
[ -z "$(ls -A "$AREA/three/mnt")" ] || fail "client 3 sees something"

for n in 1 2 3; do
    say "client 3 creates test$n.py"
    echo "print($n)" >"$AREA/three/mnt/test$n.py"
    sync_all three
    for name in one two; do wait_until 20 holds "$name" "test$n.py" "print($n)"; done
    in_log "test$n.py" "$(tag "$AREA/three/mnt/test$n.py")" || fail "the log does not show test$n.py"
done

say "client 1 deletes test2.py"
rm "$AREA/one/mnt/test2.py"
sync_all one
for name in two three; do wait_until 20 absent "$name" test2.py; done
in_log test2.py 0 || fail "the log does not show the tombstone of test2.py"

say "client 2 changes test3.py"
echo 'print("3, changed by 2")' >"$AREA/two/mnt/test3.py"
sync_all two
for name in one three; do wait_until 20 holds "$name" test3.py 'print("3, changed by 2")'; done
in_log test3.py "$(tag "$AREA/two/mnt/test3.py")" || fail "the log does not show the change of test3.py"

sync_all one two three
expect_same one two
expect_same one three
say "all three have the same tree"
