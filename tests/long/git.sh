#!/bin/bash
# A history in git on the mount: clone, 300 commits, branches, rebase, gc, and git's own judgement of it; the other member
# has the same repository, whole.
. "$(dirname "$0")/../harness.sh"
COMMITS=${COMMITS:-300}
begin git
need git
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_EDITOR=true
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
start_hub
create_space
start_members a b
A=$WORK/a

# clean DIRECTORY: git finds nothing to say.
clean() {
    expect 0 git -C "$1" fsck --strict --full
    expect 0 git -C "$1" status --porcelain
    same "" "$OUTPUT" "status of $1"
}

step "a repository to clone, on a plain directory"
git init -q -b main "$WORK/origin" && git -C "$WORK/origin" config gc.auto 0 || fail "no repository"
for crate in serde-1 tokio-1 regex-1; do
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate"*/. "$WORK/origin" 2>/dev/null
done
cp -r "$(dirname "$0")/.." "$WORK/origin/tests-of-ours"
find "$WORK/origin" -name .gitignore -delete
git -C "$WORK/origin" add -A && git -C "$WORK/origin" commit -qm begin || fail "no repository"

step "clone"
git clone -q "$WORK/origin" "$A/work" || fail "clone"
clean "$A/work"

step "$COMMITS commits on two branches"
cd "$A/work" || exit 1
git checkout -q -b side
for number in $(seq "$COMMITS"); do
    [ "$number" != $((COMMITS / 2)) ] || git checkout -q main || fail "checkout"
    mkdir -p "log/$((number % 10))"
    echo "$number" >>"log/$((number % 10))/$(git branch --show-current)"
    git add -A && git commit -qm "commit $number" || fail "commit $number"
done
same $((COMMITS + 2 - COMMITS / 2)) "$(git rev-list --count main)" "commits on main"

step "rebase, stash, merge, gc"
git rebase -q main side || fail "rebase"
echo "not yet" >>log/1/side && git stash -q && git stash pop -q && git checkout -q -- log || fail "stash"
git checkout -q main && git merge -q --no-ff -m merged side || fail "merge"
git -c gc.auto=0 gc -q --prune=now || fail "gc"
git repack -qadf || fail "repack"
same $((COMMITS + 2)) "$(git rev-list --count main)" "commits after the merge"
cd "$WORK" || exit 1
clean "$A/work"

step "the other member has it"
sync_all a b
same_trees "$A" "$WORK/b"
same "$(git -C "$A/work" rev-parse HEAD)" "$(git -C "$WORK/b/work" rev-parse HEAD)" "heads"
clean "$WORK/b/work"
finish
