#!/usr/bin/python3
"""Makes a model whose every frontier is about 800 kB (three channels of 258 x 258 floats) and that costs little to
compute: for loading links. `wide_model.py OUT.pt`; needs the distribution's python3-torch."""

import json
import sys

EDGE, LAYERS = 258, 8


def make(out):
    import torch

    torch.manual_seed(3)
    layers = []
    for _ in range(LAYERS):
        layers += [torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    card = {"schema": "eddy.model/1", "name": "wide", "task": "raw", "height": EDGE, "width": EDGE,
            "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "labels": [], "score_min": 0.5, "iou_max": 0.5}
    torch.jit.save(torch.jit.script(model), out, _extra_files={"eddy.json": json.dumps(card)})


if __name__ == "__main__":
    make(sys.argv[1])
