#!/bin/bash
# kill -9 of the daemon every two seconds for five minutes, and after every other kill another program that goes on with
# the mount, under fsx, git, a copy of 1 GiB and, where PostgreSQL is installed, pgbench: no program sees an error, the
# content is right, and the other member has the same.
#
#   survive.sh [SECONDS [MIB]]   [default: 300 seconds, 1024 MiB]
. "$(dirname "$0")/../harness.sh"
need git
begin long-survive
SECONDS_OF_WORK=${1:-300} MIB=${2:-1024}
SYNC_TIMEOUT=900s
A=$WORK/a B=$WORK/b
STOP=$WORK/stop
declare -A WORKERS=()

clear_up_more() {
    local name
    [ -z "${PG:-}" ] || as_postgres "$PG/pg_ctl" -D "$A/pg/data" -m immediate stop >/dev/null 2>&1
    for name in "${!WORKERS[@]}"; do end_process "${WORKERS[$name]}" KILL; done
}

# work NAME COMMAND...: runs it over and over until there is enough; it ends with 0 where every run did.
work() {
    local name=$1
    shift
    (
        runs=0
        until [ -e "$STOP" ]; do
            "$@" >>"$WORK/$name.log" 2>&1 || { echo "$name failed after $runs runs" >"$WORK/$name.failed"; exit 1; }
            runs=$((runs + 1))
        done
        echo "$runs" >"$WORK/$name.runs"
    ) &
    WORKERS[$name]=$!
}

serves() { [ "$(pid_of a)" = "$(daemon_of "${KEEPERS[a]}")" ]; }
steady_one() { python3 "$(dirname "$0")/../steady.py" "$A/steady" "$STOP"; }
fsx_one() { rm -f "$A/fsx/file"; fsx -N 500 -S "$RANDOM" "$A/fsx/file"; }
git_one() {
    rm -rf "$A/git/clone" && git clone -q "$WORK/origin" "$A/git/clone" && cd "$A/git/clone" &&
        for number in 1 2 3 4 5; do echo "$number $RANDOM" >>"file-$number" && git add -A && git commit -qm "$number" || return 1; done &&
        git fsck --strict && [ -z "$(git status --porcelain)" ]
    local code=$?
    cd "$WORK" || return 1
    return "$code"
}
copy_one() { cp "$WORK/large" "$A/copy/large.new" && mv "$A/copy/large.new" "$A/copy/large" && cmp "$WORK/large" "$A/copy/large"; }
as_postgres() { runuser -u postgres -- "$@"; }
pgbench_one() { as_postgres "$PG/pgbench" -h "$WORK/run" -T 5 -c 2 -n postgres; }

start_postgres() {
    PG=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    if [ -z "$PG" ] || [ "$(id -u)" != 0 ]; then
        say "SKIPPED: pgbench, as PostgreSQL is not installed or this is not root"
        PG=
        return
    fi
    chmod 711 "$WORK"
    mkdir "$A/pg" "$WORK/run" && chown postgres "$A/pg" "$WORK/run"
    as_postgres "$PG/initdb" -D "$A/pg/data" >"$WORK/initdb.log" 2>&1 || fail "initdb: $(tail -n 3 "$WORK/initdb.log")"
    as_postgres "$PG/pg_ctl" -D "$A/pg/data" -w -o "-c listen_addresses= -k $WORK/run" -l "$WORK/run/log" start >/dev/null || fail "PostgreSQL does not start"
    as_postgres "$PG/pgbench" -h "$WORK/run" -i -q postgres >"$WORK/pginit.log" 2>&1 || fail "pgbench cannot begin"
    work pgbench pgbench_one
}

start_hub
create_space
join a
join b
mount_member a allow_other
mount_member b
mkdir "$A/fsx" "$A/git" "$A/copy" "$A/steady"
git init -q "$WORK/origin" && (cd "$WORK/origin" && git config user.email a@b && git config user.name a &&
    for number in $(seq 200); do seq "$number" 400 >"file-$number"; done && git add -A && git commit -qm begin) || fail "no repository"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
head -c "${MIB}M" /dev/urandom >"$WORK/large"
start_postgres
work git git_one
work copy copy_one
if command -v fsx >/dev/null; then work fsx fsx_one; else say "SKIPPED: fsx is not installed"; fi
if command -v python3 >/dev/null; then work steady steady_one; fi

# After so many kills another program goes on: the one that has just taken over dies as well, in the middle of it.
UPGRADE_EVERY=2
until=$((SECONDS + SECONDS_OF_WORK)) killed=0 upgraded=0
while [ "$SECONDS" -lt "$until" ]; do
    read -r -t 2 -u "$NOTHING"
    # On a machine that is busy with other things a daemon takes longer than that to begin.
    must 60 "no daemon serves" serves
    kill_daemon a && killed=$((killed + 1))
    if [ $((killed % UPGRADE_EVERY)) = 0 ]; then
        upgraded=$((upgraded + 1))
        cp "$FL0WFS" "$WORK/program-$upgraded"
        must 60 "no daemon serves" serves
        expect 0 fl a upgrade "$A" --program "$WORK/program-$upgraded"
        same "$(readlink "/proc/$(pid_of a)/exe")" "$WORK/program-$upgraded" "the program that goes on"
    fi
    cat "$WORK"/*.failed 2>/dev/null && fail "after $killed kills: $(tail -n 20 "$WORK"/*.log)"
done
touch "$STOP"
for name in "${!WORKERS[@]}"; do
    wait_for 300 is_gone "${WORKERS[$name]}" || fail "$name hangs"
    wait "${WORKERS[$name]}" || fail "$name: $(tail -n 20 "$WORK/$name.log")"
    unset "WORKERS[$name]"
    step "$name: $(cat "$WORK/$name.runs") runs"
done
[ -z "$PG" ] || as_postgres "$PG/pg_ctl" -D "$A/pg/data" -m fast stop >/dev/null || fail "PostgreSQL does not stop"
PG=
step "killed $killed times, upgraded $upgraded times"
sync_all a b
same_trees "$A" "$B"
umount_member a
umount_member b
finish
