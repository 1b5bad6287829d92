#!/bin/bash
# Programs that watch files and directories see what other members do, as if it were done here.
#
#   watching.sh [NUMBER...]   [default: all]
#
#   FL0WFS_TEST_CHANGES   how many changes are made [default: 300]
#   FL0WFS_TEST_FILES     how many files arrive where nobody watches [default: 2000]
. "$(dirname "$0")/harness.sh"
begin watching
need inotifywait python3 getfattr pgrep
CHANGES=${FL0WFS_TEST_CHANGES:-300} FILES=${FL0WFS_TEST_FILES:-2000}
TESTS=$(cd "$(dirname "$0")" && pwd)
A=$WORK/a B=$WORK/b
SYNC_TIMEOUT=120s
EVENTS=create,modify,close_write,move,delete,attrib

# start_watching OUT ARGUMENT...: runs inotifywait on them; returns once it watches.
start_watching() {
    local out=$1
    shift
    : >"$out.err"
    inotifywait -m -e "$EVENTS" --format '%w%f %e' "$@" >"$out" 2>"$out.err" &
    WATCHER=$!
    must 30 "inotifywait does not watch" grep -q established "$out.err"
}

# What was done before is seen, or never is: a mark is made and waited for, and what came before it forgotten.
mark() {
    echo "$1" >"$A/mark-$1" && sync_all a b
    must 30 "the mark $1 is not seen" grep -q "/mark-$1 CLOSE_WRITE" "$2"
}

# The process that makes the system calls for a member's watchers; nothing where there is none.
repeater_of() { pgrep -P "${PIDS[$1]}" -f repeat-for-watchers; }

# lines_between FILE FROM TO: what stands between the two marks.
lines_between() { sed -e "1,/mark-$2 CLOSE_WRITE/d" -e "/mark-$3 CREATE/,\$d" "$1"; }

# events_are FROM TO FILE: what was seen between the marks is what the log says.
events_are() {
    lines_between "$3" "$1" "$2" | python3 "$TESTS/watching.py" seen "$B" >"$WORK/seen"
    fl a log "$A" --json -n 100000 | python3 "$TESTS/watching.py" expect >"$WORK/expected.all"
    lines_between "$WORK/expected.all" "$1" "$2" >"$WORK/expected"
    [ -s "$WORK/expected" ] || fail "the log has no changes"
    cmp -s "$WORK/expected" "$WORK/seen" && return
    diff "$WORK/expected" "$WORK/seen" | head -n 20 >&2
    fail "what was seen is not what the log says"
}

make_directories() {
    local at
    for at in 0 1 2 3 4 5; do mkdir -p "$A/w/d$at" || fail "a cannot write"; done
    sync_all a b
}

u3_watchers_see_every_change_of_others_in_the_order_of_the_log() {
    step "U3: of $CHANGES mixed changes elsewhere inotifywait sees the events of every op, in the order of the log"
    local head
    make_directories
    start_watching "$WORK/events" -r "$B"
    mark begin "$WORK/events"
    python3 "$TESTS/watching.py" change "$A" "$CHANGES" 1 || fail "a cannot change things"
    mark end "$WORK/events"
    events_are begin end "$WORK/events"
    step "$(wc -l <"$WORK/expected") events; trees and times are equal, and nobody has written anything back"
    same_trees "$A" "$B"
    head=$(field a position)
    same "$(fl a log "$A" --json -n 100000 | grep -vc '"member":"a"')" 0 "ops of others than a"
    sync_all b a
    same "$(field a position) $(field b position)" "$head $head" "the log's end a while later"
    expect 0 fl b status "$B"
    end_process "$WATCHER" TERM
}

# How many orders a member's repeater has followed; each is answered by one write.
orders_of() { awk '/^syscw/ { print $2 }' "/proc/$(repeater_of "$1")/io" 2>/dev/null || echo 0; }

u3_watchers_see_the_same_where_the_repeater_is_killed() {
    step "U3: the process that repeats changes for watchers is killed all the time, and they see the same events"
    local killer
    rm -rf "$A/w" && make_directories
    start_watching "$WORK/killed" -r "$B"
    mark begun "$WORK/killed"
    python3 "$TESTS/watching.py" kill "${PIDS[b]}" "$WORK/enough" >"$WORK/kills" &
    killer=$!
    python3 "$TESTS/watching.py" change "$A" "$CHANGES" 3 || fail "a cannot change things"
    mark ended "$WORK/killed"
    touch "$WORK/enough"
    wait "$killer"
    events_are begun ended "$WORK/killed"
    step "killed $(wc -c <"$WORK/kills") times"
    [ -s "$WORK/kills" ] || fail "it was never killed"
    same_trees "$A" "$B"
    end_process "$WATCHER" TERM
}

u3_watchers_see_the_same_where_they_are_told_late() {
    step "U3: the process that repeats changes for watchers is held up while they are made, and they see the same events"
    local repeater
    rm -rf "$A/w" && make_directories
    start_watching "$WORK/late" -r "$B"
    mark late "$WORK/late"
    repeater=$(repeater_of b) && kill -s STOP "$repeater" || fail "b has no such process"
    python3 "$TESTS/watching.py" change "$A" "$CHANGES" 3 && sync_all a b
    kill -s CONT "$repeater" 2>/dev/null
    mark later "$WORK/late"
    events_are late later "$WORK/late"
    end_process "$WATCHER" TERM
}

u3_a_daemon_that_is_killed_carries_out_nothing_that_was_for_watchers() {
    step "U3: the daemon is killed while watchers are told: what it was about does not become anybody's work"
    local round
    rm -rf "$A/w" && make_directories
    start_watching "$WORK/daemons" -r "$B"
    for round in 1 2 3 4 5; do
        mkdir -p "$A/w/d0/part$round" && fill "$A/w/d0/part$round" 30 && rm -r "$A/w/d0/part$round"
        python3 "$TESTS/watching.py" change "$A" 30 "$round" || fail "a cannot change things"
        kill_daemon b || fail "b has no daemon"
        rm -rf "$A/w" && make_directories
    done
    must 60 "b does not go on" fl b status "$B"
    PIDS[b]=$(pid_of b)
    sync_all a b
    same_trees "$A" "$B"
    same "$(fl a log "$A" --json -n 100000 | grep -vc '"member":"a"')" 0 "ops of others than a"
    end_process "$WATCHER" TERM
    start_watching "$WORK/after" -r "$B"
    mark after "$WORK/after"
    end_process "$WATCHER" TERM
}

u3_watchers_of_one_file_see_it_change_while_it_is_open() {
    step "U3: whoever watches one file sees it written, saved anew and removed; tail -F goes along"
    echo "first" >"$A/one" && sync_all a b
    EVENTS=$EVENTS,delete_self start_watching "$WORK/one" "$B/one"
    tail -n +1 -F "$B/one" >"$WORK/tail" 2>/dev/null &
    local tail=$!
    must 30 "tail does not begin" grep -q first "$WORK/tail"
    echo "second" >>"$A/one" && sync_all a b
    must 30 "a watcher of the file does not see it written" grep -q "^$B/one CLOSE_WRITE" "$WORK/one"
    grep -q "^$B/one MODIFY" "$WORK/one" || fail "a watcher of the file does not see its content change"
    must 30 "tail -F does not show what was appended" grep -q second "$WORK/tail"
    printf 'first\nsecond\nthird\n' >"$A/one.new" && mv "$A/one.new" "$A/one" && sync_all a b
    must 30 "tail -F does not show what was saved" grep -q third "$WORK/tail"
    end_process "$tail" TERM
    end_process "$WATCHER" TERM
    EVENTS=$EVENTS,delete_self start_watching "$WORK/gone" "$B/one"
    chmod 600 "$A/one" && sync_all a b
    must 30 "a watcher of the file does not see its attributes change" grep -q "^$B/one ATTRIB" "$WORK/gone"
    rm "$A/one" && sync_all a b
    must 30 "a watcher of the file does not see it removed" grep -q "^$B/one DELETE_SELF" "$WORK/gone"
    end_process "$WATCHER" TERM
}

# hold FILE HOW FIFO: has a file open, or mapped, until somebody writes to the pipe; says so first.
hold() {
    python3 - "$@" <<'END'
import mmap, sys
path, how, until = sys.argv[1:]
file = open(path, "r+b" if "+" in how else "rb")
if how.startswith("mapped"):
    access = mmap.ACCESS_WRITE if "+" in how else mmap.ACCESS_READ
    held = mmap.mmap(file.fileno(), 0, access=access)
    file.close()
print("held", flush=True)
open(until).read()
END
}

# One that the kernel reads and writes by itself is no different, as long as it is open or mapped.
u3_watchers_of_one_file_see_it_change_whoever_has_it_open_and_however() {
    step "U3: whoever watches one file sees each change once, whoever has it open or mapped: by the kernel alone, or not"
    local way how at holder ways=off
    [ "$(id -u)" != 0 ] || ways="on off"
    mkfifo "$WORK/until"
    for way in $ways; do
        umount_member b
        mount_member b "passthrough=$way"
        for how in read read+ mapped mapped+; do
            at=$B/$how-$way
            echo "first" >"$A/$how-$way" && sync_all a b
            hold "$at" "$how" "$WORK/until" >"$WORK/held" &
            holder=$!
            must 30 "nobody has $at open" grep -q held "$WORK/held"
            EVENTS=$EVENTS,delete_self start_watching "$WORK/open" "$at"
            echo "second" >>"$A/$how-$way" && sync_all a b
            must 30 "a watcher of the open file does not see it written" grep -q CLOSE_WRITE "$WORK/open"
            must 30 "a watcher of the open file does not see that another has its name" grep -q DELETE_SELF "$WORK/open"
            same "$(sed 's/.* //' "$WORK/open" | tr '\n' ' ')" "MODIFY CLOSE_WRITE,CLOSE DELETE_SELF " "events with $way, $how"
            echo >"$WORK/until"
            end_process "$holder" TERM
            end_process "$WATCHER" TERM
            has "$at" $'first\nsecond' || fail "b does not sync"
        done
    done
    umount_member b
    mount_member b passthrough=auto
}

fill() { python3 -c "for i in range($2): open(f'$1/{i}', 'w').write(str(i))" || fail "a cannot write"; }

u3_nobody_is_told_of_what_nobody_watches() {
    step "U3: where nobody watches nothing is done for $FILES files that arrive; who watches sees all of 300"
    local before
    mkdir "$A/seen" "$A/listed" && sync_all a b
    ls "$B" "$B/listed" >/dev/null
    mkdir "$A/many" && sync_all a b
    before=$(orders_of b)
    fill "$A/many" "$FILES"
    sync_all a b
    # Whether the root is watched is asked now and then: the directory's own attributes are changes in it.
    at_most $(($(fl a log "$A" --json -n 100000 | grep -c '"attributes"') + 5)) $(($(orders_of b) - before)) \
        "orders for files in a directory that nobody has looked at"
    before=$(orders_of b)
    fill "$A/listed" 500
    sync_all a b
    step "it was looked $(($(orders_of b) - before)) times for watchers of a directory that somebody has looked at"
    at_most 400 $(($(orders_of b) - before)) "orders for files in a directory that somebody has looked at"
    same "$(ls "$B/many" "$B/listed" | grep -c '^[0-9]')" $((FILES + 500)) "files at b"
    start_watching "$WORK/seen.events" "$B/seen"
    fill "$A/seen" 300
    sync_all a b
    must 60 "a watcher does not see the last file" grep -q "/seen/299 CLOSE_WRITE" "$WORK/seen.events"
    same "$(grep -c CREATE "$WORK/seen.events")" 300 "files seen"
    end_process "$WATCHER" TERM
}

u3_a_mount_is_busy_for_no_other_reason_than_who_uses_it() {
    step "U3: a mount whose watchers are told without a pause is not busy for that, and can be unmounted"
    local until=$WORK/until-busy writer round
    mkdir "$A/busy" && sync_all a b
    python3 -c "
import os, sys
number = 0
while not os.path.exists(sys.argv[2]):
    open(f'{sys.argv[1]}/{number % 50}', 'w').write(str(number))
    number += 1" "$A/busy" "$until" &
    writer=$!
    for round in 1 2 3 4 5 6; do
        start_watching "$WORK/busy.events" -r "$B"
        must 20 "nothing is seen in round $round" test -s "$WORK/busy.events"
        umount_member b --timeout 0s
        end_process "$WATCHER" TERM
        mount_member b
    done
    touch "$until"
    wait "$writer" || fail "a cannot write"
    sync_all a b
}

u3_telling_watchers_can_be_turned_off() {
    step "U3: with notify=off nothing is told and no process is there for it"
    umount_member b
    mount_member b notify=off
    start_watching "$WORK/off" -r "$B"
    echo "x" >"$A/off" && sync_all a b
    has "$B/off" x || fail "b does not sync"
    ! repeater_of b || fail "there is a process for watchers"
    [ ! -s "$WORK/off" ] || fail "watchers are told: $(head -n 3 "$WORK/off")"
    end_process "$WATCHER" TERM
    umount_member b
    mount_member b notify=on
}

start_hub
create_space
start_members a b
run_rows u "$@"
umount_member b
umount_member a
finish
