#!/bin/bash
# POSIX access control lists on a mount by root: setfacl and getfacl as on a plain directory, permissions as they say, and
# the same on another member.
. "$(dirname "$0")/harness.sh"
[ "$(id -u)" = 0 ] || skip "only root can set what this asks for"
begin acl
need setfacl getfacl setpriv
start_hub
create_space
join a && join b
mount_member a allow_other
mount_member b allow_other
chmod 755 "$WORK" "$WORK/a" "$WORK/b"
mkdir "$WORK/plain"

# both COMMAND...: in the mount and in a plain directory, with the same result.
both() {
    local there=$WORK/plain here=$WORK/a
    (cd "$there" && "$@") >"$WORK/there" 2>&1
    local code=$?
    (cd "$here" && "$@") >"$WORK/here" 2>&1
    local code_here=$?
    same "$code $(cat "$WORK/there")" "$code_here $(cat "$WORK/here")" "$*"
}
lists() { (cd "$1" && find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0 getfacl -n 2>/dev/null && stat -c '%n %a %u:%g' -- *); }
same_lists() { diff <(lists "$1") <(lists "$2") >&2 || fail "lists of $1 and $2 differ"; }
as() { setpriv --reuid "$1" --regid "$1" --groups "$2" "${@:3}"; }

step "lists, masks and modes"
both sh -c 'mkdir d e && echo text >f && chmod 640 f'
both setfacl -m u:1000:rw,g:1001:r f
both stat -c %a f
both setfacl -m m::r f
both chmod 660 f
both getfacl -nc f
both setfacl -x u:1000 f
both setfacl -m u:1002:rwx,u::rw f
both chmod 604 f
both setfacl -n -m u:1003:rwx f
both setfacl -m d:u:1000:rwx,d:m::rx d
both setfacl -m d:u::rwx e
both setfacl -m d:u:1:r f
both setfacl -m u:1:x,u:1:x,g::q f

step "what is made in a directory with a default list"
both sh -c 'umask 077; echo x >d/file; mkdir d/dir; mkdir d/dir/below; mkfifo d/fifo; ln -s x d/link; cp f d/copy; echo x >e/file'
both sh -c 'umask 022; echo x >g; mkdir h; cp -a d i; mv d/file d/moved; echo new >t; mv t f'
both setfacl -b d/copy
both setfacl -k d/dir
both sh -c 'getfattr -m - -d -e hex --absolute-names i/dir i/file | sort'

step "who may, may"
both chmod 755 d e
for who in "1000 1000" "1001 1001" "5 1001" "5 5"; do
    both as $who cat d/moved
    both as $who sh -c 'echo more >>d/moved'
    both as $who test -w d/dir
done
both as 1000 1000 setfacl -m u:5:rw d/moved

same_lists "$WORK/plain" "$WORK/a"

step "the other member has the same, also after a mount anew"
sync_all a b
same_lists "$WORK/a" "$WORK/b"
chmod 600 "$WORK/b/d/moved"
must 30 "a mode does not arrive" eval "getfacl -nc '$WORK/a/d/moved' 2>/dev/null | any '^mask::---'"
as 1000 1000 cat "$WORK/a/d/moved" >/dev/null 2>&1 && fail "the kernel goes by an old list"
setfacl -m m::rw "$WORK/b/d/moved"
must 30 "a list does not arrive" as 1000 1000 test -r "$WORK/a/d/moved"
umount_member a
mount_member a
sync_all a b
same_lists "$WORK/a" "$WORK/b"
finish
