#!/bin/bash
# mount(8), fstab and umount(8) through the mount helper.
. "$(dirname "$0")/harness.sh"
begin helper
[ "$(id -u)" = 0 ] || skip "mount(8) is for root"
HELPER=/sbin/mount.fl0wfs
A=$WORK/a
LINKED=

clear_up_more() { [ -z "$LINKED" ] || rm -f "$HELPER"; }

# mount(8) looks for helpers in fixed places only; an installed one is not replaced, but has to be this one.
if [ -e "$HELPER" ]; then
    cmp -s "$BIN/mount-fl0wfs" "$HELPER" || skip "another $HELPER is installed; scripts/install puts this one there"
else
    ln -s "$BIN/mount-fl0wfs" "$HELPER" && LINKED=1
fi

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

step "mistakes are told, by exit code and in words"
mount -t fl0wfs "work:$SPACE" "$A" -o rainbow 2>"$WORK/error" && fail "an unknown option is taken"
grep -q rainbow "$WORK/error" || fail "the option is not named: $(cat "$WORK/error")"
expect 2 "$BIN/mount-fl0wfs" "work:$SPACE"
expect 0 "$BIN/mount-fl0wfs" -f "work:$SPACE" "$A"
mountpoint -q "$A" && fail "a fake mount is a mount"
finish
