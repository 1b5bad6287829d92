#!/bin/bash
# Everything that ever was within reach: each behaviour by its name, on one hub and three members.
#
#   history.sh [NUMBER...]     [default: all]
#   FL0WFS_TEST_EDITS=COUNT    how often one file is edited [default: 60]
. "$(dirname "$0")/harness.sh"
begin history
need python3 patch
A=$WORK/a B=$WORK/b C=$WORK/c
EDITS=${FL0WFS_TEST_EDITS:-60}
MIB=1048576

random() { head -c "$1" /dev/urandom; }
log_of() { local member=$1 path=$2; shift 2; fl "$member" log --json "$WORK/$member/$path" "$@"; }
show_of() { local member=$1 path=$2; shift 2; fl "$member" show "$WORK/$member/$path" "$@"; }
diff_of() { local member=$1 path=$2; shift 2; fl "$member" diff "$WORK/$member/$path" "$@"; }
# value NAME: that value of each line of JSON, one per line.
value() { python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line).get(sys.argv[1]))' "$1"; }
# story: operation, version and member of each line, in one.
story() { python3 -c 'import json, sys
print(" ".join("%s:%s:%s" % (l["op"], l["version"], l["member"]) for l in map(json.loads, sys.stdin)))'; }
is_shown() { local member=$1 path=$2 text=$3; shift 3; same "$(show_of "$member" "$path" "$@")" "$text" "$path $*"; }

p1_every_file_has_a_history() {
    step "P1: every file has a history: versions, times, members and operations, and what went into a merge"
    mkdir "$A/p1" && printf 'one\n2\n3\n4\nfive\n' >"$A/p1/plan" && sync_all a b c || fail "a cannot write"
    chmod 600 "$A/p1/plan" && sync_all a b
    mv "$B/p1/plan" "$B/p1/notes" && sync_all b a
    mv "$A/p1" "$A/p1-new" && sync_all a b c
    same "$(log_of c p1-new/notes | story)" "renamed:None:b attributes:None:a added:1:a" "the history so far"
    # A save as editors do it, and an edit of both sides that joins.
    printf 'ONE\n2\n3\n4\nfive\n' >"$A/p1-new/tmp" && mv "$A/p1-new/tmp" "$A/p1-new/notes" && sync_all a b c
    printf 'ONE AND ONLY\n2\n3\n4\nfive\n' >"$A/p1-new/notes" && sync_all a b c
    merge_edits
    same "$(log_of c p1-new/notes | story)" \
        "merged:5:b updated:4:a updated:3:a updated:2:a renamed:None:b attributes:None:a added:1:a" "the history at last"
    same "$(log_of c p1-new/notes -n 1 | value merged)" "{'base': 3, 'local': 4, 'remote': 4}" "what went in"
    rm "$C/p1-new/notes" && sync_all c a b
    same "$(log_of b p1-new/notes -n 1 | story)" "deleted:6:c" "the deletion"
    echo again >"$B/p1-new/notes" && sync_all b a c
    same "$(log_of a p1-new/notes -n 2 | story)" "added:1:b deleted:6:c" "what came after"
    local member
    for member in a b c; do log_of $member p1-new/notes >"$WORK/p1.$member"; done
    cmp "$WORK/p1.a" "$WORK/p1.b" && cmp "$WORK/p1.a" "$WORK/p1.c" || fail "members tell different histories"
    same "$(value sequence <"$WORK/p1.a" | tail -n +2)" "$(value sequence <"$WORK/p1.a" | tail -n +2 | sort -rn)" "the order"
    expect 0 fl a log "$A/p1-new/notes"
    said "earlier here: " && said "merged version 5 (base 3, local 4, remote 4)"
}

# Edits that meet and join: a's is accepted first.
merge_edits() {
    freeze b
    printf 'ONE AND ONLY!\n2\n3\n4\nfive\n' >"$A/p1-new/notes" && sync_all a
    printf 'ONE AND ONLY\n2\n3\n4\nFIVE\n' >"$B/p1-new/notes"
    thaw b
    sync_all b a c
    has "$C/p1-new/notes" $'ONE AND ONLY!\n2\n3\n4\nFIVE' || fail "it was not merged: $(cat "$C/p1-new/notes")"
}

p2_every_version_can_be_had_again() {
    step "P2: the content of every version can be had again, of removed and replaced files too"
    mkdir "$A/p2"
    local number node
    for number in 1 2 3; do
        echo "content $number" >"$A/p2/f" && sync_all a
    done
    sync_all b c
    for number in 1 2 3; do is_shown c p2/f "content $number" --version $number; done
    node=$(log_of a p2/f -n 1 | value node)
    local sequence
    sequence=$(log_of a p2/f | value sequence | tail -n 1)
    rm "$B/p2/f" && sync_all b a c
    is_shown a p2/f "content 3" --version 3
    expect 1 show_of a p2/f --version 4
    said "is its deletion" && said "--version $node:3"
    echo "another file" >"$C/p2/f" && sync_all c a b
    is_shown b p2/f "another file" --version 1
    is_shown b p2/f "content 2" --version "$node:2"
    is_shown b p2/f "content 1" --at "$sequence"
    expect 1 show_of b p2/f --at $((sequence - 1))
    said "there was no file p2/f at"
    sleep_past_second
    local then
    then=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
    echo "later" >"$A/p2/f" && sync_all a b
    is_shown b p2/f "another file" --at "$then"
    is_shown b p2/f "later" --at "0s ago"
    # Large contents pass through bounded memory, also where nothing of them is on this machine.
    random $((20 * MIB)) >"$A/p2/large" && cp "$A/p2/large" "$WORK/large.1" && sync_all a b || fail "a cannot write"
    random $((12 * MIB)) >"$A/p2/large" && cp "$A/p2/large" "$WORK/large.2" && sync_all a b
    show_of b p2/large --version 1 | cmp - "$WORK/large.1" || fail "version 1 is not what it was"
    show_of b p2/large --version 2 | cmp - "$WORK/large.2" || fail "version 2 is not what it was"
    show_of b p2/large --version 1 | head -c 1 >/dev/null || fail "a reader who stops is an error"
    same "$(find "$(home_of b)" -path '*staging*' -type f | wc -l)" 0 "files left behind"
    rm "$A/p2/large" "$WORK"/large.?
}

# Until the clock shows another second; times of the log are as fine as the clock, and this only makes sure of it.
sleep_past_second() { local now=$EPOCHSECONDS; while [ "$EPOCHSECONDS" = "$now" ]; do pause; done; }

p14_log_and_diff_are_had_per_path() {
    step "P14: log and diff of a path, across renames, from any version to any other or to what is here"
    mkdir "$A/p14" && printf 'a\nb\nc\n' >"$A/p14/f" && sync_all a b
    printf 'a\nB\nc\n' >"$A/p14/f" && sync_all a b && mv "$A/p14/f" "$A/p14/g" && sync_all a b
    local both=$'-b\n+B'
    same "$(diff_of b p14/g | grep '^[-+][^-+]')" "$both" "the last change"
    same "$(diff_of b p14/g --from 1 --to 2 | grep '^[-+][^-+]')" "$both" "from one version to another"
    same "$(diff_of b p14/g --from 2 --to 1 | grep '^[-+][^-+]')" $'-B\n+b' "and back"
    same "$(diff_of b p14/g --from 2)" "" "nothing changed"
    expect 0 diff_of b p14/g --from 1
    said "+++ b/p14/g" && said "--- a/p14/f"
    # Before it is sent, what is here is compared with what was accepted last.
    freeze b
    printf 'a\nB\nc\nd' >"$B/p14/g"
    thaw b
    diff_of b p14/g >"$WORK/p14.diff" || fail "there is no diff"
    grep -qxF '+d' "$WORK/p14.diff" || fail "this is not what changed here: $(cat "$WORK/p14.diff")"
    show_of b p14/g --version 2 >"$WORK/p14.file" && (cd "$WORK" && patch -s p14.file p14.diff) && cmp "$WORK/p14.file" "$B/p14/g" ||
        fail "the diff does not lead from one to the other"
    sync_all b a
    printf 'x\0y' >"$A/p14/g" && sync_all a b
    expect 0 diff_of b p14/g
    said "Binary files p14/g version 3 (7 B, md5 $(printf 'a\nB\nc\nd' | md5sum | cut -c-32)) and p14/g as it is here (3 B, md5 "
    rm "$A/p14/g" && sync_all a b
    expect 0 diff_of b p14/g
    said "/dev/null"
    same "$(log_of b p14/g | story)" "deleted:5:a updated:4:a updated:3:b renamed:None:a updated:2:a added:1:a" "the log"
    same "$(log_of b p14/f | story)" "renamed:None:a updated:2:a added:1:a" "the log under the old name"
    # The whole space at its root, newest first, in pages.
    same "$(log_of b '' -n 3 | story)" "deleted:5:a updated:4:a updated:3:b" "the space's log"
    local number
    for number in $(seq 700); do : >"$A/p14/n$number"; done
    sync_all a b
    same "$(log_of b '' | value path | grep -c '^p14/n')" 700 "lines of many pages"
    same "$(log_of b '' | value sequence | sort -rnc 2>&1)" "" "their order"
    log_of b '' | head -n 1 >/dev/null || fail "a reader who stops is an error"
}

c13_the_log_shows_changes_of_json_as_operations() {
    step "C13: log --patch shows the change of a JSON file as JSON Patch operations with sequence, name, path and data"
    local at
    mkdir "$A/c13" && printf '{\n  "0": "ffffff",\n  "1": [1, 2.50],\n  "a/b": {"x": null}\n}\n' >"$A/c13/grid" && sync_all a b ||
        fail "a cannot write"
    sed -i 's/"0": "ffffff"/"0": "ff0000"/; s/, 2.50\]/, 2.50, "new"]/' "$B/c13/grid" && sync_all b a
    mv "$A/c13/grid" "$A/c13/cells" && sync_all a b
    printf '{\n  "0": "ff0000",\n  "1": [1, 2.50, "new"]\n}\n' >"$A/c13/cells" && sync_all a b
    # Newest first: the last change, the rename, the change of two values, the making.
    mapfile -t at < <(log_of b c13/cells | value sequence)
    same "$(log_of b c13/cells --patch | grep -v '"op":"renamed"')" "$(cat <<END
{"sequence":${at[0]},"name":"c13/cells","op":"remove","path":"/a~1b"}
{"sequence":${at[2]},"name":"c13/grid","op":"replace","path":"/0","data":"ff0000"}
{"sequence":${at[2]},"name":"c13/grid","op":"add","path":"/1/2","data":"new"}
{"sequence":${at[3]},"name":"c13/grid","op":"add","path":"","data":{"0":"ffffff","1":[1,2.50],"a/b":{"x":null}}}
END
)" "the operations"
    # The file grows out of JSON, and others never were: their changes are diffs, and those of XML elements.
    echo "no JSON" >"$A/c13/cells" && printf '<a><b x="1"/></a>\n' >"$A/c13/x.xml" && sync_all a b
    expect 0 fl b log --patch -n 1 "$B/c13/cells" && said "+no JSON" && said '-  "0": "ff0000",'
    printf '<a><b x="2"/><c/></a>\n' >"$A/c13/x.xml" && rm "$A/c13/cells" && sync_all a b
    expect 0 fl b log --patch -n 1 "$B/c13/x.xml" && said "changed /a/b/@x" && said "added /a/c"
    expect 0 fl b log --patch -n 1 "$B/c13/cells" && said "-no JSON" && said "+++ /dev/null"
    log_of b c13/x.xml --patch -n 1 | value changes | any "'path': '/a/b/@x'" || fail "no changes of elements in JSON"
    log_of b c13/cells --patch -n 1 | value patch | any '^-no JSON' || fail "no diff in JSON"
}

n1_what_is_not_there_is_said_clearly() {
    step "N1: an unknown version, a path that never was, a file beyond the mount, a hub out of reach"
    mkdir "$A/n1" && echo x >"$A/n1/f" && mkdir "$A/n1/d" && sync_all a
    expect 1 show_of a n1/f --version 7 && said "n1/f has no version 7"
    expect 1 show_of a n1/f --version 9.9:1 && said "has no version 9.9:1"
    expect 2 show_of a n1/f --version x && said "is no version"
    expect 2 show_of a n1/f && said "--version"
    expect 1 show_of a n1/d --version 1 && said "n1/d is no file"
    expect 1 show_of a n1/never --version 1 && said "nothing ever stood at n1/never"
    expect 1 log_of a n1/never && said "nothing ever stood at n1/never"
    expect 1 log_of a n1/f --node 9.9 && said "no history of a node 9.9"
    expect 1 diff_of a n1/never && said "nothing ever stood at n1/never"
    expect 1 diff_of a n1/d && said "n1/d is no file"
    expect 2 show_of a n1/f --at tomorrow && said "is no sequence and no time"
    expect 1 show_of a n1/f --at 1990-01-01 && said "had nothing in it then"
    local command
    for command in log diff; do expect 1 fl a $command "$WORK/hub.log" && said "is not in a mounted space"; done
    expect 1 fl a show "$WORK/hub.log" --version 1 && said "is not in a mounted space"
    stop_hub
    must 30 "the hub is not missed" status_says a "unreachable"
    for command in log diff; do expect 3 fl a $command "$A/n1/f" && said "cannot be asked"; done
    expect 3 show_of a n1/f --version 1
    start_hub
    sync_all a b c
}

n2_the_space_is_followed_live() {
    step "N2: what changes is told as it is accepted, once each and in order, whatever becomes of the connection"
    mkdir -p "$A/n2/in" "$A/n2/out" && echo before >"$A/n2/in/f" && sync_all a b
    FL0WFS_HOME=$(home_of b) "$FL0WFS" log --follow --json -n 1 "$B/n2/in" >"$WORK/n2.feed" 2>&1 &
    local feed=$! number
    must 20 "the feed does not begin with the last line" grep -q '"n2/in/f"' "$WORK/n2.feed"
    for number in 1 2 3; do
        echo "$number" >"$A/n2/in/f" && echo "$number" >"$A/n2/out/f" && sync_all a
    done
    must 20 "the feed does not go on" grep -q '"version":4,' "$WORK/n2.feed"
    stop_hub
    echo offline >"$A/n2/in/g"
    start_hub
    sync_all a b
    must 60 "the feed does not outlive the connection" grep -q '"n2/in/g"' "$WORK/n2.feed"
    same "$(value path <"$WORK/n2.feed" | tr '\n' ' ')" "n2/in/f n2/in/f n2/in/f n2/in/f n2/in/g " "the feed"
    same "$(value version <"$WORK/n2.feed" | tr '\n' ' ')" "1 2 3 4 1 " "the versions of the feed"
    kill "$feed" && wait "$feed" 2>/dev/null
    FL0WFS_HOME=$(home_of b) "$FL0WFS" log --follow -n 1 "$B" >"$WORK/n2.feed" 2>&1 &
    feed=$!
    must 20 "the feed does not begin" test -s "$WORK/n2.feed"
    umount_member b
    must 20 "the feed outlives the mount" is_gone "$feed"
    wait "$feed" || fail "a mount's end is an error ($?) for its feed: $(tail -n 3 "$WORK/n2.feed")"
    mount_member b
    sync_all b
}

n3_a_long_history_is_right_at_every_point() {
    step "N3: a file edited $EDITS times, renamed 10 times, removed: log, show and diff are right at every point"
    mkdir "$A/n3"
    local number name=n3/f0 renames=0 sequences=()
    for ((number = 1; number <= EDITS; number++)); do
        printf 'common\nedit %d\n' "$number" >"$A/$name" || fail "a cannot write"
        expect 0 fl a sync "$A"
        sequences+=("$(field a sequence)")
        if ((number % (EDITS / 10) == 0 && renames < 10)); then
            renames=$((renames + 1))
            mv "$A/$name" "$A/n3/f$renames" && name=n3/f$renames || fail "a cannot rename"
        fi
    done
    sync_all a b
    local node
    node=$(log_of b "$name" -n 1 | value node)
    same "$(log_of b "$name" | value op | sort | uniq -c | tr -s ' \n' ' ')" " 1 added 10 renamed $((EDITS - 1)) updated " "the log"
    same "$(log_of b "$name" | value version | grep -v None | tr '\n' ' ')" "$(seq "$EDITS" -1 1 | tr '\n' ' ')" "the versions"
    local step=$(((EDITS + 29) / 30))
    for ((number = 1; number <= EDITS; number += step)); do
        is_shown b "$name" $'common\nedit '$number --version "$number"
        is_shown b "$name" $'common\nedit '$number --at "${sequences[number - 1]}"
        [ "$number" = 1 ] || same "$(diff_of b "$name" --from $((number - 1)) --to "$number" | grep '^[-+][^-+]')" \
            "-edit $((number - 1))"$'\n'"+edit $number" "the diff to version $number"
    done
    rm "$A/$name" && sync_all a b
    same "$(log_of b "$name" -n 1 | story)" "deleted:$((EDITS + 1)):a" "the deletion"
    is_shown b "$name" $'common\nedit '$((EDITS / 2)) --version $((EDITS / 2))
    is_shown b n3/f0 $'common\nedit 1' --version "$node:1"
}

start_hub
create_space
start_relays b
start_members a b c
run_rows c "$@"
run_rows p "$@"
run_rows n "$@"
finish
