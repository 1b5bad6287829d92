#!/bin/bash
# Work of two members on the same files is merged by type where it can be: text by line, JSON by path; what cannot be
# is kept beside, and nobody's lines are lost.
. "$(dirname "$0")/harness.sh"
begin merges
SYNC_TIMEOUT=60s
A=$WORK/a B=$WORK/b

start_hub
create_space
start_members a b

# apart FUNCTION_A FUNCTION_B: both work alone, then meet.
apart() {
    stop_hub
    "$1" && "$2" || fail "cannot work without the hub"
    start_hub
    sync_all a b
    same_trees "$A" "$B"
}

no_conflicts() {
    same "$(ls -R "$A" | grep -c conflict)" 0 "conflict copies"
    expect 0 fl a status "$A"
}

p5_edits_of_both_sides_are_merged() {
    step "P5: an edit here and an edit there are merged from the common version, everywhere, as the next version"
    seq 1 20 >"$A/text"
    sync_all a b
    here() { sed -i 's/^2$/two/' "$A/text"; }
    there() { sed -i 's/^18$/eighteen/' "$B/text"; }
    apart here there
    same "$(cat "$A/text")" "$(seq 1 20 | sed 's/^2$/two/; s/^18$/eighteen/')" "the merge"
    no_conflicts
    same "$(fl a log --json "$A/text" | head -n 1 | grep -o '"op":"[a-z]*"')" '"op":"merged"' "the newest version"
    same "$(fl b log --json "$B/text" | wc -l)" 3 "versions"
}

c8_different_paths_of_a_json_document_are_merged() {
    step "C8: different paths of a JSON document do not conflict, and its bytes elsewhere stay"
    printf '{\n  "name": "x",   "size": 1.50,\n  "tags": ["a"]\n}\n' >"$A/doc.json"
    sync_all a b
    here() { sed -i 's/"x"/"y"/' "$A/doc.json"; }
    there() { sed -i 's/1\.50/2.50/' "$B/doc.json"; }
    apart here there
    same "$(cat "$B/doc.json")" "$(printf '{\n  "name": "y",   "size": 2.50,\n  "tags": ["a"]\n}\n')" "the merge"
    no_conflicts
}

s8_an_edit_follows_a_rename() {
    step "S8: an edit follows a rename of the other side, of the file and of a directory above"
    mkdir -p "$A/d/e" && seq 1 9 >"$A/d/e/f"
    sync_all a b
    here() { sed -i 's/^1$/one/' "$A/d/e/f" && mv "$A/d" "$A/moved"; }
    there() { sed -i 's/^9$/nine/' "$B/d/e/f" && mv "$B/d/e/f" "$B/d/e/g"; }
    apart here there
    same "$(cat "$A/moved/e/g")" "$(seq 1 9 | sed 's/^1$/one/; s/^9$/nine/')" "the merge"
    no_conflicts
}

s5_saves_of_every_shape_are_merged() {
    step "S5: a save by rename and an edit in place meet in a merge with the right base, many times over"
    seq 1 30 >"$A/saved"
    sync_all a b
    here() {
        local line
        for line in 3 6 9; do
            sed "s/^$line\$/a$line/" "$A/saved" >"$A/.tmp" && mv "$A/.tmp" "$A/saved" || return 1
        done
    }
    there() { for line in 20 23 26; do sed "s/^$line\$/b$line/" "$B/saved" | sponge_into "$B/saved" || return 1; done; }
    sponge_into() { local all; all=$(cat) && printf '%s\n' "$all" >"$1"; }
    apart here there
    same "$(cat "$A/saved")" "$(seq 1 30 | sed 's/^[369]$/a&/; s/^2[036]$/b&/')" "the merge"
    no_conflicts
}

attributes_say_how_files_are_merged() {
    step "an attributes file says otherwise, and one that cannot be read is named and stops merging"
    mkdir "$A/logs" && printf '# how\n*.lock binary\n/logs/** union\n' >"$A/.fl0wattributes" && seq 9 >"$A/x.lock" &&
        seq 9 >"$A/logs/l"
    sync_all a b
    here() { sed -i 's/^1$/one/' "$A/x.lock" && echo here >>"$A/logs/l"; }
    there() { sed -i 's/^9$/nine/' "$B/x.lock" && echo there >>"$B/logs/l"; }
    apart here there
    same "$(ls "$A" | grep -c 'x (conflict .).lock')" 1 "copies of a file that is never merged"
    same "$(sort "$A/logs/l")" "$( (seq 9; echo here; echo there) | sort)" "the union"
    expect 0 fl a resolve "$A/x.lock" --theirs
    sync_all a b
    printf '*.txt poem\n' >"$A/.fl0wattributes" && seq 9 >"$A/y.txt"
    sync_all a b
    fl b status "$B" >"$WORK/status"
    grep -q '.fl0wattributes: attributes, line 1' "$WORK/status" || fail "status says: $(cat "$WORK/status")"
    here() { sed -i 's/^1$/one/' "$A/y.txt"; }
    there() { sed -i 's/^9$/nine/' "$B/y.txt"; }
    apart here there
    same "$(ls "$A" | grep -c 'y (conflict .).txt')" 1 "copies while the attributes cannot be read"
    rm "$A/.fl0wattributes"
    expect 0 fl a resolve "$A/y.txt" --both
    sync_all a b
}

run_rows p
run_rows c
run_rows s
attributes_say_how_files_are_merged
finish
