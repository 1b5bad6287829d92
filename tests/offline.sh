#!/bin/bash
# Work without the hub: both mounts stay usable, everything meets afterwards, related edits leave one conflict copy;
# deletions reach who was away and stay.
. "$(dirname "$0")/harness.sh"
begin offline
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

start_hub
create_space
start_members a b
mkdir "$A/dir" && echo "before" >"$A/edited-a" && echo "before" >"$A/edited-b" && echo "x" >"$A/renamed-a" &&
    echo "x" >"$A/renamed-b" && echo "x" >"$A/deleted-a" && echo "x" >"$A/deleted-b" && echo "base" >"$A/both" ||
    fail "the first files cannot be written"
sync_all a b
same_trees "$A" "$B"

unreachable() { status_says "$1" 'hub unreachable since'; }

# work MEMBER DIR: what one does alone.
work() {
    echo "created by $1" >"$2/created-$1" && mkdir "$2/made-$1" && echo "deep" >"$2/made-$1/deep" &&
        echo "edited by $1" >"$2/edited-$1" && mv "$2/renamed-$1" "$2/dir/now-$1" && rm "$2/deleted-$1" ||
        fail "$1 cannot work without the hub"
    has "$2/created-$1" "created by $1" && has "$2/edited-$1" "edited by $1" || fail "$1 does not see its own work"
}

step "hub down: both create, edit, rename, delete"
stop_hub
work a "$A"
work b "$B"
must 60 "a does not notice that the hub is gone" unreachable a
expect 3 fl a status "$A"
said "waiting, hub unreachable since"
expect 3 fl a sync "$A" --timeout 1s

step "still without the hub: unmounted and mounted again, nothing is missing"
expect 3 fl a umount "$A" --timeout 1s
mount_member a
umount_member b --timeout 1s
mount_member b
for member in a b; do
    has "$WORK/$member/created-$member" "created by $member" || fail "$member lost a file over a remount"
    [ ! -e "$WORK/$member/deleted-$member" ] || fail "a file deleted by $member is back"
done
echo "after the remount" >"$A/later-a" || fail "a cannot write after the remount"

step "hub up: both have all"
start_hub
sync_all a b
same_trees "$A" "$B"
for member in a b; do
    has "$A/created-$member" "created by $member" && has "$A/edited-$member" "edited by $member" &&
        has "$A/dir/now-$member" "x" && [ ! -e "$A/deleted-$member" ] && [ ! -e "$A/renamed-$member" ] ||
        fail "the work of $member is not complete"
done
expect 0 fl a status "$A"

step "related edits: one conflict copy, named for the member, with both contents kept, equal on both"
stop_hub
echo "a's version" >"$A/both"
echo "b's version" >"$B/both"
start_hub
sync_all a b
same_trees "$A" "$B"
copies=("$A"/both\ \(conflict*)
same "${#copies[@]}" 1 "conflict copies"
[[ ${copies[0]} == "$A/both (conflict a)" || ${copies[0]} == "$A/both (conflict b)" ]] || fail "named ${copies[0]}"
same "$(cat "$A/both" "${copies[0]}" | sort)" $'a\'s version\nb\'s version' "both contents"
expect 4 fl a status "$A"
said "conflict: both"
expect 4 fl b status "$B" --json
said '"path":"both"'

step "the same edit on both sides is no conflict, and a copy that is removed settles its conflict"
rm "${copies[0]}"
stop_hub
echo "the same" >"$A/both"
echo "the same" >"$B/both"
start_hub
sync_all a b
same_trees "$A" "$B"
same "$(ls "$A" | grep -c conflict)" 0 "conflict copies"
expect 0 fl b status "$B"

step "a deletion made while b was away is applied there and stays"
echo "to go" >"$A/goes" && mkdir "$A/tree" && echo "x" >"$A/tree/leaf"
sync_all a b
umount_member b
rm -r "$A/goes" "$A/tree"
sync_all a
mount_member b
sync_all b a
[ ! -e "$B/goes" ] && [ ! -e "$B/tree" ] && [ ! -e "$A/goes" ] || fail "a deleted file is back"
umount_member b
mount_member b
[ ! -e "$B/goes" ] || fail "a deleted file is back after a remount"

step "deleted and made again is a live file everywhere; an empty file is no tombstone"
echo "first" >"$A/again"
sync_all a b
umount_member b
rm "$A/again" && echo "second" >"$A/again" && : >"$A/empty"
sync_all a
mount_member b
sync_all b a
has "$B/again" "second" || fail "what was made again is not there"
[ -f "$B/empty" ] && [ ! -s "$B/empty" ] || fail "the empty file is not there"
same_trees "$A" "$B"
finish
