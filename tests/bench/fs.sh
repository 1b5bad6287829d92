#!/bin/bash
# The mount beside the file system its state is on, and beside bindfs (with its default options) over the same:
# every row in every round for each of them, one after the other, and the medians of the ratios.
#
#   scripts/bench fs [--rounds COUNT] [--hub on|off] [--each] [--requests] [ROW|GROUP...]    [5 rounds, hub on, all rows]
#   scripts/bench fs --list                                            the rows, by group
#
# With the hub off what is written stays in the journal. With --each the time of every round is shown too. With
# --requests every row runs once more, and what the kernel asks the daemons is counted, by perf: for each file, or
# each thing done.
. "$(dirname "$0")/../harness.sh"
DRIVER=$(dirname "$0")/fs.py
HUB=on ARGUMENTS=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" && exit ;;
    --list) exec python3 -B "$DRIVER" --list ;;
    --hub) HUB=${2:?--hub takes on or off} && shift 2 ;;
    *) ARGUMENTS+=("$1") && shift ;;
    esac
done
begin bench-fs
need python3 fio git tar
PLAIN=$WORK/plain BOUND=$WORK/bound
clear_up_more() { umount -l "$BOUND" 2>/dev/null || fusermount3 -uz "$BOUND" 2>/dev/null; }

mkdir "$PLAIN" "$BOUND" "$WORK/behind-bound"
TARGETS=("--target=plain=$PLAIN")
if command -v bindfs >/dev/null && bindfs "$WORK/behind-bound" "$BOUND"; then
    TARGETS+=("--target=bindfs=$BOUND")
else
    say "bindfs is not installed, or cannot mount: its column is missing"
fi
start_hub
# The daemon's own path; and where the kernel may, it reads and writes past the daemon.
# Each in a space of its own, so that neither does the other's work.
SPACE=daemon
create_space
join daemon
mount_member daemon passthrough=off
TARGETS+=("--target=daemon=$(dir_of daemon)/d")
if [ "$(id -u)" = 0 ]; then
    SPACE=kernel
    create_space
    join kernel
    mount_member kernel passthrough=on
    TARGETS+=("--target=kernel=$(dir_of kernel)/k")
fi
# Without a hub nothing is ever sent, and this is for the captures alone.
SETTLES_WITHIN=120s
[ "$HUB" = on ] || SETTLES_WITHIN=1s
for member in "${!PIDS[@]}"; do
    mkdir "$(dir_of "$member")/${member:0:1}"
    # Between two rows everything is captured, and sent where there is a hub: no row pays for another.
    TARGETS+=("--settle=$member=FL0WFS_HOME=$(home_of "$member") $FL0WFS sync $(dir_of "$member") --timeout $SETTLES_WITHIN")
done
if [ "$HUB" = off ]; then stop_hub; fi
python3 -B "$DRIVER" "${TARGETS[@]}" "${ARGUMENTS[@]}" || fail "the rows did not run"
[ "$HUB" = off ] || step "CPU of the hub: $(($(cpu_ticks "$HUB_PID") * 10)) ms"
finish
