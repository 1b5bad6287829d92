#!/bin/bash
# What users of systems like this one find broken on the other side, and must not here: repositories, databases, names,
# links, modes, attributes, holes. Each complaint by its name, on one hub and two members.
#
#   kept.sh [NUMBER...]   [default: all]
. "$(dirname "$0")/harness.sh"
begin kept
need python3 git setfattr getfattr
python3 -c 'import sqlite3' 2>/dev/null || skip "python3 has no sqlite3"
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

settle() {
    sync_all a b
    same_trees "$A" "$B"
}

remount_both() {
    umount_member a
    umount_member b
    mount_member a
    mount_member b
}

git_at() {
    local dir=$1
    shift
    git -C "$dir" -c user.name=Test -c user.email=test@example.org -c gc.auto=0 "$@" || fail "at $dir: git $*"
}

# whole_at DIR HEAD COMMITS: the repository is sound, at this commit, clean, and has so many behind it.
whole_at() {
    git_at "$1" fsck --strict --full >"$WORK/fsck" 2>&1
    ! grep -qE 'missing|corrupt|error|broken' "$WORK/fsck" || fail "git fsck at $1: $(cat "$WORK/fsck")"
    same "$(git_at "$1" rev-parse HEAD)" "$2" "HEAD at $1"
    same "$(git_at "$1" log --oneline | wc -l)" "$3" "commits at $1"
    same "$(git_at "$1" status --porcelain)" "" "git status at $1"
}

repository_on_both_sides() {
    local round number head
    mkdir "$A/u9" && git init -q -b main "$A/u9/repository" || fail "git init failed"
    for round in 1 2; do
        for number in $(seq 5); do
            echo "round $round, $number" >>"$A/u9/repository/file-$number"
            git_at "$A/u9/repository" add -A
            git_at "$A/u9/repository" commit -qm "At a, $round.$number"
        done
        head=$(git_at "$A/u9/repository" rev-parse HEAD)
        settle
        whole_at "$B/u9/repository" "$head" $((round * 10 - 5))
        git_at "$B/u9/repository" checkout -q -b topic-$round HEAD~2
        for number in $(seq 5); do
            echo "round $round, $number" >>"$B/u9/repository/other-$round-$number"
            git_at "$B/u9/repository" add -A
            git_at "$B/u9/repository" commit -qm "At b, $round.$number"
        done
        git_at "$B/u9/repository" rebase -q main
        git_at "$B/u9/repository" checkout -q main
        git_at "$B/u9/repository" merge -q --ff-only topic-$round
        [ "$round" != 2 ] || git_at "$B/u9/repository" gc -q --prune=now
        head=$(git_at "$B/u9/repository" rev-parse HEAD)
        settle
        whole_at "$A/u9/repository" "$head" $((round * 10))
    done
    settle
}

# write_database PATH MODE END: writes it in that journal mode, transaction by transaction, until END is there, and says
# how many there were. Each makes one more row and moves money from one account to another.
write_database() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import os, sqlite3, sys
path, mode, end = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute(f"PRAGMA journal_mode={mode}")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, amount INTEGER)")
db.execute("CREATE TABLE IF NOT EXISTS move(id INTEGER PRIMARY KEY, note TEXT)")
db.execute("BEGIN")
db.executemany("INSERT INTO account(amount) VALUES(?)", [(1000,)] * 50)
db.execute("COMMIT")
number = 0
while number < 40 or not os.path.exists(end):
    number += 1
    db.execute("BEGIN")
    db.execute("UPDATE account SET amount = amount - 7 WHERE id = ?", (number % 50 + 1,))
    db.execute("INSERT INTO move(note) VALUES(?)", (f"{number} " + "x" * 3000,))
    db.execute("UPDATE account SET amount = amount + 7 WHERE id = ?", (number * 7 % 50 + 1,))
    db.execute("COMMIT")
db.close()
print(number)
PYTHON
}

# read_database PATH [ROWS]: it is sound, no money is lost, and it has so many rows, or any.
read_database() {
    python3 - "$@" <<'PYTHON'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
found = db.execute("PRAGMA integrity_check").fetchall()
if found != [("ok",)]:
    sys.exit(f"integrity_check: {found[:3]}")
tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
if tables == 2:
    moves, last = db.execute("SELECT count(*), max(id) FROM move").fetchone()
    accounts, amount = db.execute("SELECT count(*), sum(amount) FROM account").fetchone()
    if (moves and moves != last) or amount not in (None, 50_000):
        sys.exit(f"{moves} moves up to {last}, {amount} in {accounts} accounts")
    if len(sys.argv) > 2 and moves != int(sys.argv[2]):
        sys.exit(f"{moves} moves, not {sys.argv[2]}")
    print(moves)
elif len(sys.argv) > 2:
    sys.exit("the tables are not there")
PYTHON
}

# database_as_after_a_power_cut MODE: B at some moment of the writing, with nothing more coming in, has what a power
# cut could have left on A: the database opens, and what it has is a beginning of what was committed.
database_as_after_a_power_cut() {
    local moment rows most=0 tries=0 judged=0
    until [ $judged = 3 ]; do
        tries=$((tries + 1))
        at_most 60 $tries "moments until three could be judged"
        expect 0 fl b sync "$B"
        freeze b
        # What had been heard of but not fetched cannot be judged now, nor what goes on being applied.
        moment=$(all_is_here_at)
        if [ -n "$moment" ]; then
            rm -rf "$WORK/u9-$1" && mkdir "$WORK/u9-$1" && cp "$B/u9-$1/"* "$WORK/u9-$1/" || fail "b cannot be read"
            if [ "$(all_is_here_at)" = "$moment" ]; then
                judged=$((judged + 1))
                [ ! -e "$WORK/u9-$1/db" ] || rows=$(read_database "$WORK/u9-$1/db") || fail "$1: not as after a power cut"
                at_least "$most" "${rows:-0}" "rows that were there before"
                most=${rows:-0}
            fi
        fi
        thaw b
    done
    at_least 1 "$most" "rows seen while the database was written"
    say "    $1: up to $most rows were seen while it was written, in $judged of $tries moments"
}

# The sequence that b has come to, where it has all content of it.
all_is_here_at() {
    fl b status --json "$B" | python3 -c 'import json, sys
status = json.load(sys.stdin)
if not status["not_materialized"]["files"]:
    print(status["sequence"])'
}

database_on_the_other_side() {
    local mode=$1 writer rows
    mkdir "$A/u9-$mode"
    write_database "$A/u9-$mode/db" "$mode" "$WORK/u9-$mode.end" >"$WORK/u9-$mode.rows" &
    writer=$!
    must 30 "the database does not reach b" test -s "$B/u9-$mode/db"
    database_as_after_a_power_cut "$mode"
    touch "$WORK/u9-$mode.end"
    wait "$writer" || fail "$mode: the database cannot be written"
    settle
    rows=$(cat "$WORK/u9-$mode.rows")
    read_database "$B/u9-$mode/db" "$rows" >/dev/null || fail "$mode: the database is not sound at b"
    settle
    python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1]); db.execute("INSERT INTO move(note) VALUES(1)"); db.commit(); db.close()' \
        "$B/u9-$mode/db" || fail "$mode: b cannot write the database"
    settle
    read_database "$A/u9-$mode/db" $((rows + 1)) >/dev/null || fail "$mode: the database is not sound at a"
    settle
}

u9_repositories_and_databases_are_whole_on_the_other_side() {
    step "U9: a git repository that both sides commit to stays whole, and so does an SQLite database, in WAL mode and not"
    repository_on_both_sides
    database_on_the_other_side wal
    database_on_the_other_side delete
    ! find "$A" "$B" -name '*conflict*' | grep . || fail "there are conflict copies"
}

# Names, one per line, as printf writes them.
odd_names() {
    cat <<'NAMES'
readme
README
ReadMe
caf\xc3\xa9
cafe\xcc\x81
stra\xc3\x9fe
strasse
\xe2\x84\xab
\xc3\x85
A\xcc\x8a
\xff\xfe not text
\xc3
\xed\xa0\x80
latin-\xe9
 leading
trailing 
trailing.
...
-rf
*
a\\b
a:b
"quoted"
it's
$(id)
new\nline
tab\t
\x01\x7f
con.txt
.hidden
name (conflict x).txt
\xf0\x9f\x92\xbe
NAMES
    printf 'n%.0s' {1..255} && echo
    printf '\\xc3\\xa9%.0s' {1..127} && echo x
}

u13_names_are_bytes() {
    step "U13: names are bytes: case, Unicode variants and what is no text are different files, kept as they are"
    local escaped name number=0
    mkdir "$A/u13"
    while IFS= read -r escaped; do
        printf -v name '%b' "${escaped//\$/\\x24}"
        number=$((number + 1))
        printf '%s' "$escaped" >"$A/u13/$name" || fail "no file can be called $escaped"
        mkdir "$A/u13/$name.d" 2>/dev/null || [ ${#name} -gt 120 ] || fail "no directory can be called $escaped.d"
    done < <(odd_names)
    same "$(find "$A/u13" -type f -printf x | wc -c)" "$number" "as many files as names"
    settle
    while IFS= read -r escaped; do
        printf -v name '%b' "${escaped//\$/\\x24}"
        has "$B/u13/$name" "$escaped" || fail "another file is called $escaped at b"
    done < <(odd_names)
    mv "$B/u13/readme" "$B/u13/rEADME" && rm "$B/u13/README" "$B/u13/café" && echo "other" >"$B/u13/"$'\xff\xfe not text' &&
        mv "$A/u13/Å" "$A/u13/"$'\xc3\x85\xff' || fail "odd names cannot be changed"
    settle
    [ -e "$A/u13/rEADME" ] && [ ! -e "$A/u13/readme" ] && [ ! -e "$A/u13/README" ] && [ -e "$A/u13/ReadMe" ] ||
        fail "cases are mixed up"
    [ ! -e "$A/u13/café" ] && has "$A/u13/"$'cafe\xcc\x81' 'cafe\xcc\x81' || fail "Unicode variants are mixed up"
    remount_both
    settle
    same "$(find "$B/u13" -type f -printf x | wc -c)" $((number - 2)) "as many files as names after a remount"
    expect 0 fl b log --json "$B/u13/"$'\xff\xfe not text'
    said '"op":"updated"'
}

# kinds_at DIR: what was made below is what it was, as far as same_trees could not tell.
kinds_at() {
    local dir=$1/u14
    same "$(readlink "$dir/dangling") $(readlink "$dir/relative") $(readlink "$dir/long" | wc -c)" \
        "/nowhere/at/all ../u14/first 4001" "symlinks at $1"
    same "$(stat -c '%h' "$dir/first" "$dir/deep/third" | tr '\n' ' ')" "3 3 " "hard links at $1"
    same "$(stat -c %i "$dir/first" "$dir/second" "$dir/deep/third" | uniq | wc -l)" 1 "inodes of one file at $1"
    same "$(stat -c %a "$dir"/mode-* | tr '\n' ' ')" "0 1777 2755 400 4711 640 755 " "permissions at $1"
    same "$(getfattr --absolute-names --only-values -n user.colour "$dir/xattrs") $(getfattr --absolute-names --only-values -n user.long "$dir/xattrs" | wc -c)" \
        "blue 3000" "attributes at $1"
    same "$(stat -c '%s' "$dir/sparse")" 67108864 "the size of a sparse file at $1"
    at_most 2048 "$(stat -c '%b' "$dir/sparse")" "blocks of a sparse file with 10 bytes at $1"
    same "$(dd if="$dir/sparse" bs=1 skip=30000000 count=10 status=none)" "in between" "what is between holes at $1"
    [ -p "$dir/fifo" ] || fail "the fifo at $1 is none"
    same "$(stat -c '%y' "$dir/old")" "1969-12-31 23:59:59.123456789 +0000" "the time at $1"
    same "$(stat -c '%Y' "$dir"/copied/* | sort | uniq -c)" "    100 1000000000" "the times of what was copied at $1"
}

# copied FILES DIR: as whoever copies or unpacks a tree: in haste, and each file gets its time by name once closed.
copied() {
    python3 - "$@" <<'PY'
import os, sys
files, directory = int(sys.argv[1]), sys.argv[2]
os.mkdir(directory)
for number in range(files):
    with open(f"{directory}/{number}", "w") as file:
        file.write("copied")
    os.utime(f"{directory}/{number}", (10**9, 10**9))
PY
}

u14_links_modes_attributes_and_holes_survive() {
    step "U14: symlinks, hard links, permissions, attributes and sparse files survive, remounts too"
    mkdir "$A/u14" && cd "$A/u14" || fail "no directory"
    echo linked >first && ln first second && mkdir deep && ln first deep/third
    ln -s /nowhere/at/all dangling && ln -s ../u14/first relative && ln -s "$(printf 'x%.0s' {1..4000})" long || fail "no symlinks"
    mkfifo fifo
    for mode in 000 400 640 755 1777 2755 4711; do echo "$mode" >"mode-$mode" && chmod "$mode" "mode-$mode"; done
    echo x >xattrs && setfattr -n user.colour -v blue xattrs && setfattr -n user.empty xattrs &&
        setfattr -n user.binary -v 0x00ff0a xattrs && setfattr -n user.dir -v yes deep &&
        setfattr -n user.long -v "$(printf 'v%.0s' {1..3000})" xattrs || fail "no attributes"
    truncate -s 64M sparse && printf 'in between' | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none
    echo old >old && touch -d '1969-12-31 23:59:59.123456789' old
    copied 100 copied || fail "no tree was copied"
    cd "$WORK" || fail "no way back"
    settle
    kinds_at "$A"
    kinds_at "$B"
    remount_both
    settle
    kinds_at "$A"
    kinds_at "$B"
    echo more >>"$B/u14/second" && chmod 600 "$B/u14/deep/third" && setfattr -x user.empty "$B/u14/xattrs" &&
        ln -sfn first "$B/u14/relative" && rm "$B/u14/first" && printf 'end' | dd of="$B/u14/sparse" bs=1 seek=67108861 \
        conv=notrunc status=none || fail "b cannot change them"
    settle
    same "$(cat "$A/u14/deep/third") $(stat -c '%h %a' "$A/u14/second")" $'linked\nmore 2 600' "a hard link changed by another"
    same "$(readlink "$A/u14/relative") $(tail -c 3 "$A/u14/sparse")" "first end" "what another changed"
    at_most 2048 "$(stat -c '%b' "$A/u14/sparse")" "blocks of a sparse file after another wrote its end"
    remount_both
    settle
}

start_hub
create_space
start_relays b
start_members a b
run_rows u "$@"
finish
