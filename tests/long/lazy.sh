#!/bin/bash
# A space of 200,000 files and 20 GiB nominal, mounted by a member that fetches what is read: how long until it is there,
# the memory it takes, and that reading one file brings one file.
#
#   FL0WFS_FILES   how many files [default: 200000]
. "$(dirname "$0")/../harness.sh"
begin long-lazy
need getfattr python3
SYNC_TIMEOUT=1800s
A=$WORK/a B=$WORK/b
FILES=${FL0WFS_FILES:-200000}
MEMORY_KIB_MAX=$((300 * 1024))
MIB=$((1024 * 1024))

start_hub
create_space
start_relays b
start_members a
join b

step "$FILES files of 105 KiB: mostly holes, every tenth with bytes of its own"
began=$EPOCHSECONDS
python3 - "$A" "$FILES" <<'PY' || fail "the files cannot be made"
import os, sys
root, files = sys.argv[1], int(sys.argv[2])
for number in range(files):
    directory = f"{root}/{number // 1000:04}"
    if number % 1000 == 0:
        os.mkdir(directory)
    file = os.open(f"{directory}/{number % 1000:04}", os.O_CREAT | os.O_WRONLY)
    if number % 10 == 0:
        os.write(file, b"%d\n" % number * 500)
    os.ftruncate(file, 105 * 1024)
    os.close(file)
PY
head -c $((20 * MIB)) /dev/urandom >"$A/large"
step "made in $((EPOCHSECONDS - began)) s"
expect 0 fl a sync "$A" --timeout "$SYNC_TIMEOUT"
step "accepted after $((EPOCHSECONDS - began)) s"
umount_member a

step "a newcomer mounts it lazily and lists all of it"
began=${EPOCHREALTIME/./}
mount_member b content=lazy,cache-size=64M
count_bytes b
step "mounted in $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
must 300 "the tree does not come" test -e "$B/large"
step "there in $(((${EPOCHREALTIME/./} - began) / 1000)) ms, $(($(bytes_down b) / 1024)) KiB"
same "$(find "$B" -type f | wc -l)" "$((FILES + 1))" "files"
step "listed after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
same "$(find "$B" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f", sum }')" $((FILES * 105 * 1024 + 20 * MIB)) "bytes"
step "sizes and times read after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
expect 0 fl b sync "$B" --timeout "$SYNC_TIMEOUT"

step "one file read brings one file"
count_bytes b
same "$(head -c 20 "$B/0042/0010")" "$(printf '42010\n%.0s' 1 2 3 4 | head -c 20)" "what is read"
same "$(getfattr --only-values -n user.fl0w.materialized "$B/0042/0010")" yes "whether it is here"
same "$(getfattr --only-values -n user.fl0w.materialized "$B/0042/0020")" no "whether its neighbour is here"
# It is one chunk, as a hole is cut out only where a whole block is one; the rest is what is said about it.
at_most $((113 * 1024)) "$(bytes_down b)" "bytes that came"

step "all bytes of 1,000 files pass through a cache of 64 MiB"
cat "$B"/0000/* | wc -c >/dev/null
cat "$B/large" | cmp - "$B/large" || fail "reading differs from reading again"
peak=$(peak_kib "${PIDS[b]}")
step "peak memory of b: $((peak / 1024)) MiB for $FILES files"
[ "$peak" -lt "$MEMORY_KIB_MAX" ] || fail "b used $peak KiB"
umount_member b
began=${EPOCHREALTIME/./}
mount_member b
same "$(find "$B" -maxdepth 1 -type d | wc -l)" "$(((FILES + 999) / 1000 + 1))" "directories"
step "mounted again and its root listed in $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
finish
