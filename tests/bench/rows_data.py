"""Rows about content: large files read and written."""

import dataclasses
import json
import os
import subprocess
import time
from typing import Callable

MIB = 1024 * 1024
FILE_MIB = 256
RANDOM_SECONDS = 2
READ_FILE = "to-read"
WRITE_FILE = "to-write"


@dataclasses.dataclass
class Row:
    """A piece of work: `run` returns the seconds that `amount` of `unit` took."""

    name: str
    amount: float
    unit: str
    run: Callable[[str], float]
    prepare: Callable[[str], None] = lambda directory: None
    # How many things one run does, for counts; `amount` where that is more than 1.
    things: int = 0
    # Whether the kernel is to have seen everything just before: it is run once more then, not counted.
    warm: bool = False

    def warm_up(self, directory):
        if self.warm:
            self.run(directory)

    @property
    def parts(self):
        return self.things or self.amount


def fill(path):
    """Makes a file that no layer can make smaller."""
    if os.path.exists(path):
        return
    with open(path, "wb", buffering=0) as file:
        for _ in range(FILE_MIB):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


def prepare_read(directory):
    fill(f"{directory}/{READ_FILE}")
    read(directory)


def prepare_write(directory):
    fill(f"{directory}/{WRITE_FILE}")


def write(directory):
    """A new file, from its creation to the end of its close."""
    path = f"{directory}/new"
    block = os.urandom(MIB)
    began = time.perf_counter()
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    for _ in range(FILE_MIB):
        os.write(file, block)
    os.close(file)
    took = time.perf_counter() - began
    os.unlink(path)
    return took


def write_over(directory):
    """A file that is there already, without cutting it off."""
    block = os.urandom(MIB)
    began = time.perf_counter()
    file = os.open(f"{directory}/{WRITE_FILE}", os.O_WRONLY)
    for _ in range(FILE_MIB):
        os.write(file, block)
    os.close(file)
    return time.perf_counter() - began


def read(directory):
    """A file whose pages are in memory, opened anew."""
    block = bytearray(MIB)
    began = time.perf_counter()
    file = os.open(f"{directory}/{READ_FILE}", os.O_RDONLY)
    while os.readv(file, [block]):
        pass
    os.close(file)
    return time.perf_counter() - began


def fio(name, kind, engine="psync", block="4k"):
    """Seconds for one operation, by fio: between two system calls an interpreter would take too long."""

    def run(directory):
        command = ["fio", "--output-format=json", "--name=row", f"--filename={directory}/{name}", f"--rw={kind}"]
        command += [f"--size={FILE_MIB}m", f"--bs={block}", f"--ioengine={engine}", "--invalidate=0"]
        command += ["--time_based", f"--runtime={RANDOM_SECONDS}", "--norandommap", "--randrepeat=0"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["jobs"][0]
        return 1 / told["write" if "write" in kind else "read"]["iops"]

    return run


ROWS = [
    Row("seq-write", FILE_MIB, "MiB/s", write),
    Row("seq-overwrite", FILE_MIB, "MiB/s", write_over, prepare_write),
    Row("seq-read", FILE_MIB, "MiB/s", read, prepare_read),
    Row("rand-read-4k", 1, "1/s", fio(READ_FILE, "randread"), prepare_read),
    Row("rand-write-4k", 1, "1/s", fio(WRITE_FILE, "randwrite"), prepare_write),
    Row("mmap-seq-read", 1, "MiB/s", fio(READ_FILE, "read", "mmap", "1m"), prepare_read),
    Row("mmap-rand-read-4k", 1, "1/s", fio(READ_FILE, "randread", "mmap"), prepare_read),
]
