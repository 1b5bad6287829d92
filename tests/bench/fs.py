"""Runs rows of work on several directories in turn and prints how they compare with the first one.

A row is a `Row` in a module named in GROUPS: `prepare(directory)` once for each directory, `run(directory)` each time,
which returns how long the work took, in seconds, for `amount` of `unit`.
"""

import argparse
import statistics
import subprocess
import sys

import rows_data

GROUPS = {"data": rows_data.ROWS}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench fs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
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
    """Waits until nothing that was done before is still at work. Without a hub that has no end: then it ends with what
    is captured."""
    if command:
        subprocess.run(command, shell=True, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
                times[row.name, name].append(row.run(targets[name]))
                settle(commands.get(name))
        print(f"  - round {number + 1} of {rounds} is over", file=sys.stderr)
    return times


def show(rows, targets, times):
    names = list(targets)
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  {names[0]:>16}" + "".join(f"{name:>10}" for name in names[1:]))
    for row in rows:
        first = times[row.name, names[0]]
        rate = row.amount / statistics.median(first)
        line = f"{row.name:{width}}  {rate:>9.0f} {row.unit:<6}"
        for name in names[1:]:
            # Ratios within a round, so that what slows the whole machine for a while counts for nothing.
            ratios = [plain / here for plain, here in zip(first, times[row.name, name])]
            line += f"{statistics.median(ratios):>10.2f}"
        print(line)
    print(f"speed of {', '.join(names[1:])} as a part of {names[0]}'s: medians of {len(first)} rounds")


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


main()
