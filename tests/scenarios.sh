#!/bin/bash
# What becomes of a file that was edited or deleted here, and there: every pair, step by step, as versions count it.
. "$(dirname "$0")/harness.sh"
begin scenarios
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

# versions PATH: the operations and versions of a file, oldest first, as in "added 1, updated 2".
versions() {
    fl a log --json "$A/$1" | tac |
        sed -E 's/.*"op":"([a-z]+)".*"version":([0-9]+|null).*/\1 \2/' | paste -sd, | sed 's/,/, /g'
}

# apart FUNCTION_A FUNCTION_B: both work alone; a comes back first.
apart() {
    freeze a b
    "$1" && "$2" || fail "cannot work without the hub"
    thaw a
    expect 0 fl a sync "$A" --timeout "$SYNC_TIMEOUT"
    thaw b
    sync_all b a
}

nothing() { :; }

p4_an_edit_with_the_remote_unchanged_is_the_next_version() {
    step "P4: edited here, unchanged there: the next version"
    seq 9 >"$A/p4"
    sync_all a b
    same "$(versions p4)" "added 1" "versions"
    edit() { echo more >>"$B/p4"; }
    apart nothing edit
    same_trees "$A" "$B"
    same "$(versions p4)" "added 1, updated 2" "versions"
    has "$A/p4" "$(seq 9; echo more)" || fail "a has $(cat "$A/p4")"
}

p3_the_same_bytes_with_a_newer_time_are_no_new_content() {
    step "P3: the same bytes with a newer time are no new version"
    seq 9 >"$A/p3"
    sync_all a b
    touch "$A/p3" && seq 9 >"$A/p3" && touch -d '2001-02-03 04:05:06' "$B/p3"
    sync_all a b
    same_trees "$A" "$B"
    same "$(versions p3 | grep -oE '(added|updated) [0-9]+' | paste -sd' ')" "added 1" "versions with content"
}

p5_non_conflicting_changes_are_merged_from_the_common_version() {
    step "P5: edited here and there apart: a merge from the common version is the next one, everywhere"
    seq 20 >"$A/p5"
    sync_all a b
    here() { sed 's/^2$/two/' "$A/p5" >"$WORK/new" && cat "$WORK/new" >"$A/p5"; }
    there() { sed 's/^19$/nineteen/' "$B/p5" >"$WORK/new" && cat "$WORK/new" >"$B/p5"; }
    apart here there
    same_trees "$A" "$B"
    has "$A/p5" "$(seq 20 | sed 's/^2$/two/; s/^19$/nineteen/')" || fail "the merge is $(cat "$A/p5")"
    same "$(versions p5)" "added 1, updated 2, merged 3" "versions"
    expect 0 fl a status "$A"
}

p11_a_conflicting_change_is_held_and_everything_else_is_sent() {
    step "P11: edited here and there alike, held: the file here stays as it is and unsent, everything else is sent"
    umount_member b
    mount_member b conflict=hold
    seq 9 >"$A/p11"
    sync_all a b
    here() { sed 's/^5$/of a/' "$A/p11" >"$WORK/new" && cat "$WORK/new" >"$A/p11"; }
    there() { sed 's/^5$/of b/' "$B/p11" >"$WORK/new" && cat "$WORK/new" >"$B/p11" && echo else >"$B/p11-else"; }
    apart here there
    has "$B/p11" "$(seq 9 | sed 's/^5$/of b/')" || fail "b has $(cat "$B/p11")"
    has "$A/p11" "$(seq 9 | sed 's/^5$/of a/')" || fail "a has $(cat "$A/p11")"
    has "$A/p11-else" else || fail "what is not in conflict was not sent"
    same "$(versions p11)" "added 1, updated 2" "versions"
    expect 4 fl b status "$B"
    said p11
    expect 0 fl a status "$A"

    step "P11: what is known to be in conflict is not sent, however often it is edited, and survives a remount and a kill"
    echo "and more" >>"$B/p11"
    sync_all b a
    kill_member b
    umount -l "$B" 2>/dev/null || fusermount3 -uz "$B"
    mount_member b
    sync_all b a
    same "$(versions p11)" "added 1, updated 2" "versions"
    has "$B/p11" "$(seq 9 | sed 's/^5$/of b/'; echo "and more")" || fail "b has $(cat "$B/p11")"

    step "P11: a decision makes it a version like any other"
    expect 0 fl b resolve "$B/p11" --ours
    sync_all b a
    has "$A/p11" "$(seq 9 | sed 's/^5$/of b/'; echo "and more")" || fail "a has $(cat "$A/p11")"
    expect 0 fl b status "$B"
    same_trees "$A" "$B"
    umount_member b
    mount_member b conflict=copy
}

p8_deleted_on_both_sides_and_equal_files_are_nothing_to_do() {
    step "P8: deleted on both sides, the same bytes added, the same directory made: nothing to do"
    echo x >"$A/p8-gone"
    sync_all a b
    here() { rm "$A/p8-gone" && echo same >"$A/p8-same" && mkdir "$A/p8-dir" && echo a >"$A/p8-dir/a"; }
    there() { rm "$B/p8-gone" && echo same >"$B/p8-same" && mkdir "$B/p8-dir" && echo b >"$B/p8-dir/b"; }
    apart here there
    same_trees "$A" "$B"
    same "$(ls -A "$A" | grep -c 'p8')" 2 "names"
    same "$(ls "$A/p8-dir" | tr '\n' ' ')" "a b " "what is in the directory"
    same "$(versions p8-same)" "added 1" "versions"
    expect 0 fl a status "$A"
}

p7_a_deletion_against_an_edit_keeps_the_content_either_way() {
    step "P7: deleted here, unchanged there: a version of its own, everywhere"
    seq 3 >"$A/p7"
    sync_all a b
    drop() { rm "$B/p7"; }
    apart nothing drop
    [ ! -e "$A/p7" ] || fail "the file is still there"
    same "$(versions p7)" "added 1, deleted 2" "versions"

    step "P7: deleted here, edited there: a conflict, and the content stays under its name"
    seq 3 >"$A/p7-edited-first"
    sync_all a b
    here() { echo edit >>"$A/p7-edited-first"; }
    there() { rm "$B/p7-edited-first"; }
    apart here there
    same_trees "$A" "$B"
    has "$A/p7-edited-first" "$(seq 3; echo edit)" || fail "the edit is gone"
    expect 4 fl b conflicts "$B"
    said p7-edited-first
    expect 0 fl b resolve "$B/p7-edited-first" --delete

    step "P7: edited here, deleted there: likewise"
    sync_all b a
    [ ! -e "$A/p7-edited-first" ] || fail "the decision to delete did not arrive"
    seq 3 >"$A/p7-deleted-first"
    sync_all a b
    here() { rm "$A/p7-deleted-first"; }
    there() { echo edit >>"$B/p7-deleted-first"; }
    apart here there
    same_trees "$A" "$B"
    has "$A/p7-deleted-first" "$(seq 3; echo edit)" || fail "the edit is gone"
    expect 4 fl a conflicts "$A"
    said p7-deleted-first
    expect 0 fl a resolve "$A/p7-deleted-first" --revive
    sync_all a b
    expect 0 fl b conflicts "$B"
    same_trees "$A" "$B"
}

start_hub
create_space
start_relays a b
start_members a b
run_rows p
finish
