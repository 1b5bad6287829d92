#!/bin/bash
# The mount outlives its daemon: killed over and over, or replaced by another program, under programs at work that would
# notice anything; and what happens when the supervisor dies as well, or the mount is busy.
#
#   survive.sh [SECONDS [ROW...]]   how long there is work, and a kill every second [default: 12]; which rows
. "$(dirname "$0")/harness.sh"
need python3
begin survive
SECONDS_OF_WORK=${1:-12}
HERE=$(cd "$(dirname "$0")" && pwd)
A=$WORK/a B=$WORK/b
WORKERS= FOLLOWER=

clear_up_more() {
    [ -z "$WORKERS" ] || end_process "$WORKERS" KILL
    [ -z "$FOLLOWER" ] || end_process "$FOLLOWER" KILL
}

# start_work NAME: programs at work in a directory of A, and one who follows a log there from its mount.
start_work() {
    mkdir "$A/$1" || fail "A cannot be written"
    UNTIL=$WORK/until-$1
    python3 "$HERE/steady.py" "$A/$1" "$UNTIL" >"$WORK/work.out" 2>"$WORK/work.err" &
    WORKERS=$!
    must 30 "nobody works" test -s "$A/$1/append"
    tail -f "$A/$1/append" >"$WORK/followed" 2>"$WORK/follow.err" &
    FOLLOWER=$!
}

# end_work NAME: nobody who worked has seen an error, and everything is on the other member.
end_work() {
    touch "$UNTIL"
    wait_for 60 is_gone "$WORKERS" || fail "programs hang: $(stuck)"
    wait "$WORKERS" || fail "programs saw errors: $(cat "$WORK/work.err")"
    WORKERS=
    wait_for 10 follows_to_the_end "$1" || fail "who followed a file lost it: $(cat "$WORK/follow.err")"
    [ ! -s "$WORK/follow.err" ] || fail "who followed a file saw: $(cat "$WORK/follow.err")"
    end_process "$FOLLOWER" TERM
    FOLLOWER=
    step "$(tr '\n' ' ' <"$WORK/work.out")"
    sync_all a b
    same_trees "$A" "$B"
}

follows_to_the_end() { [ "$(tail -n 1 "$WORK/followed")" = "$(tail -n 1 "$A/$1/append")" ]; }
stuck() { for p in $(pgrep -P "$WORKERS"); do echo "$p in $(cat "/proc/$p/wchan"),"; done; }
has_new_daemon() { local now; now=$(daemon_of "${KEEPERS[a]}") && [ -n "$now" ] && [ "$now" != "$1" ]; }
is_unmounted() { ! any -F " $1 " </proc/self/mountinfo; }
is_inside() { [ "$(readlink "/proc/$1/cwd")" = "$A" ]; }
watcher_of() { grep -lx fl0wfs-watch $(printf '/proc/%s/comm ' $(pgrep -P "$1")) | cut -d/ -f3; }
serves() { [ "$(pid_of a)" = "$(daemon_of "${KEEPERS[a]}")" ]; }

k1_applications_do_not_notice_that_the_daemon_is_killed_over_and_over() {
    step "K1: applications do not notice that the daemon is killed over and over"
    local until killed=0 before
    start_work killed
    until=$((SECONDS + SECONDS_OF_WORK))
    while [ "$SECONDS" -lt "$until" ]; do
        before=$(daemon_of "${KEEPERS[a]}")
        kill_daemon a
        killed=$((killed + 1))
        must 30 "no daemon follows" has_new_daemon "$before"
        must 30 "the new daemon does not serve" serves
        read -r -t "0.$((RANDOM % 9 + 1))" -u "$NOTHING"
        [ ! -s "$WORK/work.err" ] || fail "after $killed kills: $(cat "$WORK/work.err")"
    done
    end_work killed
    same "$(field a deaths)" "$killed" "status counts the daemons that died"
    step "killed $killed times"
}

k2_another_program_goes_on_with_the_mount_and_nobody_notices() {
    step "K2: another program goes on with the mount and nobody notices"
    local before
    start_work upgraded
    cp "$FL0WFS" "$WORK/another"
    before=$(pid_of a)
    FL0WFS_HOME=$(home_of a) "$WORK/another" upgrade "$A" >/dev/null || fail "the upgrade fails"
    [ "$(readlink "/proc/$(pid_of a)/exe")" = "$WORK/another" ] || fail "the daemon is not the other program"
    [ "$(pid_of a)" != "$before" ] || fail "the daemon is the same process"
    kill_daemon a
    must 30 "the new program is not started again" serves
    [ "$(readlink "/proc/$(pid_of a)/exe")" = "$WORK/another" ] || fail "after a death the earlier program is back"
    end_work upgraded
}

k3_a_program_that_does_not_serve_is_followed_by_the_one_before() {
    step "K3: a program that does not serve is followed by the one before"
    local before
    start_work downgraded
    cp /bin/false "$WORK/broken"
    before=$(readlink "/proc/$(pid_of a)/exe")
    expect 1 fl a upgrade "$A" --program "$WORK/broken"
    said "the one before goes on"
    [ "$(readlink "/proc/$(pid_of a)/exe")" = "$before" ] || fail "the program before did not go on"
    end_work downgraded
}

k4_the_supervisor_is_as_small_as_it_is_quiet() {
    step "K4: the supervisor is as small as it is quiet"
    local own
    own=$(awk '/^(Private_Dirty|Private_Clean|Swap):/ { kib += $2 } END { print kib }' "/proc/${KEEPERS[a]}/smaps_rollup")
    at_most 4096 "$own" "KiB of memory that is the supervisor's own"
    same "$(ls "/proc/${KEEPERS[a]}/task" | wc -l)" 1 "threads of the supervisor"
    step "$own KiB of its own"
}

k5_a_busy_mount_says_who_keeps_it_busy_and_can_be_taken_away_under_them() {
    step "K5: a busy mount says who keeps it busy and can be taken away under them"
    local file
    (cd "$A" && exec sleep 300) &
    FOLLOWER=$!
    must 10 "nobody is in the mount" is_inside "$FOLLOWER"
    expect 1 fl a umount "$A"
    said "sleep ($FOLLOWER)"
    said "--lazy"
    echo whole >"$A/open"
    exec {file}<"$A/open"
    expect 0 fl a umount --lazy "$A"
    must 10 "the directory is not free" is_unmounted "$A"
    any '^whole$' <&"$file" || fail "an open file is gone"
    exec {file}<&-
    end_process "$FOLLOWER" KILL
    FOLLOWER=
    must 20 "the mount outlives the last who used it" is_gone "${KEEPERS[a]}"
    mount_member a
}

k6_a_mount_ends_in_order_when_it_is_asked_to() {
    step "K6: a mount ends in order when it is asked to"
    local keeper=${KEEPERS[a]} daemon
    daemon=$(pid_of a)
    echo last >"$A/last"
    kill -s TERM "$keeper"
    must 20 "the supervisor does not end" is_gone "$keeper"
    is_gone "$daemon" || fail "the daemon outlives its supervisor"
    is_unmounted "$A" || fail "the mount is still there"
    mount_member a
    has "$A/last" last || fail "the last words are lost"
}

k7_the_mount_ends_when_its_supervisor_dies() {
    step "K7: the mount ends when its supervisor dies"
    kill -s KILL "${KEEPERS[a]}"
    must 5 "the mount does not end" is_unmounted "$A"
    must 20 "the daemon goes on alone" is_gone "${PIDS[a]}"
    mount_member a
}

k8_a_mount_whose_processes_all_die_disappears() {
    step "K8: a mount whose processes all die disappears"
    echo kept >"$A/kept"
    kill_member a
    must 2 "the dead mount is still there" is_unmounted "$A"
    mount_member a
    has "$A/kept" kept || fail "what was closed is lost"
}

k9_a_mount_whose_daemons_cannot_start_is_ended_and_says_why() {
    step "K9: a mount whose daemons cannot start is ended and says why"
    local state keeper=${KEEPERS[a]}
    state=$(field a state)
    # Nothing can be opened where the state was.
    mv "$state/db" "$state/db.away" && touch "$state/db"
    kill_daemon a
    must 60 "the mount goes on without a daemon" is_gone "$keeper"
    is_unmounted "$A" || fail "a mount that nobody serves is left behind"
    any "the mount is ended" <"$state/log" || fail "the log does not say so"
    expect 1 fl a status "$A"
    said "is not running any more"
    rm "$state/db" && mv "$state/db.away" "$state/db"
    mount_member a
}

# kill_all_of_a: the one who would take the dead mount away as well.
kill_all_of_a() {
    local watcher
    watcher=$(watcher_of "${KEEPERS[a]}") && [ -n "$watcher" ] || fail "nobody watches the mount"
    # The supervisor is stopped first, since it replaces who dies; and dies last, since the daemon ends the mount then.
    kill -s STOP "${KEEPERS[a]}" && kill -s KILL "$watcher" || fail "the watcher cannot be killed"
    end_process "$(daemon_of "${KEEPERS[a]}")" KILL
    kill_member a
    must 10 "the mount is not dead" is_dead
}
# What is asked while the last thread ends is told of an abort; what is asked later, of this.
is_dead() { [[ $(ls "$A" 2>&1) == *"Transport endpoint is not connected"* ]]; }

u4_nobody_has_to_take_a_dead_mount_away_by_hand() {
    step "U4: a mount in use whose processes are all killed is an ordinary directory at once, and can be mounted again"
    local file
    echo closed >"$A/closed"
    exec {file}>"$A/open"
    echo written >&"$file"
    (cd "$A" && exec sleep 300) &
    FOLLOWER=$!
    must 10 "nobody is in the mount" is_inside "$FOLLOWER"
    kill_member a
    must 2 "the dead mount is still there" is_unmounted "$A"
    expect 0 ls -A "$A"
    same "$OUTPUT" "" "what the directory below shows"
    mount_member a
    has "$A/closed" closed || fail "what was closed is lost"
    has "$A/open" written || fail "what was written is lost"
    exec {file}>&-
    end_process "$FOLLOWER" KILL
    FOLLOWER=
    step "U4: where even the watcher is killed, the next mount replaces the dead one without being asked to"
    kill_all_of_a
    expect 1 fl a status "$A"
    said "is not running any more"
    mount_member a
    has "$A/closed" closed || fail "what was closed is lost"
    same "$(grep -c -F " $A " /proc/self/mountinfo)" 1 "mounts at one place"
    step "U4: and umount takes it away like any other"
    echo latest >"$A/latest"
    kill_all_of_a
    expect 0 fl a umount "$A"
    said "the daemon had ended before"
    is_unmounted "$A" || fail "the dead mount is still there"
    mount_member a
    has "$A/latest" latest || fail "what was closed is lost"
    sync_all a b
    same_trees "$A" "$B"
}

start_hub
create_space
start_members a b
shift
for letter in k u; do run_rows $letter "$@"; done
umount_member a
umount_member b
finish
