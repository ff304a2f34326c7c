#!/usr/bin/python3
"""Fetches the real videos and pictures that the demo, the tests and the benchmarks use, out of Debian packages, each
file with a pinned checksum. Only those files are read from the packages; nothing is installed."""

import argparse
import dataclasses
import shutil
import subprocess
import tempfile
from pathlib import Path

import fetch
from fetch import Failure, say

HERE = Path(__file__).resolve().parent
_OPENCV = "./usr/share/doc/opencv-doc/examples/data/"
_SKIMAGE = "./usr/lib/python3/dist-packages/skimage/data/"


@dataclasses.dataclass(frozen=True)
class Medium:
    package: str
    member: str
    size: int
    sha256: str
    shows: str

    @property
    def name(self):
        return self.member.rsplit("/", 1)[1]


MEDIA = (
    Medium("opencv-doc", _OPENCV + "vtest.avi", 8131690,
           "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
           "a fixed camera over a walkway: people, cars (768x576, 795 frames, 10 frames/s)"),
    Medium("opencv-doc", _OPENCV + "Megamind.avi", 1189270,
           "0057387cb7e75c8fd1663b62cfdc51fa53f527795d0fe3c1fea2fd159d3130b5", "a film scene (720x528)"),
    Medium("opencv-doc", _OPENCV + "tree.avi", 1250680,
           "4666099d0f704e310047b2f0a5ec9f936cb76a7271de9a2e70a0c57f82ac82dc", "a tree in the wind (320x240)"),
    Medium("opencv-doc", _OPENCV + "messi5.jpg", 72937,
           "1d570e49654e84c7a943918537bd9e5e1ef82920152e147c834006e235be97c9", "a footballer"),
    Medium("opencv-doc", _OPENCV + "fruits.jpg", 82429,
           "9c031d80a1c52da5eca790db896baffec6a7e52bf786cdb7bbfca5c7f880e6a1", "apples, bananas, oranges"),
    Medium("python3-skimage", _SKIMAGE + "chelsea.png", 240512,
           "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb", "a cat"),
    Medium("python3-skimage", _SKIMAGE + "coffee.png", 466706,
           "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", "a cup of coffee"),
    Medium("python3-skimage", _SKIMAGE + "astronaut.png", 791555,
           "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5", "a portrait"),
)


def is_good(path, medium):
    try:
        fetch.check_file(path, medium.size, medium.sha256)
        return True
    except FileNotFoundError:
        return False
    except Failure as failure:
        say(f"    {failure}; replacing it")
        return False


def fetch_package(package, media, cache):
    """Put `media` of one Debian package into the cache."""
    say(f"    fetching the package {package} with apt-get")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as name:
        folder = Path(name)
        folder.chmod(0o755)  # apt drops its privileges to download
        fetch.run_tool(["apt-get", "download", package], folder, package, "this needs Debian's package tools")
        packages = list(folder.glob("*.deb"))
        if len(packages) != 1:
            raise Failure(f"apt-get download {package} left {len(packages)} packages, expected one")
        wanted = {medium.member for medium in media}
        members = members_of(packages[0], wanted)
        for medium in media:
            if medium.member not in members:
                raise Failure(f"{packages[0].name} does not contain {medium.member}")
            with fetch.appearing(cache / medium.name) as temporary:
                temporary.write_bytes(members[medium.member])
                try:
                    fetch.check_file(temporary, medium.size, medium.sha256)
                except Failure as failure:
                    raise Failure(f"{medium.name} in {packages[0].name}: {failure}") from None


def members_of(package, wanted):
    """Named files of a Debian package, as {name: bytes}."""
    if shutil.which("dpkg-deb") is None:
        raise Failure("dpkg-deb is needed to read Debian packages, and is not installed")
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        members = fetch.read_members(tool.stdout, wanted.__contains__, package.name)
        tool.stdout.read()
        words = tool.stderr.read().decode(errors="replace").strip()
    if tool.returncode != 0:
        raise Failure(f"{package.name} is damaged: {words}")
    return members


def main():
    listing = "\n".join(f"  {m.name:<14} {m.shows} ({m.package})" for m in MEDIA)
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""files:
{listing}

examples:
  models/zoo/fetch_media.py                        all of them, into build/media/
  models/zoo/fetch_media.py --out /tmp/media vtest.avi

They are kept in ${{XDG_CACHE_HOME:-~/.cache}}/eddy/media. The paths go to standard output.""",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="fetch only these")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "build" / "media", help="default: %(default)s")
    options = parser.parse_args()
    names = [medium.name for medium in MEDIA]
    unknown = [name for name in options.files if name not in names]
    if unknown:
        parser.error(f"no file {unknown[0]!r}; there are {', '.join(names)}")
    chosen = [medium for medium in MEDIA if not options.files or medium.name in options.files]

    with fetch.alone(fetch.cache_dir("media")):
        missing = [medium for medium in chosen if not is_good(options.out / medium.name, medium)]
        say(f"media: {len(chosen) - len(missing)} of {len(chosen)} files are already in {options.out}")
        cache = fetch.cache_dir("media")
        uncached = [medium for medium in missing if not is_good(cache / medium.name, medium)]
        for package in dict.fromkeys(medium.package for medium in uncached):
            fetch_package(package, [medium for medium in uncached if medium.package == package], cache)
        for medium in missing:
            with fetch.appearing(options.out / medium.name) as temporary:
                shutil.copyfile(cache / medium.name, temporary)
        for medium in chosen:
            print(options.out / medium.name)


if __name__ == "__main__":
    fetch.run_main(main)
