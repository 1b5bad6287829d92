#!/bin/bash
# Conflicts as things that people see and settle: each behaviour by its name, on one hub and three members whose networks
# can be frozen. Where two clash a wins, b loses, and c looks on.
#
#   conflicts.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin conflicts
need python3 git
SYNC_TIMEOUT=60s
export TMPDIR=$WORK/tmp && mkdir "$TMPDIR"
A=$WORK/a B=$WORK/b C=$WORK/c

all_same() { same_trees "$A" "$B" && same_trees "$A" "$C"; }
gone() { local path; for path in "$@"; do [ ! -e "$path" ] || fail "$path is there"; done; }
copy_of() { printf '%s (conflict b)%s' "${1%.*}" ".${1##*.}"; }
resolve() { local member=$1 path=$2; shift 2; fl "$member" resolve "$WORK/$member/$path" "$@"; }
md5_text() { printf '%s' "$1" | md5sum | cut -d' ' -f1; }
# has_md5 MEMBER PATH TEXT: some version of what ever stood there was this text.
has_md5() { log_md5s "$1" "$2" | any -x "$(md5_text "$3")" || fail "the history of $2 lacks \"$3\""; }

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
    expect 0 resolve c p6/plan.txt --print
    same "$OUTPUT" "$(printf '%s\n' one '<<<<<<< by b' 'TWO of b' '||||||| common version 1' two ======= 'TWO of a' \
        '>>>>>>> p6/plan.txt, version 2' three)" "the merge with markers"
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
    large_contents
}

# Contents of many chunks: both sides', and one from outside, with a hole in it.
large_contents() {
    local file
    for file in large1.bin large2.bin; do head -c 3000000 /dev/urandom >"$A/p10/$file"; done
    sync_all a b c
    freeze b
    for file in large1.bin large2.bin; do
        head -c 3000000 /dev/urandom >"$A/p10/$file" && head -c 3000000 /dev/urandom >"$B/p10/$file" || fail "no changes"
    done
    cp "$B/p10/large1.bin" "$WORK/large1"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    freeze c
    expect 0 resolve c p10/large1.bin --ours
    cmp "$C/p10/large1.bin" "$WORK/large1" || fail "a large content is not the copy's"
    thaw c
    head -c 2000000 /dev/urandom >"$WORK/merged" && truncate -s 40M "$WORK/merged" && echo end >>"$WORK/merged"
    expect 0 resolve a p10/large2.bin --merged "$WORK/merged"
    sync_all c a b
    for member in a b c; do
        cmp "$WORK/$member/p10/large1.bin" "$WORK/large1" && cmp "$WORK/$member/p10/large2.bin" "$WORK/merged" ||
            fail "$member has other contents"
        expect 0 fl $member conflicts "$WORK/$member"
    done
    at_most 16384 "$(stat -c %b "$A/p10/large2.bin")" "blocks of a content that is mostly a hole"
    same "$(ls "$B/p10")" $'blob.bin\nlarge1.bin\nlarge2.bin' "what is left"
}

# held PATH: what a and b have made of a file, in a place that no merge joins, where b holds.
held() {
    printf 'base\001\0' >"$A/$1" && sync_all a b c
    freeze b
    printf 'by a\001\0' >"$A/$1" && printf 'by b\001\0' >"$B/$1" || fail "nobody can write $1"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    is "$A/$1" "by a" && is "$C/$1" "by a" && is "$B/$1" "by b" || fail "$1 is not held"
}

# Whatever b puts into a file that it holds, however, nothing of it leaves b, whatever the others put into theirs.
held_through_everything() {
    local number
    for number in 1 2 3; do
        printf 'more %s\001\0' "$number" >"$B/p11/held.bin"
        printf 'saved %s\001\0' "$number" >"$B/p11/tmp" && mv "$B/p11/tmp" "$B/p11/held.bin" || fail "b cannot save"
        expect 0 fl b sync "$B"
        is "$B/p11/held.bin" "saved $number" || fail "b lost what it saved"
        printf 'a again %s\001\0' "$number" >"$A/p11/held.bin"
        sync_all a b c
        is "$B/p11/held.bin" "saved $number" && is "$C/p11/held.bin" "a again $number" || fail "it is held no longer"
    done
    exec {writer}>>"$B/p11/held.bin"
    printf 'a last\001\0' >"$A/p11/held.bin"
    sync_all a b c
    printf 'appended' >&"$writer" && exec {writer}>&-
    expect 0 fl b sync "$B"
    cmp -s "$B/p11/held.bin" <(printf 'saved 3\001\0appended') || fail "what was appended is lost"
    ! log_md5s a p11/held.bin | any -xE "$(printf 'saved 3\001\0' | md5sum | cut -c-32)|$(md5_of "$B/p11/held.bin")" ||
        fail "what is held was sent"
    same "$(ls "$A/p11")" "$(ls "$B/p11")" "names"
    umount_member b
    mount_member b
    sync_all b
    cmp -s "$B/p11/held.bin" <(printf 'saved 3\001\0appended') || fail "a remount has lost what was held"
}

p11_what_is_held_stays_as_it_is_and_unsent_until_somebody_decides() {
    step "P11: with conflict=hold the local file stays as it is and is not sent, everything else is, until it is resolved"
    local file member
    umount_member b
    mount_member b conflict=hold
    mkdir "$A/p11"
    held p11/held.bin
    expect 4 fl b conflicts "$B"
    said "p11/held.bin  changed by b and by another"
    said "common version 1, accepted version 2; what is here is held and not sent"
    expect 4 fl b status "$B"
    said "what is here is held and not sent"
    expect 0 fl a conflicts "$A"
    expect 1 resolve a p11/held.bin --ours
    echo "goes on" >"$B/p11/other" && sync_all b a && has "$A/p11/other" "goes on" || fail "b sends nothing any more"
    held_through_everything
    expect 1 resolve b p11/held.bin --revive
    expect 0 resolve b p11/held.bin --ours
    said "p11/held.bin is sent as it is here; what was accepted is in its history"
    sync_all b a c
    cmp -s "$C/p11/held.bin" <(printf 'saved 3\001\0appended') || fail "what was decided does not reach everybody"

    held p11/theirs.bin
    expect 0 resolve b p11/theirs.bin --theirs
    settled_everywhere p11/theirs.bin "by a"
    log_md5s c p11/theirs.bin | any -x "$(printf 'by b\001\0' | md5sum | cut -c-32)" || fail "what b had is nowhere"

    held p11/both.bin
    exec {reader}<"$B/p11/both.bin"
    expect 0 resolve b p11/both.bin --both
    is "/dev/fd/$reader" "by b" || fail "an open file has lost its content"
    exec {reader}<&-
    settled_everywhere p11/both.bin "by a"
    is "$C/$(copy_of p11/both.bin)" "by b" || fail "what b had is not beside it"

    held p11/merged.bin
    printf 'by both\001\0' >"$WORK/merged"
    expect 0 resolve b p11/merged.bin --merged "$WORK/merged"
    settled_everywhere p11/merged.bin "by both"
    log_md5s c p11/merged.bin | any -x "$(printf 'by b\001\0' | md5sum | cut -c-32)" || fail "what b had is nowhere"

    printf 'one\ntwo\nthree\n' >"$A/p11/plan.txt" && sync_all a b c
    clash_held p11/plan.txt
    expect 0 resolve b p11/plan.txt --print
    same "$OUTPUT" "$(printf '%s\n' one '<<<<<<< by b' 'TWO of b' '||||||| common version 1' two ======= 'TWO of a' \
        '>>>>>>> p11/plan.txt, version 2' three)" "the merge with markers"
    editor $'one\nTWO\nthree\n'
    EDITOR=$WORK/editor expect 0 resolve b p11/plan.txt --edit
    sync_all b a c
    has "$C/p11/plan.txt" $'one\nTWO\nthree' || fail "the edited merge does not reach everybody"

    held p11/back.bin
    umount_member b
    mount_member b conflict=copy
    sync_all b a c
    is "$A/p11/back.bin" "by a" && is "$A/$(copy_of p11/back.bin)" "by b" || fail "under the other policy it is not beside"
    expect 0 resolve a p11/back.bin --theirs
    settled_everywhere p11/back.bin "by a"
}

clash_held() {
    freeze b
    printf 'one\nTWO of a\nthree\n' >"$A/$1" && printf 'one\nTWO of b\nthree\n' >"$B/$1" || fail "nobody can write $1"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
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
    log_md5s c "$file" | any -x "$(printf 'by a\001\0' | md5sum | cut -c-32)" ||
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
    umount_member c
    mount_member c ro
    expect 5 resolve c p12/bad.bin --theirs
    said "the mount is read-only"
    umount_member c
    mount_member c rw
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

# editor TEXT: an editor that saves this.
editor() { printf '#!/bin/sh\nprintf %%s "%s" >"$1"\n' "$1" >"$WORK/editor" && chmod +x "$WORK/editor"; }

# text_conflict NAME: both have changed the second of three lines.
text_conflict() {
    printf 'one\ntwo\nthree\n' >"$A/p13/$1" && sync_all a b c
    clash "p13/$1" $'one\nTWO of a\nthree\n' $'one\nTWO of b\nthree\n'
}

# no_markers: in no file of any member, and in no version of the file that was.
no_markers() {
    ! grep -rlE '^(<<<<<<<|>>>>>>>|[|]{7})' "$A" "$B" "$C" || fail "there are markers in a live file"
    ! log_md5s a "p13/$1" | any -x "$MARKED" || fail "there are markers in a version"
}

p13_conflict_markers_never_get_into_a_live_file() {
    step "P13: markers are printed and edited, but never get into a live file, and not into history"
    mkdir "$A/p13"
    text_conflict "my plan.txt"
    expect 0 resolve b "p13/my plan.txt" --print
    said '<<<<<<< by b'
    MARKED=$(printf '%s\n' "$OUTPUT" | md5sum | cut -d' ' -f1)
    no_markers "my plan.txt"

    unset VISUAL EDITOR
    expect 1 resolve b "p13/my plan.txt" --edit
    said "neither VISUAL nor EDITOR"
    EDITOR=true expect 1 resolve b "p13/my plan.txt" --edit
    said "line 2 is still a conflict marker; nothing is settled"
    local kept=${OUTPUT##*is kept in }
    kept=${kept%%$'\n'*}
    same "$(md5_of "$kept") ${kept##*/}" "$MARKED my plan.txt" "what is kept of the merge"
    expect 1 resolve b "p13/my plan.txt" --merged "$WORK/nothing"
    rm -r "${kept%/edit/*}"
    EDITOR=false expect 1 resolve b "p13/my plan.txt" --edit
    said "the editor failed"
    editor $'one\nTWO\n>>>>>>> p13/my plan.txt, version 2\n'
    VISUAL=$WORK/editor EDITOR=false expect 1 resolve b "p13/my plan.txt" --edit
    said "line 3 is still a conflict marker"
    kept=${OUTPUT##*is kept in } && kept=${kept%%$'\n'*} && rm -r "${kept%/edit/*}"
    sync_all b a c
    no_markers "my plan.txt"
    for member in a b c; do expect 4 fl $member conflicts "$WORK/$member"; done

    editor $'one\nTWO of both\nthree\n'
    EDITOR="env X=1 $WORK/editor" expect 0 resolve c "p13/my plan (conflict b).txt" --edit
    said "p13/my plan.txt now has the merged content"
    sync_all c a b
    for member in a b c; do
        has "$WORK/$member/p13/my plan.txt" $'one\nTWO of both\nthree' || fail "$member has another content"
        expect 0 fl $member conflicts "$WORK/$member"
    done
    same "$(ls "$A/p13")" "my plan.txt" "what is left"
    no_markers "my plan.txt"
    changed_while_edited
    shown_without_what_cannot_be_had
}

# Who edits a merge sees what is there; if that changes meanwhile, nothing of it is lost by accident.
changed_while_edited() {
    text_conflict raced.txt
    printf '#!/bin/sh\necho "by somebody else" >"%s" && echo "by the editor" >"$1"\n' "$A/p13/raced.txt" >"$WORK/editor"
    EDITOR=$WORK/editor expect 1 resolve a p13/raced.txt --edit
    said "the content has changed meanwhile"
    local kept=${OUTPUT##*is kept in }
    kept=${kept%%$'\n'*}
    has "$kept" "by the editor" || fail "what was edited is lost"
    has "$A/p13/raced.txt" "by somebody else" || fail "what was written meanwhile is lost"
    rm -r "${kept%/edit/*}"
    expect 0 resolve a p13/raced.txt --theirs
    sync_all a b c
}

shown_without_what_cannot_be_had() {
    text_conflict alone.txt
    umount_member c
    freeze c
    mount_member c
    expect 0 resolve c p13/alone.txt --print
    said "the common version cannot be had"
    said '<<<<<<< by b'
    said 'TWO of a'
    [[ $OUTPUT != *"|||||||"* ]] || fail "a base is shown that is not here"
    thaw c
    in_conflict p13/blob.bin
    expect 1 resolve a p13/blob.bin --print
    said "the contents are no text"
    expect 1 resolve a p13/blob.bin --edit
    expect 2 fl a resolve "$A/p13/blob.bin" "$A/p13/alone.txt" --print
    expect 0 fl a resolve "$A/p13/blob.bin" "$A/p13/alone.txt" --theirs
    sync_all a b c
}

tools() {
    export GIT_CONFIG_GLOBAL=$WORK/gitconfig GIT_CONFIG_NOSYSTEM=1
    cat >"$GIT_CONFIG_GLOBAL" <<'CONFIG'
[core]
    autocrlf = true
[mergetool "all"]
    cmd = cat \"$BASE\" \"$LOCAL\" \"$REMOTE\" >\"$MERGED\"
    trustExitCode = true
[mergetool "sides"]
    cmd = cat \"$LOCAL\" \"$REMOTE\" >\"$MERGED\"
    trustExitCode = true
[mergetool "nothing"]
    cmd = true
    trustExitCode = true
[mergetool "failing"]
    cmd = false
    trustExitCode = true
CONFIG
}

p12_merge_tools_get_base_local_and_remote() {
    step "P12: git's merge tools get base, local and remote; what they merge settles the conflict, what they leave does not"
    tools
    mkdir -p "$A/p12" && printf 'base\n' >"$A/p12/a plan.txt" && sync_all a b c
    clash "p12/a plan.txt" $'by a\n' $'by b\n'
    expect 1 fl a mergetool "$A/p12/a plan.txt" --tool failing
    said "the merge tool has not merged it; nothing is settled"
    expect 1 fl a mergetool "$A/p12/a plan.txt" --tool nothing
    said "is still a conflict marker"
    local kept=${OUTPUT##*is kept in }
    rm -r "${kept%%/repository/*}"
    PATH=/nowhere expect 1 "$(command -v env)" FL0WFS_HOME="$(home_of a)" "$FL0WFS" mergetool "$A/p12/a plan.txt"
    said "git is not installed"
    expect 4 fl a conflicts "$A"
    expect 0 fl c mergetool "$C/p12/a plan.txt" --tool all
    said "p12/a plan.txt now has the merged content"
    sync_all c a b
    for member in a b c; do has "$WORK/$member/p12/a plan.txt" $'base\nby b\nby a' || fail "$member has another content"; done
    in_conflict p12/blob.bin
    printf '[merge]\n    tool = sides\n' >>"$GIT_CONFIG_GLOBAL"
    expect 0 fl b mergetool "$B/p12/blob.bin"
    cmp -s "$B/p12/blob.bin" <(printf 'by b\001\0by a\001\0') || fail "the tool got other contents"
    sync_all b a c
    all_same
    expect 0 fl a conflicts "$A"
    unset GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
    same "$(ls -A "$TMPDIR")" "" "what is left of merges"
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
