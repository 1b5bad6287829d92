#!/bin/bash
# A PostgreSQL cluster on the mount: made there, put under load, killed without warning in the middle of it, recovered, and
# looked over by amcheck and by its own page checksums.
. "$(dirname "$0")/../harness.sh"
ROUNDS=${ROUNDS:-3}
[ "$(id -u)" = 0 ] || skip "only root can run PostgreSQL as its own user"
begin postgres
PROGRAMS=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$PROGRAMS/postgres" ] || skip "PostgreSQL is not installed (Debian: postgresql postgresql-contrib)"
[ -x "$PROGRAMS/pgbench" ] && [ -x "$PROGRAMS/pg_amcheck" ] || skip "pgbench or pg_amcheck is not installed"
id -u postgres >/dev/null 2>&1 || skip "there is no user postgres"
start_hub
create_space
join a
mount_member a allow_other
chmod 755 "$WORK" "$WORK/a"
DATA=$WORK/a/cluster SOCKET=$WORK/socket
mkdir "$DATA" "$SOCKET" && chown postgres: "$DATA" "$SOCKET"

pg() { (cd / && PGHOST=$SOCKET PGUSER=postgres PGDATABASE=postgres setpriv --reuid postgres --regid postgres --init-groups "$PROGRAMS/$1" "${@:2}"); }
start() { pg pg_ctl -D "$DATA" -l "$SOCKET/log" -w -t 120 -o "-k $SOCKET -c listen_addresses=''" start >/dev/null; }
clear_up_more() { [ ! -e "$DATA/postmaster.pid" ] || kill -KILL -- "-$(head -n 1 "$DATA/postmaster.pid")" 2>/dev/null; }
ask() { pg psql -XAtqc "$1"; }

step "initdb with checksums, pgbench -i"
pg initdb -D "$DATA" --data-checksums --auth=trust >"$WORK/initdb" 2>&1 || fail "initdb: $(tail -n 3 "$WORK/initdb")"
start || fail "it does not start: $(tail -n 5 "$SOCKET/log")"
pg pgbench -i -s 2 -q >/dev/null 2>&1 || fail "pgbench -i"
ask 'CREATE EXTENSION amcheck'

for round in $(seq "$ROUNDS"); do
    step "pgbench, and kill -9 of all of it ($round)"
    before=$(ask 'SELECT count(*) FROM pgbench_history')
    # Without `-n` it would empty the history first.
    pg pgbench -n -c 4 -j 2 -T 600 >"$WORK/bench" 2>&1 &
    bench=$!
    must 120 "pgbench does not get on" eval "[ \$(ask 'SELECT count(*) FROM pgbench_history') -gt $((before + 300)) ]"
    committed=$(ask 'SELECT count(*) FROM pgbench_history')
    postmaster=$(head -n 1 "$DATA/postmaster.pid")
    kill -KILL "$postmaster" $(pgrep -P "$postmaster")
    wait "$bench" 2>/dev/null
    must 60 "a server process stays" eval "! pgrep -s $postmaster"
    start || fail "it does not recover: $(tail -n 5 "$SOCKET/log")"
    [ "$(ask 'SELECT count(*) FROM pgbench_history')" -ge "$committed" ] || fail "committed rows are gone"
    same t "$(ask 'SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)')" \
        "sums of accounts and history"
    pg pg_amcheck --heapallindexed --parent-check -d postgres >"$WORK/amcheck" 2>&1 || fail "$(tail -n 3 "$WORK/amcheck")"
done

step "stopped, and its checksums looked over"
pg pg_ctl -D "$DATA" -w -m fast stop >/dev/null || fail "it does not stop"
pg pg_checksums --check -D "$DATA" >"$WORK/checksums" 2>&1 || fail "$(tail -n 3 "$WORK/checksums")"
SYNC_TIMEOUT=300s sync_all a
finish
