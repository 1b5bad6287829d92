#!/bin/bash
# What was comes back: files, directories and spaces restored, one member's work undone, the past visited. Each row by its
# name, on one hub and two members; a has a network that counts bytes.
#
#   restore.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin restore
need python3 getfattr setfattr
SYNC_TIMEOUT=120s
A=$WORK/a B=$WORK/b THEN=$WORK/then ALSO=$WORK/also
EDITS=${EDITS:-100}
FILES=${FILES:-5000}
MIB=1048576

# The sequence at which all members have everything.
sequence() { sync_all a b >&2 && field a sequence; }
gone() { local path; for path in "$@"; do [ ! -e "$path" ] || fail "$path is there"; done; }

# visit WHEN DIR, leave DIR: a shows the space as it was; expects that it can.
visit() { mkdir -p "$2" && expect 0 fl a mount "work:$SPACE@$1" "$2"; }
leave() { expect 0 fl a umount "$1"; }
clear_up_more() {
    local point
    for point in "$THEN" "$ALSO"; do
        mountpoint -q "$point" || continue
        fl a umount "$point" >/dev/null 2>&1 || fusermount3 -uz "$point"
    done
}
visits() { ls "$WORK/home-a/state/visits" 2>/dev/null | wc -l; }

# copy_tree FROM TO: with everything that `same_trees` compares.
copy_tree() { rm -rf "$2" && cp -a "$1" "$2"; }

p2_every_version_can_be_had_again_and_restoring_is_a_new_one() {
    step "P2: the content of every version can be had again, and restoring it is a new version"
    local number
    mkdir "$A/p2" && for number in 1 2 3; do
        echo "content $number" >"$A/p2/file" && expect 0 fl a sync "$A"
    done
    for number in 1 3 2; do
        expect 0 fl a restore "$A/p2/file" --version $number
        has "$A/p2/file" "content $number" || fail "version $number is not what it was"
    done
    sync_all a b
    has "$B/p2/file" "content 2" || fail "a restored version does not reach b"
    same "$(log_md5s b p2/file | wc -l)" 6 "versions, the restored ones included"
    expect 0 fl b log "$B/p2/file"
    said "restored"

    rm "$A/p2/file" && sync_all a b
    expect 0 fl b restore "$B/p2/file" --version 1
    sync_all b a
    has "$A/p2/file" "content 1" || fail "a removed file does not come back"
    same "$(log_md5s b p2/file | wc -l)" 8 "versions, the removal and the return included"
}

p2_an_edited_and_renamed_file_is_right_at_every_point() {
    step "P2: a file edited $EDITS times, renamed ten times, removed and restored is right at every point"
    local number name=p2b/name-0 last at=() names=()
    mkdir "$A/p2b"
    for number in $(seq "$EDITS"); do
        printf 'line %s\n' $(seq "$number") >"$A/$name" && expect 0 fl a sync "$A"
        at[$number]=$(field a sequence) names[$number]=$name
        if [ $((number % (EDITS / 10))) = 0 ]; then
            mv "$A/$name" "$A/p2b/name-$number" && name=p2b/name-$number && expect 0 fl a sync "$A"
        fi
    done
    last=$(md5_of "$A/$name")
    rm "$A/$name" && sync_all a b
    for number in 1 2 $((EDITS / 2 - 1)) $((EDITS / 2)) $((EDITS - 1)) "$EDITS"; do
        expect 0 fl b restore "$B/${names[$number]}" --at "${at[$number]}"
        cmp "$B/${names[$number]}" <(printf 'line %s\n' $(seq "$number")) || fail "edit $number is not what it was"
        rm "$B/${names[$number]}" && sync_all b
    done
    sync_all b a
    expect 0 fl a restore "$A/${names[$EDITS]}" --at "${at[$EDITS]}"
    same "$(md5_of "$A/${names[$EDITS]}")" "$last" "the restored file"
    sync_all a b
}

c3_the_tree_at_any_sequence_is_rebuilt_from_the_log() {
    step "C3: the state at any sequence can be rebuilt from the log"
    local number at=()
    for number in 1 2 3 4 5 6; do
        case $number in
        1) mkdir -p "$A/c3/d/e" && echo one >"$A/c3/d/f" && ln "$A/c3/d/f" "$A/c3/d/e/g" && ln -s d/f "$A/c3/link" ;;
        2) echo two >"$B/c3/d/f" && setfattr -n user.note -v two "$B/c3/d/f" && chmod 600 "$B/c3/d/f" ;;
        3) mv "$A/c3/d/e" "$A/c3/e" && mkfifo "$A/c3/pipe" ;;
        4) rm -r "$B/c3/d" && head -c $((3 * MIB)) /dev/urandom >"$B/c3/large" ;;
        5) echo saved >"$A/c3/new" && mv "$A/c3/new" "$A/c3/e/g" && truncate -s 5M "$A/c3/holes" ;;
        6) rm -r "$B/c3" ;;
        esac || fail "step $number cannot be done"
        at[$number]=$(sequence)
        copy_tree "$A" "$WORK/copy-$number"
    done
    for number in 4 1 6 2 5 3; do
        visit "${at[$number]}" "$THEN"
        same_trees "$WORK/copy-$number" "$THEN"
        leave "$THEN"
    done
    rm -rf "$WORK"/copy-*
}

s13_the_past_is_visited_beside_the_living_mount() {
    step "S13: a space at a sequence or a time is visited, read-only, several at once, beside the living mount"
    local early time late
    mkdir "$A/s13" && head -c $((4 * MIB)) /dev/urandom >"$A/s13/large" && echo early >"$A/s13/small"
    early=$(sequence)
    time=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
    echo late >"$B/s13/small" && rm "$B/s13/large"
    late=$(sequence)
    count_bytes a
    visit "$time" "$THEN"
    has "$THEN/s13/small" early || fail "the visit does not show what was"
    at_most $((MIB / 2)) "$(bytes_down a)" "bytes before anything large is read"
    same "$(stat -c %s "$THEN/s13/large")" $((4 * MIB)) "the size of what is not here"
    cat "$THEN/s13/large" >"$WORK/large" || fail "content of then cannot be read"
    at_least $((4 * MIB)) "$(bytes_down a)" "bytes for what was read"
    visit "$late" "$ALSO"
    has "$ALSO/s13/small" late && has "$THEN/s13/small" early && has "$A/s13/small" late || fail "visits get mixed up"
    same "$(visits)" 2 "visits"
    expect 0 fl a status
    said "$THEN  work:$SPACE@$early (a visit, read-only)"
    said "$A  work:$SPACE as a"
    expect 0 fl a status "$ALSO" --json
    said "\"visit\":$late"
    (echo x >"$THEN/s13/small") 2>/dev/null && fail "the past can be written"
    (rm "$THEN/s13/small") 2>/dev/null && fail "the past can be removed"
    expect 1 fl a restore "$THEN/s13/small" --at "$early"
    said "to be read only"
    same "$(fl a status "$A" --json | grep -o '"member":"[^"]*"')" '"member":"a"' "the member"
same "$(hub members "$SPACE" --json | grep -c '"member":')" 2 "members"

    # The hub goes away and comes back: what is read later comes all the same.
    stop_hub && start_hub
    must 30 "the visit does not find the hub again" status_of_then_is 0
    cmp "$THEN/s13/large" "$WORK/large" || fail "content of then differs"
    leave "$THEN"
    leave "$ALSO"
    same "$(visits)" 0 "what is left of visits"
    visit "$early" "$THEN"
    end_process "$(fl a status "$THEN" --json | grep -o '"pid":[0-9]*' | cut -d: -f2)" KILL
    expect 0 fl a umount "$THEN"
    same "$(visits)" 0 "what is left of a visit that was killed"
    must 60 "a is not connected again" fl a status "$A"
    must 60 "b is not connected again" fl b status "$B"
}
status_of_then_is() { fl a status "$THEN" >/dev/null; [ $? = "$1" ]; }

u10_a_mass_deletion_has_a_way_back_and_nothing_comes_back_by_itself() {
    step "U10: $FILES files deleted on one member stay deleted, and come back whole by one command on another"
    local at began
    mkdir "$A/u10"
    python3 - "$A/u10" "$FILES" <<'PYTHON' || fail "a cannot write"
import os, sys
root, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    folder = f"{root}/{number % 50}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number}", "w") as file:
        file.write(f"file {number}\n" * (number % 40))
    if number % 500 == 0:
        os.chmod(f"{folder}/{number}", 0o640)
        os.utime(f"{folder}/{number}", (1_000_000 + number, 2_000_000 + number))
PYTHON
    at=$(sequence)
    copy_tree "$A/u10" "$WORK/u10"
    umount_member b
    rm -r "$A/u10" && sync_all a
    mount_member b
    sync_all b a
    gone "$A/u10" "$B/u10"
    umount_member b && mount_member b
    umount_member a && mount_member a
    sync_all a b
    gone "$A/u10" "$B/u10"
    began=$EPOCHSECONDS
    expect 0 fl b restore "$B/u10" --at "$at"
    step "restored in $((EPOCHSECONDS - began)) s: ${OUTPUT%%$'\n'*}"
    sync_all b a
    same_trees "$WORK/u10" "$B/u10"
    same_trees "$WORK/u10" "$A/u10"
    rm -rf "$WORK/u10"
    [ ! -e "$WORK/home-b/state/members/work/$SPACE/scratch/0" ] || fail "a scratch tree is left"
}

u15_restore_and_undo_can_be_undone() {
    step "U15: what restore and undo do can be undone, and others' work is kept"
    local start mid
    mkdir "$A/u15" "$A/u15/d" && seq 20 >"$A/u15/text" && echo keep >"$A/u15/d/f"
    start=$(sequence)
    sed -i 's/^3$/three/' "$A/u15/text" && rm -r "$A/u15/d" && echo mine >"$A/u15/mine"
    sync_all a b
    sed -i 's/^18$/eighteen/' "$B/u15/text" && echo hers >"$B/u15/hers"
    mid=$(sequence)
    copy_tree "$B/u15" "$WORK/u15"

    expect 0 fl b undo "$B" --member a --since "$start" --dry-run
    said "would bring back u15/d/f"
    said "would remove u15/mine"
    said "would merge the changes out of u15/text"
    same "$(sequence)" "$mid" "the sequence after a dry run"
    expect 0 fl b undo "$B/u15" --member a --since "$start" --json
    said '"action":"bring-back"'
    sync_all b a
    has "$A/u15/d/f" keep || fail "what a removed is not back"
    gone "$A/u15/mine"
    same "$(sed -n 3p "$A/u15/text") $(sed -n 18p "$A/u15/text")" "3 eighteen" "the merged text"
    has "$A/u15/hers" hers || fail "the work of b is gone"

    expect 0 fl a undo "$A" --member b --since "$mid"
    sync_all a b
    same "$(list_bytes "$A/u15")" "$(list_bytes "$WORK/u15")" "after the undo of an undo"
    mid=$(sequence)
    expect 0 fl a restore "$A/u15" --at "$start" --force
    said "undo it with: fl0wfs undo $A --member a --since $mid"
    sync_all a b
    gone "$B/u15/hers"
    has "$B/u15/d/f" keep || fail "a restore with --force does not restore"
    expect 0 fl a undo "$A" --member a --since "$mid"
    sync_all a b
    same "$(list_bytes "$B/u15")" "$(list_bytes "$WORK/u15")" "after the undo of a restore"
    rm -rf "$WORK/u15"
}

bad_input_is_refused_and_changes_nothing() {
    step "bad input: clear errors, and nothing changes"
    local at before
    mkdir -p "$A/bad/d" && echo one >"$A/bad/d/f"
    at=$(sequence)
    echo two >"$A/bad/d/f" && echo new >"$A/bad/d/new"
    before=$(sequence)
    copy_tree "$A" "$WORK/before"
    expect 5 fl a restore "$A/bad/d" --at "$at"
    said "there and not empty"
    said "--force"
    expect 5 fl a restore "$A" --at "$at"
    expect 1 fl a restore "$A/bad/d/f" --version 99
    said "no version 99"
    expect 1 fl a restore "$A/bad/d/f" --at 2001-01-01
    said "the space began after that time"
    expect 1 fl a undo "$A" --member b --since 2001-01-01
    said "the space began after that time"
    expect 1 fl a restore "$A/bad/d/f" --at 99999
    said "no sequence 99999"
    expect 5 fl a restore "$A/bad/nothing" --at "$at"
    said "nothing was there then"
    expect 1 fl a restore "$A/bad/d" --version 1
    said "is a directory"
    expect 2 fl a restore "$A/bad/d/f" --at yesterday
    said "'2h ago'"
    expect 2 fl a restore "$A/bad/d/f"
    expect 2 fl a restore "$A/bad/d/f" --version 1 --at 3
    expect 1 fl a undo "$A" --member nobody --since "$at"
    said "no member"
    mkdir -p "$THEN"
    expect 1 fl a mount "work:$SPACE@2001-01-01" "$THEN"
    said "the space began after that time"
    expect 1 fl a mount "work:$SPACE@99999" "$THEN"
    expect 2 fl a mount "work:$SPACE@soon" "$THEN"
    mountpoint -q "$THEN" && fail "something is mounted"
    same "$(visits)" 0 "what is left of visits that failed"
    same "$(sequence)" "$before" "the sequence"
    same_trees "$WORK/before" "$A"
    expect 0 fl a restore "$A/bad/d" --at "$at" --missing
    said "nothing was missing; 1 name is left"
    stop_hub
    must 60 "a does not notice" status_says a unreachable
    expect 3 fl a restore "$A/bad/d/f" --at "$at"
    expect 3 fl a undo "$A" --member b --since "$at"
    has "$A/bad/d/f" two || fail "something changed without the hub"
    start_hub
    rm -rf "$WORK/before"
}

start_hub
create_space
start_relays a
start_members a b
for row in p c s u; do run_rows $row "$@"; done
[ $# -gt 0 ] || bad_input_is_refused_and_changes_nothing
finish
