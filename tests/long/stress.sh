#!/bin/bash
# stress-ng's class `filesystem`: every stressor, for some seconds each, on the mount. What fails here is tried on the plain
# file system beside it: a stressor passes where it passes there.
. "$(dirname "$0")/../harness.sh"
SECONDS_EACH=${SECONDS_EACH:-2}
# stressor and why: the kernel's FUSE has no call for what it does.
declare -A NO_CALL=()
[ "$(id -u)" = 0 ] || skip "only root can run this"
begin stress
need stress-ng
start_hub
create_space
join a
mount_member a allow_other,dev,suid
A=$WORK/a
mkdir "$A/here" "$WORK/plain"

# run_stressor NAME DIRECTORY
run_stressor() {
    timeout 180 stress-ng --temp-path "$2" "--$1" 1 --timeout "$SECONDS_EACH" --oomable --verify >"$WORK/$1.${2##*/}" 2>&1 </dev/null
}

mapfile -t stressors < <(stress-ng --class filesystem? 2>&1 | sed 's/.*stressors: //' | tr ' ' '\n' | grep -E '^[a-z]')
[ ${#stressors[@]} -gt 20 ] || fail "stress-ng does not tell its stressors"
passed=0 failed=() not_here=() no_call=()
for stressor in "${stressors[@]}"; do
    if run_stressor "$stressor" "$A/here"; then
        passed=$((passed + 1))
    elif ! run_stressor "$stressor" "$WORK/plain"; then
        not_here+=("$stressor")
    elif [ -n "${NO_CALL[$stressor]:-}" ]; then
        no_call+=("$stressor (${NO_CALL[$stressor]})")
    else
        failed+=("$stressor")
        grep -E 'fail|error' "$WORK/$stressor.here" | head -n 3 | sed "s/^/    /"
    fi
    kill -0 "${PIDS[a]}" || fail "the daemon died of $stressor"
done
step "$passed of ${#stressors[@]} stressors passed, ${#failed[@]} failed; on a plain directory fail too: ${not_here[*]:-none}"
step "no call: ${no_call[*]:-none}"
[ ${#failed[@]} = 0 ] || fail "as on a plain directory: ${failed[*]}"
rm -rf "$A/here"
expect 0 fl a sync "$A" --timeout 120s
finish
