#!/usr/bin/python3
"""Reads every source file and fails on what the rules of the house (rooms.py) forbid: an include of a room or library
that is not this room's to use, a banned name, unfinished work, files and functions that grew too long.

    tests/house/house.py [--root ROOT] [FILE…]

With FILEs (from the root) only what concerns them is told. Exit 0: nothing found, 1: one line a finding."""

import argparse
import re
import sys
from pathlib import Path

import rooms

SOURCES = (".hpp", ".cpp", ".h", ".c")
SKIPPED = {"build", ".git", ".cache", "models-out", "demo-out"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
LITERALS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def blank(match):
    """The same lines with nothing on them, so that line numbers stay."""
    text = match.group(0)
    return ('""' if text[-1] == '"' else "") + "\n" * text.count("\n")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def room_of(path):
    """The room a path from the root lies in, or None."""
    found = [room for room in rooms.ROOMS if path == room or path.startswith(room + "/")]
    return max(found, key=len, default=None)


class House:
    def __init__(self, root):
        self.root = Path(root).resolve()
        self.findings = []

    def say(self, path, line, what):
        self.findings.append(f"{path}:{line}: {what}")

    def files(self):
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root)
            if not SKIPPED.intersection(relative.parts) and path.suffix in SOURCES and path.is_file():
                yield relative.as_posix()

    def check(self):
        seen = set()
        for path in self.files():
            seen.add(path)
            text = (self.root / path).read_text(encoding="utf-8", errors="replace")
            self.check_includes(path, text)
            self.check_names(path, text)
            self.check_lengths(path, text)
        for path in sorted(set(rooms.LINES_RATCHET) - seen):
            self.say(path, 1, "is gone: take it out of LINES_RATCHET")
        return self.findings

    # -- includes

    def check_includes(self, path, text):
        is_test = path.startswith("tests/")
        room = room_of(path.removeprefix("tests/")) if is_test else room_of(path)
        if room is None and not is_test:
            self.say(path, 1, "lies in no room: add it to tests/house/rooms.py and ARCHITECTURE.md")
            return
        for match in INCLUDE.finditer(text):
            line, quoted, name = line_of(text, match.start()), match.group(1) == '"', match.group(2)
            if self.check_library(path, line, room, name, is_test):
                continue
            if quoted:
                self.check_room(path, line, room, name, is_test)
            elif room in rooms.PURE and not is_test and not re.fullmatch(r"[a-z_0-9]+", name):
                self.say(path, line, f"<{name}> in the pure room {room}: allowed are the C++ standard library's headers")

    def check_library(self, path, line, room, name, is_test):
        """True if the header is a library's, whether or not it may be here."""
        for pattern, owners, instead in rooms.LIBRARIES:
            if not re.match(pattern, name):
                continue
            # A test may use what its room may, and the rooms beside it in tests/integration anything.
            test_tool = is_test and (not owners or re.match(r"nlohmann/", name) or room is None)
            if room not in owners and not test_tool:
                self.say(path, line, f"<{name}> is not for {room or 'this place'}; instead: {instead}")
            return True
        return False

    def check_room(self, path, line, room, name, is_test):
        target = "include" if name.startswith("eddy/") else room_of(name)
        if target is None:
            beside = "/" not in name and (self.root / path).with_name(name).exists()
            if not (is_test and (beside or name.startswith("tests/"))):
                self.say(path, line, f'"{name}" is not a path from the root: write "eddy/…" or "<room>/…"')
            return
        if is_test and (room is None or room in rooms.PURE and target in rooms.PURE):
            return  # a test may drive a pure room through the simulator
        if target not in (room, "include") and target not in rooms.ROOMS[room]:
            allowed = ", ".join(["include", *rooms.ROOMS[room]])
            self.say(path, line, f'{room} includes "{name}"; allowed are only {allowed}')

    # -- names

    def check_names(self, path, text):
        for match in re.finditer(rooms.UNFINISHED, text):
            self.say(path, line_of(text, match.start()), f"{match.group(0)}: finish it, or leave it out")
        code = LITERALS.sub(blank, INCLUDE.sub(lambda m: m.group(0).replace('"', ""), text))
        rules = list(rooms.BANNED)
        if room_of(path) in rooms.PURE:
            rules += rooms.BANNED_IN_PURE
        for pattern, allowed, instead in rules:
            if path.startswith(tuple(allowed)):
                continue
            for match in re.finditer(pattern, code):
                self.say(path, line_of(code, match.start()), f"{match.group(0).strip()} is banned here; instead: {instead}")

    # -- lengths

    def check_lengths(self, path, text):
        lines = text.count("\n") + (0 if text.endswith("\n") else 1)
        limit = rooms.HEADER_LINES_MAX if path.endswith((".hpp", ".h")) else rooms.SOURCE_LINES_MAX
        ratchet = rooms.LINES_RATCHET.get(path)
        if ratchet is not None:
            if lines <= limit:
                self.say(path, 1, f"has {lines} lines, which the rule allows: take it out of LINES_RATCHET")
            elif lines < ratchet:
                self.say(path, 1, f"has shrunk to {lines} lines: lower its entry in LINES_RATCHET")
            limit = max(limit, ratchet)
        if lines > limit:
            self.say(path, 1, f"has {lines} lines, at most {limit}: split it by concept")
        for line, length in functions(text):
            if length > rooms.FUNCTION_LINES_MAX:
                self.say(path, line, f"a function of {length} lines, at most {rooms.FUNCTION_LINES_MAX}")


NAMESPACE = re.compile(r"\b(?:namespace|extern)\b")
TYPE = re.compile(r"^\s*(?:template\s*<.*>\s*)?(?:class|struct|union|enum)\b", re.DOTALL)
SIGNATURE_END = re.compile(r"\)\s*(?:const|noexcept|override|final|->.*|\s)*$", re.DOTALL)
BODY = re.compile(r"\)[^;=]*$")


def functions(text):
    """(line of the opening brace, lines) of each function body at namespace or class scope. It follows braces, and
    relies on the repository's format: a body's brace stands after a blank, an initialiser's does not."""
    code = DIRECTIVE.sub(blank, LITERALS.sub(blank, text))
    found, scopes, head, line = [], [], [], 1
    for i, c in enumerate(code):
        if c == "\n":
            line += 1
        if c == "{":
            before = "".join(head)
            outside = all(scope in ("namespace", "type") for scope, _ in scopes)
            if i > 0 and (code[i - 1].isalnum() or code[i - 1] in "_>"):
                kind = "initialiser"
            elif not outside:
                kind = "block"
            elif NAMESPACE.search(before):
                kind = "namespace"
            elif TYPE.search(before) and not SIGNATURE_END.search(before):
                kind = "type"
            elif BODY.search(before):
                kind = "function"
            else:
                kind = "initialiser"
            scopes.append((kind, line))
            if kind != "initialiser":
                head = []
        elif c == "}" and scopes:
            kind, start = scopes.pop()
            if kind == "function":
                found.append((start, line - start + 1))
            if kind != "initialiser":
                head = []
        elif c == ";" and not any(scope == "initialiser" for scope, _ in scopes):
            head = []
        else:
            head.append(c)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="default: this repository")
    parser.add_argument("files", nargs="*", metavar="FILE")
    options = parser.parse_args()
    house = House(options.root)
    findings = house.check()
    if options.files:
        findings = [finding for finding in findings if finding.split(":", 1)[0] in options.files]
    for finding in findings:
        print(finding)
    count = sum(1 for _ in house.files())
    print(f"house: {len(options.files) or count} files, {len(findings)} findings", file=sys.stderr)
    if count == 0:
        print(f"house: no sources under {options.root}", file=sys.stderr)
        return 1
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
