#!/bin/bash
# What whoever runs a hub sees and does: who is in a space and how far each one is, contents that nothing needs, damage.
#
#   hubcare.sh [PART...]   [default: members collection damage guard quota]
. "$(dirname "$0")/harness.sh"
begin hubcare
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

random() { head -c "$1" /dev/urandom; }
# gone PATH...: none of them is there.
gone() { local path; for path in "$@"; do [ ! -e "$path" ] || fail "$path is there"; done; }
# member_line NAME: what the hub says of a member. member_field NAME FIELD: a field of its JSON; plain values only.
member_line() { hub members "$SPACE" | grep "^$1  "; }
member_field() {
    hub members "$SPACE" --json | grep "\"member\":\"$1\"" | grep -o "\"$2\":[^,}]*" | cut -d: -f2 | tr -d '"'
}
invites_open() { hub members "$SPACE" --json | grep -c '"invite":'; }

c12_who_is_invited_joined_and_connected_is_listed() {
    step "C12: invite, join, accept: who is member, invited, connected, is known and listed"
    same "$(invites_open)" 0 "open invites before there is one"
    local url
    url=$(invite --role reader --uses 2 --ttl 2h)
    same "$(invites_open)" 1 "open invites"
    hub members "$SPACE" | any '^invite [0-9a-f]*  reader  good for 2 devices until ' || fail "the invite is not listed"
    expect 0 fl guest join "$url" --as work --name guest
    hub members "$SPACE" | any '^invite .* good for 1 device until ' || fail "a use of the invite is not counted"
    [[ $(member_line guest) == "guest  reader  joined, never mounted" ]] || fail "who joined is: $(member_line guest)"
    expect 0 fl other join "$url" --as work --name other
    same "$(invites_open)" 0 "open invites when all are used"
    mkdir -p "$WORK/guest"
    mount_member guest
    must 30 "who is connected is not listed" eval '[[ $(member_line guest) == *"connected since"* ]]'
    umount_member guest
    must 30 "who has gone is still connected" eval '[[ $(member_line guest) == *"not connected"* ]]'
    expect 0 hub revoke "$SPACE" guest
    [[ $(member_line guest) == *revoked ]] || fail "who is shut out is: $(member_line guest)"
}

s14_how_far_behind_each_member_is_can_be_seen() {
    step "S14: who is connected and how far behind each one is can be seen"
    local number
    echo "first" >"$A/behind"
    sync_all a b
    must 30 "b is not up to date" eval '[ "$(member_field b behind)" = 0 ]'
    [[ $(member_line b) == *"connected since "*", at sequence "*", up to date" ]] || fail "b is: $(member_line b)"
    freeze b
    for number in 1 2 3; do echo "$number" >"$A/behind" && expect 0 fl a sync "$A"; done
    must 30 "a is not up to date" eval '[ "$(member_field a behind)" = 0 ]'
    same "$(member_field a sequence)" "$(field a hub_sequence)" "the sequence of a"
    at_least 3 "$(member_field b behind)" "commits that b is behind"
    [[ $(member_line b) == *"commits behind" ]] || fail "b is: $(member_line b)"
    thaw b
    sync_all b
    must 30 "b is not up to date again" eval '[ "$(member_field b behind)" = 0 ]'
    same "$(field b behind)" 0 "what b says of itself"
}

# work_at DIR: makes, changes, renames and removes files of all sizes in there until the test says stop.
work_at() {
    python3 - "$1" "$WORK/stop" <<'PYTHON'
import os, random, sys
directory, stop = sys.argv[1:]
chance = random.Random(directory)
os.makedirs(directory, exist_ok=True)
# Contents come again, so that what nothing needs at one moment is needed at the next.
contents = [chance.randbytes(size) for size in (10, 5000, 70000, 200000, 400000) for _ in range(3)]
rounds = 0
while rounds < 60 or not os.path.exists(stop):
    rounds += 1
    path = f"{directory}/{chance.randrange(12)}"
    step = chance.randrange(8)
    if step == 0 and os.path.exists(path):
        os.unlink(path)
    elif step == 1 and os.path.exists(path):
        os.rename(path, f"{directory}/{chance.randrange(12)}")
    else:
        with open(path + ".new" if step == 2 else path, "wb") as file:
            file.write(chance.choice(contents))
        if step == 2:
            os.rename(path + ".new", path)
PYTHON
}

nothing_needed_is_lost_by_a_collection_while_members_work() {
    step "hub gc and hub verify while two members work: nothing that is needed is lost"
    local workers=() worker round freed=0
    work_at "$A/by-a" &
    workers+=($!)
    work_at "$B/by-b" &
    workers+=($!)
    must 60 "nobody works" test -e "$A/by-b"
    for round in 1 2 3; do
        expect 0 hub gc "$SPACE" --keep 1-version --json
        freed=$((freed + $(sed 's/.*"chunks_freed":\([0-9]*\).*/\1/' <<<"$OUTPUT")))
        expect 0 hub verify "$SPACE"
        said "nothing is wrong"
    done
    touch "$WORK/stop"
    for worker in "${workers[@]}"; do wait "$worker" || fail "a member could not go on working"; done
    sync_all a b
    same_trees "$A" "$B"
    must 60 "nothing is ever freed" eval 'expect 0 hub gc --keep 1-version; [ "$freed" -gt 0 ] || [[ $OUTPUT != *"freed 0 chunks"* ]]'
    expect 0 hub verify
    # A newcomer gets everything from the hub alone.
    umount_member a
    umount_member b
    start_members newcomer
    sync_all newcomer
    mount_member a
    mount_member b
    sync_all a b
    same_trees "$WORK/newcomer" "$A"
    umount_member newcomer
}

history_stays_when_contents_go() {
    step "what a rule lets go of is gone from the hub, its history is not"
    random 100000 >"$A/changing"
    sync_all a
    random 100000 >"$A/changing"
    sync_all a
    local before
    before=$(log_md5s a changing)
    same "$(wc -l <<<"$before")" 2 "versions in the history"
    expect 0 hub gc "$SPACE" --keep 1d --json
    [[ $OUTPUT == *'"versions":0'* ]] || fail "a rule lets go of what is younger: $OUTPUT"
    expect 0 hub gc "$SPACE" --keep 1-version --dry-run
    said "would free"
    expect 0 hub gc "$SPACE" --keep 1-version
    [[ $OUTPUT != *"freed 0 chunks"* ]] || fail "nothing is freed: $OUTPUT"
    same "$(log_md5s a changing)" "$before" "the history afterwards"
    fl b show "$B/changing" --version 2 | cmp - "$A/changing" || fail "the current version cannot be shown"
    expect 1 fl b show "$B/changing" --version 1
    said "hub gc"
    expect 0 hub verify "$SPACE"
    expect 2 hub gc "$SPACE" --keep 30
    expect 1 hub gc nowhere
}

a_base_that_is_gone_leaves_both_sides_beside_each_other() {
    step "where the content is gone that both sides came from, both stay: nothing is merged, nothing is lost"
    seq 20 >"$A/doc"
    sync_all a b
    freeze b
    sed -i 's/^1$/one, by b/' "$B/doc"
    sed -i 's/^20$/twenty, by a/' "$A/doc"
    sync_all a
    expect 0 hub gc "$SPACE" --keep 1-version
    thaw b
    sync_all b a
    same "$(tail -n 1 "$A/doc")" "twenty, by a" "what was accepted first"
    same "$(head -n 1 "$A/doc (conflict b)")" "one, by b" "what met it"
    expect 4 fl a status "$A"
    expect 0 hub gc "$SPACE" --keep 1-version
    expect 0 hub verify "$SPACE"
    rm "$A/doc (conflict b)"
    sync_all a b
    expect 0 fl b status "$B"
    same_trees "$A" "$B"
}

# flip_bit_of FILE: in the store of the hub, which must not run, in the middle of the file's first bytes.
flip_bit_of() {
    python3 - "$1" "${HUB_DATA:-$WORK/hub}" <<'PYTHON'
import os, sys
snippet = open(sys.argv[1], "rb").read(8000)[4000:4064]
hits = 0
for directory, _, names in os.walk(sys.argv[2]):
    for name in names:
        path = os.path.join(directory, name)
        content = bytearray(open(path, "rb").read())
        at = content.find(snippet)
        while at >= 0:
            hits += 1
            content[at + 30] ^= 4
            open(path, "wb").write(content)
            at = content.find(snippet, at + 1)
sys.exit(hits == 0)
PYTHON
}

a_flipped_bit_in_the_store_is_found_named_and_repaired() {
    step "a flipped bit in the store is found and named, and the file is repaired from a member that has the content"
    mkdir "$A/deep" && random 300000 >"$A/deep/file" || fail "a cannot write"
    sync_all a b
    # What the store has only in its log is in its files once it was started again.
    stop_hub
    start_hub "$HUB_ADDRESS"
    stop_hub
    flip_bit_of "$A/deep/file" || fail "the content is not in the store as it is"
    expect 1 hub verify "$SPACE"
    said "a chunk is damaged: deep/file, version 1, chunk "
    expect 2 hub verify "$SPACE" --repair
    said "start the hub"
    start_hub "$HUB_ADDRESS"
    expect 1 hub verify "$SPACE" --json
    said '"path":"deep/file"'
    must 30 "a does not come back" eval '[[ $(member_line a) == *"connected since"* ]]'
    expect 0 hub verify "$SPACE" --repair
    said "repaired: a chunk is damaged: deep/file, version 1"
    said "1 fault found, all repaired"
    expect 0 hub verify "$SPACE"
    start_members repaired
    sync_all repaired
    cmp "$WORK/repaired/deep/file" "$A/deep/file" || fail "the repaired file differs"
    umount_member repaired
}

# files_in DIR: how many there are.
files_in() { find "$1" -type f | wc -l; }
held() { hub guard list "$SPACE" --json | any "\"member\":\"$1\".*\"state\":\"held\"\|\"state\":\"held\".*\"member\":\"$1\""; }

# hold_a NAME: a removes a directory of 60 files, and the guard holds it.
hold_a() {
    local number
    mkdir "$A/$1" && for number in $(seq 60); do echo "$1 $number" >"$A/$1/$number"; done
    sync_all a b
    rm -r "$A/${1:?}" || fail "a cannot remove"
    echo "written later" >"$A/$1-later"
    must 30 "a does not say that it is held" status_says a "the guard against mass deletion holds this member's work"
    expect 3 fl a status "$A"
    at_least 40 "$(files_in "$B/$1")" "files at b that were removed at a"
    gone "$B/$1-later"
    held a || fail "who is held is not listed: $(hub guard list)"
    [[ $(member_line a) == *"held by the guard since "* ]] || fail "the members do not tell: $(member_line a)"
}

u10_a_mass_deletion_waits_until_an_administrator_decides() {
    step "U10: a mass deletion on one member waits until an administrator decides, and can be taken back"
    expect 0 hub guard set "$SPACE" 20/min
    local number left
    for number in $(seq 30); do echo "$number" >"$A/saved.new" && mv "$A/saved.new" "$A/saved"; done
    sync_all a b
    hold_a first
    left=$(files_in "$B/first")
    echo "by b" >"$B/other-of-b"
    must 30 "the work of others does not go on" has "$A/other-of-b" "by b"
    # Neither a restart of the hub nor one of the member forgets it.
    stop_hub
    start_hub "$HUB_ADDRESS"
    umount_member a --timeout 1s
    mount_member a
    must 60 "a does not say so any more" status_says a "the guard against mass deletion holds"
    gone "$A/first"
    expect 1 hub guard discard "$SPACE" b
    said "not held"
    expect 1 hub guard discard "$SPACE" nobody
    expect 0 hub guard discard "$SPACE" a
    must 60 "what was removed does not come back" eval '[ "$(files_in "$A/first")" = '"$left"' ]'
    sync_all a b
    expect 0 fl a status "$A"
    [[ $OUTPUT == *"an administrator has discarded "*" made here"* ]] || fail "a is not told: $OUTPUT"
    has "$B/first-later" "written later" || fail "other work of a was discarded too"
    for number in $(ls "$A/first"); do has "$A/first/$number" "first $number" || fail "$number came back differently"; done
    same_trees "$A" "$B"
    hold_a second
    expect 0 hub guard release "$SPACE" a
    sync_all a b
    gone "$B/second"
    has "$B/second-later" "written later" || fail "what came after the removals is lost"
    same_trees "$A" "$B"
    expect 2 hub guard set "$SPACE" 20
    expect 0 hub guard set "$SPACE" off
    rm -r "$A/first"
    sync_all a b
    gone "$B/first"
}

# quota_is TEXT: what the hub lists of the space.
quota_is() { [[ $(hub quota list "$SPACE") == "$SPACE  $1" ]]; }

what_the_files_of_a_space_come_to_is_counted_where_a_quota_is_set() {
    step "what the files of a space come to is counted where a quota is set"
    quota_is off || fail "there is a quota: $(hub quota list)"
    mkdir "$A/counted" && random 300000 >"$A/counted/a"
    sync_all a b
    expect 0 hub quota set "$SPACE" 1G
    local before
    before=$(hub quota list "$SPACE" --json | grep -o '"used_bytes":[0-9]*' | cut -d: -f2)
    at_least 300000 "$before" "bytes that are counted"
    random 200000 >"$B/counted/b" && ln "$B/counted/b" "$B/counted/again" && truncate -s 1000000 "$B/counted/b"
    random 50000 >"$A/counted/a.new" && mv "$A/counted/a.new" "$A/counted/a"
    sync_all a b
    same "$(hub quota list --json)" "{\"space\":\"$SPACE\",\"limit_bytes\":1073741824,\"used_bytes\":$((before + 750000))}" "the quota"
    # A limit below what is there already is one all the same, and what it counts outlives the hub.
    expect 0 hub quota set "$SPACE" 64k
    stop_hub
    expect 0 hub verify "$SPACE"
    start_hub "$HUB_ADDRESS"
    rm -r "$A/counted"
    sync_all a b
    same "$(hub quota list "$SPACE" --json | grep -o '"used_bytes":[0-9]*')" "\"used_bytes\":$((before - 300000))" "the quota"
    expect 2 hub quota set "$SPACE" 64x
    said "no size"
    expect 1 hub quota set nowhere 1G
    said "no space nowhere"
    expect 1 hub quota list nowhere
    expect 0 hub quota set "$SPACE" off
    quota_is off || fail "there is a quota still: $(hub quota list)"
}

members() { run_rows c && run_rows s; }
guard() { run_rows u; }
collection() {
    nothing_needed_is_lost_by_a_collection_while_members_work
    history_stays_when_contents_go
    a_base_that_is_gone_leaves_both_sides_beside_each_other
}
quota() { what_the_files_of_a_space_come_to_is_counted_where_a_quota_is_set; }
damage() { a_flipped_bit_in_the_store_is_found_named_and_repaired; }

start_hub
create_space
start_relays b
start_members a b
for part in "${@:-members collection damage guard quota}"; do for part in $part; do "$part"; done; done
finish
