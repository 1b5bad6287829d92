#!/bin/bash
# stress-ng's class `filesystem`: every stressor, for some seconds each, on the mount. What fails here is tried on the plain
# file system beside it: a stressor passes where it passes there. Those that FUSE has no call for are named.
. "$(dirname "$0")/../harness.sh"
SECONDS_EACH=${SECONDS_EACH:-2}
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

# A stressor that finds the call missing leaves it at that: FUSE has none for it.
NOTHING_TO_DO='skipp|not implemented|not supported|unsupported'
does_nothing() { grep -qiE "$NOTHING_TO_DO" "$WORK/$1.$2"; }

mapfile -t stressors < <(stress-ng --class filesystem? 2>&1 | sed 's/.*stressors: //' | tr ' ' '\n' | grep -E '^[a-z]')
[ ${#stressors[@]} -gt 20 ] || fail "stress-ng does not tell its stressors"
passed=0 failed=() not_here=() no_call=()
for stressor in "${stressors[@]}"; do
    if run_stressor "$stressor" "$A/here"; then
        if does_nothing "$stressor" here && run_stressor "$stressor" "$WORK/plain" && ! does_nothing "$stressor" plain; then
            no_call+=("$stressor ($(grep -m 1 -iE "$NOTHING_TO_DO" "$WORK/$stressor.here" | sed 's/.*: //'))")
        else
            passed=$((passed + 1))
        fi
    elif ! run_stressor "$stressor" "$WORK/plain"; then
        not_here+=("$stressor")
    else
        failed+=("$stressor")
        grep -E 'fail|error' "$WORK/$stressor.here" | head -n 3 | sed "s/^/    /"
    fi
    kill -0 "${PIDS[a]}" || fail "the daemon died of $stressor"
done
step "$passed of ${#stressors[@]} stressors passed, ${#failed[@]} failed; on a plain directory fail too: ${not_here[*]:-none}"
step "left out by stress-ng, since FUSE has no call for it: ${no_call[*]:-none}"
[ ${#failed[@]} = 0 ] || fail "as on a plain directory: ${failed[*]}"
rm -rf "$A/here"
expect 0 fl a sync "$A" --timeout 120s
finish
