#!/bin/bash
# fsx (the crate of that name): random reads and writes of one file, by calls and by mappings, each read compared with what
# was written. Nine mixes of operations with three seeds each; with another member writing other files all the time, and
# without.
#
# The suite is taken from PATH, or else installed by cargo into the user's cache. $OPERATIONS is how long each run is.
. "$(dirname "$0")/../harness.sh"
SUITE_VERSION=0.3.2
OPERATIONS=${OPERATIONS:-1500}
SEEDS=(1 2 3)
begin fsx
A=$WORK/a
BUSY=
clear_up_more() { [ -z "$BUSY" ] || kill -KILL "$BUSY" 2>/dev/null; }

# find_suite: sets $SUITE to the program. Both ways of having none are told.
find_suite() {
    local root=${XDG_CACHE_HOME:-$HOME/.cache}/fl0wfs/fsx-$SUITE_VERSION
    SUITE=$(command -v fsx) && return
    SUITE=$root/bin/fsx
    [ -x "$SUITE" ] && return
    command -v cargo >/dev/null || skip "fsx is not installed, and there is no cargo to install it"
    step "installing fsx $SUITE_VERSION"
    CARGO_TARGET_DIR=$WORK/build cargo install --quiet --locked --version "$SUITE_VERSION" --root "$root" fsx \
        >"$WORK/install.log" 2>&1 || skip "fsx cannot be installed: $(tail -n 1 "$WORK/install.log")"
    rm -rf "$WORK/build"
}

# mix NAME LENGTH OPERATION-BYTES [WEIGHT=NUMBER...]: a configuration by that name.
MIXES=()
mix() {
    MIXES+=("$1")
    { printf 'flen = %s\n[opsize]\nmax = %s\n[weights]\n' "$2" "$3" && printf '%s\n' "${@:4}"; } >"$WORK/$1.toml"
}
mix usual 262144 65536
mix closing 262144 65536 close_open=2 fsync=0.5
mix holes 262144 65536 punch_hole=3 truncate=2
mix reserving 262144 65536 posix_fallocate=2 punch_hole=1
mix copying 262144 65536 copy_file_range=3 sendfile=1
mix forgetting 262144 65536 invalidate=2 posix_fadvise=1
mix syncing 262144 65536 fsync=2 fdatasync=2 mapread=0 mapwrite=0
mix everything 1048576 262144 close_open=1 invalidate=1 fsync=0.5 fdatasync=0.5 posix_fallocate=1 punch_hole=1 \
    sendfile=1 posix_fadvise=1 copy_file_range=1
mix small 4096 300 close_open=1 punch_hole=1 fsync=0.5

# run_all: every mix with every seed.
run_all() {
    local mix seed passed=0
    for mix in "${MIXES[@]}"; do
        for seed in "${SEEDS[@]}"; do
            rm -rf "$WORK/artifacts" && mkdir "$WORK/artifacts"
            timeout 300 "$SUITE" -q -f "$WORK/$mix.toml" -S "$seed" -N "$OPERATIONS" -P "$WORK/artifacts" \
                "$A/$mix-$seed" >"$WORK/run.log" 2>&1 || fail "$mix with seed $seed: $(tail -n 20 "$WORK/run.log")"
            passed=$((passed + 1))
        done
    done
    step "$passed of $((${#MIXES[@]} * ${#SEEDS[@]})) runs passed"
}

find_suite
start_hub
create_space
start_members b
join a
# Where contents can go past the daemon, both ways are looked at.
modes=("")
can() { FL0WFS_HOME=$(home_of a) "$BIN/mount-fl0wfs" -f "work:$SPACE" "$A" -o "$1" 2>/dev/null; }
can passthrough=off && modes=(passthrough=off) && [ "$(id -u)" = 0 ] && modes+=(passthrough=on)
for mode in "${modes[@]}"; do
    OPTIONS[a]=$mode
    mount_member a
    step "alone${mode:+, $mode}"
    run_all
    step "while another member writes${mode:+, $mode}"
    (while :; do for name in $(seq 20); do date +%N >"$WORK/b/other-$name"; read -r -t 0.05 -u "$NOTHING" || :; done; done) &
    BUSY=$!
    run_all
    kill -KILL "$BUSY" && wait "$BUSY" 2>/dev/null
    BUSY=
    sync_all a b
    same_trees "$A" "$WORK/b"
    umount_member a
done
finish
