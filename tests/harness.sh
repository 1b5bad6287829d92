# For the shell tests: a hub and members in a directory of their own, and their end.
# Source it; then: hub_start, member NAME [ROLE], mount_member NAME, sync_all NAME..., wait_until LIMIT COMMAND...
# shellcheck shell=bash
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/fl0wfs/target}"
FL0WFS="${FL0WFS:-$CARGO_TARGET_DIR/release/fl0wfs}"
MOUNT_HELPER="${MOUNT_HELPER:-$CARGO_TARGET_DIR/release/mount.fl0wfs}"
if [ ! -e /dev/fuse ]; then
    echo "SKIPPED: this machine has no /dev/fuse" >&2
    exit 0
fi

AREA=$(mktemp -d "${TMPDIR:-/var/tmp}/fl0wfs-test.XXXXXX")
HUB_PID=
MEMBERS=()

clean_up() {
    local status=$?
    set +e
    for name in "${MEMBERS[@]}"; do
        if mountpoint -q "$AREA/$name/mnt"; then
            FL0WFS_HOME="$AREA/$name/home" "$FL0WFS" umount "$AREA/$name/mnt" >/dev/null 2>&1 ||
                umount -l "$AREA/$name/mnt" 2>/dev/null || fusermount3 -uz "$AREA/$name/mnt"
        fi
    done
    if [ -n "$HUB_PID" ]; then kill "$HUB_PID" 2>/dev/null; wait "$HUB_PID" 2>/dev/null; fi
    if [ "$status" != 0 ]; then
        for log in "$AREA"/hub.log "$AREA"/*/home/state/*/*/log; do
            if [ -s "$log" ]; then echo "--- $log"; tail -n 20 "$log"; fi
        done >&2
    fi
    rm -rf --one-file-system "$AREA"
    exit "$status"
}
trap clean_up EXIT

say() { printf '   %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# wait_until SECONDS COMMAND...: looks again and again until the command succeeds.
wait_until() {
    local limit=$1 began=$SECONDS
    shift
    until "$@"; do
        if ((SECONDS - began >= limit)); then fail "not within $limit s: $*"; fi
        read -r -t 0.05 <> <(:) || true
    done
}

hub() { "$FL0WFS" hub "$@" --data "$AREA/hub"; }

hub_start() {
    "$FL0WFS" hub serve --data "$AREA/hub" --listen "${HUB_LISTEN:-127.0.0.1:0}" >"$AREA/hub.out" 2>>"$AREA/hub.log" &
    HUB_PID=$!
    wait_until 20 grep -q '^listening on ' "$AREA/hub.out"
    HUB_LISTEN=$(sed -n 's/^listening on //p' "$AREA/hub.out" | head -n 1)
}

hub_stop() { # hub_stop [SIGNAL]
    kill -s "${1:-TERM}" "$HUB_PID"
    wait "$HUB_PID" 2>/dev/null || true
    HUB_PID=
}

as() { # as MEMBER ARGS...: fl0wfs as that member
    local name=$1
    shift
    FL0WFS_HOME="$AREA/$name/home" "$FL0WFS" "$@"
}

join_member() { # join_member NAME [ROLE]
    mkdir -p "$AREA/$1/home" "$AREA/$1/mnt"
    local url
    url=$(hub invite space --role "${2:-writer}" --host "$HUB_LISTEN")
    as "$1" join "$url" --as r --name "$1" >/dev/null
    MEMBERS+=("$1")
}

mount_member() { # mount_member NAME [OPTIONS]
    as "$1" mount r:space "$AREA/$1/mnt" ${2:+-o "$2"}
}

umount_member() { as "$1" umount "$AREA/$1/mnt"; }

sync_all() {
    local name
    for name in "$@"; do as "$name" sync "$AREA/$name/mnt" --timeout "${SYNC_TIMEOUT:-60s}"; done
}

# start_members NAME...: a hub with the space, and these members mounted.
start_members() {
    hub_start
    hub space create space >/dev/null
    local name
    for name in "$@"; do
        join_member "$name"
        mount_member "$name"
    done
}

# Everything about a tree that must be equal: names, kinds, modes, sizes, times, links, targets, bytes, attributes.
describe_tree() {
    (
        cd "$1"
        find . -mindepth 1 -printf '%P %y %m %n %T@ %l' \( -type f -printf ' %s' -o -true \) -printf '\0' | sort -z
        find . -type f -print0 | sort -z | xargs -0r md5sum -z --
        find . -mindepth 1 \( -type f -o -type d \) -print0 | sort -z | xargs -0r getfattr -hd -m '^user' -- 2>/dev/null
    ) | md5sum
}

same_tree() { [ "$(describe_tree "$AREA/$1/mnt")" = "$(describe_tree "$AREA/$2/mnt")" ]; }

expect_same() {
    if ! same_tree "$1" "$2"; then
        diff -rq --no-dereference "$AREA/$1/mnt" "$AREA/$2/mnt" | head -n 20 >&2 || true
        fail "the trees of $1 and $2 differ"
    fi
}
