#!/bin/bash
# Files that the kernel reads and writes by itself, past the daemon: all that a local file system does, other members'
# work while files are open, and the daemon killed in the middle. All of it once more with every byte through the daemon.
. "$(dirname "$0")/harness.sh"
CALLS=$(dirname "$0")/passthrough.py
begin passthrough
need python3
A=$WORK/a B=$WORK/b

one_file_and_many_ways() {
    step "direct, buffered and mapped; cut, appended, unlinked while open; times and set-id bits"
    mkdir "$A/$1-calls"
    python3 "$CALLS" "$A/$1-calls" || fail "a call did not do what a local file system does"
    sync_all a b
    same_trees "$A/$1-calls" "$B/$1-calls"
}

work_of_others_while_open() {
    step "who has a file open keeps the content it had, and who opens it anew has the new one"
    echo old >"$A/$1-open"
    sync_all a b
    exec {READER}<"$A/$1-open"
    echo new >"$B/$1-open"
    sync_all b a
    same "$(cat <&"$READER")" old "the open file"
    must 10 "the new content is not there" has "$A/$1-open" new
    exec {READER}<&-
}

both_write_one_file() {
    step "what is written by a handle to a file that another member has changed is lost by nobody"
    printf 'a\nb\nc\nd\ne\n' >"$A/$1-both"
    sync_all a b
    exec {WRITER}<>"$A/$1-both"
    printf 'a\nb\nc\nd\nE of b\n' >"$B/$1-both"
    sync_all b a
    printf 'A' >&"$WRITER"
    exec {WRITER}>&-
    sync_all a b
    cat "$A/$1-both"* | any -x A || fail "what A wrote is nowhere"
    cat "$A/$1-both"* | any -x 'E of b' || fail "what B wrote is nowhere"
    same_trees "$A" "$B"
}

synced_though_open() {
    step "a file that stays open reaches others at fsync and when it is left alone, and keeps nobody from being in sync"
    exec {WRITER}>"$A/$1-log"
    echo first >&"$WRITER"
    sync "$A/$1-log"
    must 10 "what was fsynced is not on B" has "$B/$1-log" first
    echo second >&"$WRITER"
    must 20 "what was left alone is not on B" has "$B/$1-log" $'first\nsecond'
    expect 0 fl a sync "$A" --timeout 20s
    exec {WRITER}>&-
}

killed_in_the_middle() {
    step "the daemon is killed: what was closed, fsynced or merely written is there, and a program that goes on harms nothing"
    exec {WRITER}>"$A/$1-survivor"
    echo before >&"$WRITER"
    sync "$A/$1-survivor"
    echo later >&"$WRITER"
    head -c 3000000 /dev/urandom >"$A/$1-large"
    local sum
    sum=$(md5_of "$A/$1-large")
    kill_member a
    umount -l "$A" 2>/dev/null || fusermount3 -uz "$A" 2>/dev/null
    mount_member a
    echo 'too late' >&"$WRITER" 2>/dev/null
    same "$(md5_of "$A/$1-large")" "$sum" "what was closed"
    same "$(cat "$A/$1-survivor")" $'before\nlater' "what was written"
    sync_all a b
    exec {WRITER}>&-
    same_trees "$A" "$B"
}

saved_by_rename() {
    step "a rename waits for what it renames, and no version is half of another"
    local number
    for number in 1 2 3 4 5 6 7 8; do
        head -c 2000000 /dev/zero | tr '\0' "$number" >"$A/$1-save.tmp"
        mv "$A/$1-save.tmp" "$A/$1-save"
    done
    sync_all a b
    same "$(tr -d 8 <"$B/$1-save" | wc -c) $(wc -c <"$B/$1-save")" "0 2000000" "the last save"
    local versions whole
    versions=$(log_md5s a "$1-save" | sort -u)
    whole=$(for number in 1 2 3 4 5 6 7 8; do head -c 2000000 /dev/zero | tr '\0' "$number" | md5sum | cut -d' ' -f1; done | sort -u)
    same "$(comm -23 <(printf '%s\n' "$versions") <(printf '%s\n' "$whole"))" "" "versions that nobody saved"
}

start_hub
create_space
start_members a b
# The other user has to get there.
chmod 755 "$WORK"
for way in on off; do
    if [ "$way" = on ] && [ "$(id -u)" != 0 ]; then
        step "only root's files go past the daemon: that half is left out" && continue
    fi
    umount_member a
    mount_member a "passthrough=$way,allow_other"
    say "  passthrough=$way"
    one_file_and_many_ways "$way"
    work_of_others_while_open "$way"
    both_write_one_file "$way"
    synced_though_open "$way"
    killed_in_the_middle "$way"
    saved_by_rename "$way"
done
finish
