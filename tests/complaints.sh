#!/bin/bash
# What users of systems like this one suffer from, and must not here: conflicts, caches, saves, renames, small files. Each
# complaint by its name, on one hub and three members whose networks count bytes and can be frozen.
#
#   complaints.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin complaints
need python3 vim setfattr getfattr
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b C=$WORK/c
KIB=1024 MIB=1048576

random() { head -c "$1" /dev/urandom; }
copies_in() { ls "$1" | grep -c conflict; }
all_same() { same_trees "$A" "$B" && same_trees "$A" "$C"; }

# clash PATH [CONTENT]: a, b and c write it without hearing of each other; the hub hears of a first, then b, then c.
clash() {
    local member
    freeze b c
    for member in a b c; do echo "${2:-by $member}: $1" >"$WORK/$member/$1" || fail "$member cannot work alone"; done
    expect 0 fl a sync "$A"
    thaw b
    expect 0 fl b sync "$B"
    thaw c
    sync_all c a b
    all_same
}

u1_conflict_copies_do_not_pile_up() {
    step "U1: one conflict copy per path and member, none for equal contents, none of copies, gone when resolved"
    local round member dir copy="u1/file (conflict b).txt"
    mkdir "$A/u1" && echo base >"$A/u1/file.txt" || fail "a cannot write"
    sync_all a b c
    for round in 1 2 3; do
        clash u1/file.txt
        same "$(ls "$B/u1")" $'file (conflict b).txt\nfile (conflict c).txt\nfile.txt' "after clash $round"
    done
    has "$A/u1/file.txt" "by a: u1/file.txt" && has "$C/$copy" "by b: u1/file.txt" || fail "a version is in the wrong place"

    clash u1/file.txt "the same"
    has "$A/u1/file.txt" "the same: u1/file.txt" || fail "equal contents are lost"
    same "$(copies_in "$A/u1")" 2 "copies after equal contents"

    clash "$copy"
    same "$(copies_in "$A/u1")" 2 "copies after a clash in a copy"
    dir="$(cat "$A/$copy") $(log_md5s a "$copy" | tr '\n' ' ')"
    for member in a b c; do
        [[ $dir == *"$(echo "by $member: $copy" | md5sum | cut -c-32)"* ]] || fail "the copy's history lacks what $member wrote"
    done

    rm "$A/$copy" && rm "$B/u1/file (conflict c).txt"
    sync_all a b c
    echo "after" >"$C/u1/file.txt"
    sync_all c a b
    for member in a b c; do
        same "$(ls "$WORK/$member/u1")" "file.txt" "what is left at $member"
        expect 0 fl $member status "$WORK/$member"
    done
    umount_member b
    mount_member b
    sync_all b a c
    same "$(ls "$A/u1")" "file.txt" "what comes back"
    all_same
}

u2_a_member_in_conflict_goes_on_syncing_and_says_so() {
    step "U2: a member in conflict goes on syncing other files, and its status names the conflict and ends with 4"
    mkdir "$A/u2" && echo base >"$A/u2/file" || fail "a cannot write"
    sync_all a b c
    clash u2/file
    for member in a b c; do
        expect 4 fl $member status "$WORK/$member"
        said "conflict: u2/file"
        said "u2/file (conflict b)"
        expect 4 fl $member status "$WORK/$member" --json
        said '"path":"u2/file"'
        echo "by $member" >"$WORK/$member/u2/other-$member" || fail "$member cannot write"
    done
    echo "later" >"$B/u2/file"
    sync_all b c a
    all_same
    for member in a b c; do has "$A/u2/other-$member" "by $member" || fail "$member does not sync any more"; done
    has "$C/u2/file" "later" || fail "the file in conflict does not sync any more"
    rm "$C/u2/file (conflict b)"
    sync_all c a b
    expect 4 fl b status "$B"
    rm "$B/u2/file (conflict c)"
    sync_all b a c
    for member in a b c; do expect 0 fl $member status "$WORK/$member"; done
}

# follow_sizes FILE END: false if ever the file's size is not the size of its content, goes back, or is 0.
follow_sizes() {
    python3 - "$1" "$2" <<'PYTHON'
import os, sys
newest, seen, fresh = 0, set(), True
def look(what, size, content=None):
    global newest
    number, rest = divmod(size, 1009)
    if rest or not number:
        sys.exit(f"{what}: a size that no save had: {size}")
    if content is not None and content != b"%c" % (97 + number % 26) * size:
        sys.exit(f"{what}: size {size}, but the content is another's: {content[:1]} {len(content)}")
    if number < newest:
        sys.exit(f"{what}: save {number} after {newest}")
    newest = number
    seen.add(number)
while True:
    last = os.path.exists(sys.argv[2])
    look("stat", os.stat(sys.argv[1]).st_size)
    with open(sys.argv[1], "rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read()
        if len(content) != size:
            sys.exit(f"open: size {size}, and {len(content)} bytes to read")
        look("open", size, content)
        if os.fstat(file.fileno()).st_size != size:
            sys.exit("an open file has changed its size")
    if last:
        print(f"    {len(seen)} of 200 saves were seen")
        sys.exit(0 if newest == 200 else f"the last save seen is {newest}")
PYTHON
}

u6_a_cached_file_never_shows_an_old_size_or_none() {
    step "U6: the size of a cached file is its content's after every one of 200 remote saves, never 0 and never old"
    local readers=() reader dir
    mkdir "$A/u6"
    head -c 1009 /dev/zero | tr '\0' b >"$A/u6/file"
    sync_all a b c
    for dir in "$B" "$C"; do follow_sizes "$dir/u6/file" "$WORK/u6.end" & readers+=($!); done
    python3 - "$A/u6/file" <<'PYTHON' || fail "a cannot save"
import os, sys
# Shorter and longer, within a page and over many; written in place and renamed over; so that sizes only grow, and
# the saves in between are larger by a lot or by a little.
for number in range(2, 201):
    content = b"%c" % (97 + number % 26) * (number * 1009)
    path = sys.argv[1] + (".new" if number % 3 == 0 else "")
    with open(path, "wb") as file:
        file.write(content)
        if number % 5 == 0:
            os.fsync(file.fileno())
    if number % 3 == 0:
        os.rename(path, sys.argv[1])
PYTHON
    sync_all a b c
    for dir in "$A" "$B" "$C"; do same "$(stat -c %s "$dir/u6/file")" $((200 * 1009)) "the size in the end"; done
    touch "$WORK/u6.end"
    for reader in "${readers[@]}"; do wait "$reader" || fail "a size is wrong"; done
    echo "short" >"$A/u6/file"
    sync_all a b c
    same "$(stat -c %s "$B/u6/file") $(cat "$C/u6/file")" "6 short" "the size after a save that is shorter"
}

# saved_well MODE: one more version of the same file, with this mode, at all members.
saved_well() {
    VERSION=$((VERSION + 1))
    sync_all a b c
    fl c log --json "$C/u7/file" >"$WORK/u7.log" || fail "there is no log"
    same "$(grep -m1 '"md5"' "$WORK/u7.log" | grep -o '"version":[0-9]*')" "\"version\":$VERSION" "the version after a save"
    same "$(log_md5s b u7/file | tail -n 1)" "$(md5_of "$A/u7/file")" "the newest tag"
    same "$(log_md5s a u7/file | wc -l)" "$VERSION" "versions in the history"
    same "$(stat -c %a "$A/u7/file" "$B/u7/file" "$C/u7/file" | uniq)" "$1" "the permission bits after a save"
    same "$(ls -A "$B/u7")" "file" "what a save leaves behind"
    all_same
}

u7_a_save_by_temporary_file_and_rename_loses_nothing() {
    step "U7: a save by temporary file and rename keeps data, history and permission bits, on whichever member"
    local VERSION=0
    mkdir "$A/u7" && printf 'one\n' >"$A/u7/file" && chmod 640 "$A/u7/file" && setfattr -n user.x -v y "$A/u7/file" ||
        fail "a cannot write"
    saved_well 640
    cp --preserve=mode,xattr "$A/u7/file" "$A/u7/.file.tmp" && echo two >>"$A/u7/.file.tmp" && mv "$A/u7/.file.tmp" "$A/u7/file"
    saved_well 640
    sed -i 's/one/ONE/' "$B/u7/file" || fail "sed -i failed"
    saved_well 640
    vim -u DEFAULTS -es -c 'set backupcopy=no' -c 'normal Gothree' -c 'wq' "$C/u7/file" </dev/null >/dev/null 2>&1
    saved_well 640
    python3 - "$A/u7/file" <<'PYTHON' || fail "python cannot save"
import os, shutil, sys, tempfile
handle, path = tempfile.mkstemp(dir=os.path.dirname(sys.argv[1]))
os.write(handle, open(sys.argv[1], "rb").read() + b"four\n")
shutil.copymode(sys.argv[1], path)
os.fsync(handle)
os.close(handle)
os.replace(path, sys.argv[1])
PYTHON
    saved_well 640
    chmod 755 "$B/u7/file"
    sync_all b a c
    sed -i 's/four/FOUR/' "$C/u7/file" || fail "sed -i failed"
    saved_well 755
    same "$(cat "$B/u7/file")" $'ONE\ntwo\nthree\nFOUR' "what was saved"

    freeze b
    cp -p "$A/u7/file" "$A/u7/new" && echo "by a" >>"$A/u7/new" && mv "$A/u7/new" "$A/u7/file" &&
        cp -p "$B/u7/file" "$B/u7/new" && echo "by b" >>"$B/u7/new" && mv "$B/u7/new" "$B/u7/file" || fail "no saves"
    expect 0 fl a sync "$A"
    thaw b
    sync_all b a c
    all_same
    same "$(tail -qn 1 "$C/u7/file" "$C/u7/file (conflict b)")" $'by a\nby b' "saves on both sides"
    rm "$C/u7/file (conflict b)"
    sync_all c a b
    saved_well 755
}

u8_renaming_a_directory_sends_nothing_again() {
    step "U8: renaming a directory with 2000 files is quick and moves no content"
    local began
    mkdir "$A/u8" "$A/u8/tree"
    python3 - "$A/u8/tree" <<'PYTHON' || fail "a cannot write"
import os, sys
for number in range(2000):
    directory = f"{sys.argv[1]}/{number % 20}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{number}", "wb") as file:
        file.write(os.urandom(2048))
PYTHON
    sync_all a b c
    count_bytes a b c
    began=${EPOCHREALTIME/./}
    mv "$A/u8/tree" "$A/u8/renamed"
    must 10 "the renamed directory is not at b" test -e "$B/u8/renamed/7/7"
    at_most 2000000 $((${EPOCHREALTIME/./} - began)) "microseconds until a rename of 2000 files is there"
    [ ! -e "$B/u8/tree" ] || fail "the old name is still there"
    sync_all a b c
    for member in a b c; do
        at_most $((24 * KIB)) $(($(bytes_up $member) + $(bytes_down $member))) "bytes of a rename at $member"
    done
    all_same
    freeze b
    mv "$A/u8/renamed" "$A/u8/again" && echo "edited" >"$B/u8/renamed/7/7" || fail "no work while away"
    thaw b
    sync_all a b c
    has "$A/u8/again/7/7" "edited" || fail "an edit does not follow the rename"
    same "$(ls "$A/u8")" "again" "what is left of the old name"
    all_same
}

# small_files MOUNT CALL FIRST LAST: does it to these files, of which a hundred are in a directory.
small_files() {
    python3 - "$@" <<'PYTHON' || fail "small files cannot be worked on: $*"
import os, sys
root, call, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# The calls alone, as what Python's own files do besides would be counted too.
def create(path, content):
    if not os.path.isdir(os.path.dirname(path)):
        os.mkdir(os.path.dirname(path))
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(file, content)
    os.close(file)
def read(path, content):
    file = os.open(path, os.O_RDONLY)
    assert os.read(file, 4096) == content, path
    os.close(file)
def look(path, content):
    assert os.stat(path).st_size == len(content), path
def remove(path, content):
    os.unlink(path)
for number in range(first, last):
    globals()[call](f"{root}/u11/{number // 100}/{number}", b"%d\n" % number * 500)
PYTHON
}

# trips CALL PERCENT: a thousand files take at most so many requests of the kernel, in per cent of the files.
trips() {
    count_requests "$A" small_files "$A" "$1" 0 1000
    step "$1: $REQUESTS requests for 1000 files"
    at_most $(($2 * 10)) "$REQUESTS" "requests to $1 1000 files"
}

u11_small_files_take_few_trips_and_little_memory_and_idle_costs_nothing() {
    step "U11: small files take few trips to the daemon and little memory, and where nothing happens nothing runs"
    local dir
    mkdir "$A/u11" || fail "a cannot write"
    if counts_requests; then
        trips create 700
        sync_all a
        trips read 450
        trips read 250
        trips look 110
        trips look 10
        trips remove 350
    else
        say "SKIPPED: nobody but root, with tracefs in $TRACING, can count requests: the trips of small files"
    fi
    small_files "$A" create 1000 21000
    sync_all a b c
    for dir in "$A" "$B" "$C"; do small_files "$dir" look 1000 21000; done
    # What 200,000 files take at most: it hardly grows from here on.
    memory_below $((220 * KIB))
    must 60 "hub or members work while there is nothing to do" is_quiet 10 3
}

start_hub
create_space
start_relays a b c
start_members a b c
run_rows u "$@"
finish
