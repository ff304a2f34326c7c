#!/usr/bin/python3
"""Exports a torchvision model as a TorchScript file with Eddy's model card inside.

Classifiers get the task "classify" and their labels; segmentation networks give their main output and get the task
"raw". With `--weights default` torchvision downloads its best weights (this needs open internet); with
`--weights none` the architecture is filled from a seed, works offline, and is the same on every machine of a kind."""

import argparse
import difflib
import warnings
from pathlib import Path

import fetch
from fetch import Failure, say


def torchvision_models():
    try:
        import torchvision
    except ImportError as error:
        raise Failure(f"{error}: run this with /usr/bin/python3 after apt-get install python3-torchvision") from error
    return torchvision.models


def family_of(models, name):
    """"classify" or "segment"; other kinds are refused by name."""
    if name not in models.list_models():
        near = difflib.get_close_matches(name, models.list_models(), n=4)
        hint = f"is it {' or '.join(near)}?" if near else "see --list"
        raise Failure(f"torchvision has no model {name!r}; {hint}")
    if name in models.list_models(models):
        return "classify"
    if name in models.list_models(models.segmentation):
        return "segment"
    raise Failure(f"{name} is neither a classifier nor a segmentation network; Eddy's card cannot describe its outputs")


def input_of(weights, size):
    """((height, width), mean, std) that these weights were made for; `size` overrides the first."""
    preset = weights.transforms()
    edge = getattr(preset, "crop_size", None) or getattr(preset, "resize_size", None)
    edge = edge[0] if isinstance(edge, (list, tuple)) else edge
    return (size, size) if size else (edge, edge), list(preset.mean), list(preset.std)


def instantiate(models, name, family, weights, seed, size):
    import torch

    extra = {}
    if weights is None and family == "segment":
        extra["weights_backbone"] = None  # else the backbone's would be downloaded
    if weights is None and name.startswith("vit_"):
        extra["image_size"] = size  # a ViT has one input size, and it is built for it
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about initialisation times and deprecated names: nothing a user can act on
        try:
            return models.get_model(name, weights=weights, **extra).eval()
        except OSError as error:  # urllib's errors are OSErrors
            raise Failure(
                f"torchvision could not download the weights of {name}: {error}; "
                "--weights none exports the architecture without them"
            ) from error
        except (RuntimeError, ValueError, AssertionError) as error:  # a download with the wrong hash, a bad size
            raise Failure(f"torchvision could not make {name}: {error}") from error


def main_output_of(net):
    from torch import nn

    class MainOutput(nn.Module):
        """Segmentation networks return a dictionary; the frozen graph needs plain tensors."""

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)["out"]

    return MainOutput()


def export(name, out, weights="none", seed=1, size=None):
    models = torchvision_models()
    import card

    family = family_of(models, name)
    best = models.get_model_weights(name).DEFAULT
    shape, mean, std = input_of(best, size)
    net = instantiate(models, name, family, best if weights == "default" else None, seed, shape[0])
    if family == "segment":
        net, task, labels = main_output_of(net), "raw", []
    else:
        task, labels = "classify", list(best.meta["categories"])
    try:
        card.save(net, card.make_card(name, task, shape, mean, std, labels), out)
    except (RuntimeError, AssertionError, ValueError) as error:  # a network that has one input size, and it is another
        raise Failure(f"{name} could not be traced at {shape[1]}x{shape[0]}: {error}") from error
    say(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB): {task}, {shape[1]}x{shape[0]}, weights: {weights}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  models/zoo/export_torchvision.py mobilenet_v2 build/models/mobilenet_v2.pt
  models/zoo/export_torchvision.py densenet121 /tmp/d.pt --weights none --seed 7 --size 160
  models/zoo/export_torchvision.py --list""",
    )
    parser.add_argument("name", nargs="?", help="a model of torchvision, such as mobilenet_v2")
    parser.add_argument("out", nargs="?", type=Path, help="the TorchScript file to write")
    parser.add_argument("--weights", choices=("default", "none"), default="default", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="with --weights none (default: %(default)s)")
    parser.add_argument("--size", type=int, help="input height and width in pixels (default: the model's own)")
    parser.add_argument("--list", action="store_true", help="list the models that can be exported")
    options = parser.parse_args()
    if options.list:
        models = torchvision_models()
        print("\n".join(models.list_models(models) + models.list_models(models.segmentation)))
        return
    if options.name is None or options.out is None:
        parser.error("give the name of a model and the file to write, or --list")
    if options.size is not None and not 16 <= options.size <= 4096:
        parser.error(f"--size {options.size}: allowed are 16 to 4096 pixels")
    export(options.name, options.out, options.weights, options.seed, options.size)


if __name__ == "__main__":
    fetch.run_main(main)
