#!/bin/bash
# A space's quota: it is shown, writes over it get EDQUOT and change nothing, removals make room, and what was written
# at the same moment or without the hub is taken all the same.
. "$(dirname "$0")/harness.sh"
begin quota
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b
MIB=$((1024 * 1024))

# write FILE KIB: makes a file of so many KiB; what could not be written is told by the system's name for it.
write() {
    python3 - "$1" "$2" <<'PY'
import errno, os, sys
try:
    file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    for _ in range(int(sys.argv[2]) // 4):
        os.write(file, os.urandom(4096))
    os.close(file)
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
PY
}
# limit SIZE|off BYTES|null: sets the quota, and waits until both members know.
limit() {
    expect 0 hub quota set "$SPACE" "$1"
    local bytes=$2 member
    for member in a b; do
        must 30 "$member does not hear of the quota" knows "$member" "$bytes"
    done
}
knows() { [ "$(limit_of "$1")" = "$2" ]; }
limit_of() {
    fl "$1" status "$(dir_of "$1")" --json | grep -o '"quota":\(null\|{"limit_bytes":[0-9]*\)' | grep -o 'null\|[0-9]*$'
}
free_kib() { df --output=avail -k "$1" | tail -n 1 | tr -d ' '; }
size_kib() { df --output=size -k "$1" | tail -n 1 | tr -d ' '; }

start_hub
create_space
# One where the kernel may write by itself, and one where it may not.
OPTIONS[b]=passthrough=off
start_members a b

step "a directory without a hub is named, and stays as it is"
expect 1 "$FL0WFS" hub quota list --data "$WORK/nowhere"
said "there is no hub's data in $WORK/nowhere"
[ ! -e "$WORK/nowhere" ] || fail "asking has made $WORK/nowhere"

step "without a quota the disk is the limit"
same "$(hub quota list)" "$SPACE  off"
same "$(limit_of a)" null
write "$A/first" 300 || fail "a file was not written"
sync_all a b

step "what is there counts from the start, and df tells of it"
limit 1M $MIB
same "$(hub quota list "$SPACE" --json)" '{"space":"notes","limit_bytes":1048576,"used_bytes":307200}'
for directory in "$A" "$B"; do
    same "$(size_kib "$directory")" 1024 "the size of the space"
    same "$(free_kib "$directory")" 724 "what is free in it"
done
expect 0 fl a status "$A"
said "quota: 300.0 KiB of 1.0 MiB"

step "a write over it gets EDQUOT, on the member that writes and on the other"
same "$(write "$A/second" 800 2>&1)" EDQUOT
same "$(stat -c %s "$A/second")" $((724 * 1024)) "what was written before the limit"
same "$(write "$A/first" 1100 2>&1)" EDQUOT
rm "$A/first"
sync_all a b
same "$(free_kib "$B")" 300
same "$(write "$B/third" 304 2>&1)" EDQUOT
rm "$B/third"
write "$B/third" 300 || fail "what fits exactly was not written"
same "$(write "$B/fourth" 4 2>&1)" EDQUOT
sync_all a b
same "$(write "$A/fourth" 4 2>&1)" EDQUOT
mkdir "$A/directory" && ln "$A/third" "$A/directory/again" && mv "$A/second" "$A/directory" ||
    fail "what makes nothing longer was refused"
sync_all a b
expect 0 fl a status "$A"
said "used up"

step "a file that is open to be read first is held to it as well"
head -c 250K /dev/urandom >"$A/directory/again" || fail "a file could not be made shorter"
exec {READER}<"$A/third"
write "$A/fifth" 48 || fail "what fits was not written"
# What the hub has just taken counts nowhere until it has told of it, so the first of these may still fit.
appends_no_more() {
    [ "$(head -c 4K /dev/zero | dd of="$A/third" oflag=append conv=notrunc status=none 2>&1 | grep -c 'quota exceeded')" = 1 ]
}
must 30 "a file that is read as well grows past the quota" appends_no_more
exec {READER}<&-
rm "$A/fifth"
head -c 300K /dev/urandom >"$A/third" || fail "what fits was not written"

step "truncation, reservation and copies are held to it as well; what is there can be written over"
same "$(truncate -s 2M "$A/third" 2>&1 | grep -c 'quota exceeded')" 1
same "$(fallocate -l 2M "$A/third" 2>&1 | grep -c 'quota exceeded')" 1
same "$(cp "$A/third" "$A/copy" 2>&1 | grep -c 'quota exceeded')" 1
same "$(stat -c %s "$A/third")" $((300 * 1024))
dd if=/dev/urandom of="$A/third" bs=4k count=75 conv=notrunc status=none || fail "a file could not be written over"
rm "$A/copy"

step "removals make room, on every member"
rm "$B/directory/second"
write "$B/second" 700 || fail "the room of a removed file was not free"
rm "$B/second"
sync_all a b
write "$A/second" 700 || fail "the room of a removed file was not free on the other member"
sync_all a b
same_trees "$A" "$B"

step "without the hub the quota holds by what was told last, and a daemon's death changes nothing of that"
address=$HUB_ADDRESS
stop_hub
kill_daemon a
same "$(write "$A/offline" 100 2>&1)" EDQUOT
rm "$A/second" "$A/offline"
write "$A/offline-a" 700 || fail "the room of a removed file was not free without the hub"
rm "$B/second"
write "$B/offline-b" 700 || fail "the room of a removed file was not free without the hub"

step "what two wrote without the hub is taken, though it is more than the limit; then nothing grows"
HUB_ADDRESS=$address start_hub
sync_all a b
same_trees "$A" "$B"
same "$(hub quota list "$SPACE" --json)" '{"space":"notes","limit_bytes":1048576,"used_bytes":1740800}'
same "$(free_kib "$A")" 0
same "$(write "$A/more" 4 2>&1)" EDQUOT
hub verify "$SPACE" >/dev/null || fail "the hub finds something wrong"

step "raised or off, it is gone at once"
limit 2M $((2 * MIB))
write "$A/more" 300 || fail "a raised quota still refuses"
limit off null
write "$B/much" 3000 || fail "a quota that is off still refuses"
sync_all a b
same_trees "$A" "$B"
same "$(hub quota list)" "$SPACE  off"
finish
