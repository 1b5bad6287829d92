#!/bin/bash
# POSIX, as the suite `pjdfstest` (the crate of that name) asks for it, run by root against a mount of a member in a
# space with a hub. With all that plain ext4 can do: every feature there is on Linux, two users, a second file system,
# remounting, and no failure that is expected.
#
# The suite is taken from PATH, or else installed by cargo into the user's cache. A second user is made where it is
# missing and removed again.
. "$(dirname "$0")/../harness.sh"
SUITE_VERSION=0.2.2
PASSED_MIN=397
USER_MADE=

[ "$(id -u)" = 0 ] || skip "only root can run this"
begin posix
need mount umount useradd userdel
A=$WORK/a

clear_up_more() {
    umount -l "$WORK/other" 2>/dev/null
    [ -z "$USER_MADE" ] || userdel "$USER_MADE" 2>/dev/null
}

# find_suite: sets $SUITE to the program. Both ways of having none are told.
find_suite() {
    local root=${XDG_CACHE_HOME:-$HOME/.cache}/fl0wfs/pjdfstest-$SUITE_VERSION
    SUITE=$(command -v pjdfstest) && return
    SUITE=$root/bin/pjdfstest
    [ -x "$SUITE" ] && return
    command -v cargo >/dev/null || skip "pjdfstest is not installed, and there is no cargo to install it"
    step "installing pjdfstest $SUITE_VERSION"
    CARGO_TARGET_DIR=$WORK/build cargo install --quiet --locked --version "$SUITE_VERSION" --root "$root" pjdfstest \
        >"$WORK/install.log" 2>&1 || skip "pjdfstest cannot be installed: $(tail -n 1 "$WORK/install.log")"
    rm -rf "$WORK/build"
}

# make_user: the suite wants two users besides root, each with a group of its own. One is `nobody`.
make_user() {
    id -u nobody >/dev/null 2>&1 || skip "there is no user nobody"
    id -u tests >/dev/null 2>&1 && return
    useradd --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin tests || skip "no user can be made"
    USER_MADE=tests
}

# configure MAY_REMOUNT: writes what the suite is told. Our clock is the kernel's coarse one, which ticks 100 times a
# second or faster.
configure() {
    cat >"$WORK/suite.toml" <<-TOML
	[features]
	posix_fallocate = {}
	rename_ctime = {}
	utime_now = {}
	utimensat = {}
	[settings]
	naptime = 0.02
	allow_remount = $1
	expected_failures = []
	[dummy_auth]
	entries = [["nobody", "$(id -gn nobody)"], ["tests", "$(id -gn tests)"]]
	TOML
}

# run_suite LOG [PATTERN]
run_suite() {
    local log=$1
    shift
    NO_COLOR=1 "$SUITE" -c "$WORK/suite.toml" -p "$A" -s "$WORK/other" "$@" >"$log" 2>&1
    grep -q '^Summary:' "$log" || fail "the suite did not come to its end: $(tail -n 3 "$log")"
}

# groups_that STATUS: the names of all groups that ended so.
groups_that() { sed -nE "s/^([a-z0-9_:]+) +$1\$/\1/p" "$WORK/groups.log" "$WORK/erofs.log"; }

find_suite
make_user
link_helpers
export FL0WFS_HOME=$(home_of a)
mkdir "$WORK/other"
mount -t tmpfs -o mode=0777 fl0wfs-test "$WORK/other" || skip "no second file system can be mounted"
start_hub
create_space
join a
mount_member a allow_other,dev,suid
chmod 755 "$WORK"

step "all groups that need no remount"
configure false
run_suite "$WORK/groups.log"
# By themselves, since others keep a file open for writing, and then no file system becomes read-only.
step "the groups that remount"
configure true
run_suite "$WORK/erofs.log" erofs

passed=$(groups_that ok | sort -u) failed=$(groups_that FAILED | sort -u)
left_out=$(comm -23 <(groups_that skipped | sort -u) <(sort -u <<<"$passed"$'\n'"$failed"))
step "$(wc -w <<<"$passed") groups passed, $(wc -w <<<"$failed") failed, $(wc -w <<<"$left_out") were left out"
for group in $failed $left_out; do
    step "$(grep -hE -A 1 "^$group +(FAILED|skipped)" "$WORK/erofs.log" "$WORK/groups.log" | head -n 2 | xargs -d '\n')"
done
[ -z "$failed" ] || fail "groups failed"
[ "$(wc -w <<<"$passed")" -ge "$PASSED_MIN" ] || fail "at least $PASSED_MIN groups have to pass"
expect 0 fl a sync "$A" --timeout 120s
finish
