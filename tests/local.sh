#!/bin/bash
# What programs ask of a local file system and forget that they do: room, parts of files, files without a name, locks,
# symlinks. What can be asked of a plain directory as well is asked of one, and gets the same answer.
#
# Without arguments all rows; else those with these numbers.
. "$(dirname "$0")/harness.sh"
begin local
need python3
PARTS=$(cd "$(dirname "$0")" && pwd)/local.py
A=$WORK/a B=$WORK/b OUTSIDE=$WORK/outside
declare -A BESIDE=()

clear_up_more() {
    local name
    for name in "${!BESIDE[@]}"; do end_process "${BESIDE[$name]}" KILL; done
}

# part NAME ARGUMENT...: a part of the questions, which all have to get the right answer.
part() { timeout 60 python3 "$PARTS" "$@" >"$WORK/part.out" 2>&1 || fail "$*: $(tail -n 5 "$WORK/part.out")"; }

serves() { [ "$(pid_of a)" = "$(daemon_of "${KEEPERS[a]}")" ]; }
kill_and_wait() {
    kill_daemon a
    must 30 "the new daemon does not serve" serves
}

# --- room ----------------------------------------------------------------------------------------------------

# room_in FILE...: the blocks of each, as the mount tells them.
room_in() { stat -c %b "$@" | tr '\n' ' '; }
as_on_plain() { [ "$(cd "$A/l1" && room_in *)" = "$(cd "$WORK/plain" && room_in *)" ]; }
# The same of the file on b's disk that has this one's size, as no other has.
room_of_copy() {
    find "$(home_of b)" -path '*/content/*' -type f -size "$(stat -c %s "$WORK/plain/$1")c" -printf '%b '
}
# In one of a thousand pieces no manifest of one page has room for; each piece is a page behind a hole.
make_pieces() {
    python3 - "$1" <<-'PY'
	import os, sys
	file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
	for piece in range(1, 701):
	    os.pwrite(file, os.urandom(4096), piece * 131072)
	os.fsync(file)
	PY
}
make_room() {
    (cd "$1" && head -c 300000 /dev/urandom >full && : >empty && truncate -s 2M hole &&
        printf x | dd of=short-hole bs=1 seek=20000 status=none && fallocate -l 1M reserved &&
        : >behind-the-end && fallocate --keep-size -l 512K behind-the-end && cp full punched &&
        fallocate --punch-hole -o 4096 -l 12288 punched) && make_pieces "$1/pieces"
}

l1_a_file_takes_the_room_that_it_takes() {
    step "L1: a file takes the room that it takes, whether its holes are long or short, and after a remount"
    mkdir "$A/l1" "$WORK/plain"
    make_room "$WORK/plain" && make_room "$A/l1" || fail "the files cannot be made"
    same "$(cd "$A/l1" && room_in *)" "$(cd "$WORK/plain" && room_in *)" "blocks"
    sync_all a b
    same "$(cd "$A/l1" && room_in *)" "$(cd "$WORK/plain" && room_in *)" "blocks once all is captured"
    umount_member a
    mount_member a
    same "$(cd "$A/l1" && room_in *)" "$(cd "$WORK/plain" && room_in *)" "blocks after a remount"
    printf y | dd of="$A/l1/short-hole" bs=1 conv=notrunc status=none
    printf y | dd of="$WORK/plain/short-hole" bs=1 conv=notrunc status=none
    must 10 "the blocks of a file that was written are not right" as_on_plain
}

l1_content_that_comes_from_others_takes_the_room_that_it_takes_here() {
    step "L1: content that comes from others takes the room that it takes here, once it is here"
    local file long
    for file in pieces hole short-hole; do
        same "$(room_in "$B/l1/$file")" "$(room_of_copy "$file")" "blocks of $file"
    done
    umount_member b
    mount_member b content=lazy
    expect 0 fl b evict "$B/l1"
    long=$(($(stat -c %s "$B/l1/pieces") / 512))
    at_least "$long" "$(stat -c %b "$B/l1/pieces")" "blocks of what is elsewhere, in pieces that nobody knows"
    md5_of "$B/l1/pieces" >/dev/null
    must 10 "the blocks of what has arrived are not right" eval '[ "$(room_in "$B/l1/pieces")" = "$(room_of_copy pieces)" ]'
    at_most $((long - 1)) "$(stat -c %b "$B/l1/pieces")" "blocks of what has arrived"
}

# --- calls ---------------------------------------------------------------------------------------------------

l2_what_is_asked_of_parts_of_files_is_done_or_refused_and_then_nothing_changes() {
    step "L2: holes, zeros and room are made; what the kernel has no call for is refused, and then nothing changes"
    mkdir "$A/l2" "$WORK/plain-l2"
    part ranges "$WORK/plain-l2" plain
    part ranges "$A/l2"
    cp "$A/l2/ranges" "$WORK/l2"
    sync_all a b
    cmp "$B/l2/ranges" "$WORK/l2" || fail "b has another content"
}

l3_a_file_without_a_name_is_refused_as_programs_expect_who_then_make_one() {
    step "L3: a file without a name is refused in the way that programs expect; one whose name is removed is as good"
    mkdir "$A/l3" "$WORK/plain-l3"
    part nameless "$WORK/plain-l3" plain
    part nameless "$A/l3"
    same "$(ls -A "$A/l3")" "" "what is left"
}

l6_times_never_go_back() {
    step "L6: whatever is done to a file, its times never go back"
    mkdir "$A/l6" "$WORK/plain-l6"
    part times "$WORK/plain-l6" plain
    part times "$A/l6"
}

# --- locks ---------------------------------------------------------------------------------------------------

# start_part NAME ARGUMENT...: a part that goes on beside; its input ends with `let_go NAME`.
start_part() {
    local name=$1
    mkfifo "$WORK/$name.in"
    python3 "$PARTS" "$@" <"$WORK/$name.in" >"$WORK/$name.out" 2>&1 &
    BESIDE[$name]=$!
    exec {INPUT}>"$WORK/$name.in"
}
let_go() { exec {INPUT}>&-; }
end_part() {
    end_process "${BESIDE[$1]}" KILL
    unset "BESIDE[$1]"
    rm -f "$WORK/$1.in"
}
has_said() { any -x "$2" <"$WORK/$1.out"; }

# locks_in DIRECTORY: what holds between two processes; in the mount the daemon is killed meanwhile.
locks_in() {
    local holder killed=:
    [ "${1#"$A"}" = "$1" ] || killed=kill_and_wait
    rm -f "$WORK/holder"
    start_part hold "$1" "$WORK/holder"
    must 30 "nobody holds the locks: $(cat "$WORK/hold.out")" test -s "$WORK/holder"
    holder=$(cat "$WORK/holder")
    part held "$1" "$holder"
    $killed
    part held "$1" "$holder"
    python3 "$PARTS" wait "$1" >"$WORK/wait.out" 2>&1 {INPUT}>&- &
    BESIDE[wait]=$!
    must 30 "nobody waits" has_said wait waits
    $killed
    has_said wait "has it" && fail "a lock is had by two"
    let_go
    must 30 "the lock is not passed on" has_said wait "has it"
    must 30 "who waited does not end" is_gone "${BESIDE[wait]}"
    unset "BESIDE[wait]"
    # With the process all that it holds.
    end_part hold
    $killed
    part free "$1"
}

l4_locks_hold_between_two_processes_whatever_becomes_of_the_daemon() {
    step "L4: ranges and whole files are locked between two processes, and passed on, whatever becomes of the daemon"
    mkdir "$A/l4" "$WORK/plain-l4"
    locks_in "$WORK/plain-l4"
    locks_in "$A/l4"
}

# --- symlinks ------------------------------------------------------------------------------------------------

start_watch() {
    mkdir -p "$OUTSIDE/directory"
    echo "for nobody's eyes" >"$OUTSIDE/secret" && echo "*.skipped" >"$OUTSIDE/patterns" && chmod 600 "$OUTSIDE/secret"
    touch "$OUTSIDE/directory/victim"
    list_tree "$OUTSIDE" >"$WORK/outside.before"
    python3 "$PARTS" watch "$OUTSIDE" "$WORK/seen" 2>"$WORK/watch.err" &
    BESIDE[watch]=$!
    must 10 "nobody watches: $(cat "$WORK/watch.err")" any -x watching "$WORK/seen"
}
nobody_has_looked() {
    is_gone "${BESIDE[watch]}" && fail "nobody watches any more: $(cat "$WORK/watch.err")"
    same "$(cat "$WORK/seen")" watching "what was seen outside"
    end_process "${BESIDE[watch]}" KILL
    unset "BESIDE[watch]"
    list_tree "$OUTSIDE" | cmp -s - "$WORK/outside.before" || fail "something outside has changed"
}

# quickly MEMBER COMMAND...: whatever it says, it says it.
quickly() {
    local member=$1
    shift
    FL0WFS_HOME=$(home_of "$member") timeout 20 "$FL0WFS" "$@" >/dev/null 2>&1
    [ $? != 124 ] || fail "this hangs: $*"
}

l5_the_daemon_never_goes_where_a_symlink_leads() {
    step "L5: the daemon never goes where a symlink leads: out of the mount, to nowhere, in circles, back into the mount"
    local member link
    start_watch
    mkdir "$A/l5" && cd "$A/l5" || fail "no directory"
    ln -s "$OUTSIDE/secret" absolute && ln -s ../../outside/secret relative && ln -s "$OUTSIDE" directory &&
        ln -s directory/secret through && ln -s nowhere dangling && ln -s itself itself && ln -s . here &&
        ln -s "$A/l5/real" own && ln -s "$B/l5/real" others && echo real >real || fail "no symlinks"
    ln -s "$OUTSIDE/patterns" .fl0wignore && ln -s "$OUTSIDE/patterns" .fl0wattributes || fail "no symlinks"
    ln absolute second-name && mv relative moved && touch -h -d '2020-02-02' absolute && chown -h "$(id -u)" directory
    ln -s "$OUTSIDE/directory" replaced && ln -sfn "$OUTSIDE/secret" replaced && mkdir gone && ln -s "$OUTSIDE" gone/out
    rm -r gone && echo kept >name.skipped
    cd "$WORK" || fail "no way back"
    sync_all a b
    same_trees "$A/l5" "$B/l5"
    has "$B/l5/name.skipped" kept || fail "patterns from outside are followed"
    step "L5: nor on its way down a path that commands give it, at a start, or after a kill"
    for member in a b; do
        for link in absolute directory through dangling itself here own others; do
            quickly "$member" status "$WORK/$member/l5/$link"
            quickly "$member" evict "$WORK/$member/l5/$link"
        done
        quickly "$member" evict "$WORK/$member/l5"
        quickly "$member" prefetch "$WORK/$member/l5"
    done
    kill_and_wait
    umount_member a && umount_member b && mount_member a && mount_member b
    for link in "$A/l5" "$B/l5"; do
        same "$(readlink "$link/absolute" "$link/directory" "$link/itself" | tr '\n' ' ')" \
            "$OUTSIDE/secret $OUTSIDE itself " "where symlinks lead"
    done
    nobody_has_looked
}

l5_what_the_daemon_needs_must_not_lie_in_the_mount() {
    step "L5: what the daemon needs must not lie in the mount, by a symlink either; if it comes to, nobody waits for it"
    local home list other
    home=$(home_of a) list=$(home_of a)/config/ignore other=$WORK/beside
    echo "*.own" >"$A/patterns" && sync_all a
    umount_member a
    ln -s "$A/patterns" "$list"
    expect 1 fl a mount "work:$SPACE" "$A"
    said "$list lies in $A, which is to be mounted"
    rm "$list"
    mkdir -p "$A/behind" && ln -s "$A/behind" "$WORK/by-a-symlink"
    expect 1 fl a mount "work:$SPACE" "$A" -o "nonempty,state=$WORK/by-a-symlink/state"
    said "lies in $A, which is to be mounted"
    expect 1 fl a mount "work:$SPACE" "$A" -o "nonempty,ignore=$A/behind"
    said "lies in $A, which is to be mounted"
    rm -r "$A/behind"
    echo "*.own" >"$other"
    ln -s "$other" "$list"
    mount_member a
    # Whoever reads it now reads the mount, whose daemon is just about to begin.
    ln -sfn "$A/patterns" "$list"
    kill_and_wait
    echo kept >"$A/shared"
    sync_all a b
    any "leads into the mount" <"$(field a state)/log" || fail "the log does not say so"
    has "$B/shared" kept || fail "nothing is shared any more"
    rm "$list"
}

l5_nor_does_it_where_a_directory_and_a_symlink_change_places_all_the_time() {
    step "L5: nor where a directory and a symlink change places all the time, here and, watched, on the other member"
    local until=$WORK/until-swap
    start_watch
    mkdir -p "$A/swap/name" && echo first >"$A/swap/name/victim" && ln -s "$OUTSIDE/directory" "$A/swap/other"
    sync_all a b
    # What is watched on b is shown to who watches, by calls on paths.
    python3 "$PARTS" watch "$B/swap" "$WORK/seen-b" 2>"$WORK/watch-b.err" &
    BESIDE[watch-b]=$!
    must 10 "nobody watches: $(cat "$WORK/watch-b.err")" any -x watching "$WORK/seen-b"
    python3 "$PARTS" swap "$A/swap" "$until" >"$WORK/swap.out" 2>&1 &
    BESIDE[swap]=$!
    read -r -t 6 -u "$NOTHING"
    kill_and_wait
    read -r -t 3 -u "$NOTHING"
    touch "$until"
    must 30 "the work does not end" is_gone "${BESIDE[swap]}"
    wait "${BESIDE[swap]}" || fail "the work failed: $(cat "$WORK/swap.out")"
    unset "BESIDE[swap]"
    step "$(cat "$WORK/swap.out") changes of places, $(wc -l <"$WORK/seen-b") events on b"
    sync_all a b
    same_trees "$A/swap" "$B/swap"
    end_process "${BESIDE[watch-b]}" KILL
    unset "BESIDE[watch-b]"
    at_least 100 "$(wc -l <"$WORK/seen-b")" "events that were shown on b"
    nobody_has_looked
}

start_hub
create_space
start_members a b
run_rows l "$@"
finish
