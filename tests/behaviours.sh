#!/bin/bash
# What one member does and what the others see of it: manifests, contents and their relaying, each behaviour by its
# name, on one hub and three members whose networks count bytes.
#
#   behaviours.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin behaviours
need python3 setfattr
A=$WORK/a B=$WORK/b C=$WORK/c
MEMORY_KIB_MAX=$((128 * 1024))
KIB=1024 MIB=1048576

random() { head -c "$1" /dev/urandom; }
# gone PATH...: none of them is there.
gone() { local path; for path in "$@"; do [ ! -e "$path" ] && [ ! -L "$path" ] || fail "$path is there"; done; }
history_of() { fl "$1" log --json "$(dir_of "$1")/$2" | tac; }

f1_a_member_states_its_position_and_hears_exactly_what_it_lacks() {
    step "F1: a member states its position and gets the entries it lacks, and none where it lacks none"
    same "$(field b sequence)" null "the position of a member with nothing"
    mkdir "$A/f1" && random $((2 * MIB)) >"$A/f1/early" || fail "a cannot write"
    sync_all a b c
    same "$(field b sequence)" "$(field a hub_sequence)" "the position of a member with everything"
    umount_member b
    local number
    for number in $(seq 20); do random $((8 * KIB)) >"$A/f1/late-$number"; done
    sync_all a
    count_bytes b
    mount_member b
    sync_all b
    same_trees "$A" "$B"
    at_least $((160 * KIB)) "$(bytes_down b)" "bytes for 20 entries with their contents of 8 KiB"
    at_most $((224 * KIB)) "$(bytes_down b)" "bytes for 20 entries with their contents of 8 KiB"
    umount_member b
    count_bytes b
    mount_member b
    sync_all b
    at_most $((12 * KIB)) "$(bytes_down b)" "bytes for a member that lacks nothing"
}

f2_the_hub_sends_the_contents_that_are_wanted_and_no_others() {
    step "F2: the hub gets and sends the contents that are wanted, and no others"
    mkdir "$A/f2"
    sync_all a b c
    umount_member b
    random $((4 * MIB)) >"$A/f2/replaced"
    random $((4 * MIB)) >"$A/f2/removed"
    sync_all a
    echo "small now" >"$A/f2/replaced" && rm "$A/f2/removed"
    random $MIB >"$A/f2/kept"
    sync_all a
    count_bytes a b
    mount_member b
    sync_all b
    same_trees "$A" "$B"
    at_least $MIB "$(bytes_down b)" "bytes for a content of 1 MiB"
    at_most $((MIB + 256 * KIB)) "$(bytes_down b)" "bytes for a content of 1 MiB"
    count_bytes b
    random $((4 * KIB)) | dd of="$A/f2/kept" bs=$((4 * KIB)) seek=100 conv=notrunc status=none
    sync_all a b
    cmp "$A/f2/kept" "$B/f2/kept" || fail "a changed file differs"
    at_most $((640 * KIB)) "$(bytes_down b)" "bytes for a change of 4 KiB within 1 MiB"
    count_bytes a
    cp "$A/f2/kept" "$A/f2/copy"
    sync_all a b
    cmp "$A/f2/copy" "$B/f2/copy" || fail "the copy differs"
    at_most $((64 * KIB)) "$(bytes_up a)" "bytes for a content that the hub has"
}

f3_stale_content_is_replaced_and_unsent_work_is_kept() {
    step "F3: clean content that is stale is replaced and stays in history; unsent work is rebased, never dropped"
    mkdir "$A/f3" && echo "early" >"$A/f3/clean" && echo "early" >"$A/f3/edited" || fail "a cannot write"
    sync_all a c
    freeze c
    echo "the loser's" >"$C/f3/edited" && echo "new at c" >"$C/f3/new" || fail "c cannot write"
    umount_member c --timeout 1s
    thaw c
    echo "late" >"$A/f3/clean" && echo "the winner's" >"$A/f3/edited"
    sync_all a
    mount_member c
    sync_all c a
    has "$C/f3/clean" "late" || fail "stale content stays: $(cat "$C/f3/clean")"
    same "$(log_md5s c f3/clean)" "$(echo early | md5sum | cut -c-32)"$'\n'"$(echo late | md5sum | cut -c-32)" \
        "the history of what was replaced"
    has "$A/f3/edited" "the winner's" && has "$A/f3/edited (conflict c)" "the loser's" && has "$A/f3/new" "new at c" ||
        fail "unsent work is not kept: $(head "$A"/f3/*)"
    same_trees "$A" "$C"
    rm "$A/f3/edited (conflict c)"
}

# watch_order DIR COUNT: false if ever a later file is there and an earlier one is not, or is not whole.
watch_order() {
    local number seen
    until [ "${seen:-0}" = "$2" ]; do
        seen=
        for ((number = $2; number > 0; number--)); do
            if [ -n "$seen" ] && [ "$(stat -c %s "$1/$number" 2>/dev/null)" != $((number * 1500)) ]; then return 1; fi
            [ -n "$seen" ] || [ ! -e "$1/$number" ] || seen=$number
        done
    done
}

f4_a_change_is_relayed_to_every_other_member_in_order() {
    step "F4: every change is relayed to every other member, in order; a creation is the same message"
    mkdir "$A/f4"
    sync_all a b c
    local number watchers=() watcher
    for watcher in "$B" "$C"; do
        watch_order "$watcher/f4" 60 &
        watchers+=($!)
    done
    for number in $(seq 60); do random $((number * 1500)) >"$A/f4/$number" || fail "a cannot write"; done
    for watcher in "${watchers[@]}"; do wait "$watcher" || fail "a later change was seen without an earlier one"; done
    echo "changed by b" >"$B/f4/1"
    sync_all b a c
    same_trees "$A" "$B"
    same_trees "$A" "$C"
    for watcher in a b c; do
        for number in $(seq 60); do history_of $watcher "f4/$number"; done >"$WORK/f4.$watcher"
        cmp "$WORK/f4.$watcher" "$WORK/f4.a" || fail "$watcher has another log"
    done
    same "$(grep -c '"op":"added".*"member":"a"\|"member":"a".*"op":"added"' "$WORK/f4.a")" 60 "creations in the log"
    grep '"op":"added"' "$WORK/f4.a" | grep -o '"sequence":[0-9]*' | cut -d: -f2 | sort -c -n ||
        fail "the sequences are not in the order of the changes"
    local shape='"version":[12],"sync":{"f4/1":{"md5":"[0-9a-f]{32}"}}'
    same "$(history_of c f4/1 | grep -cE "\"op\":\"(added|updated)\",.*$shape")" 2 "a creation and a change look the same"
}

f5_a_deletion_is_an_entry_with_md5_0_and_no_content() {
    step "F5: a deletion is an entry with MD5 0 and no content, relayed to all"
    mkdir "$A/f5" && random $((4 * MIB)) >"$A/f5/file" || fail "a cannot write"
    local md5 member
    md5=$(md5_of "$A/f5/file")
    sync_all a b c
    count_bytes a b c
    rm "$A/f5/file"
    sync_all a b c
    gone "$B/f5/file" "$C/f5/file"
    for member in a b c; do
        same "$(log_md5s $member f5/file)" "$md5"$'\n'0 "the history at $member"
        history_of $member f5/file | tail -n 1 | any '"op":"deleted",.*"version":2,.*{"md5":"0"}' ||
            fail "the tombstone at $member: $(history_of $member f5/file)"
        at_most $((24 * KIB)) $(($(bytes_up $member) + $(bytes_down $member))) "bytes of a deletion at $member"
    done
}

f6_any_member_may_change_or_delete_what_another_created() {
    step "F6: any member may change, move or delete what another created"
    mkdir "$A/f6" && for name in edited deleted moved chmodded; do echo "a's" >"$A/f6/$name"; done
    sync_all a b c
    echo "b's" >"$B/f6/edited" && rm "$C/f6/deleted" && mv "$B/f6/moved" "$B/f6/elsewhere" && chmod 600 "$C/f6/chmodded" ||
        fail "what another created cannot be changed"
    sync_all b c a
    has "$A/f6/edited" "b's" && has "$A/f6/elsewhere" "a's" || fail "the change of another is not here"
    gone "$A/f6/deleted" "$A/f6/moved"
    same "$(stat -c %a "$A/f6/chmodded")" 600 "the mode another gave"
    rm -r "$C/f6"
    sync_all c a b
    gone "$A/f6" "$B/f6"
}

f7_a_newcomer_after_a_deletion_sees_nothing_of_it() {
    step "F7: a newcomer sees nothing of what was deleted; who was away applies the deletion and brings nothing back"
    mkdir "$A/f7" && echo "goes" >"$A/f7/goes" && mkdir "$A/f7/tree" && echo "goes" >"$A/f7/tree/leaf" &&
        echo "stays" >"$A/f7/stays" || fail "a cannot write"
    sync_all a b c
    umount_member b
    rm -r "$A/f7/goes" "$A/f7/tree"
    sync_all a
    start_members d
    sync_all d
    same "$(ls -A "$WORK/d/f7")" "stays" "what the newcomer sees"
    same_trees "$A" "$WORK/d"
    mount_member b
    sync_all b a d
    same "$(ls -A "$B/f7")" "stays" "what is left at the member that was away"
    umount_member b
    mount_member b
    sync_all b a d
    for member in a b c d; do same "$(ls -A "$WORK/$member/f7")" "stays" "what comes back at $member"; done
    umount_member d
}

f8_deleted_and_made_again_is_a_live_file() {
    step "F8: a path that is deleted and made again is a live file everywhere; an empty file is no tombstone"
    mkdir "$A/f8" && echo "first" >"$A/f8/again" && echo "full" >"$A/f8/emptied" || fail "a cannot write"
    sync_all a b c
    umount_member b
    rm "$A/f8/again" && sync_all a && echo "second" >"$A/f8/again" && : >"$A/f8/emptied" && : >"$A/f8/empty"
    sync_all a c
    mount_member b
    sync_all b
    local dir member
    for member in b c; do
        dir=$WORK/$member/f8
        has "$dir/again" "second" || fail "made again is not live at $member"
        [ -f "$dir/empty" ] && [ ! -s "$dir/empty" ] && [ -f "$dir/emptied" ] && [ ! -s "$dir/emptied" ] ||
            fail "an empty file is none at $member"
        same "$(log_md5s $member f8/empty)" "$(md5_of /dev/null)" "the tag of an empty file"
        log_md5s $member f8/again | tail -n 1 | any -x "$(echo second | md5sum | cut -c-32)" || fail "the newest tag"
    done
    rm "$C/f8/again" && echo "third" >"$B/f8/empty"
    sync_all b c a
    gone "$A/f8/again"
    has "$A/f8/empty" "third" || fail "what was empty cannot be filled"
}

# read_whole FILE END: false if ever a content is read that is not one letter, repeated as often as goes with it.
read_whole() {
    python3 - "$1" "$2" <<'PYTHON'
import os, sys
seen = set()
while not os.path.exists(sys.argv[2]):
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    letter = content[:1]
    seen.add(letter)
    size = (letter[0] - 64) * 300_007
    if content != letter * size:
        sys.exit(f"torn: {len(content)} bytes, {set(content)}, where {letter} wants {size}")
print(f"    {len(seen)} versions were read")
PYTHON
}

letters() { head -c $((($(printf '%d' "'$1") - 64) * 300007)) /dev/zero | tr '\0' "$1"; }

f9_no_reader_ever_sees_a_partial_file() {
    step "F9: no reader ever sees a partial file; memory is bounded whatever the file's size"
    mkdir "$A/f9" && letters A >"$A/f9/file"
    sync_all a b c
    local readers=() dir letter
    for dir in "$B" "$C"; do read_whole "$dir/f9/file" "$WORK/f9.end" & readers+=($!); done
    for letter in H B L A K C; do
        letters $letter >"$A/f9/file"
        expect 0 fl a sync "$A"
        letters $letter >"$A/f9/new" && mv "$A/f9/new" "$A/f9/file"
        expect 0 fl b sync "$B"
    done
    touch "$WORK/f9.end"
    for dir in "${readers[@]}"; do wait "$dir" || fail "a partial file was read"; done
    random $((160 * MIB)) >"$A/f9/large"
    sync_all a b
    cmp "$A/f9/large" "$B/f9/large" || fail "the large files differ"
    memory_below $MEMORY_KIB_MAX
    rm "$A/f9/large"
}

f10_a_move_carries_no_content() {
    step "F10: a move carries no content, of a file or of a directory with all below it"
    local number inode
    mkdir "$A/f10" "$A/f10/tree" "$A/f10/tree/deep"
    random $((4 * MIB)) >"$A/f10/file"
    for number in $(seq 100); do random $((20 * KIB)) >"$A/f10/tree/deep/$number"; done
    sync_all a b c
    list_bytes "$B/f10/tree" >"$WORK/f10.before"
    inode=$(stat -c %i "$B/f10/file")
    count_bytes a b c
    mv "$A/f10/file" "$A/f10/moved" && mv "$A/f10/tree" "$A/f10/elsewhere" || fail "mv failed"
    sync_all a b c
    for member in a b c; do
        at_most $((24 * KIB)) $(($(bytes_up $member) + $(bytes_down $member))) "bytes of two moves at $member"
    done
    gone "$B/f10/file" "$B/f10/tree"
    list_bytes "$B/f10/elsewhere" | cmp - "$WORK/f10.before" || fail "a moved directory has other contents"
    same "$(stat -c %i "$B/f10/moved")" "$inode" "the inode of a moved file"
    same_trees "$A" "$B"
    same "$(log_md5s b f10/moved)" "$(md5_of "$A/f10/moved")" "the history of a moved file"
}

f11_directories_are_first_class() {
    step "F11: directories are first-class: empty ones sync, with modes and times; removed ones go"
    mkdir -p "$A/f11/empty/within" "$A/f11/goes" && mkdir -m 750 "$A/f11/mode" &&
        touch -d '2001-02-03 04:05:06.789' "$A/f11/mode" && setfattr -n user.kind -v directory "$A/f11/mode" ||
        fail "a cannot make directories"
    sync_all a b c
    [ -d "$B/f11/empty/within" ] && [ -d "$C/f11/goes" ] || fail "empty directories do not travel"
    same "$(stat -c '%a %y' "$C/f11/mode")" "750 2001-02-03 04:05:06.789000000 +0000" "a directory's mode and time"
    same_trees "$A" "$B"
    rmdir "$B/f11/goes" "$B/f11/empty/within" && chmod 700 "$B/f11/mode" || fail "b cannot change directories"
    sync_all b a c
    gone "$A/f11/goes" "$C/f11/empty/within"
    [ -d "$C/f11/empty" ] || fail "an emptied directory is gone"
    same_trees "$A" "$B"
    same_trees "$B" "$C"
}

f12_a_remote_change_never_comes_back_as_a_local_one() {
    step "F12: applying a remote change never echoes back as a local one"
    mkdir "$A/f12"
    sync_all a b c
    local member sequence
    count_bytes b c
    random $((6 * MIB)) >"$A/f12/large" && echo "one" >"$A/f12/file" && mkdir "$A/f12/dir" && ln -s file "$A/f12/link" &&
        ln "$A/f12/file" "$A/f12/second" && setfattr -n user.x -v y "$A/f12/file" && chmod 600 "$A/f12/file" || fail "a"
    sync_all a b c
    echo "two" >>"$A/f12/file" && sed -i 's/one/ONE/' "$A/f12/second" && mv "$A/f12/dir" "$A/f12/moved" &&
        rm "$A/f12/link" && touch -d @1000000000 "$A/f12/large" || fail "a"
    sync_all a
    sequence=$(field a hub_sequence)
    sync_all b c
    same_trees "$A" "$B"
    same_trees "$A" "$C"
    for member in b c; do at_most $((600 * KIB)) "$(bytes_up $member)" "bytes from $member, which said nothing"; done
    umount_member b
    mount_member b
    sync_all b c a
    same "$(field a hub_sequence)" "$sequence" "the sequence after others have applied all"
    same "$(history_of c f12 | grep -c '"member":"[^a]"')" 0 "changes by others"
}

f14_all_converge_after_edits_while_disconnected() {
    step "F14: several members, edits while disconnected, all converge at reconnection"
    mkdir "$A/f14" "$A/f14/dir" && echo "base" >"$A/f14/all" && echo "x" >"$A/f14/dir/x" || fail "a cannot write"
    for member in a b c; do echo "by a" >"$A/f14/for-$member"; done
    sync_all a b c
    freeze a b c
    local dir members
    for member in a b c; do
        dir=$WORK/$member/f14
        echo "by $member" >"$dir/all" && echo "made" >"$dir/new-$member" && mkdir "$dir/same" &&
            echo "in it" >"$dir/same/$member" && echo "changed" >"$dir/for-$member" || fail "$member cannot work"
    done
    mv "$A/f14/dir" "$A/f14/renamed" && echo "edit" >>"$B/f14/dir/x" && rm "$C/f14/for-a" && echo "y" >"$C/f14/dir/y" ||
        fail "no work without the network"
    thaw a b c
    sync_all a b c
    same_trees "$A" "$B"
    same_trees "$A" "$C"
    same "$(cat "$A/f14/all"* | sort)" $'by a\nby b\nby c' "what all three wrote under one name"
    same "$(ls "$A/f14/same")" $'a\nb\nc' "what all three made in a directory of one name"
    same "$(cat "$B/f14/renamed/x")" $'x\nedit' "an edit in a directory that another renamed"
    has "$A/f14/renamed/y" "y" && has "$B/f14/for-a" "changed" && has "$A/f14/new-c" "made" || fail "work is lost"
    # A file kept against its removal has no copy: its conflict ends with it.
    rm "$A/f14/all (conflict "* "$A/f14/for-a"
    sync_all a b c
    for member in a b c; do expect 0 fl $member status "$WORK/$member"; done
}

start_hub
create_space
start_relays a b c
start_members a b c
run_rows f "$@"
finish
