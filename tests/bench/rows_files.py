"""Rows about names: many small files, as source trees have them."""

import atexit
import itertools
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import time

from rows_data import Row

CREATED = 1000
TREE_FILES = 10_000
SMALL_TREE_FILES = 2_000
FILES_IN_DIRECTORY = 12
STATS = 3
TRIPS = 2_000
STATTED = 500
# In seconds; a share of one processor.
QUIET_WAIT_MAX, QUIET_WINDOW, QUIET_SHARE = 10, 0.1, 0.2

numbers = itertools.count()


class Source:
    """A source tree of so many files, the same every time: as a directory, as a tar and as a git repository."""

    def __init__(self, files):
        self.files = files
        self.root = None

    def path(self, name):
        if self.root is None:
            self.root = tempfile.mkdtemp(prefix="fl0wfs-bench-")
            atexit.register(shutil.rmtree, self.root, True)
            self.make()
        return f"{self.root}/{name}"

    def make(self):
        chance, tree = random.Random(1), f"{self.root}/tree"
        words = [f"word{chance.randrange(10 ** chance.randrange(1, 9))}" for _ in range(4000)]
        for number in range(self.files):
            directory = f"{tree}/part{number // 500}/module{number // FILES_IN_DIRECTORY}"
            os.makedirs(directory, exist_ok=True)
            with open(f"{directory}/source{number}.txt", "w") as file:
                # Most files are of few KiB, some of a hundred.
                for _ in range(int(chance.lognormvariate(4.2, 1.1))):
                    file.write(" ".join(chance.choices(words, k=8)) + "\n")
        with tarfile.open(f"{self.root}/tar", "w") as tar:
            tar.add(tree, "tree")
        git = ["git", "-C", tree, "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "all"], check=True)
        subprocess.run(["git", "clone", "-q", "--bare", tree, f"{self.root}/git"], check=True)


SOURCE, SMALL_SOURCE = Source(TREE_FILES), Source(SMALL_TREE_FILES)


def timed(*command):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def fresh(directory):
    """A new directory, not counted."""
    path = f"{directory}/new{next(numbers)}"
    os.mkdir(path)
    return path


def create(directory):
    new, block = fresh(directory), os.urandom(4096)
    began = time.perf_counter()
    for number in range(CREATED):
        file = os.open(f"{new}/{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        os.write(file, block)
        os.close(file)
    return time.perf_counter() - began


def untar(directory):
    tar, left = SOURCE.path("tar"), f"{directory}/untarred"
    if os.path.exists(left):
        shutil.rmtree(left)
    os.mkdir(left)
    return timed("tar", "-xf", tar, "-C", left)


def remove(directory):
    """What `untar` has left, long captured by now."""
    if not os.path.exists(f"{directory}/untarred"):
        untar(directory)
    return timed("rm", "-rf", f"{directory}/untarred")


def clone(directory):
    origin = SMALL_SOURCE.path("git")
    return timed("git", "clone", "-q", "--no-hardlinks", origin, f"{directory}/clone{next(numbers)}")


def prepare_tree(directory):
    """A working tree of git, which the rows that only read have in common."""
    if not os.path.exists(f"{directory}/tree"):
        timed("git", "clone", "-q", "--no-hardlinks", SMALL_SOURCE.path("git"), f"{directory}/tree")
    for warm in (git_status, grep, find, list_all):
        warm(directory)


def paths(directory):
    found = []
    for at, _, names in os.walk(f"{directory}/tree/part0"):
        found += [f"{at}/{name}" for name in names]
    random.Random(2).shuffle(found)
    assert len(found) == STATTED
    return found


def git_status(directory):
    return timed("git", "-C", f"{directory}/tree", "status", "--porcelain")


def grep(directory):
    began = time.perf_counter()
    found = subprocess.run(["grep", "-r", "what no file has", f"{directory}/tree"], stdout=subprocess.DEVNULL)
    assert found.returncode == 1
    return time.perf_counter() - began


def find(directory):
    return timed("find", f"{directory}/tree", "-size", "+100k")


def list_all(directory):
    return timed("ls", "-lR", f"{directory}/tree")


def stat(directory, times=STATS):
    found = paths(directory)
    began = time.perf_counter()
    for _ in range(times):
        for path in found:
            os.stat(path)
    return (time.perf_counter() - began) / times / len(found)


def stat_once(directory, forget):
    found = paths(directory)
    forget(directory)
    began = time.perf_counter()
    for path in found:
        os.stat(path)
    return (time.perf_counter() - began) / len(found)


def git_status_once(directory, forget):
    forget(directory)
    return git_status(directory)


def forget_names(directory):
    """The kernel forgets names and inodes; the blocks they are read from again stay in memory, and what a daemon knows."""
    forget(directory, "2")


def forget_all(directory):
    """The kernel forgets blocks too: as after a start of the machine, or where programs need the memory."""
    forget(directory, "3")


def forget(directory, caches):
    """Waits until every mount's daemon has heard of it, too: what one row measures must not pay for the others."""
    subprocess.run(["sync", "-f", directory], check=True)
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write(caches)
    deadline = time.monotonic() + QUIET_WAIT_MAX
    while time.monotonic() < deadline:
        busy, began = busy_seconds(), time.monotonic()
        time.sleep(QUIET_WINDOW)
        if busy_seconds() - busy <= QUIET_SHARE * (time.monotonic() - began):
            return


def busy_seconds():
    """What all processors together have worked so far."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, *_ = (int(ticks) for ticks in stat.readline().split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def open_read_close(directory):
    found = paths(directory)
    began = time.perf_counter()
    for path in found:
        file = os.open(path, os.O_RDONLY)
        os.read(file, 4096)
        os.close(file)
    return (time.perf_counter() - began) / len(found)


def trip(directory):
    """A question that only the daemon can answer: one round trip and nothing else. A plain file system's is the cost
    of a system call."""
    began = time.perf_counter()
    for _ in range(TRIPS):
        try:
            os.getxattr(f"{directory}/tree", "user.bench.none")
        except OSError:
            pass
    return (time.perf_counter() - began) / TRIPS


ROWS = [
    Row("create-4k", CREATED, "1/s", create),
    Row("untar", TREE_FILES, "files/s", untar),
    Row("rm-rf", TREE_FILES, "files/s", remove),
    Row("git-clone", SMALL_TREE_FILES, "files/s", clone),
    Row("git-status", SMALL_TREE_FILES, "files/s", git_status, prepare_tree, warm=True),
    Row("git-status-forgotten", SMALL_TREE_FILES, "files/s", lambda at: git_status_once(at, forget_names), prepare_tree),
    Row("git-status-cold", SMALL_TREE_FILES, "files/s", lambda at: git_status_once(at, forget_all), prepare_tree),
    Row("grep-r-warm", SMALL_TREE_FILES, "files/s", grep, prepare_tree, warm=True),
    Row("find-warm", SMALL_TREE_FILES, "files/s", find, prepare_tree, warm=True),
    Row("ls-lR-warm", SMALL_TREE_FILES, "files/s", list_all, prepare_tree, warm=True),
    Row("stat-warm", 1, "1/s", stat, prepare_tree, STATTED * STATS, warm=True),
    Row("stat-forgotten", 1, "1/s", lambda at: stat_once(at, forget_names), prepare_tree, STATTED),
    Row("stat-cold", 1, "1/s", lambda at: stat_once(at, forget_all), prepare_tree, STATTED),
    Row("open-read-close", 1, "1/s", open_read_close, prepare_tree, STATTED, warm=True),
    Row("trip", 1, "1/s", trip, prepare_tree, TRIPS),
]
