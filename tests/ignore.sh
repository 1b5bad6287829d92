#!/bin/bash
# Ignored files: they stay on their member, work like any file, make no op and cost the others nothing; and what happens
# when names, patterns or directories change under them.
. "$(dirname "$0")/harness.sh"
begin ignore
need python3 setfattr
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b
THOUSANDS=${THOUSANDS:-4000}

# gone PATH...: none of them is there.
gone() { local path; for path in "$@"; do [ ! -e "$path" ] && [ ! -L "$path" ] || fail "$path is there"; done; }
is_gone_from() { [ ! -e "$1" ]; }
# What is shared, with its bytes, by names that these tests never ignore.
shared_in() {
    (cd "$1" && find . -mindepth 1 \( -name target -o -name node_modules -o -name out -o -name '*.o' -o -name '*.own' \
        -o -name 'target (*' \) -prune -o \( -type d -printf '%P/ %m\n' -o -printf '%P %y %m %s %T@ %l\n' \)) | LC_ALL=C sort
    (cd "$1" && find . \( -name target -o -name node_modules -o -name out -o -name '*.o' -o -name '*.own' \
        -o -name 'target (*' \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r md5sum)
}
same_shared() {
    shared_in "$A" >"$WORK/shared.1" && shared_in "$B" >"$WORK/shared.2" || fail "no list"
    diff "$WORK/shared.1" "$WORK/shared.2" >&2 || fail "what is shared differs"
}
# sequence: the last one of the hub, once all have sent what they have.
sequence() { sync_all a b && field a hub_sequence; }

start_hub
start_relays a b
create_space
start_members a b
printf '*.o\n/target/\nnode_modules/\n/out/\n' >"$A/.fl0wignore" || fail "a cannot write"
sync_all a b
has "$B/.fl0wignore" "$(cat "$A/.fl0wignore")" || fail "the list has not arrived"

s15_ignored_files_stay_local_by_shared_and_personal_patterns() {
    step "S15: what the space's patterns or one's own match stays here, and makes no op"
    local before
    printf '*.own\n' >"$WORK/list"
    expect 1 fl b mount "work:$SPACE" "$WORK/elsewhere" -o "ignore=$WORK/nowhere"
    said "$WORK/nowhere"
    expect 2 fl b mount "work:$SPACE" "$WORK/elsewhere" -o ignore=list
    said "an absolute path"
    umount_member a
    mount_member a "ignore=$WORK/list"
    before=$(sequence)
    echo "object" >"$A/a.o" && mkdir -p "$A/target/debug" && echo "built" >"$A/target/debug/program" &&
        echo "mine" >"$A/mine.own" || fail "a cannot write"
    same "$(sequence)" "$before" "the sequence"
    gone "$B/a.o" "$B/target" "$B/mine.own"
    same "$(field a ops)" 0 "ops that wait"
    echo "theirs" >"$B/mine.own" && echo "b's" >"$B/b.o" || fail "b cannot write"
    sync_all b a
    # The name was b's to share; what a has under it stands beside, and is still nobody else's.
    has "$A/mine.own" "theirs" && has "$A/mine (conflict a).own" "mine" || fail "the names: $(ls "$A")"
    gone "$B/mine (conflict a).own" "$A/b.o"
    echo "kept" >"$(home_of a)/config/ignore.new" && printf '*.config\n' >"$(home_of a)/config/ignore" &&
        rm "$(home_of a)/config/ignore.new"
    must 10 "the list of the configuration is not read" by_configuration
    rm "$B/mine.own" "$A/mine (conflict a).own" "$B/b.o"
    same_shared
}

by_configuration() {
    echo "x" >"$A/now.config"
    sync_all a b
    [ ! -e "$B/now.config" ] && rm "$A/now.config" && return
    rm "$A/now.config"
    return 1
}

s15_ignored_files_work_like_any() {
    step "S15: an ignored file has all that a file has, and keeps it over a remount and the death of its member"
    local before inode
    before=$(sequence)
    python3 - "$A/target" <<'END' || fail "a file of the ignored directory does not work like any"
import mmap, os, socket, sys
os.chdir(sys.argv[1])
with open("f", "wb+") as f:
    f.write(b"0123456789"); f.flush(); os.fsync(f.fileno())
    f.truncate(5); assert os.fstat(f.fileno()).st_size == 5
    os.posix_fallocate(f.fileno(), 0, 8192)
    with mmap.mmap(f.fileno(), 8192) as m: m[0:3] = b"xyz"; m.flush()
    os.link("f", "g"); os.rename("f", "h")
    assert os.stat("g").st_ino == os.stat("h").st_ino and os.stat("g").st_nlink == 2
    os.unlink("g"); os.unlink("h")
    f.seek(0); assert f.read(5) == b"xyz34" and os.fstat(f.fileno()).st_nlink == 0
open("a", "w").write("a"); open("b", "w").write("b")
os.rename("a", "b"); assert open("b").read() == "a"
os.symlink("b", "l"); assert open("l").read() == "a"
os.mkfifo("p"); os.mkdir("d"); os.mkdir("d/e")
try: os.rmdir("d"); sys.exit("rmdir of a full directory")
except OSError: pass
os.chmod("b", 0o640); os.utime("b", (5, 7)); os.setxattr("b", "user.x", b"1")
fd = os.open("appended", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
for n in range(100): os.write(fd, b"line\n")
os.close(fd)
assert os.stat("appended").st_size == 500
os.utime("appended", ns=(3, 1234567890123456789))
END
    ln "$A/target/b" "$A/b.o" || fail "a link within what is ignored"
    ln "$A/b.o" "$A/shared" 2>"$WORK/error" && fail "an ignored file is linked to a shared name"
    grep -q -i 'cross-device' "$WORK/error" || fail "$(cat "$WORK/error")"
    list_tree "$A" >"$WORK/before"
    inode=$(stat -c %i "$A/target/b")
    umount_member a
    mount_member a
    list_tree "$A" | diff "$WORK/before" - || fail "a remount changes ignored files"
    same "$(stat -c %i "$A/b.o")" "$inode" "the inode"
    exec {open}>"$A/target/open" && echo "written and open" >&"$open"
    echo "closed" >"$A/target/closed"
    kill_member a
    exec {open}>&-
    mount_member a
    has "$A/target/open" "written and open" && has "$A/target/closed" "closed" || fail "kill -9 loses ignored content"
    same "$(sequence)" "$before" "the sequence"
    gone "$B/target" "$B/b.o"
    rm -r "$A/target" "$A/b.o" || fail "the ignored directory cannot be removed"
}

s15_an_ignored_file_moves_with_its_directory() {
    step "S15: ignored files move with their directory, whoever moves it, and keep it from being removed here"
    mkdir -p "$A/src/deep" && echo "code" >"$A/src/deep/x.c" && echo "object" >"$A/src/deep/x.o"
    sync_all a b
    gone "$B/src/deep/x.o"
    mv "$A/src" "$A/source"
    has "$A/source/deep/x.o" "object" || fail "moved here: $(ls -R "$A/source")"
    sync_all a b
    mv "$B/source/deep" "$B/moved"
    sync_all b a
    has "$A/moved/x.o" "object" && has "$A/moved/x.c" "code" || fail "moved there: $(ls -R "$A")"
    rmdir "$A/moved" 2>/dev/null && fail "a directory with files is removed"
    rm "$A/moved/x.c"
    rmdir "$A/moved" 2>/dev/null && fail "a directory with ignored files is removed"
    rm -r "$A/moved" && sync_all a b
    gone "$B/moved"
    rmdir "$A/source"
    sync_all a b
}

s15_a_directory_that_others_removed_stays_while_it_holds_ignored_files() {
    step "S15: a directory that another removed stays here while it holds ignored files, and here alone"
    mkdir -p "$A/lib/sub/deep" && echo "code" >"$A/lib/sub/deep/y.c" && echo "object" >"$A/lib/sub/deep/y.o"
    sync_all a b
    (cd "$A/lib/sub" && exec sleep 1000) &
    local inside=$! inode before
    inode=$(stat -c %i "$A/lib/sub")
    rm -r "$B/lib"
    sync_all b a
    before=$(sequence)
    gone "$B/lib" "$A/lib/sub/deep/y.c"
    has "$A/lib/sub/deep/y.o" "object" || fail "the ignored file is gone"
    same "$(stat -c %i "$A/lib/sub")" "$inode" "the inode of the directory"
    same "$(stat -L -c %i "/proc/$inside/cwd")" "$inode" "where a process is"
    kill "$inside" && wait "$inside" 2>/dev/null
    umount_member a
    mount_member a
    has "$A/lib/sub/deep/y.o" "object" || fail "a remount loses the directory that stayed"
    echo "more" >"$A/lib/z.o" && mkdir "$A/lib/node_modules" && same "$(sequence)" "$before" "the sequence"
    step "... made again by another it is one, and what is not ignored brings it back"
    mkdir "$B/lib" && echo "b's" >"$B/lib/new"
    sync_all b a
    has "$A/lib/new" "b's" && has "$A/lib/z.o" "more" && has "$A/lib/sub/deep/y.o" "object" || fail "$(ls -R "$A/lib")"
    echo "shared again" >"$A/lib/sub/text" || fail "nothing can be made in a directory that stayed"
    sync_all a b
    has "$B/lib/sub/text" "shared again" && gone "$B/lib/sub/deep" "$B/lib/node_modules"
    step "... until the last one goes"
    rm -r "$B/lib"
    sync_all b a
    rm "$A/lib/z.o" && rmdir "$A/lib/node_modules"
    has "$A/lib/sub/deep/y.o" "object" || fail "the ignored file is gone"
    rm "$A/lib/sub/deep/y.o"
    must 10 "an empty directory stays" is_gone_from "$A/lib"
    same_shared
}

s15_a_rename_over_the_line_is_a_make_or_a_drop() {
    step "S15: a rename from ignored to shared is a make, or a version of what it replaces; the other way a drop"
    echo "compiled" >"$A/made.o" && mv "$A/made.o" "$A/made" || fail "a cannot rename"
    echo "one" >"$A/saved"
    sync_all a b
    has "$B/made" "compiled" || fail "what was ignored has not arrived"
    echo "two" >"$A/saved.o" && chmod 600 "$A/saved.o" && mv "$A/saved.o" "$A/saved"
    sync_all a b
    has "$B/saved" "two" && same "$(stat -c %a "$B/saved")" 600 "the mode"
    same "$(log_md5s b saved | wc -l)" 2 "versions of what was saved by an ignored name"
    # A rename to an ignored name, of content that has been sent and of content that has not.
    stop_hub
    echo "unsent" >"$A/unsent" && mv "$A/unsent" "$A/unsent.o" && mv "$A/made" "$A/made.o" || fail "a cannot rename"
    start_hub
    sync_all a b
    has "$A/unsent.o" "unsent" && has "$A/made.o" "compiled" || fail "content is gone"
    gone "$B/unsent" "$B/made" "$B/made.o"
    echo "more" >>"$A/made.o"
    step "... but a save with a backup under an ignored name is a version of the file, whether the backup stays or goes"
    echo "one" >"$A/edited" && sync_all a b
    mv "$A/edited" "$A/edited.o" && echo "two" >"$A/edited" && rm "$A/edited.o" || fail "vim cannot save"
    sync_all a b
    mv "$A/edited" "$A/edited.o" && echo "three" >"$A/edited" || fail "emacs cannot save"
    sync_all a b
    has "$A/edited.o" "two" && has "$A/edited" "three" && has "$B/edited" "three" || fail "$(head "$A"/edited*)"
    gone "$B/edited.o"
    same "$(log_md5s b edited)" "$(for text in one two three; do echo "$text" | md5sum | cut -c-32; done)" "the history"
    mv "$A/edited" "$A/edited.o" && echo "four" >"$A/edited" || fail "emacs cannot save again"
    must 10 "a backup stays shared" is_gone_from "$B/edited.o"
    must 10 "the save does not arrive" has "$B/edited" "four"
    has "$A/edited.o" "three" || fail "the backup: $(cat "$A/edited.o")"
    rm "$A/edited.o"
    step "... of whole directories too, with links, symlinks and what is ignored in them"
    mkdir -p "$A/tree/sub" && echo "1" >"$A/tree/one" && ln "$A/tree/one" "$A/tree/sub/two" && ln -s one "$A/tree/link" &&
        echo "o" >"$A/tree/sub/o.o" || fail "a cannot write"
    setfattr -n user.x -v y "$A/tree/one"
    sync_all a b
    mv "$A/tree" "$A/out" && sync_all a b
    gone "$B/tree" "$B/out"
    same "$(cat "$A/out/sub/two" "$A/out/link" "$A/out/sub/o.o")" $'1\n1\no' "what was taken along"
    same "$(stat -c %h "$A/out/one")" 2 "links"
    mv "$A/out" "$A/back" && sync_all a b
    same "$(cat "$B/back/sub/two" "$B/back/link")" $'1\n1' "what came back"
    same "$(stat -c %h "$B/back/one")" 2 "links at the other"
    gone "$B/back/sub/o.o"
    has "$A/back/sub/o.o" "o" || fail "the ignored file is gone"
    same "$(getfattr --only-values -n user.x "$B/back/one" 2>/dev/null)" y "the attribute"
    rm -r "$A/back" "$A/made.o" "$A/unsent.o"
    sync_all a b
    same_shared
}

s15_patterns_come_and_go() {
    step "S15: what is shared stays shared when a pattern comes to match it; what is not ignored any more is new"
    echo "shared" >"$A/early.tmp"
    sync_all a b
    printf '*.tmp\n' >>"$B/.fl0wignore"
    sync_all b a
    echo "late" >"$A/late.tmp" && echo "shared still" >"$A/early.tmp"
    sync_all a b
    has "$B/early.tmp" "shared still" && gone "$B/late.tmp"
    echo "by rename" >"$B/new" && mv "$B/new" "$B/early.tmp"
    sync_all b a
    has "$A/early.tmp" "by rename" || fail "a save by rename is ignored"
    mkdir -p "$A/target/deep" && echo "t" >"$A/target/deep/t" && echo "o" >"$A/target/o.o" &&
        head -c 3000000 /dev/urandom >"$A/target/large"
    printf '*.o\nnode_modules/\n/out/\n' >"$B/.fl0wignore"
    sync_all b
    must 20 "what is not ignored any more does not arrive" arrived
    sync_all a b
    cmp "$A/target/large" "$B/target/large" && has "$B/target/deep/t" "t" && gone "$B/target/o.o"
    has "$B/late.tmp" "late" || fail "late.tmp"
    step "... a directory's own list counts in it, and a bad line is named while the others hold"
    mkdir "$A/part" && printf '!*.o\n[z-a]\n*.x\n' >"$A/part/.fl0wignore" && echo "o" >"$A/part/o.o" && echo "x" >"$A/part/x.x"
    sync_all a b
    has "$B/part/o.o" "o" && gone "$B/part/x.x"
    expect 0 fl a status "$A"
    said "not a pattern: part/.fl0wignore, line 2"
    fl b status "$B" --json | any '"bad_patterns":\[\]' || fail "b complains: it has judged nothing there"
    rm -r "$A/target" "$A/part" "$A/late.tmp" "$A/early.tmp" && printf '*.o\n/target/\nnode_modules/\n/out/\n' >"$A/.fl0wignore"
    sync_all a b
    same_shared
}

arrived() { [ -e "$B/target/large" ] && [ -e "$B/target/deep/t" ] && [ -e "$B/late.tmp" ]; }

s15_names_meet() {
    step "S15: another's file takes the name of an ignored one, which stands beside; directories become one"
    mkdir "$A/target" && echo "mine" >"$A/target/mine" && echo "ignored" >"$A/clash.o"
    printf '*.none\n' >"$B/.fl0wignore.new" && sync_all a b
    # b shares names that a ignores: its pattern is not a's yet.
    stop_hub
    mv "$B/.fl0wignore.new" "$B/.fl0wignore"
    echo "b's" >"$B/clash.o" && mkdir "$B/target" && echo "theirs" >"$B/target/theirs"
    kill_member a
    start_hub
    mount_member a
    sync_all b a
    sync_all a b
    has "$A/clash.o" "b's" || fail "clash.o: $(cat "$A/clash.o")"
    has "$A/clash (conflict a).o" "ignored" || fail "$(ls "$A")"
    has "$A/target/theirs" "theirs" && has "$A/target/mine" "mine" || fail "$(ls "$A/target")"
    gone "$B/clash (conflict a).o"
    rm -r "$A/target" "$A"/clash* && printf '*.o\n/target/\nnode_modules/\n/out/\n' >"$A/.fl0wignore"
    sync_all a b
    same_shared
}

s15_thousands_of_ignored_files_cost_nothing() {
    step "S15: $THOUSANDS ignored files make no op and no traffic, and slow nobody down"
    local before began plain ignored
    before=$(sequence)
    mkdir "$A/node_modules" && mkdir "$WORK/plain"
    count_bytes a b
    began=${EPOCHREALTIME/./}
    make_tree "$A/node_modules"
    ignored=$((${EPOCHREALTIME/./} - began))
    at_most $((64 * 1024)) "$(bytes_up a)" "bytes sent for ignored files"
    same "$(sequence)" "$before" "the sequence"
    same "$(field a ops)" 0 "ops that wait"
    same "$(find "$A/node_modules" -type f | wc -l)" "$THOUSANDS" "files"
    # Others' work goes on beside them as it does without.
    began=${EPOCHREALTIME/./}
    local number
    for number in $(seq 100); do echo "$number" >"$B/beside-$number"; done
    sync_all b a
    plain=$((${EPOCHREALTIME/./} - began))
    step "made in $((ignored / 1000)) ms; 100 files of another beside them in $((plain / 1000)) ms"
    has "$A/beside-100" "100" || fail "what another made has not come"
    [ "$plain" -lt 20000000 ] || fail "100 files take $((plain / 1000)) ms"
    began=${EPOCHREALTIME/./}
    umount_member a
    mount_member a
    step "mounted again in $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
    same "$(find "$A/node_modules" -type f | wc -l)" "$THOUSANDS" "files after a remount"
    rm -r "$A/node_modules" "$B"/beside-* || fail "they cannot be removed"
    sync_all a b
    gone "$B/node_modules"
    same_shared
}

make_tree() {
    python3 - "$1" "$THOUSANDS" <<'END' || fail "the files cannot be made"
import os, sys
root, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    directory = f"{root}/{number // 100}/lib"
    if number % 100 == 0: os.makedirs(directory)
    with open(f"{directory}/{number}.js", "w") as f: f.write(f"module {number}\n")
END
}

s15_a_space_made_anew_and_a_hub_restored_take_nothing_ignored_away() {
    step "S15: a hub restored from a backup, or a space made anew, leaves ignored files where they are"
    mkdir -p "$A/pkg/sub" && echo "code" >"$A/pkg/sub/c" && sync_all a b
    stop_hub
    cp -a "$WORK/hub" "$WORK/hub-backup" && start_hub
    mkdir "$A/pkg/later" && echo "code" >"$A/pkg/later/d" && echo "o" >"$A/pkg/later/o.o" && echo "o" >"$A/pkg/sub/o.o"
    sync_all a b
    umount_member a
    umount_member b
    stop_hub
    rm -rf "$WORK/hub" && mv "$WORK/hub-backup" "$WORK/hub" && start_hub
    mount_member a
    mount_member b
    sync_all a b
    has "$A/pkg/later/o.o" "o" && has "$A/pkg/sub/o.o" "o" && has "$B/pkg/later/d" "code" || fail "$(ls -R "$A/pkg")"
    gone "$B/pkg/later/o.o"
    same_shared
}

# A member has another name once its hub was restored: that comes last.
for row in $(compgen -A function | grep -E '^s15_' | grep -v restored) \
    s15_a_space_made_anew_and_a_hub_restored_take_nothing_ignored_away; do
    [ $# = 0 ] || [[ $row == *"$1"* ]] || continue
    "$row"
done
finish
