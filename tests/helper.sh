#!/bin/bash
# mount(8), fstab and umount(8) through the mount helper.
. "$(dirname "$0")/harness.sh"
begin helper
[ "$(id -u)" = 0 ] || skip "mount(8) is for root"
A=$WORK/a
link_helpers

start_hub
create_space
join a
export FL0WFS_HOME=$(home_of a)
daemon_of() { PIDS[a]=$(pid_of a); }

unmounted() {
    umount "$A" || fail "umount failed"
    must 60 "the daemon outlives its mount" is_gone "${PIDS[a]}"
    unset "PIDS[a]"
}

step "mount -t fl0wfs, and options of the system"
mount -t fl0wfs "work:$SPACE" "$A" -o rw,_netdev,nofail,x-systemd.automount,noatime || fail "mount -t fl0wfs failed"
daemon_of
grep -q " $A .* fuse.fl0wfs work:$SPACE .*" /proc/self/mountinfo || fail "the table of mounts does not show it"
findmnt -no OPTIONS "$A" | any 'nosuid,nodev' || fail "not nosuid,nodev: $(findmnt -no OPTIONS "$A")"
echo "written" >"$A/file" || fail "the mount cannot be written"
unmounted

step "umount loses nothing"
join b
mount_member b
must 30 "what was written before umount has not arrived" has "$WORK/b/file" "written" || :
mount -t fl0wfs "work:$SPACE" "$A" -o ro || fail "mount -o ro failed"
daemon_of
has "$A/file" "written" || fail "what was written before umount is gone"
(echo x >"$A/file") 2>/dev/null && fail "a read-only mount can be written"
unmounted

step "a line of fstab"
printf 'work:%s %s fl0wfs rw,_netdev,nofail,x-systemd.requires=network-online.target,comment=x 0 0\n' \
    "$SPACE" "$A" >"$WORK/fstab"
mount -T "$WORK/fstab" "$A" || fail "mount from fstab failed"
daemon_of
echo "again" >"$A/file"
must 30 "the change has not travelled" has "$WORK/b/file" "again"
unmounted

step "remounting read-only and back, while the daemon goes on"
mount -t fl0wfs "work:$SPACE" "$A" || fail "mount failed"
daemon_of
before=${PIDS[a]}
mount -o remount,ro "$A" || fail "mount -o remount,ro failed"
findmnt -no OPTIONS "$A" | any '^ro,nosuid,nodev' || fail "not read-only: $(findmnt -no OPTIONS "$A")"
(echo x >"$A/file") 2>"$WORK/error" && fail "a mount remounted read-only can be written"
grep -q "Read-only file system" "$WORK/error" || fail "not told: $(cat "$WORK/error")"
echo "from b" >"$WORK/b/file"
must 30 "a change of others does not arrive" has "$A/file" "from b"
mount -o remount,rw "$A" || fail "mount -o remount,rw failed"
echo "by a" >"$A/file" || fail "a mount remounted to be written cannot be"
must 30 "the change has not travelled" has "$WORK/b/file" "by a"
mount -T "$WORK/fstab" -o remount,noexec "$A" || fail "a remount by fstab failed"
findmnt -no OPTIONS "$A" | any '^rw,nosuid,nodev,noexec' || fail "not so: $(findmnt -no OPTIONS "$A")"
exec {HELD}>"$A/held"
mount -o remount,ro "$A" 2>"$WORK/error" && fail "read-only though a file is open for writing"
grep -q "open there for writing" "$WORK/error" || fail "not told why: $(cat "$WORK/error")"
exec {HELD}>&-
fl a mount "work:$SPACE" "$A" -o remount,exec || fail "fl0wfs mount -o remount failed"
expect 1 fl a mount "other:$SPACE" "$A" -o remount,exec
said "shows work:$SPACE"
daemon_of
same "$before" "${PIDS[a]}" "another daemon answers"
unmounted
expect 1 fl a mount "work:$SPACE" "$A" -o remount,ro
said "nothing of this program is mounted"

step "a plain type, for tools that know no other"
mount -t fl0wfs "work:$SPACE" "$A" -o plain-type || fail "mount -o plain-type failed"
daemon_of
same "fuse work:$SPACE" "$(findmnt -no FSTYPE,SOURCE "$A" | tr -s ' ')" "type and source"
has "$A/file" "by a" || fail "a plain mount shows something else"
unmounted

step "mistakes are told, by exit code and in words"
mount -t fl0wfs "work:$SPACE" "$A" -o rainbow 2>"$WORK/error" && fail "an unknown option is taken"
grep -q rainbow "$WORK/error" || fail "the option is not named: $(cat "$WORK/error")"
expect 2 "$BIN/mount-fl0wfs" "work:$SPACE"
expect 0 "$BIN/mount-fl0wfs" -f "work:$SPACE" "$A"
mountpoint -q "$A" && fail "a fake mount is a mount"
finish
