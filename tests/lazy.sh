#!/bin/bash
# Content that is fetched when it is read: what is here and what is not, the limit of the cache, pins, work without the
# hub, and what scripts can ask of a file.
#
# Without arguments all rows; else those with these numbers.
. "$(dirname "$0")/harness.sh"
begin lazy
need getfattr setfattr md5sum python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b
MIB=$((1024 * 1024))

attribute() { getfattr -h --only-values -n "user.fl0w.$1" "$2" 2>/dev/null; }
materialized() { same "$(attribute materialized "$1")" "$2" "whether $1 is here"; }
# What contents take on B's disk, in bytes.
on_disk() { find "$(content_of_b)" -type f -printf '%b\n' | awk '{ sum += $1 } END { print sum * 512 }'; }
content_of_b() { find "$(home_of b)" -type d -name content | head -n 1; }
random() { head -c "$1" /dev/urandom; }
synced() { [ "$(attribute status "$1")" = synced ]; }

# again OPTIONS: b is mounted with these, and nothing is on its disk but what has to be.
again() {
    umount_member b
    mount_member b "$1"
    sync_all b
    expect 0 fl b evict "$B"
}

start_hub
create_space
start_relays b
start_members a
join b
mkdir -p "$A/tree/deep" "$A/old" "$A/many"
for n in $(seq 40); do random $((512 * 1024)) >"$A/many/$n"; done
random $((3 * MIB)) >"$A/large" && random 5000 >"$A/small" && : >"$A/empty"
for n in 1 2 3; do random 300000 >"$A/tree/deep/$n" && random 2000 >"$A/tree/$n"; done
setfattr -n user.mark -v yes "$A/small" && touch -d '2020-02-02 02:02:02.123' "$A/large" "$A/small"
sync_all a
mount_member b content=lazy
sync_all b

u6_names_sizes_times_and_attributes_are_true_without_the_content() {
    step "U6: names, sizes, times and attributes are true although no content is there; what is read is what was written"
    same "$(list_tree "$B")" "$(list_tree "$A")" "the trees"
    same "$(getfattr --only-values -n user.mark "$B/small")" yes "an attribute"
    again content=lazy
    for file in large small tree/1 many/7; do materialized "$B/$file" no; done
    at_most $((64 * 1024)) "$(on_disk)" "bytes of content on disk before anything is read"
    count_bytes b
    same "$(md5_of "$B/small")" "$(md5_of "$A/small")" "what is read"
    materialized "$B/small" yes
    materialized "$B/large" no
    at_most $((64 * 1024)) "$(bytes_down b)" "bytes that came for one small file"
    same "$(md5_of "$B/large")" "$(md5_of "$A/large")" "what is read of a large one"
    [ ! -s "$B/empty" ] && materialized "$B/empty" yes
    at_most $((5 * MIB)) "$(on_disk)" "bytes of content on disk after two files"
}

u12_scripts_can_tell_what_is_uploaded_and_what_is_here() {
    step "U12: a file says whether it has been uploaded, which version it is, and whether it is here; copies say nothing of it"
    again content=lazy
    same "$(attribute md5 "$B/many/3")" "$(md5_of "$A/many/3")" "the tag of a file that is not here"
    same "$(attribute version "$B/many/3")" 1 "its version"
    materialized "$B/many/3" no
    same "$(attribute status "$B/many/3")" synced "its status"
    stop_hub
    echo "from b" >"$B/own"
    same "$(attribute status "$B/own")" pending "the status of what waits"
    expect 3 fl b status "$B"
    start_hub
    sync_all b
    same "$(attribute status "$B/own")" synced "the status of what was sent"
    same "$(attribute md5 "$B/own")" "$(md5_of "$B/own")" "the tag of what was sent"
    [[ "$(getfattr -m - -d "$B/small" 2>&1)" != *user.fl0w* ]] || fail "the mount's attributes are listed"
    expect 1 setfattr -n user.fl0w.status -v synced "$B/small"
    said "Operation not permitted"
    cp -a "$B/small" "$WORK/copied" && [[ "$(getfattr -m - -d "$WORK/copied" 2>&1)" == *user.mark* ]] ||
        fail "a copy has not the attributes that somebody set"
    expect 1 getfattr -n user.fl0w.nothing "$B/small"
}

u12_the_cache_keeps_its_limit_and_unsent_work_stays() {
    step "U12: a cache of 8 MiB under 20 MiB that are read: never more than 5 % over it, unsent work stays, all is right"
    local n disk sum
    again content=lazy,cache-size=8M
    stop_hub
    random $((2 * MIB)) >"$B/unsent"
    start_hub
    must 60 "b does not find the hub" fl b sync "$B"
    for n in $(seq 40); do
        same "$(md5_of "$B/many/$n")" "$(md5_of "$A/many/$n")" "many/$n"
        disk=$(on_disk)
        [ "$disk" -le $((8 * MIB * 105 / 100)) ] || must 3 "the cache takes $disk bytes" cache_fits
    done
    materialized "$B/many/40" yes
    materialized "$B/many/1" no
    same "$(md5_of "$B/unsent")" "$(md5_of "$A/unsent")" "what was made here"
    step "U12: what is not sent, open or pinned is never evicted"
    stop_hub
    random $((3 * MIB)) >"$B/kept" && sum=$(md5_of "$B/kept")
    expect 5 fl b evict "$B/kept"
    said "not sent yet"
    exec 7<"$B/many/40"
    expect 5 fl b evict "$B/many/40"
    said "open"
    exec 7<&-
    start_hub
    must 60 "b does not find the hub" fl b sync "$B"
    for n in $(seq 20); do cat "$B/many/$n" >/dev/null; done
    same "$(md5_of "$B/kept")" "$sum" "what was not sent when room was needed"
    expect 0 fl b evict "$B/many"
    said "evicted: "
    materialized "$B/many/20" no
    same "$(md5_of "$B/many/20")" "$(md5_of "$A/many/20")" "an evicted file"
}
cache_fits() { [ "$(on_disk)" -le $((8 * MIB * 105 / 100)) ]; }

u5_a_pinned_tree_is_whole_without_the_hub_and_what_is_absent_says_so() {
    step "U5: a pinned tree is whole without the hub, what comes to it later and after a remount too"
    local began
    again content=lazy
    expect 0 fl b pin "$B/tree"
    sync_all b
    echo "later" >"$A/tree/later" && mkdir "$A/tree/new" && random 100000 >"$A/tree/new/file"
    mv "$A/old" "$A/tree/moved" && random 70000 >"$A/tree/moved/in"
    sync_all a b
    umount_member b
    mount_member b
    expect 0 fl b pin --list "$B"
    said "$B/tree"
    echo "after the remount" >"$A/tree/latest"
    sync_all a b
    expect 5 fl b evict "$B/tree/1"
    said "pinned"
    stop_hub
    same "$(list_bytes "$B/tree")" "$(list_bytes "$A/tree")" "a pinned tree without the hub"
    step "U5: what is absent answers soon, and status says which file and why"
    must 30 "b does not notice" status_says b 'hub unreachable since'
    materialized "$B/large" no
    began=$EPOCHSECONDS
    expect 1 cat "$B/large"
    said "Input/output error"
    at_most 10 $((EPOCHSECONDS - began)) "seconds until a read without the hub answers"
    expect 3 fl b status "$B"
    said "could not be read"
    said "large"
    said "the hub cannot be reached"
    expect 3 fl b prefetch "$B/many"
    said "the hub cannot be reached"
    start_hub
    must 60 "b does not find the hub" fl b sync "$B"
    same "$(md5_of "$B/large")" "$(md5_of "$A/large")" "the file after the hub is back"
    expect 0 fl b status "$B"
    [[ $OUTPUT != *"could not be read"* ]] || fail "status still tells of a file that is here: $OUTPUT"
    expect 1 fl b unpin "$B/nothing"
    expect 5 fl b unpin "$B/tree/1"
    said "pinned with tree"
    expect 0 fl b unpin "$B/tree"
    expect 0 fl b evict "$B/tree/1"
    materialized "$B/tree/1" no
}

u12_what_is_asked_for_comes_and_indexers_bring_nothing() {
    step "U12: prefetch brings a tree; known indexers read nothing that is not here"
    again content=lazy
    expect 0 fl b prefetch "$B/tree" "$B/many/1"
    said "here: "
    materialized "$B/tree/deep/2" yes
    materialized "$B/many/1" yes
    materialized "$B/many/2" no
    cp "$(command -v cat)" "$WORK/tracker-miner-fs-3"
    expect 1 "$WORK/tracker-miner-fs-3" "$B/many/2"
    said "Permission denied"
    materialized "$B/many/2" no
    "$WORK/tracker-miner-fs-3" "$B/many/1" | cmp - "$A/many/1" || fail "an indexer cannot read what is here"
    umount_member b
    mount_member b content=lazy,no-materialize=none
    "$WORK/tracker-miner-fs-3" "$B/many/2" | cmp - "$A/many/2" || fail "an indexer is kept from what it may read"
    step "U12: what makes no sense is refused, and changes nothing"
    umount_member b
    expect 2 fl b mount "work:$SPACE" "$B" -o cache-size=1G
    said "content=lazy"
    mount_member b content=lazy,cache-size=5M
    expect 5 fl b pin "$B/many"
    said "a larger -o cache-size"
    expect 5 fl b prefetch "$B/many"
    umount_member b
    mount_member b content=eager
    sync_all b
    same_trees "$A" "$B"
    expect 5 fl b evict "$B/many"
    said "content=lazy"
}

u12_a_large_file_comes_in_pieces_and_a_handle_has_one_content() {
    step "U12: of a large file come the pieces that are read and some ahead; a handle keeps its content, whatever becomes of it"
    again content=lazy
    random $((40 * MIB)) >"$A/huge" && random $((24 * MIB)) >"$A/huger"
    sync_all a b
    count_bytes b
    same "$(piece "$B/huge" $((30 * MIB)) 4096)" "$(piece "$A/huge" $((30 * MIB)) 4096)" "4 KiB from the middle"
    at_most $((6 * MIB)) "$(bytes_down b)" "bytes that came for them"
    materialized "$B/huge" no
    same "$(stat -c %s "$B/huge")" $((40 * MIB)) "the size"
    step "U12: it is replaced and removed elsewhere while it is read here"
    exec 8<"$B/huge" 9<"$B/huger"
    head -c 1000 <&8 | cmp - <(head -c 1000 "$A/huge") || fail "the first bytes"
    head -c 1000 <&9 | cmp - <(head -c 1000 "$A/huger") || fail "the first bytes of the other"
    cp "$A/huge" "$WORK/huge-before" && cp "$A/huger" "$WORK/huger-before"
    random $((40 * MIB)) >"$WORK/new" && cat "$WORK/new" >"$A/huge" && rm "$A/huger"
    sync_all a b
    cmp <(tail -c +1001 "$WORK/huge-before") - <&8 || fail "a handle shows something else than the content it had"
    cmp <(tail -c +1001 "$WORK/huger-before") - <&9 || fail "a handle of a removed file shows something else"
    exec 8<&- 9<&-
    same "$(md5_of "$B/huge")" "$(md5_of "$WORK/new")" "the content of today"
    materialized "$B/huge" yes
    step "U12: read from the end to the beginning, in odd pieces, by several at once; then written"
    expect 0 fl b evict "$B/huge"
    python3 - "$B/huge" "$WORK/new" <<'PY' || fail "random reads differ"
import random, sys, threading
def work(seed):
    chance = random.Random(seed)
    with open(sys.argv[1], "rb", buffering=0) as mounted, open(sys.argv[2], "rb", buffering=0) as plain:
        size = plain.seek(0, 2)
        for _ in range(40):
            at, length = chance.randrange(size), chance.randrange(1, 300000)
            mounted.seek(at), plain.seek(at)
            one, other = mounted.read(length), plain.read(length)
            if one != other[:len(one)] or (not one and other):
                failed.append((seed, at, length))
failed = []
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
sys.exit(1 if failed else 0)
PY
    expect 0 fl b evict "$B/huge"
    exec 8<"$B/huge"
    head -c 100 <&8 >/dev/null
    printf 'changed' | dd of="$B/huge" bs=1 seek=$((20 * MIB)) conv=notrunc status=none || fail "it cannot be written"
    printf 'changed' | dd of="$WORK/new" bs=1 seek=$((20 * MIB)) conv=notrunc status=none
    cmp <(tail -c +101 "$WORK/new") - <&8 || fail "an open handle does not see what is written"
    exec 8<&-
    sync_all b a
    same "$(md5_of "$A/huge")" "$(md5_of "$WORK/new")" "what was written at b"
    step "U12: a file larger than the cache is read to its end"
    again content=lazy,cache-size=16M
    same "$(md5_of "$B/huge")" "$(md5_of "$WORK/new")" "a file larger than the cache"
    must 10 "the cache does not get smaller" cache_is_at_most 16
}
cache_is_at_most() {
    local bytes
    bytes=$(fl b status "$B" --json | grep -o '"content":{[^}]*' | grep -o '"bytes":[0-9]*' | cut -d: -f2)
    [ "$bytes" -le $(($1 * MIB * 105 / 100)) ]
}
piece() { dd if="$1" bs=4096 skip=$(($2 / 4096)) count=$(($3 / 4096)) status=none | md5sum; }

run_rows u "$@"
sync_all a b
same_trees "$A" "$B"
finish
