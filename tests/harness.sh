# Shared by the shell tests: a hub and members of its own, waits with limits, and a trap that clears up.
#
# A test sources this, calls `begin NAME`, does its work and checks, and calls `finish`. It ends with 0 where all
# checks held, 77 where it was skipped, anything else where it failed. Only processes started here are ended.
#
#   FL0WFS_BIN        the directory with the programs [default: the release build]
#   FL0WFS_TEST_DIR   where tests work; not below /tmp, where vim saves in another way [default: /var/tmp]
#   FL0WFS_TEST_KEEP  not empty: leave everything behind for a look

set -u -o pipefail
export LC_ALL=C.UTF-8 TZ=UTC

BIN=${FL0WFS_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/fl0wfs/target}/release}
FL0WFS=$BIN/fl0wfs
SPACE=notes
declare -A PIDS=()      # members' daemons, as they were when they were mounted
declare -A KEEPERS=()   # and their supervisors
declare -A OPTIONS=()   # members' mount options
declare -A RELAYS=()    # members' networks: the processes that are them
declare -A ADDRESSES=() # where members find the hub, if by a network of their own
HUB_PID=
HUB_ADDRESS=
WORK=

say() { printf '%s\n' "$*"; }
step() { printf '  - %s\n' "$*"; }

fail() {
    say "FAILED: $*" >&2
    exit 1
}

skip() {
    say "SKIPPED: $*" >&2
    exit 77
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

begin() {
    [ -x "$FL0WFS" ] || fail "$FL0WFS is not built (cargo build --release --workspace)"
    [ -c /dev/fuse ] || skip "there is no /dev/fuse"
    need fusermount3
    WORK=$(mktemp -d "${FL0WFS_TEST_DIR:-/var/tmp}/fl0wfs-$1.XXXXXX") || fail "no directory to work in"
    trap clear_up EXIT
    trap 'exit 130' INT TERM
    unset FL0WFS_HOME
    say "$1 (in $WORK)"
}

finish() {
    say "ok"
    exit 0
}

clear_up() {
    local status=$? member point
    trap - EXIT
    [ "$status" = 0 ] || [ "$status" = 77 ] || show_logs
    for member in "${!RELAYS[@]}"; do end_process "${RELAYS[$member]}" KILL; done
    for member in "${!PIDS[@]}"; do
        point=$(dir_of "$member")
        kill_member "$member"
        umount -l "$point" 2>/dev/null || fusermount3 -uz "$point" 2>/dev/null
    done
    [ -z "$HUB_PID" ] || end_process "$HUB_PID" KILL
    if declare -F clear_up_more >/dev/null; then clear_up_more; fi
    unlink_helpers
    rmdir "$TRACING/instances/fl0wfs-$$" 2>/dev/null
    if [ -n "$WORK" ] && [ -z "${FL0WFS_TEST_KEEP:-}" ]; then
        mountpoint_below "$WORK" || rm -rf --one-file-system "$WORK"
    fi
    exit "$status"
}

mountpoint_below() { grep -q " $1/" /proc/self/mountinfo; }

show_logs() {
    local log
    for log in "$WORK"/hub.log "$WORK"/home-*/state/members/*/*/log; do
        [ -s "$log" ] || continue
        say "--- the end of $log" >&2
        tail -n 15 "$log" >&2
    done
}

# Ends a process started here and waits until it is gone.
end_process() {
    kill -s "$2" "$1" 2>/dev/null || return 0
    wait_for 30 is_gone "$1" || { kill -s KILL "$1" 2>/dev/null; wait_for 10 is_gone "$1"; }
    wait "$1" 2>/dev/null
    return 0
}

# Gone, or a zombie that nobody has collected yet.
is_gone() {
    local stat
    read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
    stat=${stat##*) }
    [ "${stat%% *}" = Z ]
}

# --- waiting -------------------------------------------------------------------------------------------------

# wait_for SECONDS COMMAND...: tries the command until it succeeds; false after so many seconds.
wait_for() {
    local limit=$(($1 * 1000000)) began=${EPOCHREALTIME/./}
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((${EPOCHREALTIME/./} - began)) -lt "$limit" ] || return 1
        pause
    done
}

# A short pause between two looks, without a process of its own: nothing ever comes out of this pipe.
exec {NOTHING}<> <(:)
pause() { read -r -t 0.02 -u "$NOTHING" || :; }

# must SECONDS DESCRIPTION COMMAND...: the command has to succeed within so many seconds.
must() {
    local seconds=$1 what=$2
    shift 2
    wait_for "$seconds" "$@" || fail "$what (waited $seconds s for: $*)"
}

# expect CODE COMMAND...: the command has to end with that exit code; its output is kept in $OUTPUT.
expect() {
    local code=$1 got
    shift
    OUTPUT=$("$@" 2>&1)
    got=$?
    [ "$got" = "$code" ] || fail "exit code $got, not $code, from: $* -- $OUTPUT"
}

# said TEXT: the last command that `expect` ran has to have said so.
said() { [[ $OUTPUT == *"$1"* ]] || fail "this does not say \"$1\": $OUTPUT"; }

# run_rows LETTER [NUMBER...]: runs the functions named LETTER, number, sentence; all in order, or these.
run_rows() {
    local letter=$1 row number began
    shift
    for row in $(compgen -A function | grep -E "^${letter}[0-9]+_" | sort -V); do
        number=${row#"$letter"}
        [ $# = 0 ] || [[ " $* " == *" ${number%%_*} "* ]] || continue
        began=${EPOCHREALTIME/./}
        "$row"
        say "    ($(((${EPOCHREALTIME/./} - began) / 1000)) ms)"
    done
}

same() { [ "$1" = "$2" ] || fail "${3:-values differ}: \"$1\" is not \"$2\""; }

# --- the mount helper ----------------------------------------------------------------------------------------

# mount(8) looks for helpers in fixed places only: one name is for fstab and -t, the other for what is mounted already.
HELPERS=(/sbin/mount.fl0wfs /sbin/mount.fuse.fl0wfs)
LINKED=()

# link_helpers: puts this helper where mount(8) finds it. An installed one is not replaced, but has to be this one.
link_helpers() {
    local helper
    for helper in "${HELPERS[@]}"; do
        if [ -e "$helper" ]; then
            cmp -s "$BIN/mount-fl0wfs" "$helper" || skip "another $helper is installed; scripts/install puts this one there"
        else
            ln -sf "$BIN/mount-fl0wfs" "$helper" && LINKED+=("$helper")
        fi
    done
}

unlink_helpers() { [ ${#LINKED[@]} = 0 ] || rm -f "${LINKED[@]}"; }

# --- the hub -------------------------------------------------------------------------------------------------

# start_hub [ADDR:PORT]: starts it again where it was, or anywhere.
start_hub() {
    # The line of an earlier hub must not be taken for this one's.
    : >"$WORK/hub.out"
    "$FL0WFS" hub serve --data "${HUB_DATA:-$WORK/hub}" --listen "${1:-${HUB_ADDRESS:-127.0.0.1:0}}" \
        >"$WORK/hub.out" 2>>"$WORK/hub.log" &
    HUB_PID=$!
    wait_for 30 grep -q '^listening on ' "$WORK/hub.out" || fail "the hub does not listen"
    HUB_ADDRESS=$(sed -n 's/^listening on //p' "$WORK/hub.out")
}

stop_hub() {
    end_process "$HUB_PID" "${1:-TERM}"
    HUB_PID=
}

kill_hub() { stop_hub KILL; }

hub() {
    local command=$1
    shift
    "$FL0WFS" hub $command "$@" --data "${HUB_DATA:-$WORK/hub}"
}

create_space() { hub "space create" "$SPACE" || fail "the space cannot be made"; }

invite() { hub invite "$SPACE" --host "$HUB_ADDRESS" "$@"; }

# --- members -------------------------------------------------------------------------------------------------

home_of() { printf '%s/home-%s' "$WORK" "$1"; }
dir_of() { printf '%s/%s' "$WORK" "$1"; }

# fl MEMBER COMMAND...: runs fl0wfs as that member.
fl() {
    local member=$1
    shift
    FL0WFS_HOME=$(home_of "$member") "$FL0WFS" "$@"
}

# join MEMBER [INVITE OPTIONS]: makes a member of the space.
join() {
    local member=$1 url
    shift
    url=$(HUB_ADDRESS=${ADDRESSES[$member]:-$HUB_ADDRESS} invite "$@") || fail "no invite for $member"
    fl "$member" join "$url" --as work --name "$member" >/dev/null || fail "$member cannot join"
    mkdir -p "$(dir_of "$member")"
}

# mount_member MEMBER [OPTIONS]: mounts it, with the options of last time where none are given.
mount_member() {
    local member=$1
    [ $# -lt 2 ] || OPTIONS[$member]=$2
    local options=${OPTIONS[$member]:-}
    fl "$member" mount "work:$SPACE" "$(dir_of "$member")" ${options:+-o "$options"} || fail "$member cannot mount"
    PIDS[$member]=$(pid_of "$member")
    # The hub may not be connected yet, which the exit code of the status says.
    KEEPERS[$member]=$(keeper_of "$member") || true
}

# pid_of MEMBER, keeper_of MEMBER: the processes of its daemon and of its supervisor, now.
pid_of() { fl "$1" status "$(dir_of "$1")" --json | grep -o '"pid":[0-9]*' | cut -d: -f2; }
keeper_of() { fl "$1" status "$(dir_of "$1")" --json | grep -o '"supervisor":[0-9]*' | cut -d: -f2; }

# status_says MEMBER TEXT: its status says so, with whatever exit code.
status_says() {
    local status
    status=$(fl "$1" status "$(dir_of "$1")" 2>&1)
    [[ $status == *"$2"* ]]
}

# umount_member MEMBER [OPTIONS]: unmounts it; work that waits is no failure.
umount_member() {
    local member=$1 code process output
    shift
    output=$(fl "$member" umount "$(dir_of "$member")" "$@" 2>&1)
    code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || fail "$member cannot be unmounted: exit code $code: $output"
    for process in "${PIDS[$member]}" "${KEEPERS[$member]}"; do
        wait_for 10 is_gone "$process" || fail "process $process of $member outlives its mount"
    done
    unset "PIDS[$member]" "KEEPERS[$member]"
}

# kill_member MEMBER: kills all that keeps its mount alive, so that the mount dies. Nobody restarts what is stopped first.
kill_member() {
    local keeper=${KEEPERS[$1]:-} daemon=${PIDS[$1]}
    if [ -n "$keeper" ] && ! is_gone "$keeper"; then
        kill -s STOP "$keeper" 2>/dev/null
        daemon=$(daemon_of "$keeper")
    fi
    kill -s KILL $keeper ${daemon:-${PIDS[$1]}} 2>/dev/null
    end_process "${keeper:-${PIDS[$1]}}" KILL
    end_process "${daemon:-${PIDS[$1]}}" KILL
}

# daemon_of SUPERVISOR: its daemon is the child that is no watcher.
daemon_of() {
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        [ "$(cat "/proc/$child/comm" 2>/dev/null)" = fl0wfs-watch ] || printf '%s\n' "$child"
    done
}

# kill_daemon MEMBER: kills its daemon alone; the mount goes on.
kill_daemon() { kill -s KILL "$(daemon_of "${KEEPERS[$1]}")"; }

# start_members NAME...: joins and mounts.
start_members() {
    local member
    for member in "$@"; do
        join "$member"
        mount_member "$member"
    done
}

# sync_all MEMBER...: all have what all had. Twice, as the first round may make work for those before.
sync_all() {
    local member round
    for round in 1 2; do
        for member in "$@"; do
            expect 0 fl "$member" sync "$(dir_of "$member")" --timeout "${SYNC_TIMEOUT:-120s}"
        done
    done
}

# field MEMBER NAME: a field of its status; plain values only.
field() { fl "$1" status "$(dir_of "$1")" --json | grep -o "\"$2\":[^,}]*" | head -n 1 | cut -d: -f2 | tr -d '"'; }

# --- members' networks ---------------------------------------------------------------------------------------

# start_relays MEMBER...: these members will join by networks of their own, which count and can be frozen.
start_relays() {
    local member
    for member in "$@"; do
        python3 "$(dirname "${BASH_SOURCE[0]}")/relay.py" "$HUB_ADDRESS" "$WORK/relay-$member" \
            >"$WORK/relay-$member.out" 2>&1 &
        RELAYS[$member]=$!
        must 30 "the network of $member does not work" grep -q '^listening on ' "$WORK/relay-$member.out"
        ADDRESSES[$member]=$(sed -n 's/^listening on //p' "$WORK/relay-$member.out")
    done
}

# freeze MEMBER..., thaw MEMBER...: nothing passes any more, without a word to either side; and everything does again.
freeze() { switch_relays USR1 frozen "$@"; }
thaw() { switch_relays USR2 open "$@"; }
switch_relays() {
    local signal=$1 state=$2 member
    shift 2
    for member in "$@"; do
        kill -s "$signal" "${RELAYS[$member]}"
        must 10 "the network of $member does not become $state" grep -q " $state\$" "$WORK/relay-$member"
    done
}

# count_bytes MEMBER...: from now on. bytes_up MEMBER, bytes_down MEMBER: what its network has carried since then.
count_bytes() { local member; for member in "$@"; do cp "$WORK/relay-$member" "$WORK/relay-$member.then"; done; }
bytes_up() { carried "$1" && printf '%s' $((UP_NOW - UP_THEN)); }
bytes_down() { carried "$1" && printf '%s' $((DOWN_NOW - DOWN_THEN)); }
carried() {
    read -r UP_NOW DOWN_NOW _ <"$WORK/relay-$1" && read -r UP_THEN DOWN_THEN _ <"$WORK/relay-$1.then"
}

# at_most BYTES NUMBER WHAT, at_least BYTES NUMBER WHAT
at_most() { [ "$2" -le "$1" ] || fail "$3: $2, more than $1"; }
at_least() { [ "$2" -ge "$1" ] || fail "$3: $2, less than $1"; }

# --- comparing -----------------------------------------------------------------------------------------------

# Names, kinds, modes, owners, link counts, sizes, mtimes to the nanosecond, targets; one line each, names escaped.
list_tree() {
    (cd "$1" && find . -mindepth 1 \( -type d -printf '%P\t%y\t%m\t%U:%G\t%n\t-\t%T@\t%l\0' \) -o \
        -printf '%P\t%y\t%m\t%U:%G\t%n\t%s\t%T@\t%l\0') | LC_ALL=C sort -z | tr '\n\0' '\001\n'
}

# The bytes of all regular files.
list_bytes() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r md5sum -z | tr '\n\0' '\001\n'); }

# All extended attributes of users.
list_xattrs() {
    (cd "$1" && find . -print0 | LC_ALL=C sort -z | xargs -0 -r getfattr -h -d -m '^user\.' -e hex 2>/dev/null)
}

# Which names are one file.
list_links() {
    (cd "$1" && find . -type f -links +1 -printf '%i %P\0') | LC_ALL=C sort -z -k2 | tr '\n\0' '\001\n' |
        awk '{ if (!($1 in first)) first[$1] = ++groups; print first[$1], substr($0, index($0, " ")) }'
}

# same_trees A B: everything that is to be equal is.
same_trees() {
    local what
    for what in tree bytes xattrs links; do
        { "list_$what" "$1" >"$WORK/$what.1" && "list_$what" "$2" >"$WORK/$what.2"; } || fail "$what: no list"
        cmp -s "$WORK/$what.1" "$WORK/$what.2" && continue
        diff "$WORK/$what.1" "$WORK/$what.2" | head -n 10 >&2
        fail "$1 and $2 differ ($what)"
    done
}

# any GREP-ARGUMENT...: a line of the input is so. Reads to the end, so that whoever writes is never cut off.
any() { grep "$@" >/dev/null; }
has() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
md5_of() { md5sum <"$1" | cut -d' ' -f1; }

# log_md5s MEMBER PATH: the tags of a path's history, oldest first, one per line.
log_md5s() {
    fl "$1" log --json "$(dir_of "$1")/$2" | sed -n 's/.*"sync":{".*":{"md5":"\([^"]*\)"}}.*/\1/p' | tac
}

# --- measuring -----------------------------------------------------------------------------------------------

# The most memory a process ever had, in KiB.
peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }

# The CPU time a process has used, in hundredths of a second.
cpu_ticks() {
    local stat
    read -r stat <"/proc/$1/stat"
    set -- ${stat##*) }
    printf '%s' $((${12} + ${13}))
}

# processes: the name and the number of the hub and of every member's daemon.
processes() {
    local name
    printf 'hub %s\n' "$HUB_PID"
    for name in "${!PIDS[@]}"; do printf '%s %s\n' "$name" "${PIDS[$name]}"; done
}

# memory_below KIB: the hub and every member stayed under it.
memory_below() {
    local name pid peak
    while read -r name pid; do
        peak=$(peak_kib "$pid")
        step "peak memory of $name: $((peak / 1024)) MiB"
        [ "$peak" -lt "$1" ] || fail "$name used $peak KiB"
    done < <(processes)
}

# is_quiet SECONDS TICKS: in that time, which is the measurement and no wait for something, the hub and every member used
# no more than so many hundredths of a second of CPU each.
is_quiet() {
    local name pid used quiet=0
    declare -A before=()
    while read -r name pid; do before[$name]=$(cpu_ticks "$pid"); done < <(processes)
    read -r -t "$1" -u "$NOTHING"
    while read -r name pid; do
        used=$(($(cpu_ticks "$pid") - before[$name]))
        step "idle CPU of $name: ${used}0 ms in $1 s"
        [ "$used" -le "$2" ] || quiet=1
    done < <(processes)
    return "$quiet"
}

# count_requests DIR COMMAND...: runs it, and sets $REQUESTS to how often the kernel asked the daemon of that mount.
count_requests() {
    local device trace=$TRACING/instances/fl0wfs-$$ code
    device=$(stat -c %Ld "$1") && mkdir "$trace" || fail "requests cannot be counted"
    shift
    echo "connection == $device" >"$trace/events/fuse/fuse_request_send/filter" &&
        echo 1 >"$trace/events/fuse/fuse_request_send/enable" || fail "requests cannot be counted"
    "$@"
    code=$?
    echo 0 >"$trace/events/fuse/fuse_request_send/enable"
    REQUESTS=$(cat "$trace"/per_cpu/cpu*/stats | awk '/^(entries|overrun):/ { sum += $2 } END { print sum }')
    rmdir "$trace"
    [ "$code" = 0 ] || fail "exit code $code from: $*"
}
TRACING=/sys/kernel/tracing
counts_requests() { [ -w "$TRACING/instances" ] && [ -d "$TRACING/events/fuse" ]; }

# make_sources DIR COUNT: at least so many source files; real ones, as cargo has them, as often as it takes.
make_sources() {
    local registry=${CARGO_HOME:-$HOME/.cargo}/registry/src copy=0 files=0
    [ -d "$registry" ] || fail "there are no sources in $registry"
    while [ "$files" -lt "$2" ]; do
        copy=$((copy + 1))
        mkdir -p "$1/copy-$copy"
        cp -r "$registry"/*/* "$1/copy-$copy/"
        files=$(find "$1" -type f | wc -l)
    done
}
