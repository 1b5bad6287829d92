#!/usr/bin/env bash
# Real trees on two members: a source tree, a repository, saves by editors, everything a file system holds.
source "$(dirname "$0")/harness.sh"

start_members a b
A=$AREA/a/mnt B=$AREA/b/mnt

say "a source tree"
mkdir "$A/tree"
sources=$(find "${CARGO_HOME:-$HOME/.cargo}"/registry/src -mindepth 1 -maxdepth 1 -type d | head -n 1)
(cd "$sources" && find . -type f -size -200k -print0 | sort -z >"$AREA/list")
head -z -n "${TREE_FILES:-3000}" "$AREA/list" | tar -C "$sources" --null -T - -cf "$AREA/tree.tar"
tar -xf "$AREA/tree.tar" -C "$A/tree"
sync_all a b
expect_same a b
files=$(find "$B/tree" -type f | wc -l)
say "$files files are the same on both"
((files > 1000)) || fail "too few files to show anything"

say "a repository with a history made here"
git init -q -b main "$AREA/origin"
git -C "$AREA/origin" config user.name tester
git -C "$AREA/origin" config user.email tester@example.invalid
for n in $(seq 1 "${GIT_COMMITS:-60}"); do
    echo "line $n" >>"$AREA/origin/file$((n % 7)).txt"
    git -C "$AREA/origin" add -A
    git -C "$AREA/origin" commit -qm "change $n"
done
git clone -q "$AREA/origin" "$A/repository"
git -C "$A/repository" config user.name tester
git -C "$A/repository" config user.email tester@example.invalid
git -C "$A/repository" checkout -q -b topic HEAD~10
echo topic >"$A/repository/topic.txt"
git -C "$A/repository" add -A
git -C "$A/repository" commit -qm topic
git -C "$A/repository" rebase -q main
git -C "$A/repository" gc -q
sync_all a b
expect_same a b
git -C "$B/repository" -c safe.directory='*' fsck --strict --no-progress >/dev/null || fail "git fsck on b"
[ -z "$(git -C "$B/repository" -c safe.directory='*' status --porcelain)" ] || fail "git status on b is not clean"

say "saves are versions of one file"
saves() { as a log "$A/$1" --json | grep -c '"md5": *"[0-9a-f]\{32\}'; }
echo one >"$A/saved.txt"
sync_all a
before=$(saves saved.txt)
expect_one_more() {
    sync_all a
    local now
    now=$(saves saved.txt)
    [ "$now" = $((before + 1)) ] || fail "$1 made $((now - before)) versions, not 1"
    before=$now
}
sed -i s/one/two/ "$A/saved.txt"
expect_one_more "sed -i"
echo three >"$A/.saved.tmp" && mv "$A/.saved.tmp" "$A/saved.txt"
expect_one_more "a rename over the file"
echo four >"$A/saved.txt"
expect_one_more "truncate and write"
if command -v vim >/dev/null; then
    vim -u DEFAULTS -es -c '%s/four/five/' -c wq "$A/saved.txt" </dev/null >/dev/null 2>&1 || true
    [ "$(cat "$A/saved.txt")" = five ] || fail "vim did not save"
    expect_one_more vim
fi
sync_all b
expect_same a b

say "everything a file system holds"
mkdir "$A/odd" && cd "$A/odd"
echo x >"with space"
echo x >$'new\nline'
echo x >$'\xff\xfe'
echo x >Case && echo y >case
ln "with space" hard
ln -s ../nowhere dangling
mkfifo pipe
truncate -s 10M sparse && printf end >>sparse
printf 'x' >modes && chmod 4751 modes
touch -d '2001-02-03 04:05:06.123456789' modes
setfattr -n user.note -v 'a value' modes
mkdir empty && chmod 1777 empty
: >nothing
cd - >/dev/null
sync_all a b
expect_same a b
[ "$(stat -c %h "$B/odd/hard")" = 2 ] || fail "the hard link is not one"
[ "$(stat -c %i "$B/odd/hard")" = "$(stat -c %i "$B/odd/with space")" ] || fail "hard links differ in inode"
[ "$(stat -c %y "$B/odd/modes")" = "$(stat -c %y "$A/odd/modes")" ] || fail "mtimes differ"
[ "$(getfattr --only-values -n user.note "$B/odd/modes" 2>/dev/null)" = "a value" ] || fail "the attribute is lost"
(($(stat -c %b "$B/odd/sparse") < 1000)) || fail "the sparse file is not sparse on b"

say "a large file"
head -c "${LARGE_BYTES:-200000000}" /dev/urandom >"$A/large"
sync_all a b
cmp "$A/large" "$B/large" || fail "the large file differs"
rm -r "$A/tree" "$A/large"
sync_all a b
expect_same a b
[ ! -e "$B/tree" ] || fail "the removed tree is still on b"
