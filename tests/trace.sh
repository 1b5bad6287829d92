#!/bin/bash
# The fl0w trace with one hub and three real mounts: who connects when, who changes and deletes what, and who hears
# of it. The MD5s of the trace belong to no content, so contents are made here and compared with md5sum.
. "$(dirname "$0")/harness.sh"
begin trace

declare -A WROTE=()   # path -> its tags, oldest first

# wrote PATH FILE: notes the tag of what was just written.
wrote() { WROTE[$1]+="$(md5_of "$2")"$'\n'; }
removed() { WROTE[$1]+="0"$'\n'; }

# write MEMBER PATH CONTENT
write() {
    printf '%s\n' "$3" >"$(dir_of "$1")/$2" || fail "$1 cannot write $2"
    wrote "$2" "$(dir_of "$1")/$2"
}

# heard PATH CONTENT MEMBER...: all of them have it.
heard() {
    local path=$1 content=$2 member
    shift 2
    for member in "$@"; do
        must 20 "$member has not heard of $path" has "$(dir_of "$member")/$path" "$content"
    done
}

# gone PATH MEMBER...: none of them has it.
gone() {
    local path=$1 member
    shift
    for member in "$@"; do
        must 20 "$member still has $path" test ! -e "$(dir_of "$member")/$path"
    done
}

start_hub
create_space
for member in author client1 client2 client3; do join "$member"; done

step "before: client 2 has a version of test.py that is no longer the latest"
mount_member client2
write client2 test.py "print('an early test')"
sync_all client2
umount_member client2
mount_member author
heard test.py "print('an early test')" author
write author test.py "print('the test as the server has it')"
sync_all author
umount_member author

step "client 1 connects with nothing and gets test.py"
mount_member client1
heard test.py "print('the test as the server has it')" client1

step "client 2 connects with its stale test.py, which is replaced"
mount_member client2
heard test.py "print('the test as the server has it')" client2

step "client 2 changes test.py; client 1 hears of it"
write client2 test.py "print('changed by client 2')"
heard test.py "print('changed by client 2')" client1

step "client 2 deletes test.py; client 1 hears of it"
rm "$(dir_of client2)/test.py"
removed test.py
gone test.py client1

step "client 3 connects and sees nothing of what was deleted"
mount_member client3
expect 0 fl client3 sync "$(dir_of client3)"
same "$(ls -A "$(dir_of client3)")" "" "client 3 sees something"

step "client 3 creates test1.py, test2.py and test3.py; clients 1 and 2 hear of each"
for number in 1 2 3; do
    write client3 "test$number.py" "print('test $number')"
    heard "test$number.py" "print('test $number')" client1 client2
done

step "client 1 deletes test2.py; clients 2 and 3 hear of it"
rm "$(dir_of client1)/test2.py"
removed test2.py
gone test2.py client2 client3

step "client 2 changes test3.py; clients 1 and 3 hear of it"
write client2 test3.py "print('test 3, changed by client 2')"
heard test3.py "print('test 3, changed by client 2')" client1 client3

sync_all client1 client2 client3
same_trees "$(dir_of client1)" "$(dir_of client2)"
same_trees "$(dir_of client1)" "$(dir_of client3)"

step "the log shows the md5sum of everything written, and every tombstone, on every member"
for member in client1 client2 client3; do
    for path in "${!WROTE[@]}"; do
        same "$(log_md5s "$member" "$path")" "$(printf '%s' "${WROTE[$path]}")" "the log of $path at $member"
    done
done
fl client1 log --json "$(dir_of client1)/test3.py" | any '"member":"client2"' || fail "who changed it is not told"
same "$(fl client1 status "$(dir_of client1)" --json | grep -o '"sequence":[0-9]*')" '"sequence":8' \
    "nine changes are the sequences 0 to 8"
finish
