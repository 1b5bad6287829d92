#!/bin/bash
# Owners, lists and what else only root may set, where an ordinary user mounts by fusermount3: what is shown and refused,
# and what becomes of it at a mount by root.
. "$(dirname "$0")/harness.sh"
ORDINARY=fl0wfs-tests
MADE= OPENED=

[ "$(id -u)" = 0 ] || skip "only root can become another user"
begin owners
need setpriv setfacl getfacl setfattr getfattr useradd userdel
clear_up_more() {
    umount -l "$WORK/u" 2>/dev/null
    [ -z "$OPENED" ] || setfacl -x "u:$USER_ID" /dev/fuse
    [ -z "$MADE" ] || userdel "$ORDINARY" 2>/dev/null
}
if ! id -u "$ORDINARY" >/dev/null 2>&1; then
    useradd --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$ORDINARY" || skip "no user can be made"
    MADE=1
fi
USER_ID=$(id -u "$ORDINARY") GROUP_ID=$(id -g "$ORDINARY")
U=$WORK/u R=$WORK/r
chmod 755 "$WORK"

# as COMMAND...: as the ordinary user, with a home of its own.
as() { FL0WFS_HOME=$(home_of u) HOME=/nonexistent setpriv --reuid "$USER_ID" --regid "$GROUP_ID" --clear-groups "$@"; }
u() { as "$FL0WFS" "$@"; }

# Most systems let everybody use the device. Where only root may, this user may as long as this runs.
if ! as test -w /dev/fuse; then
    setfacl -m "u:$USER_ID:rw" /dev/fuse && OPENED=1 || skip "/dev/fuse is for root alone"
fi

start_hub
create_space
start_members r
mkdir "$U" "$(home_of u)" && chown "$ORDINARY:" "$U" "$(home_of u)"
u join "$(invite)" --as work --name u >/dev/null || fail "the user cannot join"

step "it mounts, and everything is the user's"
mkdir "$R/d" && echo "by root" >"$R/d/f" && chmod 600 "$R/d/f"
chown 7:8 "$R/d/f" && setfacl -m u:9:rw "$R/d/f" && setfattr -n trusted.t -v 1 "$R/d/f" || fail "root cannot"
u mount "work:$SPACE" "$U" || fail "the user cannot mount"
must 30 "what root wrote does not arrive" as grep -q "by root" "$U/d/f"
same "$USER_ID:$GROUP_ID" "$(as stat -c %u:%g "$U/d/f")" "owner"
same "" "$(as getfattr --absolute-names -m - "$U/d/f" 2>&1)" "attributes of root"
findmnt -no OPTIONS "$U" | any 'nosuid,nodev' || fail "not nosuid,nodev"
[ "$(ls "$U" 2>&1)" != d ] || fail "root looks into a user's mount"

step "it makes, writes, links, renames and removes"
as sh -c 'cd "$1" && mkdir new && echo text >new/a && ln new/a new/b && ln -s a new/s && mkfifo new/p && mv new/b new/c &&
    echo x >gone && rm gone && chmod 2750 new && setfattr -n user.n -v 1 new/a' sh "$U" || fail "the user cannot"

step "foreign owners, lists and root's attributes are refused, and say so"
as chown 1 "$U/new/a" 2>"$WORK/error" && fail "a foreign owner is taken"
grep -q "Operation not permitted" "$WORK/error" || fail "chown: $(cat "$WORK/error")"
as chown "$USER_ID:$GROUP_ID" "$U/new/a" || fail "the own owner is refused"
as setfacl -m u:1:r "$U/new/a" 2>"$WORK/error" && fail "a list is taken"
grep -q "Operation not supported" "$WORK/error" || fail "setfacl: $(cat "$WORK/error")"
as setfattr -n security.x -v 1 "$U/new/a" 2>/dev/null && fail "root's attributes are taken"
as mknod "$U/new/device" c 1 3 2>/dev/null && fail "a device is made"

step "at root's mount: the owner of the directory, and what was there stays"
must 30 "what the user made does not arrive" has "$R/new/a" "text"
must 30 "attributes do not arrive" eval "[ \"\$(getfattr -n user.n --only-values '$R/new/a' 2>/dev/null)\" = 1 ]"
same "$(stat -c %u:%g "$R")" "$(stat -c %u:%g "$R/new/a")" "owner of what has none"
same "2 fifo" "$(stat -c %h "$R/new/a") $(stat -c %F "$R/new/p")" "what was made"
as sh -c 'echo "by the user" >>"$1/d/f" && echo new >"$1/d/tmp" && mv "$1/d/tmp" "$1/d/f" && chmod 640 "$1/d/f"' sh "$U"
must 30 "a save by rename does not arrive" has "$R/d/f" "new"
must 30 "a mode does not arrive" eval "[ \"\$(stat -c %a '$R/d/f')\" = 640 ]"
same "7:8" "$(stat -c %u:%g "$R/d/f")" "owner after a save by rename"
getfacl -nc --absolute-names "$R/d/f" 2>/dev/null | any '^user:9:rw-' || fail "the list is gone: $(getfacl -nc "$R/d/f" 2>&1)"
same 1 "$(getfattr --absolute-names -n trusted.t --only-values "$R/d/f")" "root's attribute after a save by rename"

step "unmounted by the user"
u sync "$U" --timeout 60s || fail "sync"
u umount "$U" || fail "umount"
mountpoint -q "$U" && fail "still mounted"
finish
