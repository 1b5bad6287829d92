#!/usr/bin/env python3
"""Random work of one member on a tree, from a seed, and checks on what became of it.

  random_work.py make DIR                  the tree that both begin with
  random_work.py work DIR SEED NAME COUNT  so many random operations; every content written holds a token of its own
  random_work.py note DIR NAME FILE        writes down each file's MD5 and the tokens that NAME put into it
  random_work.py check DIR NOTE LOG        each noted content is in the tree, in the log, or its tokens are in the tree;
                                           and everything named so is well-formed JSON or XML
"""
import hashlib
import json
import os
import random
import re
import sys
import xml.etree.ElementTree as Tree

TOKEN = re.compile(rb"[abc]t[0-9]+t")


class Work:
    def __init__(self, root, seed, name):
        self.root, self.name, self.counter = root, name, 0
        self.chance = random.Random(f"{seed} {name}")
        self.files, self.directories = [], [""]
        for at, directories, files in os.walk(root):
            inside = os.path.relpath(at, root)
            inside = "" if inside == "." else inside
            self.directories += sorted(os.path.join(inside, d) for d in directories)
            self.files += sorted(os.path.join(inside, f) for f in files)

    def token(self):
        self.counter += 1
        return f"{self.name}t{self.counter}t"

    def path(self, inside):
        return os.path.join(self.root, inside)

    def new_name(self, ending=""):
        # Few names, so that both sides meet.
        return f"{self.chance.choice('klmnop')}{self.chance.randrange(30)}{ending}"

    def place(self, ending=""):
        return os.path.join(self.chance.choice(self.directories), self.new_name(ending))

    def write(self, inside, data):
        """In place, or as a new file renamed over the old."""
        path = self.path(inside)
        if os.path.exists(path) and self.chance.random() < 0.5:
            aside = path + "." + self.name + ".tmp"
            with open(aside, "wb") as out:
                out.write(data)
            os.rename(aside, path)
        else:
            with open(path, "wb") as out:
                out.write(data)

    def read(self, inside):
        with open(self.path(inside), "rb") as source:
            return source.read()

    def make_file(self):
        ending, token = self.chance.choice([".txt", ".json", ".xml", ".bin"]), self.token()
        inside = self.place(ending)
        if os.path.lexists(self.path(inside)):
            return
        content = {
            ".txt": "".join(f"line {i} {token}\n" for i in range(40)),
            ".json": json.dumps({f"k{i}": {"v": token, "n": [i]} for i in range(25)}, indent=2) + "\n",
            ".xml": "<root>\n" + "".join(f'  <item id="{i}">{token}</item>\n' for i in range(25)) + "</root>\n",
            ".bin": "\0" + token,
        }[ending]
        self.write(inside, content.encode())
        self.files.append(inside)

    def edit(self):
        inside = self.chance.choice(self.files)
        if os.path.islink(self.path(inside)):
            return
        data, token = self.read(inside), self.token()
        ending = os.path.splitext(inside)[1]
        if ending == ".json":
            document = json.loads(data)
            key = f"k{self.chance.randrange(30)}"
            kind = self.chance.random()
            if kind < 0.2 and len(document) > 2:
                document.pop(self.chance.choice(sorted(document)))
            elif kind < 0.6 and key in document and isinstance(document[key], dict):
                document[key]["v"] = token
            else:
                document[key] = {"v": token}
            data = (json.dumps(document, indent=2) + "\n").encode()
        elif ending == ".xml":
            lines = data.decode().split("\n")
            at = self.chance.randrange(1, max(2, len(lines) - 2))
            lines.insert(at, f'  <item id="{token}">{token}</item>')
            data = "\n".join(lines).encode()
        elif ending == ".txt":
            lines = data.decode().split("\n")
            at, kind = self.chance.randrange(len(lines)), self.chance.random()
            if kind < 0.5:
                lines[at] = f"line {token}"
            elif kind < 0.8:
                lines.insert(at, f"line {token}")
            elif len(lines) > 4:
                lines.pop(at)
            data = "\n".join(lines).encode()
        else:
            data = b"\0" + token.encode()
        self.write(inside, data)

    def make_directory(self):
        inside = self.place()
        os.mkdir(self.path(inside))
        self.directories.append(inside)

    def rename_file(self):
        old = self.chance.choice(self.files)
        new = self.place(os.path.splitext(old)[1])
        if not os.path.lexists(self.path(new)):
            os.rename(self.path(old), self.path(new))
            self.files[self.files.index(old)] = new

    def rename_directory(self):
        old, new = self.chance.choice(self.directories[1:]), self.place()
        if os.path.lexists(self.path(new)) or (new + "/").startswith(old + "/"):
            return
        os.rename(self.path(old), self.path(new))
        moved = lambda inside: new + inside[len(old):] if (inside + "/").startswith(old + "/") else inside
        self.files = [moved(inside) for inside in self.files]
        self.directories = [moved(inside) for inside in self.directories]

    def link(self):
        old = self.chance.choice(self.files)
        new = self.place(os.path.splitext(old)[1])
        if not os.path.islink(self.path(old)):
            os.link(self.path(old), self.path(new))
            self.files.append(new)

    def symlink(self):
        inside = self.place(".lnk")
        os.symlink(self.token(), self.path(inside))
        self.files.append(inside)

    def attributes(self):
        inside = self.chance.choice(self.files)
        if not os.path.islink(self.path(inside)):
            os.chmod(self.path(inside), self.chance.choice([0o600, 0o640, 0o644, 0o755]))

    def remove(self):
        inside = self.chance.choice(self.files)
        os.unlink(self.path(inside))
        self.files.remove(inside)

    def remove_directory(self):
        inside = self.chance.choice(self.directories[1:])
        os.rmdir(self.path(inside))
        self.directories.remove(inside)

    def run(self, count):
        kinds = [(self.edit, 46), (self.make_file, 14), (self.rename_file, 10), (self.make_directory, 6),
                 (self.rename_directory, 4), (self.remove, 8), (self.remove_directory, 3), (self.link, 3),
                 (self.symlink, 2), (self.attributes, 4)]
        deeds, weights = [deed for deed, _ in kinds], [weight for _, weight in kinds]
        for _ in range(count):
            self.attempt(self.chance.choices(deeds, weights)[0])

    @staticmethod
    def attempt(deed):
        try:
            deed()
        except IndexError:
            pass
        except OSError as error:
            # What a random operation may rightly meet: ENOENT, EEXIST, ENOTDIR, EISDIR, EINVAL, ENOTEMPTY.
            if error.errno not in (2, 17, 20, 21, 22, 39):
                raise


def files_of(root):
    for at, _, names in os.walk(root):
        for name in names:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                with open(path, "rb") as source:
                    yield os.path.relpath(path, root), source.read()


def note(root, name, into):
    with open(into, "w") as out:
        for path, data in files_of(root):
            tokens = sorted({token.decode() for token in TOKEN.findall(data) if token.startswith(name.encode())})
            out.write(json.dumps({"path": path, "md5": hashlib.md5(data).hexdigest(), "tokens": tokens}) + "\n")


def check(root, noted, log):
    md5s, tokens, bad = set(), set(), []
    for path, data in files_of(root):
        md5s.add(hashlib.md5(data).hexdigest())
        tokens.update(token.decode() for token in TOKEN.findall(data))
        try:
            if path.endswith(".json"):
                json.loads(data)
            elif path.endswith(".xml"):
                Tree.fromstring(data)
        except (ValueError, Tree.ParseError) as error:
            bad.append(f"{path} is not well-formed: {error}")
    with open(log) as lines:
        for line in lines:
            entry = json.loads(line)
            md5s.update(version["md5"] for version in entry["sync"].values())
    merged = 0
    with open(noted) as lines:
        for line in lines:
            file = json.loads(line)
            if file["md5"] not in md5s:
                merged += 1
                missing = [token for token in file["tokens"] if token not in tokens]
                if missing:
                    bad.append(f"what was in {file['path']} is nowhere: {missing[:5]}")
    for line in bad[:20]:
        print(line, file=sys.stderr)
    print(f"{merged} contents went into merges")
    sys.exit(1 if bad else 0)


def main():
    command, root, *rest = sys.argv[1:]
    if command == "make":
        work = Work(root, "first", "c")
        for _ in range(300):
            work.make_file()
            work.attempt(work.make_directory)
            work.directories = work.directories[:20]
    elif command == "work":
        seed, name, count = rest
        Work(root, seed, name).run(int(count))
    elif command == "note":
        note(root, *rest)
    elif command == "check":
        check(root, *rest)
    else:
        sys.exit(__doc__)


main()
