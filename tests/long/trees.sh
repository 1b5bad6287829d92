#!/bin/bash
# Real trees on two members: a source tree, a git repository, the ways editors save, a large file, and everything a
# file system keeps besides bytes. With the memory and the idle CPU of hub and members.
#
# Without arguments all parts; else those named: sources git saves large kinds.
. "$(dirname "$0")/../harness.sh"
begin trees
need git vim getfattr setfattr md5sum
SYNC_TIMEOUT=600s
A=$WORK/a B=$WORK/b
MEMORY_KIB_MAX=$((300 * 1024))
SOURCE_FILES_MIN=15000

settle() {
    sync_all a b
    same_trees "$A" "$B"
}

part_sources() {
    step "a source tree of at least $SOURCE_FILES_MIN files is untarred into A"
    make_sources "$WORK/sources" "$SOURCE_FILES_MIN"
    tar -C "$WORK" -cf "$WORK/sources.tar" sources
    local began=$EPOCHSECONDS
    tar -C "$A" -xf "$WORK/sources.tar" || fail "tar failed"
    step "untarred $(find "$WORK/sources" -type f | wc -l) files in $((EPOCHSECONDS - began)) s"
    settle
    step "in sync $((EPOCHSECONDS - began)) s after the beginning"
    same "$(list_bytes "$B/sources" | md5sum)" "$(list_bytes "$WORK/sources" | md5sum)" "the bytes"
    memory_below "$MEMORY_KIB_MAX"
}

# make_repository DIR: real sources, hundreds of commits.
make_repository() {
    local number file files
    git init -q "$1"
    git -C "$1" config user.name Test
    git -C "$1" config user.email test@example.org
    files=("${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/*/src/*.rs)
    for number in $(seq 300); do
        file=${files[number % ${#files[@]}]}
        cp "$file" "$1/file-$((number % 50)).rs"
        echo "// change $number" >>"$1/file-$((number % 7)).rs"
        git -C "$1" add -A && git -C "$1" commit -qm "Change $number" || fail "git commit failed"
    done
}

part_git() {
    step "a git repository is cloned into A; commits, a rebase and gc there; B has it whole"
    make_repository "$WORK/repository"
    git clone -q "$WORK/repository" "$A/clone" || fail "git clone failed"
    local clone="git -C $A/clone -c user.name=Test -c user.email=test@example.org"
    local number
    $clone checkout -q -b topic HEAD~20 || fail "git checkout failed"
    for number in 1 2 3 4 5; do
        echo "topic $number" >"$A/clone/topic-$number" && $clone add -A && $clone commit -qm "Topic $number" ||
            fail "git commit failed on the mount"
    done
    $clone rebase -q "$($clone rev-parse origin/HEAD)" || fail "git rebase failed"
    $clone gc -q --prune=now || fail "git gc failed"
    settle
    git -C "$B/clone" fsck --strict --no-dangling || fail "git fsck finds faults at B"
    same "$(git -C "$B/clone" status --porcelain)" "" "git status at B"
    same "$(git -C "$B/clone" rev-parse HEAD)" "$($clone rev-parse HEAD)" "HEAD at B"
    [ "$(git -C "$B/clone" rev-list --count HEAD)" -ge 300 ] || fail "commits are missing at B"
    # Looking has refreshed B's index, which is a change like any other.
    settle
}

# saved PATH: the save that was just made is one more version of the same file, with the right tag.
saved() {
    local newest versions
    expect 0 fl a sync "$A" --timeout "$SYNC_TIMEOUT"
    newest=$(fl a log --json "$A/$1" | grep -m1 '"md5"')
    [[ $newest == *"\"md5\":\"$(md5_of "$A/$1")\""* ]] || fail "the newest version of $1 has another tag: $newest"
    VERSION=$((VERSION + 1))
    [[ $newest == *"\"version\":$VERSION,"* ]] || fail "the save of $1 should be version $VERSION: $newest"
    versions=$(log_md5s a "$1" | wc -l)
    same "$versions" "$VERSION" "versions in the log of $1"
}

part_saves() {
    step "saves by vim, sed -i, a rename-over and a truncate-and-write are one version each"
    local path=saves/file.txt VERSION=0
    mkdir "$A/saves"
    printf 'one\ntwo\nthree\n' >"$A/$path"
    chmod 640 "$A/$path"
    saved "$path"
    vim -u DEFAULTS -es -c 'normal Gofour' -c 'wq' "$A/$path" </dev/null >/dev/null 2>&1
    grep -q four "$A/$path" || fail "vim did not save"
    saved "$path"
    vim -u DEFAULTS -es -c 'set backup' -c 'set backupcopy=no' -c 'normal Gofive' -c 'wq' "$A/$path" \
        </dev/null >/dev/null 2>&1
    grep -q five "$A/$path" || fail "vim did not save with a backup"
    rm -f "$A/$path~"
    saved "$path"
    sed -i 's/one/ONE/' "$A/$path" || fail "sed -i failed"
    saved "$path"
    cp -p "$A/$path" "$A/$path.new" && echo six >>"$A/$path.new" && mv "$A/$path.new" "$A/$path" ||
        fail "the rename-over failed"
    saved "$path"
    echo "all new" >"$A/$path"
    saved "$path"
    settle
    same "$(stat -c %a "$B/$path")" 640 "the mode after all saves"
    same "$(ls -A "$B/saves")" "file.txt" "what editors left behind"
}

part_large() {
    step "a file of 1 GiB"
    head -c 1073741824 /dev/urandom >"$A/large" || fail "the large file cannot be written"
    settle
    cmp "$A/large" "$B/large" || fail "the large files differ"
    memory_below "$MEMORY_KIB_MAX"
    rm "$A/large"
    settle
}

part_kinds() {
    step "hard links, symlinks, fifos, xattrs, holes, modes, times, odd names"
    local dir=$A/kinds
    mkdir "$dir" && cd "$dir" || fail "no directory"
    echo linked >first && ln first second && mkdir deep && ln first deep/third
    ln -s first symlink && ln -s /nowhere/at/all dangling && ln -s "$(printf 'x%.0s' {1..1000})" long-target
    mkfifo fifo
    echo attributes >xattrs && setfattr -n user.colour -v blue xattrs && setfattr -n user.empty xattrs &&
        setfattr -n user.binary -v 0x00ff0a xattrs && setfattr -n user.dir -v yes deep || fail "no xattrs"
    truncate -s 1G sparse && printf 'end' | dd of=sparse bs=1 seek=500000000 conv=notrunc status=none
    for mode in 000 400 644 755 1777 2755 4711; do echo "$mode" >"mode-$mode" && chmod "$mode" "mode-$mode"; done
    mkdir sticky && chmod 1777 sticky
    echo old >time && touch -d '1969-12-31 23:59:59.123456789' time
    echo new >time2 && touch -d '2038-01-19 03:14:08.000000001' time2
    : >'with space' && : >$'new\nline' && : >$'not \xff\xfe text' && : >'-dash' && : >'*' && : >'"quoted"' &&
        : >café && : >$'cafe\xcc\x81' && : >CASE && : >case && : >"$(printf 'n%.0s' {1..255})"
    mkdir empty
    cd "$WORK" || fail "no way back"
    settle
    [ -p "$B/kinds/fifo" ] || fail "the fifo is none"
    same "$(readlink "$B/kinds/dangling")" "/nowhere/at/all" "the symlink's target"
    same "$(stat -c %h "$B/kinds/deep/third")" 3 "the link count"
    same "$(stat -c %y "$B/kinds/time")" "1969-12-31 23:59:59.123456789 +0000" "the time"
    [ "$(stat -c '%b' "$B/kinds/sparse")" -lt 20480 ] || fail "the holes are filled at B"
    rm "$A/kinds/second" && mv "$A/kinds/deep" "$A/kinds/moved" && setfattr -x user.empty "$A/kinds/xattrs" &&
        chmod 600 "$A/kinds/mode-000" || fail "changes failed"
    settle
}

start_hub
create_space
start_members a b
parts=("$@")
[ $# -gt 0 ] || parts=(sources git saves large kinds)
for part in "${parts[@]}"; do "part_$part"; done
[ $# -gt 0 ] || is_quiet 60 9 || fail "something works while there is nothing to do"
step "everything survives a remount of both"
umount_member a
umount_member b
mount_member a
mount_member b
settle
finish
