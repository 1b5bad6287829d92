#!/bin/bash
# SQLite on the mount, with a journal and with a WAL: writers at the same time, killed again and again, and the database is
# whole each time; what was committed is there. The other member gets a whole database too.
. "$(dirname "$0")/../harness.sh"
ROUNDS=${ROUNDS:-8} WRITERS=3
begin sqlite
need python3 sqlite3
start_hub
create_space
start_members a b
A=$WORK/a

cat >"$WORK/writer.py" <<'PY'
"""Adds rows for ever, each transaction as two rows that belong together, and tells what is committed."""
import random, sqlite3, sys, time
path, name = sys.argv[1:]
base = sqlite3.connect(path, timeout=60, isolation_level=None)
number = base.execute("SELECT coalesce(max(number), 0) FROM rows WHERE name = ?", (name,)).fetchone()[0]
while True:
    number += 1
    base.execute("BEGIN IMMEDIATE")
    for half in (0, 1):
        base.execute("INSERT INTO rows VALUES (?, ?, ?, randomblob(700))", (name, number, half))
    base.execute("COMMIT")
    print(number, flush=True)
    # Whoever waits for the lock looks now and then only, and would else wait for ever.
    time.sleep(random.random() / 20)
PY

ask() { sqlite3 -cmd '.timeout 60000' "$1" "$2"; }

for mode in delete wal; do
    step "journal mode $mode: $ROUNDS rounds of $WRITERS writers, killed"
    base=$A/$mode.db
    same "$mode" "$(ask "$base" "PRAGMA journal_mode=$mode; CREATE TABLE rows (name, number, half, bytes);")" "the mode"
    for round in $(seq "$ROUNDS"); do
        pids=()
        for writer in $(seq "$WRITERS"); do
            python3 "$WORK/writer.py" "$base" "$writer" >"$WORK/said.$writer" 2>"$WORK/error.$writer" &
            pids+=($!)
        done
        for writer in $(seq "$WRITERS"); do
            must 60 "writer $writer does not write: $(cat "$WORK/error.$writer")" test -s "$WORK/said.$writer"
        done
        must 60 "the writers are slow" eval "[ \$(cat $WORK/said.* | wc -l) -ge 40 ]"
        kill -KILL "${pids[@]}"
        for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
        same ok "$(ask "$base" "PRAGMA integrity_check;")" "integrity after round $round"
        same 0 "$(ask "$base" "SELECT count(*) FROM (SELECT 1 FROM rows GROUP BY name, number HAVING count(*) <> 2);")" \
            "halves alone"
        for writer in $(seq "$WRITERS"); do
            last=$(tail -n 1 "$WORK/said.$writer")
            there=$(ask "$base" "SELECT max(number) FROM rows WHERE name = '$writer';")
            [ "$there" -ge "$last" ] || fail "writer $writer committed $last, and $there is there"
        done
    done
    step "$(ask "$base" "SELECT count(*) FROM rows;") rows"
done

step "the other member has them whole"
sync_all a b
for mode in delete wal; do
    same ok "$(ask "$WORK/b/$mode.db" "PRAGMA integrity_check;")" "integrity of $mode elsewhere"
    same "$(ask "$A/$mode.db" "SELECT count(*) FROM rows;")" "$(ask "$WORK/b/$mode.db" "SELECT count(*) FROM rows;")" "rows"
done
finish
