#!/bin/bash
# Sequences, work without the network and its replay, each behaviour by its name: C as members of a shared space know
# them, S as workspaces on one queue do.
#
#   offline_work.sh [ROW...]   as in c5 s9 [default: all]
. "$(dirname "$0")/harness.sh"
begin offline_work
need python3
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b C=$WORK/c

sequences_of() { fl "$1" log --json "$WORK/$1" | grep -o '"sequence":[0-9]*' | cut -d: -f2 | tac | uniq; }

# apart FUNCTION_A FUNCTION_B [FIRST SECOND]: both work alone, then meet, a first unless told otherwise.
apart() {
    freeze a b
    "$1" && "$2" || fail "cannot work without the hub"
    thaw "${3:-a}"
    expect 0 fl "${3:-a}" sync "$WORK/${3:-a}" --timeout "$SYNC_TIMEOUT"
    thaw "${4:-b}"
    sync_all "${4:-b}" "${3:-a}" c
    same_trees "$A" "$B"
    same_trees "$A" "$C"
}

no_conflicts() {
    same "$(find "$A/$1" -name '*(conflict *')" "" "conflict copies"
    same "$(fl a conflicts "$A" --json | grep -c "\"path\":\"$1/")" 0 "conflicts"
}

# both_orders FUNCTION: the row twice, in directories of its own, each time another comes back first.
both_orders() {
    "$1" "$1-ab" a b
    "$1" "$1-ba" b a
}

c1_only_the_hub_gives_sequences_dense_and_increasing() {
    step "C1: only the hub gives sequences: dense, increasing, from 0"
    local before number
    before=$(field a hub_sequence)
    for number in 1 2 3; do
        for member in a b c; do echo "$number" >"$WORK/$member/c1-$member-$number"; done
        sync_all a b c
    done
    sequences_of b >"$WORK/sequences"
    seq 0 "$(field b hub_sequence)" | cmp -s - "$WORK/sequences" || fail "the sequences are $(tr '\n' ' ' <"$WORK/sequences")"
    at_least $((${before:-0} + 9)) "$(field a hub_sequence)" "the last sequence"
}

c2_an_op_is_not_committed_before_the_hub_has_answered() {
    step "C2: local work counts as waiting until the hub has answered with a sequence"
    freeze a
    local before
    before=$(field a sequence)
    echo "x" >"$A/c2"
    expect 3 fl a sync "$A" --timeout 1s
    expect 3 fl a status "$A"
    said "waiting"
    same "$(field a sequence)" "$before" "the position while the hub is silent"
    same "$(field a in_sync)" false "in sync"
    thaw a
    sync_all a b
    same "$(field a in_sync)" true "in sync"
    at_least $((before + 1)) "$(field a sequence)" "the position after the answer"
    has "$B/c2" x || fail "b does not have it"
}

c4_for_the_author_the_sequence_is_the_answer_and_no_content_returns() {
    step "C4: a commit goes to all others; to its author returns a sequence and no content"
    count_bytes a b
    head -c 3000000 /dev/urandom >"$A/c4"
    sync_all a b
    cmp "$A/c4" "$B/c4" || fail "b has another content"
    at_least 3000000 "$(bytes_up a)" "bytes from the author"
    at_most 200000 "$(bytes_down a)" "bytes back to the author"
    at_least 3000000 "$(bytes_down b)" "bytes to the other"
}

c5_pending_work_survives_the_process() {
    step "C5: without the hub everything goes on, and what waits survives the end of the process"
    mkdir "$A/c5" && seq 9 >"$A/c5/edited" && echo x >"$A/c5/renamed" && echo x >"$A/c5/removed"
    sync_all a b c
    freeze a
    sed -i 's/^5$/five/' "$A/c5/edited" && mv "$A/c5/renamed" "$A/c5/now" && rm "$A/c5/removed" && echo new >"$A/c5/new"
    kill_member a
    umount -l "$A" 2>/dev/null || fusermount3 -uz "$A"
    mount_member a
    same "$(ls "$A/c5" | tr '\n' ' ')" "edited new now " "what is there after the restart"
    has "$A/c5/edited" "$(seq 9 | sed 's/^5$/five/')" || fail "the edit is gone"
    thaw a
    sync_all a b
    same_trees "$A" "$B"
}

c6_missing_entries_come_unasked() {
    step "C6: back again, a member says where it stands, and what it lacks comes unasked"
    freeze b
    local number
    for number in $(seq 20); do echo "$number" >"$A/c6-$number"; done
    sync_all a
    thaw b
    must 60 "what b lacks does not come" test -e "$B/c6-20"
    sync_all b
    same_trees "$A" "$B"
}

c7_remote_work_goes_before_local_work() {
    step "C7: pending work is undone, remote work applied, pending work done again: remote before local"
    mkdir "$A/c7" && seq 20 >"$A/c7/f"
    sync_all a b c
    here() { sed -i 's/^3$/here/' "$A/c7/f" && echo a >"$A/c7/a"; }
    there() { sed -i 's/^17$/there/' "$B/c7/f" && echo b >"$B/c7/b"; }
    apart here there
    has "$B/c7/f" "$(seq 20 | sed 's/^3$/here/; s/^17$/there/')" || fail "the merge is $(cat "$B/c7/f")"
    fl c log --json "$C/c7/f" | tac >"$WORK/c7"
    same "$(grep -o '"member":"[abc]"' "$WORK/c7" | tail -n 2 | tr -d '\n')" '"member":"a""member":"b"' \
        "the order of the log"
    no_conflicts c7
}

c9_a_lost_answer_does_not_apply_an_op_twice() {
    step "C9: an answer that is lost with the connection: the op is there once"
    local number syncing
    for number in $(seq 12); do
        echo "$number" >>"$A/c9"
        fl a sync "$A" --timeout 300ms >/dev/null 2>&1 &
        syncing=$!
        pause
        kill_hub
        start_hub
        wait "$syncing"
    done
    sync_all a b
    has "$B/c9" "$(seq 12)" || fail "b has $(cat "$B/c9")"
    fl b log --json "$B/c9" >"$WORK/c9"
    same "$(grep -o '"version":[0-9]*' "$WORK/c9" | sort | uniq -d)" "" "versions that are there twice"
    same "$(sequences_of b | uniq -d)" "" "sequences that are there twice"
}

c10_pending_ops_on_one_thing_keep_their_order() {
    step "C10: pending ops on one thing keep their order"
    mkdir "$A/c10"
    sync_all a b c
    here() {
        mkdir "$A/c10/d" && echo 1 >"$A/c10/d/f" && mv "$A/c10/d" "$A/c10/e" && echo 2 >"$A/c10/e/f" &&
            mv "$A/c10/e/f" "$A/c10/e/g" && echo 3 >"$A/c10/e/f" && rm "$A/c10/e/g" && ln "$A/c10/e/f" "$A/c10/h" &&
            echo 4 >>"$A/c10/h" && chmod 600 "$A/c10/h" && mv "$A/c10/h" "$A/c10/i"
    }
    there() { echo other >"$B/c10/other"; }
    apart here there
    has "$B/c10/e/f" $'3\n4' && has "$B/c10/i" $'3\n4' && [ ! -e "$B/c10/h" ] && [ ! -e "$B/c10/e/g" ] ||
        fail "b has $(find "$B/c10" -type f)"
    no_conflicts c10
}

s1_the_space_is_a_queue_of_commits() {
    step "S1: publishing gives the next ticket, and each ticket stands for one commit for everybody"
    echo one >"$A/s1"
    sync_all a b c
    local ticket
    ticket=$(fl a log --json "$A/s1" | head -n 1 | grep -o '"sequence":[0-9]*')
    same "$ticket" "\"sequence\":$(field a hub_sequence)" "the ticket of the last commit"
    for member in b c; do
        same "$(fl "$member" log --json "$WORK/$member/s1" | head -n 1 | grep -o '"sequence":[0-9]*')" "$ticket" \
            "the ticket as $member has it"
    done
}

s2_who_is_behind_publishes_nothing_by_half() {
    step "S2: who is not up to date on what it touches is refused, and nothing is half published"
    mkdir "$A/s2" && echo base >"$A/s2/f"
    sync_all a b c
    here() { echo "of a" >"$A/s2/f"; }
    there() { mkdir "$B/s2/new" && echo "of b" >"$B/s2/f" && echo more >"$B/s2/new/g"; }
    apart here there
    has "$C/s2/f" "of a" && has "$C/s2/f (conflict b)" "of b" && has "$C/s2/new/g" more ||
        fail "c has $(find "$C/s2" -type f)"
    rm "$C/s2/f (conflict b)"
    sync_all c a b
}

s3_the_state_is_the_base_and_local_work() {
    step "S3: a member's state is what it integrated last, and its own work on it"
    mkdir "$A/s3" && echo base >"$A/s3/base"
    sync_all a b c
    freeze b
    echo own >"$B/s3/own"
    echo later >"$A/s3/later"
    sync_all a
    same "$(ls "$B/s3" | tr '\n' ' ')" "base own " "the state of who is away"
    thaw b
    sync_all b a c
    same "$(ls "$B/s3" | tr '\n' ' ')" "base later own " "the state of who is back"
    same_trees "$A" "$B"
}

s4_changes_are_told_as_the_type_of_the_file_has_them() {
    step "S4: a change of a text is told by lines, of JSON by paths, of XML by elements, of anything else as a whole"
    mkdir "$A/s4" && seq 3 >"$A/s4/text" && echo '{"a": {"b": 1}, "c": 2}' >"$A/s4/json" &&
        echo '<r><a x="1"/><b/></r>' >"$A/s4/xml" && printf '\0\1' >"$A/s4/binary"
    sync_all a b c
    seq 2 4 >"$A/s4/text" && echo '{"a": {"b": 7}, "c": 2}' >"$A/s4/json" &&
        echo '<r><a x="7"/><b/></r>' >"$A/s4/xml" && printf '\0\7' >"$A/s4/binary"
    sync_all a b c
    fl b log --patch -n 1 "$B/s4/text" >"$WORK/s4"
    grep -qx -- "-1" "$WORK/s4" && grep -qx -- "+4" "$WORK/s4" || fail "the text's change is $(cat "$WORK/s4")"
    fl b log --patch -n 1 "$B/s4/json" >"$WORK/s4"
    grep -q '"op":"replace","path":"/a/b","data":7' "$WORK/s4" || fail "the JSON's change is $(cat "$WORK/s4")"
    fl b log --patch -n 1 "$B/s4/xml" >"$WORK/s4"
    grep -q '/r/a.*x.*7' "$WORK/s4" || fail "the XML's change is $(cat "$WORK/s4")"
    fl b log --patch -n 1 "$B/s4/binary" >"$WORK/s4"
    grep -qi 'binary' "$WORK/s4" || fail "the binary's change is $(cat "$WORK/s4")"
}

s6_text_is_merged_by_lines() {
    step "S6: inserts at different lines are both kept, the same on both sides once, and an insert into what is gone is no loss"
    s6_inserts() {
        mkdir "$A/$1" && for f in far same inside; do seq 12 >"$A/$1/$f"; done
        sync_all a b c
        DIR=$1
        here() { sed -i '2i of a' "$A/$DIR/far" && sed -i '6i both' "$A/$DIR/same" && sed -i '4,8d' "$A/$DIR/inside"; }
        there() { sed -i '10i of b' "$B/$DIR/far" && sed -i '6i both' "$B/$DIR/same" && sed -i '6i of b' "$B/$DIR/inside"; }
        apart here there "$2" "$3"
        has "$C/$1/far" "$(seq 12 | sed '2i of a' | sed '11i of b')" || fail "inserts: $(cat "$C/$1/far")"
        has "$C/$1/same" "$(seq 12 | sed '6i both')" || fail "equal inserts: $(cat "$C/$1/same")"
        grep -qx "of b" "$C/$1"/inside* || fail "what b put into lines that a took away is lost"
        same "$(ls "$C/$1" | grep -c 'inside (conflict')" 1 "conflict copies"
    }
    both_orders s6_inserts
}

s7_xml_is_merged_by_elements() {
    step "S7: siblings and attributes of XML are merged, and the document stays well formed"
    s7_elements() {
        mkdir "$A/$1" && printf '<r>\n  <a x="1" y="1"/>\n  <b>text</b>\n  <c/>\n</r>\n' >"$A/$1/d.xml"
        sync_all a b c
        DIR=$1
        here() { sed -i 's/x="1"/x="2"/; s|<c/>|<c/>\n  <new/>|' "$A/$DIR/d.xml"; }
        there() { sed -i 's/y="1"/y="2"/; s|text|other|' "$B/$DIR/d.xml"; }
        apart here there "$2" "$3"
        has "$C/$1/d.xml" "$(printf '<r>\n  <a x="2" y="2"/>\n  <b>other</b>\n  <c/>\n  <new/>\n</r>\n')" ||
            fail "the merge is $(cat "$C/$1/d.xml")"
        python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' "$C/$1/d.xml" || fail "not well formed"
        no_conflicts "$1"
    }
    both_orders s7_elements
}

s9_nothing_below_a_removed_directory_is_lost() {
    step "S9: what one does below a directory that the other removes is kept, and the directories it needs come back"
    s9_below() {
        mkdir -p "$A/$1/d/e" && echo x >"$A/$1/d/e/f" && echo y >"$A/$1/d/g"
        sync_all a b c
        DIR=$1
        here() { rm -r "$A/$DIR/d"; }
        there() { echo edited >"$B/$DIR/d/e/f" && echo new >"$B/$DIR/d/e/new"; }
        apart here there "$2" "$3"
        has "$C/$1/d/e/f" edited && has "$C/$1/d/e/new" new || fail "of what was below is left: $(find "$C/$1")"
        [ ! -e "$C/$1/d/g" ] || fail "what nobody touched came back"
    }
    both_orders s9_below
}

s10_the_accepted_rename_stays() {
    step "S10: of two renames the accepted one stays; moves that would make a cycle leave no cycle and lose nothing"
    s10_renames() {
        mkdir -p "$A/$1/p" "$A/$1/q" && echo x >"$A/$1/f" && echo in >"$A/$1/p/in"
        sync_all a b c
        DIR=$1
        here() { mv "$A/$DIR/f" "$A/$DIR/of-a" && mv "$A/$DIR/p" "$A/$DIR/q/p"; }
        there() { mv "$B/$DIR/f" "$B/$DIR/of-b" && mv "$B/$DIR/q" "$B/$DIR/p/q"; }
        apart here there "$2" "$3"
        has "$C/$1/of-$2" x && [ ! -e "$C/$1/of-$3" ] && [ ! -e "$C/$1/f" ] || fail "the file is: $(find "$C/$1")"
        same "$(find "$C/$1" -name in | wc -l)" 1 "files below the moved directories"
        for path in of-$2 "$([ "$3" = a ] && echo p || echo q)"; do
            fl c log --json "$C/$1/$path" | any "\"member\":\"$3\".*\"op\":\"conflict\"" ||
                fail "the move of $1/$path that $3 made in vain is not in its history"
        done
        no_conflicts "$1"
    }
    both_orders s10_renames
}

s11_a_path_does_not_contain_one_that_begins_like_it() {
    step "S11: a/b does not contain a/bc"
    mkdir -p "$A/s11/b" "$A/s11/bc" && echo x >"$A/s11/b/f" && echo x >"$A/s11/bc/f"
    sync_all a b c
    here() { rm -r "$A/s11/b" && mkdir "$A/s11/z"; }
    there() { echo edited >"$B/s11/bc/f" && mv "$B/s11/bc" "$B/s11/bcd"; }
    apart here there
    [ ! -e "$C/s11/b" ] && has "$C/s11/bcd/f" edited || fail "c has $(find "$C/s11")"
    no_conflicts s11
}

s12_a_crash_while_work_is_taken_over_loses_and_doubles_nothing() {
    step "S12: killed at any moment of sending and taking over, everything is there once"
    mkdir "$A/s12" && for number in $(seq 30); do seq 30 >"$A/s12/$number"; done
    sync_all a b c
    local round number member
    for round in 1 2 3 4 5; do
        freeze b
        for number in $(seq 30); do
            sed -i "s/^$round\$/a$round/" "$A/s12/$number"
            sed -i "s/^2$round\$/b$round/" "$B/s12/$number"
        done
        sync_all a
        thaw b
        member=$([ $((round % 2)) = 0 ] && echo a || echo b)
        local waits=$((round * 3))
        while [ "$waits" -gt 0 ]; do pause; waits=$((waits - 1)); done
        kill_member "$member"
        umount -l "$WORK/$member" 2>/dev/null || fusermount3 -uz "$WORK/$member"
        mount_member "$member"
        sync_all b a c
    done
    same_trees "$A" "$B"
    same_trees "$A" "$C"
    for number in $(seq 30); do
        has "$C/s12/$number" "$(seq 30 | sed 's/^[1-5]$/a&/; s/^2\([1-5]\)$/b\1/')" || fail "$number is $(cat "$C/s12/$number")"
    done
    no_conflicts s12
}

s16_what_goes_wrong_has_a_name_of_its_own() {
    step "S16: not authorised, unreachable, not found and refused are different errors"
    expect 1 fl a log "$A/never-was"
    said "nothing ever stood"
    freeze a
    must 60 "a does not notice that the hub is silent" status_says a unreachable
    expect 3 fl a log "$A/first"
    said "cannot be asked"
    thaw a
    sync_all a
    local url
    url=$(invite --role reader)
    expect 0 fl d join "$url" --as work
    expect 5 fl e join "$url" --as work
    expect 1 fl a status "$WORK"
    said "not"
    hub revoke "$SPACE" c >/dev/null || fail "c cannot be shut out"
    must 60 "c does not hear that it is shut out" status_says c refused
    expect 5 fl c status "$C"
}

start_hub
create_space
start_relays a b
start_members a b c
echo first >"$A/first"
sync_all a b c
if [ $# -gt 0 ]; then
    for row in "$@"; do run_rows "${row:0:1}" "${row:1}"; done
else
    run_rows c
    run_rows s
fi
finish
