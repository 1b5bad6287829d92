#!/bin/bash
# What Python asks of a file system: its own tests of files, run on the mount and on the plain file system beside it. A
# module passes here where it passes there.
. "$(dirname "$0")/../harness.sh"
MODULES=(test_os test_posix test_posixpath test_shutil test_tempfile test_pathlib test_fileio test_io test_largefile
    test_mmap test_zipfile test_zipfile64 test_tarfile test_glob test_genericpath test_stat test_file test_file_eintr
    test_filecmp test_fileinput test_fcntl test_lockf test_memoryio test_bufio test_univnewlines test_unicode_file
    test_unicode_file_functions test_dbm test_dbm_dumb test_shelve test_sqlite3 test_mailbox test_gzip test_bz2 test_lzma
    test_linecache test_netrc test_compileall test_py_compile test_zipapp test_zipimport test_ftruncate test_poll
    test_openpty test_pty test_subprocess test_venv)
# Not about files, or in need of what neither file system gives.
begin python
need python3
python3 -c 'import test.test_os' 2>/dev/null || skip "Python's own tests are not installed (Debian: libpython3-testsuite)"
start_hub
create_space
start_members a b
A=$WORK/a
mkdir "$A/here" "$WORK/plain"

# run_module MODULE DIRECTORY: runs it with everything it makes in there.
run_module() {
    (cd "$2" && TMPDIR=$2 timeout 900 python3 -m test --tempdir "$2" "$1") >"$WORK/$1.${2##*/}" 2>&1 </dev/null
}

passed=0 failed=() same_failed=() absent=()
for module in "${MODULES[@]}"; do
    python3 -c "import importlib.util as u, sys; sys.exit(u.find_spec('test.$module') is None)" ||
        { absent+=("$module") && continue; }
    if run_module "$module" "$A/here"; then
        passed=$((passed + 1))
        step "$module"
    elif run_module "$module" "$WORK/plain"; then
        failed+=("$module")
        grep -E '^(FAIL|ERROR):' "$WORK/$module.here" | sort -u | sed "s/^/    $module: /"
    else
        same_failed+=("$module")
    fi
done
step "$passed modules passed, ${#failed[@]} failed here alone, ${#same_failed[@]} fail on a plain directory too: ${same_failed[*]}"
step "this Python has no ${absent[*]:-others}"
[ ${#failed[@]} = 0 ] || fail "as on a plain directory: ${failed[*]}"
rm -rf "$A/here"
sync_all a b
same_trees "$A" "$WORK/b"
finish
