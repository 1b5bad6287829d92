"""Runs rows of work on several directories in turn and prints how they compare with the first one.

A row is a `Row` in a module named in GROUPS: `prepare(directory)` once for each directory, `run(directory)` each time,
which returns how long the work took, in seconds, for `amount` of `unit`.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import rows_data
import rows_files

GROUPS = {"data": rows_data.ROWS, "files": rows_files.ROWS}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench fs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--requests", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--target", action="append", default=[], metavar="NAME=DIRECTORY")
    parser.add_argument("--settle", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("rows", nargs="*", metavar="ROW|GROUP")
    return parser.parse_args()


def chosen(names):
    """The rows of these names and of the groups so named, all where there is no name."""
    rows = [row for group, rows in GROUPS.items() for row in rows if not names or {group, row.name} & set(names)]
    known = set(GROUPS) | {row.name for group in GROUPS.values() for row in group}
    if set(names) - known:
        sys.exit(f"no such row or group: {', '.join(sorted(set(names) - known))}")
    return rows


def settle(command):
    """Waits until nothing that was done before is still at work."""
    if command:
        subprocess.run(command, shell=True, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def requests(run, directory):
    """How often the kernel asks the daemon of a mount during a run; none where that cannot be counted."""
    device = os.minor(os.stat(directory).st_dev)
    command = ["perf", "stat", "-a", "-x,", "-e", "fuse:fuse_request_send", "--filter", f"connection == {device}"]
    try:
        counting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    except OSError:
        return None
    # It counts once it has opened what it counts with.
    while counting.poll() is None and not any("perf_event" in name for name in open_files(counting.pid)):
        time.sleep(0.01)
    run(directory)
    counting.send_signal(signal.SIGINT)
    found = re.search("^([0-9]+),", counting.communicate()[1], re.MULTILINE)
    return int(found[1]) if found else None


def open_files(pid):
    names = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            pass
    return names


def show_requests(rows, targets, commands):
    """One more run of each row, in which requests are counted, for each thing done."""
    mounts = list(targets)[1:]
    print("requests to the daemon" + "".join(f"{name:>10}" for name in mounts))
    for row in rows:
        line = f"{row.name:22}"
        for name in mounts:
            row.warm_up(targets[name])
            count = requests(row.run, targets[name])
            settle(commands.get(name))
            line += f"{'?' if count is None else round(count / row.parts, 2):>10}"
        print(line)


def measure(rows, targets, commands, rounds):
    """The times of every row on every target, a list with one for each round."""
    times = {(row.name, name): [] for row in rows for name in targets}
    for row in rows:
        for name, directory in targets.items():
            row.prepare(directory)
            settle(commands.get(name))
    names = list(targets)
    for number in range(rounds):
        for row in rows:
            # Nobody is always the first, who may find a quieter disk.
            for name in names[number % len(names):] + names[:number % len(names)]:
                row.warm_up(targets[name])
                times[row.name, name].append(row.run(targets[name]))
                settle(commands.get(name))
        print(f"  - round {number + 1} of {rounds} is over", file=sys.stderr)
    return times


def show(rows, targets, times):
    names = list(targets)
    width = max(len(row.name) for row in rows)
    heads = names[1:] + [f"{name}/bindfs" for name in names[1:] if name != "bindfs" and "bindfs" in names]
    print(f"{'':{width}}  {names[0]:>16}" + "".join(f"{head:>16}" for head in heads))
    for row in rows:
        first = times[row.name, names[0]]
        rate = row.amount / statistics.median(first)
        line = f"{row.name:{width}}  {rate:>9.0f} {row.unit:<6}"
        for head in heads:
            name, _, base = head.partition("/")
            # Ratios within a round, so that what slows the whole machine for a while counts for nothing.
            pairs = zip(times[row.name, base or names[0]], times[row.name, name])
            line += f"{statistics.median(there / here for there, here in pairs):>16.2f}"
        print(line)
    print(f"speed as a part of {names[0]}'s, or of bindfs's where it says so: medians of {len(first)} rounds")


def show_each(rows, targets, times):
    print("microseconds for each file, thing done or MiB, in each round")
    for row in rows:
        for name in targets:
            took = "".join(f"{seconds / row.amount * 1e6:>10.1f}" for seconds in times[row.name, name])
            print(f"{row.name:22}{name:10}{took}")


def main():
    given = arguments()
    if given.list:
        for group, rows in GROUPS.items():
            print(group, *(f"  {row.name}" for row in rows), sep="\n")
        return
    targets = dict(target.split("=", 1) for target in given.target)
    commands = dict(command.split("=", 1) for command in given.settle)
    rows = chosen(given.rows)
    times = measure(rows, targets, commands, given.rounds)
    show(rows, targets, times)
    if given.each:
        show_each(rows, targets, times)
    if given.requests:
        show_requests(rows, targets, commands)


main()
