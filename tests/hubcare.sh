#!/bin/bash
# What whoever runs a hub sees and does: who is in a space and how far each one is.
#
#   hubcare.sh [NAME...]   [default: all; c for members]
. "$(dirname "$0")/harness.sh"
begin hubcare
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

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
    hub members "$SPACE" | grep -q '^invite [0-9a-f]*  reader  good for 2 devices until ' || fail "the invite is not listed"
    expect 0 fl guest join "$url" --as work --name guest
    hub members "$SPACE" | grep -q '^invite .* good for 1 device until ' || fail "a use of the invite is not counted"
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

start_hub
create_space
start_relays b
start_members a b
for rows in "${@:-c s}"; do for letter in $rows; do run_rows "$letter"; done; done
finish
