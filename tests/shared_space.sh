#!/bin/bash
# A grid of colours as a JSON document in a shared space: two members replace cells while a third is away and replaces
# another; it comes back, and its change goes on top of theirs.
. "$(dirname "$0")/harness.sh"
begin shared_space
need python3
OWNER=$WORK/owner OTHER=$WORK/other MEMBER=$WORK/member

# set_cell DIR CELL COLOUR: changes the value of one key and no other byte.
set_cell() {
    local grid
    grid=$(sed "s/\"$2\": \"[0-9a-f]*\"/\"$2\": \"$3\"/" "$1/grid") && printf '%s\n' "$grid" >"$1/grid"
}

# patches DIR: the JSON Patch operations of the grid's history, oldest first.
patches() {
    fl owner log --patch --json "$1/grid" | tac
}

c11_the_grid_is_merged_cell_by_cell() {
    step "C11: the owner makes the grid: sequence 0"
    printf '{\n"0": "ffffff",\n"1": "ffffff",\n"2": "ffffff",\n"3": "ffffff"\n}\n' >"$OWNER/grid"
    expect 0 fl owner sync "$OWNER"
    for member in other member; do expect 0 fl "$member" sync "$WORK/$member"; done
    same "$(field member sequence)" 0 "the member's position"

    step "the member goes away, and replaces cell 2"
    freeze member
    set_cell "$MEMBER" 2 ff0000
    expect 3 fl member sync "$MEMBER" --timeout 1s
    has "$MEMBER/grid" "$(grid ffffff ffffff ff0000 ffffff)" || fail "the member does not see its own change"

    step "meanwhile cell 3 and cell 1 are replaced: sequences 1 and 2"
    set_cell "$OWNER" 3 ff0000
    expect 0 fl owner sync "$OWNER"
    expect 0 fl other sync "$OTHER"
    set_cell "$OTHER" 1 ff0000
    expect 0 fl other sync "$OTHER"
    expect 0 fl owner sync "$OWNER"
    same "$(field owner sequence)" 2 "the owner's position"
    has "$OWNER/grid" "$(grid ffffff ff0000 ffffff ff0000)" || fail "the owner's grid is $(cat "$OWNER/grid")"

    step "the member comes back: it gets what it lacks, and its change is sequence 3, for everybody"
    thaw member
    sync_all member owner other
    for member in member owner other; do
        same "$(field "$member" sequence)" 3 "the position of $member"
        has "$WORK/$member/grid" "$(grid ffffff ff0000 ff0000 ff0000)" ||
            fail "the grid of $member is $(cat "$WORK/$member/grid")"
        expect 0 fl "$member" status "$WORK/$member"
    done
    same "$(ls -A "$MEMBER")" grid "the names in the space"
}

grid() { printf '{\n"0": "%s",\n"1": "%s",\n"2": "%s",\n"3": "%s"\n}\n' "$@"; }

start_hub
create_space
start_relays member
start_members owner other member
run_rows c
finish
