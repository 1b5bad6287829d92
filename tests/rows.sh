#!/bin/bash
# Every behaviour that has a name (F for what members do with each other, C, P and S for work on the same files, U for what
# users suffer from elsewhere, K for what a kill does not do to a mount, L for what a local file system answers) has a test
# with real mounts that carries it.
# Lists where, and which tests of the parts carry it too.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
ROWS=(F{1..14} C{1..13} P{1..14} S{1..16} U{1..15} K{1..9} L{1..6})
missing=()

for row in "${ROWS[@]}"; do
    places=$(grep -rnE "^(pub )?(async )?(fn )?${row,,}_[a-z0-9_]+\(\)( ->.*)? \{" tests src --include='*.sh' --include='*.rs' |
        sed -E 's/:(pub )?(async )?(fn )?/ /2; s/\(\).*//')
    grep -q '^tests/' <<<"$places" || missing+=("$row")
    printf '%s\n' "$places" | sed "s/^/$row  /"
done

# A shell function that says another name than its own would be found under a name it does not show.
while IFS=: read -r file line function; do
    row=${function%%_*}
    sed -n "$((line + 1))p" "$file" | grep -q "^    step \"${row^^}: " ||
        { echo "$file:$line: $function does not say ${row^^}" >&2 && missing+=("${row^^}"); }
done < <(grep -nE '^[a-z][0-9]+_[a-z0-9_]+\(\)' tests/*.sh)

[ ${#missing[@]} = 0 ] || { echo "FAILED: no test for ${missing[*]}" >&2; exit 1; }
