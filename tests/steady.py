#!/usr/bin/env python3
"""Programs at work in a directory, who notice everything that a local file system would not do.

steady.py DIR UNTIL: each program works in a process of its own, over and over, until the file UNTIL is there. What
each has done is counted in its last line; the first error, or the first byte that is not as it was written, ends all
with exit code 1.
"""
import errno
import fcntl
import mmap
import os
import sys
import time
import traceback

PATTERN = bytes(range(256)) * 16


def append(until):
    """One handle that stays open; every line is there, once, in order."""
    lines = os.open("append", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    count = 0
    while not until():
        line = b"line %d\n" % count
        assert os.write(lines, line) == len(line)
        count += 1
        if count % 50 == 0:
            os.fsync(lines)
            found = os.pread(lines, 1 << 26, 0).split(b"\n")[:-1]
            assert found == [b"line %d" % number for number in range(count)], f"{len(found)} lines of {count}"
    return count


def rewrite(until):
    """A large file overwritten in place."""
    file = os.open("rewrite", os.O_RDWR | os.O_CREAT)
    size, count, blocks = 4 << 20, 0, {}
    os.ftruncate(file, size)
    while not until():
        place = count * 7919 % (size // len(PATTERN))
        block = count.to_bytes(8, "little") + PATTERN[8:]
        assert os.pwrite(file, block, place * len(PATTERN)) == len(block)
        blocks[place] = block
        count += 1
        other = count * 104729 % (size // len(PATTERN))
        assert os.pread(file, len(PATTERN), other * len(PATTERN)) == blocks.get(other, bytes(len(PATTERN)))
        assert os.fstat(file).st_size == size
    return count


def mapped(until):
    """A file written through memory and read through a handle."""
    file = os.open("mapped", os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, 1 << 20)
    count = 0
    with mmap.mmap(file, 1 << 20) as memory:
        while not until():
            place = count * 4099 % ((1 << 20) - 8)
            memory[place:place + 8] = count.to_bytes(8, "little")
            if count % 20 == 0:
                memory.flush()
                assert os.pread(file, 8, place) == count.to_bytes(8, "little")
            count += 1
    return count


def inside(until):
    """A current directory, with names made, moved and removed in it; each call succeeds, and once."""
    os.mkdir("inside")
    os.chdir("inside")
    count = 0
    while not until():
        os.close(os.open("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.link("new", "link")
        os.rename("new", "moved")
        os.symlink("moved", "symlink")
        os.mkdir("directory")
        assert os.stat("link").st_ino == os.stat("symlink").st_ino
        assert sorted(os.listdir(".")) == ["directory", "link", "moved", "symlink"]
        assert os.getcwd().endswith("/inside")
        for name in "link", "moved", "symlink":
            os.unlink(name)
        os.rmdir("directory")
        count += 1
    return count


def save(until):
    """Saves as editors make them: beside, synced, renamed over."""
    count = 0
    while not until():
        with open("save.new", "wb") as file:
            file.write(b"%d" % count * 1000)
            file.flush()
            os.fsync(file.fileno())
        os.rename("save.new", "save")
        with open("save", "rb") as file:
            assert file.read() == b"%d" % count * 1000
        count += 1
    return count


def stream(until):
    """A directory read slowly through one stream: every name once."""
    os.mkdir("stream")
    names = {f"name-{number}" for number in range(100)}
    for name in names:
        os.close(os.open(f"stream/{name}", os.O_CREAT | os.O_WRONLY))
    count = 0
    while not until():
        seen = []
        with os.scandir("stream") as entries:
            for entry in entries:
                seen.append(entry.name)
                if len(seen) % 5 == 0:
                    time.sleep(0.05)
        assert len(seen) == len(names) and set(seen) == names, f"{len(seen)} names of {len(names)}"
        count += 1
    return count


def locked(until):
    """A lock that is held all the time: nobody else gets it."""
    file = os.open("locked", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(file, fcntl.LOCK_EX)
    count = 0
    while not until():
        other = os.fork()
        if other == 0:
            try:
                fcntl.lockf(os.open("locked", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os._exit(0 if error.errno in (errno.EAGAIN, errno.EACCES) else 2)
            os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(other, 0)[1])
        assert status == 0, f"the lock was not held: {status}"
        count += 1
        time.sleep(0.01)
    return count


def unlinked(until):
    """A file without a name, which goes on as long as it is open."""
    file = os.open("unlinked", os.O_RDWR | os.O_CREAT)
    os.write(file, PATTERN)
    os.unlink("unlinked")
    count = 1
    while not until():
        assert os.pread(file, len(PATTERN), (count - 1) * len(PATTERN)) == PATTERN
        assert os.pwrite(file, PATTERN, count * len(PATTERN)) == len(PATTERN)
        count += 1
        about = os.fstat(file)
        assert (about.st_size, about.st_nlink) == (count * len(PATTERN), 0), about
        if count == 1000:
            os.ftruncate(file, len(PATTERN))
            count = 1
    return count


WORK = [append, rewrite, mapped, inside, save, stream, locked, unlinked]


def main():
    directory, until = sys.argv[1], sys.argv[2]
    children = {}
    for work in WORK:
        child = os.fork()
        if child == 0:
            try:
                os.chdir(directory)
                print(f"{work.__name__}: {work(lambda: os.path.exists(until))}", flush=True)
                os._exit(0)
            except BaseException:
                print(f"{work.__name__}: {traceback.format_exc()}", file=sys.stderr, flush=True)
                os._exit(1)
        children[child] = work.__name__
    failed = False
    while children:
        child, status = os.wait()
        children.pop(child)
        if status != 0 and not failed:
            failed = True
            open(until, "w").close()
    sys.exit(1 if failed else 0)


main()
