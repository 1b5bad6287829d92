"""What a local file system does with one file that many ways lead to: each check ends the program where it fails.

    python3 passthrough.py DIRECTORY
"""

import ctypes
import mmap
import os
import sys
import time

BLOCK = 4096
DIRECTORY = sys.argv[1]


def path(name):
    return os.path.join(DIRECTORY, name)


def same(left, right, what):
    if left != right:
        sys.exit(f"{what}: {left!r:.80} is not {right!r:.80}")


def content(name):
    with open(path(name), "rb") as file:
        return file.read()


def direct_buffered_and_mapped():
    """Writes past the page cache, through it and to mapped memory are seen by all three."""
    file = os.open(path("mixed"), os.O_CREAT | os.O_RDWR)
    os.ftruncate(file, 4 * BLOCK)
    aligned = mmap.mmap(-1, BLOCK)
    aligned[:] = b"d" * BLOCK
    direct = os.open(path("mixed"), os.O_RDWR | os.O_DIRECT)
    mapped = mmap.mmap(file, 4 * BLOCK)
    os.pwrite(direct, aligned, 0)
    os.pwrite(file, b"b" * BLOCK, BLOCK)
    mapped[2 * BLOCK : 3 * BLOCK] = b"m" * BLOCK
    mapped.flush()
    expected = b"d" * BLOCK + b"b" * BLOCK + b"m" * BLOCK + bytes(BLOCK)
    same(mapped[:], expected, "mapped")
    same(os.pread(file, 4 * BLOCK, 0), expected, "buffered")
    os.preadv(direct, [aligned], 2 * BLOCK)
    same(aligned[:], b"m" * BLOCK, "direct")
    mapped[:5] = b"after"
    os.close(file)
    os.close(direct)
    # The mapping alone keeps the file open now, and is written once more.
    mapped[5:10] = b"close"
    mapped.close()
    same(content("mixed")[:10], b"afterclose", "after the last mapping")


def cut_while_open():
    """A file that is cut, by a handle, by a name or by an open, is cut for everybody who has it open."""
    with open(path("cut"), "wb") as file:
        file.write(b"x" * BLOCK)
    reader = os.open(path("cut"), os.O_RDONLY)
    os.truncate(path("cut"), 10)
    same(os.pread(reader, BLOCK, 0), b"x" * 10, "cut by name")
    os.truncate(path("cut"), 0)
    same(os.pread(reader, BLOCK, 0), b"", "cut to nothing by name")
    writer = os.open(path("cut"), os.O_WRONLY | os.O_TRUNC)
    os.write(writer, b"again")
    same(os.pread(reader, BLOCK, 0), b"again", "written after O_TRUNC")
    os.ftruncate(writer, 2)
    same(os.pread(reader, BLOCK, 0), b"ag", "cut by a handle")
    same(os.fstat(reader).st_size, 2, "size")
    os.close(writer)
    os.close(reader)


def appended_by_two():
    """What two handles append goes to the end, whoever wrote there before."""
    one, two = (os.open(path("appended"), os.O_CREAT | os.O_WRONLY | os.O_APPEND) for _ in range(2))
    for number in range(10):
        os.write(one, b"1%d" % number)
        os.write(two, b"2%d" % number)
    os.close(one)
    os.close(two)
    same(content("appended"), b"".join(b"1%d2%d" % (number, number) for number in range(10)), "appended")


def without_a_name():
    """An unlinked file is written and read on; what takes its name is another."""
    file = os.open(path("gone"), os.O_CREAT | os.O_RDWR)
    os.write(file, b"first")
    os.unlink(path("gone"))
    with open(path("gone"), "wb") as other:
        other.write(b"another")
    os.pwrite(file, b" and more", 5)
    same(os.pread(file, 100, 0), b"first and more", "unlinked")
    same((os.fstat(file).st_nlink, os.fstat(file).st_size), (0, 14), "links and size")
    os.close(file)
    same(content("gone"), b"another", "the newcomer")


def readers_then_writers():
    """A file that is read first and then written, copied into and emptied is the same for both."""
    with open(path("both"), "wb") as file:
        file.write(b"r" * BLOCK)
    reader = os.open(path("both"), os.O_RDONLY)
    seen = mmap.mmap(reader, BLOCK, prot=mmap.PROT_READ)
    writer = os.open(path("both"), os.O_RDWR)
    os.pwrite(writer, b"w", 0)
    same((seen[:1], os.pread(reader, 1, 0)), (b"w", b"w"), "written")
    os.copy_file_range(writer, writer, 1, 0, 2)
    same(seen[:3], b"wrw", "copied")
    punch(writer, 0, BLOCK)
    same((seen[:], os.lseek(reader, 0, os.SEEK_HOLE)), (bytes(BLOCK), 0), "punched")
    seen.close()
    os.close(reader)
    os.close(writer)


def punch(file, offset, length):
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = (ctypes.c_int(file), ctypes.c_int(3), ctypes.c_long(offset), ctypes.c_long(length))
    if libc.fallocate(*numbers) != 0:
        sys.exit(f"fallocate: {os.strerror(ctypes.get_errno())}")


def read_by_turns_with_writers():
    """Who opens a file anew reads what was written last, whichever way either goes: small and large, read, mapped."""
    for size in (100, 300_000):
        name = path(f"turns-{size}")
        for turn in range(8):
            content = bytes([turn + 1]) * size
            file = os.open(name, os.O_RDWR | os.O_CREAT)
            if turn % 2:
                with mmap.mmap(file, size) as mapped:
                    mapped[:] = content
            else:
                os.pwrite(file, content, 0)
            os.close(file)
            for _ in range(2):
                with open(name, "rb") as reader:
                    same(reader.read(), content, f"what was written in turn {turn}")
                    with mmap.mmap(reader.fileno(), size, prot=mmap.PROT_READ) as mapped:
                        same(mapped[:], content, f"what is mapped in turn {turn}")


def times_of_what_was_mapped():
    """A store to mapped memory changes mtime by the time the file is closed."""
    with open(path("mapped"), "wb") as file:
        file.write(bytes(BLOCK))
    before = os.stat(path("mapped")).st_mtime_ns
    time.sleep(0.02)
    file = os.open(path("mapped"), os.O_RDWR)
    mapped = mmap.mmap(file, BLOCK)
    mapped[:1] = b"x"
    mapped.flush()
    mapped.close()
    os.close(file)
    if os.stat(path("mapped")).st_mtime_ns == before:
        sys.exit("mtime did not change")


def opened_for_writing_alone():
    """Opening a file for writing changes none of its times."""
    with open(path("untouched"), "wb") as file:
        file.write(b"same")
    os.utime(path("untouched"), ns=(1, 10**18 + 1))
    before = os.stat(path("untouched"))
    os.close(os.open(path("untouched"), os.O_RDWR))
    after = os.stat(path("untouched"))
    same((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns), "times")


def set_id_bits():
    """Who is not root takes set-id bits by writing, by whatever handle."""
    with open(path("set-id"), "wb") as file:
        file.write(b"x")
    os.chmod(path("set-id"), 0o6777)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        file = os.open(path("set-id"), os.O_WRONLY)
        os.write(file, b"y")
        os._exit(0 if os.fstat(file).st_mode & 0o7777 == 0o777 else 1)
    same(os.waitpid(child, 0)[1], 0, "set-id bits after a write by others")
    same(os.stat(path("set-id")).st_mode & 0o7777, 0o777, "mode")


direct_buffered_and_mapped()
cut_while_open()
appended_by_two()
without_a_name()
readers_then_writers()
read_by_turns_with_writers()
times_of_what_was_mapped()
opened_for_writing_alone()
if os.getuid() == 0:
    set_id_bits()
