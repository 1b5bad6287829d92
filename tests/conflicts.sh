#!/bin/bash
# Conflicts as things that people see and settle: each behaviour by its name, on one hub and three members whose networks
# can be frozen. Where two clash a wins, b loses, and c looks on.
#
#   conflicts.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin conflicts
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b C=$WORK/c

all_same() { same_trees "$A" "$B" && same_trees "$A" "$C"; }
gone() { local path; for path in "$@"; do [ ! -e "$path" ] || fail "$path is there"; done; }
copy_of() { printf '%s (conflict b)%s' "${1%.*}" ".${1##*.}"; }
resolve() { local member=$1 path=$2; shift 2; fl "$member" resolve "$WORK/$member/$path" "$@"; }
md5_text() { printf '%s' "$1" | md5sum | cut -d' ' -f1; }
# has_md5 MEMBER PATH TEXT: some version of what ever stood there was this text.
has_md5() { log_md5s "$1" "$2" | grep -qx "$(md5_text "$3")" || fail "the history of $2 lacks \"$3\""; }

# clash PATH A B: a writes one text and b another without hearing of each other; the hub hears of a's first.
clash() {
    freeze b
    printf '%s' "$2" >"$A/$1" && printf '%s' "$3" >"$B/$1" || fail "nobody can write $1"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    all_same
}

# in_conflict PATH: a file that a and b have changed, each in its way, in a place that no merge joins.
in_conflict() {
    mkdir -p "$A/${1%/*}" && printf 'base\001\0' >"$A/$1" || fail "a cannot write $1"
    sync_all a b c
    freeze b
    printf 'by a\001\0' >"$A/$1" && printf 'by b\001\0' >"$B/$1" || fail "nobody can write $1"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    is "$C/$1" 'by a' && is "$C/$(copy_of "$1")" 'by b' || fail "there is no conflict about $1"
}

# is FILE TEXT: that text, and what makes it binary.
is() { cmp -s "$1" <(printf '%s\001\0' "$2"); }

# settled_everywhere PATH TEXT: the file has this content at all members, and nobody knows of a conflict.
settled_everywhere() {
    local member
    sync_all a b c a
    for member in a b c; do
        is "$WORK/$member/$1" "$2" || fail "$member has another $1"
        expect 0 fl $member conflicts "$WORK/$member"
        expect 0 fl $member status "$WORK/$member"
    done
    all_same
}

p6_an_unclean_merge_is_a_conflict_and_everything_is_kept() {
    step "P6: an unclean merge is a conflict; both versions and their base can be had; other files go on syncing"
    local member version
    mkdir "$A/p6" && printf 'one\ntwo\nthree\n' >"$A/p6/plan.txt" && sync_all a b c || fail "a cannot write"
    clash p6/plan.txt $'one\nTWO of a\nthree\n' $'one\nTWO of b\nthree\n'
    for member in a b c; do
        has "$WORK/$member/p6/plan.txt" $'one\nTWO of a\nthree' || fail "at $member the accepted version lost its name"
        has "$WORK/$member/p6/plan (conflict b).txt" $'one\nTWO of b\nthree' || fail "$member lacks what lost"
        expect 4 fl $member conflicts "$WORK/$member"
        said "$WORK/$member/p6/plan.txt  changed by b and by another, just now"
        said "common version 1, accepted version 2; the work of b is in $WORK/$member/p6/plan (conflict b).txt"
        expect 4 fl $member conflicts --json "$WORK/$member"
        said '"path":"p6/plan.txt","copy":"p6/plan (conflict b).txt","member":"b","kind":"put-put"'
        said '"base":1,"remote":2,"local":1'
        expect 4 fl $member status "$WORK/$member"
        said "1 conflict, just now"
        for version in $'one\ntwo\nthree\n' $'one\nTWO of a\nthree\n'; do has_md5 $member p6/plan.txt "$version"; done
        echo "by $member" >"$WORK/$member/p6/other-$member" || fail "$member cannot write"
    done
    mkdir "$A/p6/empty" && expect 0 fl a conflicts "$A/p6/empty"
    said "no conflicts"
    sync_all b c a
    all_same
    for member in a b c; do has "$A/p6/other-$member" "by $member" || fail "$member does not sync any more"; done
    expect 0 resolve c p6/plan.txt --theirs
    said "p6/plan.txt stays as it is; the work of b is gone with p6/plan (conflict b).txt, and in history"
    sync_all c a b
    has_md5 c "p6/plan (conflict b).txt" $'one\nTWO of b\nthree\n'
}

p7_deleted_here_and_edited_there_is_a_conflict_and_the_content_is_kept() {
    step "P7: deleted on one side, edited on the other: the content stays under its name, and somebody decides"
    local member name
    mkdir "$A/p7" && for name in edited deleted; do echo "base" >"$A/p7/$name"; done
    sync_all a b c
    freeze b
    rm "$A/p7/edited" && echo "by b" >"$B/p7/edited" && echo "by a" >"$A/p7/deleted" && rm "$B/p7/deleted" || fail "no changes"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    for member in a b c; do
        has "$WORK/$member/p7/edited" "by b" && has "$WORK/$member/p7/deleted" "by a" || fail "content is lost at $member"
        same "$(ls "$WORK/$member/p7")" $'deleted\nedited' "the files at $member"
        expect 4 fl $member conflicts "$WORK/$member"
        said "p7/edited  edited by b, deleted by another: the edit was kept"
        said "p7/deleted  deleted by b, edited by another: the edit was kept"
        expect 4 fl $member status "$WORK/$member"
        said "2 conflicts, the oldest"
    done
    for name in --ours --theirs --both "--merged $A/p7/edited"; do
        expect 1 resolve a p7/edited $name
        said "choose --revive or --delete"
    done
    has "$A/p7/edited" "by b" || fail "a refused choice changed something"
    expect 0 resolve c p7/edited --revive
    said "p7/edited stays"
    expect 0 resolve a p7/deleted --delete
    said "p7/deleted is deleted; its content is in history"
    gone "$A/p7/deleted"
    sync_all c a b c
    for member in a b c; do
        same "$(ls "$WORK/$member/p7")" "edited" "what is left at $member"
        expect 0 fl $member conflicts "$WORK/$member"
        expect 0 fl $member status "$WORK/$member"
    done
    has_md5 b p7/deleted $'by a\n'
    echo "again" >"$B/p7/edited"
    sync_all b a c
    expect 0 fl a conflicts "$A"
}

p9_made_on_both_sides_with_different_bytes_is_a_conflict() {
    step "P9: a file made on both sides with different bytes is a conflict, with the same bytes it is one file"
    mkdir "$A/p9" && sync_all a b c
    clash p9/same.txt "equal" "equal"
    expect 0 fl b conflicts "$B"
    clash p9/new.txt "made by a" "made by b"
    has "$C/p9/new.txt" "made by a" && has "$C/p9/new (conflict b).txt" "made by b" || fail "a version is lost"
    expect 4 fl c conflicts "$C"
    said "p9/new.txt  made by b and by another"
    said "no common version, accepted version 1"
    expect 0 resolve b p9/new.txt --both
    said "p9/new.txt and p9/new (conflict b).txt are two files now"
    sync_all b a c
    for member in a b c; do expect 0 fl $member conflicts "$WORK/$member"; done
    same "$(ls "$A/p9")" $'new (conflict b).txt\nnew.txt\nsame.txt' "what is left"
    echo "an ordinary file" >"$C/p9/new (conflict b).txt"
    sync_all c a b
    has "$A/p9/new (conflict b).txt" "an ordinary file" || fail "it is no ordinary file"
}

p10_binary_content_changed_on_both_sides_is_never_merged() {
    step "P10: binary content changed on both sides is a conflict and never merged, also where the changes lie apart"
    mkdir "$A/p10" && { printf 'first\n'; head -c 300000 /dev/zero; printf '\nlast\n'; } >"$A/p10/blob.bin"
    sync_all a b c
    freeze b
    printf 'FIRST' | dd of="$A/p10/blob.bin" conv=notrunc status=none
    printf 'LAST\n' | dd of="$B/p10/blob.bin" bs=1 seek=300007 conv=notrunc status=none
    local a b
    a=$(md5_of "$A/p10/blob.bin") b=$(md5_of "$B/p10/blob.bin")
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    same "$(md5_of "$C/p10/blob.bin") $(md5_of "$C/p10/blob (conflict b).bin")" "$a $b" "the contents"
    expect 0 resolve a p10/blob.bin --ours
    said "p10/blob.bin now has the work of b; what stood there is in its history"
    sync_all a b c
    same "$(md5_of "$A/p10/blob.bin") $(md5_of "$B/p10/blob.bin") $(md5_of "$C/p10/blob.bin")" "$b $b $b" "the contents"
    all_same
}

# every_choice MEMBER: made at this member, seen by all.
every_choice() {
    local member=$1 file
    file=p12/$member.bin
    in_conflict "$file"
    expect 0 resolve "$member" "$(copy_of "$file")" --ours
    said "$file now has the work of b"
    gone "$WORK/$member/$(copy_of "$file")"
    is "$WORK/$member/$file" "by b" || fail "$member itself has another content"
    settled_everywhere "$file" "by b"

    # Both contents are in history, so whoever wants the other one writes it again.
    log_md5s c "$file" | grep -qx "$(printf 'by a\001\0' | md5sum | cut -c-32)" ||
        fail "what stood there is not in history"
    printf 'by a\001\0' >"$C/$file"
    settled_everywhere "$file" "by a"

    in_conflict "$file"
    expect 0 resolve "$member" "$file" --theirs
    settled_everywhere "$file" "by a"
    gone "$A/$(copy_of "$file")"

    in_conflict "$file"
    printf 'by both\001\0' >"$WORK/merged"
    expect 0 resolve "$member" "$file" --merged "$WORK/merged"
    said "$file now has the merged content"
    settled_everywhere "$file" "by both"
    gone "$A/$(copy_of "$file")"
    expect 0 fl c log "$C/$file"
    said "$member  merged version"

    in_conflict "$file"
    expect 0 resolve "$member" "$file" --both
    is "$A/$(copy_of "$file")" "by b" || fail "the copy is gone"
    settled_everywhere "$file" "by a"
    rm "$A/$(copy_of "$file")"
}

bad_choices() {
    local before
    in_conflict p12/bad.bin
    echo "plain" >"$A/p12/plain" && echo "outside" >"$WORK/outside" && sync_all a b c
    before=$(list_bytes "$A" | md5sum)
    expect 2 resolve a p12/bad.bin
    expect 2 resolve a p12/bad.bin --ours --theirs
    expect 2 fl a resolve "$A/p12/bad.bin" "$A/p12/plain" --merged "$WORK/outside"
    expect 1 resolve a p12/plain --ours
    said "p12/plain is not in conflict"
    said "fl0wfs conflicts lists what is in conflict"
    expect 1 resolve a p12/missing --theirs
    said "there is nothing at p12/missing"
    expect 1 resolve a p12 --theirs
    said "p12 is not in conflict"
    expect 1 fl a resolve "$WORK/outside" --theirs
    said "is not in a mounted space"
    expect 1 resolve a p12/bad.bin --revive
    said "choose --ours, --theirs, --both, --merged FILE or --edit"
    expect 1 resolve a p12/bad.bin --delete
    expect 1 resolve a p12/bad.bin --merged "$WORK/not there"
    said "does not exist"
    expect 1 resolve a p12/bad.bin --merged "$WORK"
    said "not a regular file"
    expect 1 fl a resolve "$A/p12/bad.bin" "$A/p12/plain" --theirs
    said "p12/plain is not in conflict"
    expect 1 fl a resolve "$A/p12/*.nothing" --theirs
    said "no file in conflict matches"
    same "$(list_bytes "$A" | md5sum)" "$before" "what refused choices left"
    expect 4 fl a conflicts "$A"
    expect 0 resolve a p12/bad.bin --theirs
    expect 1 resolve a p12/bad.bin --theirs
    settled_everywhere p12/bad.bin "by a"
}

p12_a_conflict_is_settled_by_any_member_in_any_way_and_everybody_gets_it() {
    step "P12: any member settles a conflict, in each of the ways; bad choices are refused and change nothing"
    every_choice a
    every_choice b
    every_choice c
    bad_choices
    in_conflict p12/x1.bin && in_conflict p12/x2.bin && in_conflict p12/y.bin
    expect 0 fl c resolve "$C/p12/x?.b*" --ours
    said "p12/x1.bin now has" && said "p12/x2.bin now has"
    expect 0 fl a resolve "$A/p12/y.bin" "$A/$(copy_of p12/y.bin)" --theirs
    settled_everywhere p12/x1.bin "by b"
    settled_everywhere p12/x2.bin "by b"
    settled_everywhere p12/y.bin "by a"
}

# Without the network: what is needed is on this machine, and open files keep what they have.
u1_a_conflict_is_settled_without_the_network() {
    step "U1: a conflict is settled without the network too, open files keep their content, and everybody gets it later"
    local reader kept
    in_conflict u1/file.bin
    in_conflict u1/open.bin
    freeze c
    expect 0 resolve c u1/file.bin --ours
    is "$C/u1/file.bin" "by b" || fail "what was settled cannot be read"
    exec {reader}<"$C/u1/open.bin" {kept}<"$C/$(copy_of u1/open.bin)"
    expect 0 resolve c "$(copy_of u1/open.bin)" --ours
    is "$C/u1/open.bin" "by b" || fail "what was settled cannot be read while its copy is open"
    is "/dev/fd/$reader" "by a" && is "/dev/fd/$kept" "by b" || fail "an open file has lost its content"
    exec {reader}<&- {kept}<&-
    expect 0 fl c conflicts "$C"
    expect 4 fl a conflicts "$A"
    umount_member c --timeout 1s
    mount_member c
    is "$C/u1/file.bin" "by b" && is "$C/u1/open.bin" "by b" || fail "a remount has lost what was settled"
    thaw c
    settled_everywhere u1/file.bin "by b"
    settled_everywhere u1/open.bin "by b"
    same "$(ls "$A/u1")" $'file.bin\nopen.bin' "what is left"
}

start_hub
create_space
start_relays b c
start_members a b c
run_rows p "$@"
run_rows u "$@"
finish
