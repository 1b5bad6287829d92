"""What programs ask of a local file system, one part a call; each part is run on a plain directory too.

    local.py ranges DIR           fallocate(2) of all kinds
    local.py nameless DIR         files without a name: O_TMPFILE, and what programs do where there is none
    local.py times DIR            whatever is done to a file, its times never go back
    local.py hold DIR PID-FILE    takes locks of all kinds and holds them until its input ends
    local.py held DIR PID         those locks are held, by that process
    local.py free DIR             nobody holds any of them
    local.py wait DIR             waits for one of them, and says so once it has it
    local.py watch OUTSIDE SEEN   writes down every look at anything in a directory, which nobody is to take
    local.py swap DIR UNTIL       a name that is a directory at one moment and a symlink at the next, while files are made,
                                  changed, moved and removed in that directory, until the file UNTIL is there
"""

import ctypes
import errno
import fcntl
import os
import select
import struct
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64
EXCHANGE = 2
PAGE = 4096
OFD_SETLK = 37
LISTENED_TO = 0xFFF


def refused(call, *args):
    """The error number that a call ends with; 0 where it succeeds."""
    try:
        call(*args)
        return 0
    except OSError as error:
        return error.errno


def fallocate(file, mode, offset, length):
    wide = [ctypes.c_long(number) for number in (offset, length)]
    if libc.fallocate(file, mode, *wide) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def ranges(directory):
    path = os.path.join(directory, "ranges")
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    content = b"".join(bytes([number]) * PAGE for number in range(1, 9))
    os.write(file, content)
    os.fsync(file)
    before = os.fstat(file)
    is_plain = sys.argv[-1] == "plain"
    for mode in () if is_plain else (COLLAPSE, INSERT, UNSHARE):
        assert refused(fallocate, file, mode, PAGE, PAGE) == errno.EOPNOTSUPP, mode
        # A combination that no file system takes.
        assert refused(fallocate, file, mode | PUNCH_HOLE, PAGE, PAGE) != 0, mode
    after = os.fstat(file)
    assert os.pread(file, 10 * PAGE, 0) == content
    assert (after.st_size, after.st_mtime_ns, after.st_blocks) == (before.st_size, before.st_mtime_ns, before.st_blocks)
    assert refused(fallocate, file, PUNCH_HOLE, PAGE, PAGE) == errno.EOPNOTSUPP, "a hole that may change the size"
    assert refused(fallocate, file, 0, 0, 0) == errno.EINVAL
    assert refused(fallocate, file, 0, -1, PAGE) == errno.EINVAL
    fallocate(file, PUNCH_HOLE | KEEP_SIZE, PAGE, PAGE)
    fallocate(file, ZERO | KEEP_SIZE, 3 * PAGE, PAGE)
    fallocate(file, KEEP_SIZE, 16 * PAGE, PAGE)
    expected = bytearray(content)
    for page in (1, 3):
        expected[page * PAGE:(page + 1) * PAGE] = bytes(PAGE)
    assert os.pread(file, 20 * PAGE, 0) == expected
    assert os.lseek(file, 0, os.SEEK_HOLE) == PAGE
    fallocate(file, 0, 9 * PAGE, PAGE)
    assert os.fstat(file).st_size == 10 * PAGE
    fallocate(file, ZERO, 11 * PAGE, PAGE)
    assert os.fstat(file).st_size == 12 * PAGE
    reader = os.open(path, os.O_RDONLY)
    assert refused(fallocate, reader, 0, 0, PAGE) == errno.EBADF


def nameless(directory):
    error = refused(os.open, directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    assert error == (0 if sys.argv[-1] == "plain" else errno.EOPNOTSUPP), errno.errorcode.get(error)
    assert os.listdir(directory) == [], "something is left of what was refused"
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(b"nobody's")
        file.flush()
        os.fsync(file.fileno())
        about = os.fstat(file.fileno())
        assert (about.st_nlink, about.st_size) == (0, 8), about
        file.seek(0)
        assert file.read() == b"nobody's"
        assert os.listdir(directory) == []


def times(directory):
    def write(path):
        with open(path, "ab") as file:
            file.write(b"x")

    def rename(path):
        os.rename(path, path + ".new")
        os.rename(path + ".new", path)

    for number in range(100):
        path = os.path.join(directory, f"file-{number}")
        open(path, "w").close()
        before = os.stat(path)
        for change in (os.utime, write, lambda path: os.chmod(path, 0o600), os.utime, rename, write):
            change(path)
            after = os.stat(path)
            assert after.st_mtime_ns >= before.st_mtime_ns, f"mtime goes back by {before.st_mtime_ns - after.st_mtime_ns} ns"
            assert after.st_ctime_ns >= before.st_ctime_ns, f"ctime goes back by {before.st_ctime_ns - after.st_ctime_ns} ns"
            before = after
        assert os.stat(directory).st_mtime_ns <= after.st_ctime_ns, "a directory is ahead of what was done in it"


# --- locks ---------------------------------------------------------------------------------------------------

def range_of(kind, start, length, pid=0):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, pid)


def lock(file, kind, start, length, how=fcntl.F_SETLK):
    fcntl.fcntl(file, how, range_of(kind, start, length))


def holder_of(file, kind, start, length):
    """Who keeps a lock from being taken: the kind of lock and the process; none where nobody does."""
    answer = fcntl.fcntl(file, fcntl.F_GETLK, range_of(kind, start, length))
    found, _, _, _, pid = struct.unpack("hhqqi4x", answer)
    return None if found == fcntl.F_UNLCK else (found, pid)


def opened(directory, name):
    return os.open(os.path.join(directory, name), os.O_RDWR | os.O_CREAT)


def hold(directory, pid_file):
    ranges_of = opened(directory, "ranges")
    lock(ranges_of, fcntl.F_WRLCK, 0, 10)
    lock(ranges_of, fcntl.F_RDLCK, 20, 10)
    whole, shared, own = (opened(directory, name) for name in ("whole", "shared", "own"))
    fcntl.flock(whole, fcntl.LOCK_EX)
    fcntl.flock(shared, fcntl.LOCK_SH)
    lock(own, fcntl.F_WRLCK, 0, 0, OFD_SETLK)
    with open(pid_file + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(pid_file + ".new", pid_file)
    sys.stdin.read()
    lock(ranges_of, fcntl.F_UNLCK, 0, 10)
    sys.stdout.write("let go\n")
    sys.stdout.flush()
    select.select([], [], [])


def held(directory, pid):
    ranges_of = opened(directory, "ranges")
    refusals = errno.EAGAIN, errno.EACCES
    assert refused(lock, ranges_of, fcntl.F_WRLCK, 5, 1) in refusals
    assert refused(lock, ranges_of, fcntl.F_RDLCK, 9, 5) in refusals
    assert refused(lock, ranges_of, fcntl.F_WRLCK, 20, 1) in refusals
    assert holder_of(ranges_of, fcntl.F_WRLCK, 0, 0) == (fcntl.F_WRLCK, int(pid))
    assert holder_of(ranges_of, fcntl.F_WRLCK, 15, 0) == (fcntl.F_RDLCK, int(pid))
    assert holder_of(ranges_of, fcntl.F_RDLCK, 15, 0) is None
    lock(ranges_of, fcntl.F_WRLCK, 10, 10)
    lock(ranges_of, fcntl.F_RDLCK, 25, 1)
    whole, shared, own = (opened(directory, name) for name in ("whole", "shared", "own"))
    assert refused(fcntl.flock, whole, fcntl.LOCK_EX | fcntl.LOCK_NB) == errno.EWOULDBLOCK
    assert refused(fcntl.flock, whole, fcntl.LOCK_SH | fcntl.LOCK_NB) == errno.EWOULDBLOCK
    assert refused(fcntl.flock, shared, fcntl.LOCK_EX | fcntl.LOCK_NB) == errno.EWOULDBLOCK
    fcntl.flock(shared, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert refused(lock, own, fcntl.F_RDLCK, 100, 1) in refusals
    # The two kinds know nothing of each other.
    fcntl.flock(ranges_of, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock(whole, fcntl.F_WRLCK, 0, 0)


def free(directory):
    for name in "ranges", "whole", "shared", "own":
        file = opened(directory, name)
        lock(file, fcntl.F_WRLCK, 0, 0)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # POSIX: closing any handle of a file ends a process's ranges on it.
    one, other = opened(directory, "ranges"), opened(directory, "ranges")
    lock(one, fcntl.F_WRLCK, 0, 1)
    os.close(other)
    child = os.fork()
    if child == 0:
        os._exit(refused(lock, opened(directory, "ranges"), fcntl.F_WRLCK, 0, 1))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a range outlives a close"


def wait(directory):
    file = opened(directory, "ranges")
    print("waits", flush=True)
    lock(file, fcntl.F_WRLCK, 0, 10, fcntl.F_SETLKW)
    print("has it", flush=True)


# --- symlinks ------------------------------------------------------------------------------------------------

def watch(outside, seen):
    watches = libc.inotify_init1(0)
    for at, _, names in list(os.walk(outside)):
        for path in [at] + [os.path.join(at, name) for name in names]:
            assert libc.inotify_add_watch(watches, os.fsencode(path), LISTENED_TO) >= 0, path
    with open(seen, "w") as file:
        print("watching", file=file, flush=True)
        while True:
            read = os.read(watches, 65536)
            while read:
                mask, length = struct.unpack_from("4xII", read[:16], 0)[0], struct.unpack_from("I", read, 12)[0]
                print(f"{mask:#x} {read[16:16 + length].rstrip(bytes(1))!r}", file=file, flush=True)
                read = read[16 + length:]


def swap(directory, until):
    """`name` and `other` change places all the time. Whoever works here has the directory open, and goes by no path."""
    at = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    inside = os.open("name", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
    count = 0
    while not os.path.exists(until):
        if libc.renameat2(at, b"name", at, b"other", EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
        name = f"victim-{count % 7}"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if count % 3 == 0 else 0), 0o600, dir_fd=inside)
        os.write(file, b"%d\n" % count)
        os.close(file)
        if count % 5 == 0:
            os.rename(name, "victim", src_dir_fd=inside, dst_dir_fd=inside)
        elif count % 11 == 0:
            os.unlink(name, dir_fd=inside)
        count += 1
    print(count)


PARTS = {part.__name__: part for part in (ranges, nameless, times, hold, held, free, wait, watch, swap)}

if __name__ == "__main__":
    part, *arguments = [argument for argument in sys.argv[1:] if argument != "plain"]
    PARTS[part](*arguments)
