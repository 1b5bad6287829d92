"""Changes of many kinds, and what somebody who watches has to see of them.

    watching.py change DIR COUNT SEED   makes so many mixed changes below DIR, in DIR/w
    watching.py expect <LOG             the events of a log (`log --json`, newest first), one per line
    watching.py seen DIR <EVENTS        the events that inotifywait told of, in the same form
    watching.py kill PID FILE           kills the process that repeats changes for a daemon's watchers, again and again
                                        until the file is there; prints a dot for each

Lines are PATH EVENT. Changes of attributes that follow each other are one event, as the system joins them. What a save
by rename was written under before has no place in the history of its file, and is left out on both sides.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time

DIRECTORIES = 6
SAVED_UNDER = ".saved-"


class Changes:
    def __init__(self, root, seed):
        self.root, self.random, self.number = root, random.Random(seed), 0
        self.directories = [os.path.join(root, f"d{at}") for at in range(DIRECTORIES)]
        self.files, self.linked, self.empty = [], [], []

    def name(self, kind):
        self.number += 1
        return os.path.join(self.random.choice(self.directories), f"{kind}{self.number}")

    def write(self, path, mode="w", text=None):
        with open(path, mode) as file:
            file.write(text or f"{self.number} " * self.random.randrange(1, 400))

    def create(self):
        path = self.name("file")
        self.write(path)
        self.files.append(path)

    def touch(self):
        path = self.name("file")
        open(path, "x").close()
        self.files.append(path)

    def append(self):
        self.number += 1
        self.write(self.random.choice(self.files), "a", f"appended {self.number}\n")

    def save(self):
        self.number += 1
        path = self.random.choice(self.files)
        other = os.path.join(os.path.dirname(path), f"{SAVED_UNDER}{self.number}")
        self.write(other)
        os.rename(other, path)

    def rename(self):
        at = self.random.randrange(len(self.files))
        path = self.name("file")
        os.rename(self.files[at], path)
        self.files[at] = path

    def rename_directory(self):
        self.number += 1
        at = self.random.randrange(len(self.directories))
        old = self.directories[at]
        new = os.path.join(self.root, f"d{at}-{self.number}")
        os.rename(old, new)
        self.directories[at] = new
        for paths in (self.files, self.linked, self.empty):
            paths[:] = [new + path[len(old):] if path.startswith(old + "/") else path for path in paths]

    def unlink(self):
        os.unlink(self.files.pop(self.random.randrange(len(self.files))))

    def chmod(self):
        path = self.random.choice(self.files)
        os.chmod(path, os.stat(path).st_mode ^ 0o100)

    def xattr(self):
        self.number += 1
        os.setxattr(self.random.choice(self.files), "user.number", str(self.number).encode())

    def mkdir(self):
        path = self.name("empty")
        os.mkdir(path)
        self.empty.append(path)

    def rmdir(self):
        if self.empty:
            os.rmdir(self.empty.pop(self.random.randrange(len(self.empty))))

    def symlink(self):
        os.symlink("nowhere", self.name("symlink"))

    def fifo(self):
        os.mkfifo(self.name("fifo"))

    # What has several names is not written: under which of them, nobody else would know.
    def link(self):
        at = self.random.randrange(len(self.files))
        path = self.name("link")
        os.link(self.files[at], path)
        self.linked.append(self.files.pop(at))

    def short_lived(self):
        path = self.name("short")
        self.write(path)
        os.unlink(path)

    def one(self):
        kinds = [
            self.create, self.create, self.create, self.touch, self.append, self.append, self.save, self.save,
            self.rename, self.rename, self.rename_directory, self.unlink, self.chmod, self.xattr, self.mkdir,
            self.rmdir, self.symlink, self.fifo, self.link, self.short_lived,
        ]
        self.random.choice(kinds)() if len(self.files) > 5 else self.create()


def change(root, count, seed):
    changes = Changes(os.path.join(root, "w"), seed)
    for _ in range(count):
        changes.one()


def events_of(line):
    path, kind = line["path"], line["op"]
    is_file = "md5" in line["sync"].get(path, {})
    if kind == "added":
        yield path, "CREATE"
    if kind == "updated" or (kind == "added" and line["size"]):
        yield path, "MODIFY"
    if kind == "updated" or (kind == "added" and is_file):
        yield path, "CLOSE_WRITE"
    if kind == "renamed":
        yield line["from"], "MOVED_FROM"
        yield path, "MOVED_TO"
    if kind in ("linked", "deleted", "attributes"):
        yield path, {"linked": "CREATE", "deleted": "DELETE", "attributes": "ATTRIB"}[kind]
    if kind not in ("added", "updated", "renamed", "linked", "deleted", "attributes"):
        sys.exit(f"what is to be seen of this? {line}")


def tell(events):
    last = None
    for path, event in events:
        if SAVED_UNDER not in path and (event != "ATTRIB" or (path, event) != last):
            print(path, event)
            last = (path, event)


def expect():
    lines = [json.loads(line) for line in sys.stdin]
    tell(event for line in reversed(lines) for event in events_of(line))


def seen(root):
    for line in sys.stdin:
        path, names = line.rstrip("\n").rsplit(" ", 1)
        event = [name for name in names.split(",") if name not in ("ISDIR", "CLOSE")]
        yield os.path.relpath(path, root), event[0]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


# A process is its thread's child that started it.
def children_of(process):
    threads = os.listdir(f"/proc/{process}/task")
    return [child for thread in threads for child in read(f"/proc/{process}/task/{thread}/children").split()]


# One that has only just begun has not done anything yet: each is let to answer a few orders, by one write each.
def kill(daemon, until):
    chance = random.Random(3)
    limit = chance.randrange(3, 30)
    while not os.path.exists(until):
        for child in children_of(daemon):
            here = f"/proc/{int(child)}"
            answers = [line.split()[1] for line in read(f"{here}/io").splitlines() if line.startswith(b"syscw")]
            if b"repeat-for-watchers" in read(f"{here}/cmdline") and answers and int(answers[0]) >= limit:
                time.sleep(chance.random() / 1000)
                # Its daemon may have ended it.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
                    print(end=".", flush=True)
                limit = chance.randrange(3, 30)
        time.sleep(0.0005)


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "change":
        change(arguments[0], int(arguments[1]), int(arguments[2]))
    elif command == "expect":
        expect()
    elif command == "kill":
        kill(int(arguments[0]), arguments[1])
    else:
        tell(seen(arguments[0]))
