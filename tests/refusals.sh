#!/bin/bash
# What is refused, each with its own clear error and no harm to others. Malformed frames and commits need a peer that
# speaks the protocol and are refused in the tests of `hub` and `net`; here is what a user can do wrong.
. "$(dirname "$0")/harness.sh"
begin refusals
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

clear_up_more() {
    local point
    for point in "$WORK"/small-*; do
        [ -d "$point" ] && umount -l "$point" 2>/dev/null
    done
}

# all_well: A and B still understand each other.
all_well() {
    echo "$RANDOM $EPOCHREALTIME" >"$A/well"
    sync_all a b
    cmp -s "$A/well" "$B/well" || fail "the others were harmed"
}

refused() { status_says "$1" 'refused by the hub since'; }

start_hub
create_space
start_members a b
all_well

step "a used invite"
url=$(invite --uses 1)
expect 0 fl used1 join "$url" --as work
expect 5 fl used2 join "$url" --as work
said "the hub refused"
said "hub invite"

step "an expired invite"
url=$(invite --uses 1000 --ttl 1s)
attempt=0
expired() { attempt=$((attempt + 1)); fl "late$attempt" join "$url" --as work >"$WORK/late" 2>&1; [ $? = 5 ]; }
must 20 "an invite of one second is still good" expired
grep -q "the hub refused" "$WORK/late" || fail "an expired invite is not told clearly: $(cat "$WORK/late")"

step "a token that was never given, and half an invite"
expect 5 fl guess join "${url%token=*}token=$(printf 'a%.0s' {1..32})" --as work
expect 2 fl guess join "${url%&token=*}" --as work
said "token"

step "the wrong hub key"
FINGERPRINT=$(sed 's/.*hub=\([a-z2-7]*\).*/\1/' <<<"$url")
other=$(rev <<<"$FINGERPRINT")
expect 5 fl wrong join "${url/$FINGERPRINT/${other%?}a}" --as work
said "key"

step "an unknown key"
mkdir -p "$(home_of stranger)/config/remotes" "$(dir_of stranger)"
expect 5 fl stranger join "${url%token=*}token=$(printf 'b%.0s' {1..32})" --as work
cp "$(home_of a)/config/remotes/work.json" "$(home_of stranger)/config/remotes/"
mount_member stranger
must 30 "a stranger is not told that it is one" refused stranger
expect 5 fl stranger status "$(dir_of stranger)"
same "$(ls -A "$(dir_of stranger)")" "" "what a stranger sees"
umount_stranger() { fl stranger umount "$(dir_of stranger)" --timeout 1s; }
umount_stranger >/dev/null 2>&1
unset "PIDS[stranger]"
all_well

step "a reader's write is EROFS"
join reader --role reader
mount_member reader
must 30 "the reader sees nothing" cmp -s "$A/well" "$WORK/reader/well"
(echo x >"$WORK/reader/mine") 2>"$WORK/reader.error" && fail "a reader can write"
grep -q "Read-only file system" "$WORK/reader.error" || fail "another error: $(cat "$WORK/reader.error")"
rm "$WORK/reader/well" 2>/dev/null && fail "a reader can delete"
umount_member reader
all_well

step "a revoked member is cut off at once"
start_members gone
must 30 "the member sees nothing" cmp -s "$A/well" "$WORK/gone/well"
expect 0 hub revoke "$SPACE" gone
must 30 "a revoked member is not told" refused gone
expect 5 fl gone status "$WORK/gone"
hub members "$SPACE" | any '^gone .*revoked' || fail "the hub does not list it as revoked"
fl gone umount "$WORK/gone" --timeout 1s >/dev/null 2>&1
unset "PIDS[gone]"
all_well

step "random bytes on the port"
for size in 1 20 1200 1500 60000; do
    head -c "$size" /dev/urandom >"/dev/udp/${HUB_ADDRESS%:*}/${HUB_ADDRESS##*:}" 2>/dev/null
done
kill -0 "$HUB_PID" || fail "the hub died of random bytes"
all_well

step "mounting on a directory that is not empty, without saying so"
join c
echo "below" >"$WORK/c/below"
expect 5 fl c mount "work:$SPACE" "$WORK/c"
said "not empty"
mount_member c nonempty
[ ! -e "$WORK/c/below" ] || fail "what is below shows through"
umount_member c
has "$WORK/c/below" "below" || fail "what was below is touched"

step "mounting twice: the same point, the same space, the same state from elsewhere"
expect 5 fl a mount "work:$SPACE" "$A"
said "already"
mkdir "$WORK/a2"
expect 5 fl a mount "work:$SPACE" "$WORK/a2"
said "already mounted at $A"
expect 5 fl c mount "work:$SPACE" "$WORK/a2" -o "state=$(home_of a)/state/members/work/$SPACE"
said "in use"
all_well

step "places and names that are none"
expect 1 fl a mount "work:$SPACE" "$WORK/nowhere"
said "does not exist"
expect 1 fl a mount "work:$SPACE" "$WORK/hub.out"
said "not a directory"
expect 2 fl a mount "work" "$WORK/a2"
expect 2 fl a mount "work:$SPACE" "$WORK/a2" -o rainbow
said "rainbow"
expect 2 fl a mount "work:$SPACE" "$WORK/a2" -o conflict=maybe
expect 1 fl a mount "other:$SPACE" "$WORK/a2"
said "no remote called other"
expect 1 fl a mount "work:other" "$WORK/a2"
said "has not joined"
expect 1 fl a sync "$WORK/a2"
expect 2 fl a explode

step "a copied state directory becomes a member of its own, and nothing is lost"
umount_member b
cp -a "$(home_of b)" "$(home_of twin)"
mkdir "$WORK/twin"
mount_member b
mount_member twin
echo "by b" >"$B/by-b"
echo "by the twin" >"$WORK/twin/by-twin"
sync_all a b twin
same_trees "$A" "$B"
same_trees "$A" "$WORK/twin"
has "$A/by-b" "by b" && has "$A/by-twin" "by the twin" || fail "the work of a copy is lost"
umount_member twin
all_well

step "a removed space says so"
expect 0 hub "space create" short
expect 1 hub "space create" short
said "short"
expect 0 hub "space remove" short
expect 1 hub "space remove" short

# small_device NAME MIB: a file system of its own size.
small_device() {
    truncate -s "$2M" "$WORK/$1.img" && mkfs.ext4 -q -m 0 "$WORK/$1.img" && mkdir -p "$WORK/small-$1" &&
        mount -o loop "$WORK/$1.img" "$WORK/small-$1" 2>/dev/null
}

# leave_free NAME MIB: takes the rest of the room.
leave_free() {
    local free
    free=$(df --output=avail -B1 "$WORK/small-$1" | tail -1)
    fallocate -l "$((free - $2 * 1048576))" "$WORK/small-$1/filler-$2" || fail "$WORK/small-$1 cannot be filled"
}

full_disk_of_a_member() {
    step "a full disk of the member: ENOSPC at the write, unlink still works, nothing is lost"
    join d
    rm -rf "$(home_of d)/state"
    ln -s "$WORK/small-d" "$(home_of d)/state"
    mount_member d
    local dir=$WORK/d number wrote=()
    mkdir "$dir/full"
    for number in $(seq 400); do
        head -c 1048576 /dev/urandom >"$dir/full/$number" 2>"$WORK/full.error" || break
        wrote+=("$number")
        md5_of "$dir/full/$number" >"$WORK/full-$number"
    done
    grep -q "No space left on device" "$WORK/full.error" || fail "no ENOSPC: $(cat "$WORK/full.error")"
    rm "$dir/full/$number" "$dir/full/1" || fail "unlink does not work on a full disk"
    unset 'wrote[0]'
    sync_all d a
    for number in "${wrote[@]}"; do
        same "$(md5_of "$A/full/$number")" "$(cat "$WORK/full-$number")" "file $number"
    done
    rm -r "$dir/full" || fail "rm -r does not work on a full disk"
    sync_all d a
    [ ! -e "$A/full" ] || fail "the deletion does not travel"
    umount_member d
    all_well
}

full_disk_of_the_hub() {
    step "a full disk of the hub: members wait and say so, and go on when there is room"
    umount_member a
    umount_member b
    stop_hub
    HUB_DATA=$WORK/small-hub/data HUB_ADDRESS=
    start_hub
    create_space
    start_members e f
    echo "before" >"$WORK/e/before"
    sync_all e f
    leave_free hub 48
    head -c 33554432 /dev/urandom >"$WORK/e/large" || fail "the member cannot write because the hub is full"
    must 60 "the member does not say that the hub is full" status_says e "the hub has no room"
    expect 3 fl e status "$WORK/e"
    # What brings little still goes through, so that users can make room.
    rm "$WORK/f/before"
    echo "small" >"$WORK/f/small"
    expect 0 fl f sync "$WORK/f" --timeout 30s
    leave_free hub 8
    echo "later" >"$WORK/f/later"
    must 60 "the other member does not say so" status_says f "the hub has no room"
    expect 3 fl f sync "$WORK/f" --timeout 1s
    rm "$WORK"/small-hub/filler-*
    sync_all e f
    expect 0 fl e status "$WORK/e"
    expect 0 fl f status "$WORK/f"
    same_trees "$WORK/e" "$WORK/f"
    same "$(ls -A "$WORK/f")" "$(printf '%s\n' large later small)" "what came of it all"
    umount_member e
    umount_member f
    stop_hub
}

if [ "$(id -u)" = 0 ] && small_device d 320 && small_device hub 320; then
    full_disk_of_a_member
    full_disk_of_the_hub
else
    say "SKIPPED: full disks need root and loop devices" >&2
fi
finish
