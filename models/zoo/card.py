"""Writes a TorchScript file with its model card (`eddy.json`, read by models/torch; see include/eddy/model_card.hpp).

The same model gives the same bytes on every machine and in every folder, because nodes compare models by the hash of
the file: nothing of the time, the path or the source positions of this run goes into it.
"""

import io
import json
import warnings
import zipfile

import torch

from fetch import Failure, appearing

SCHEMA = "eddy.model/1"
TASKS = ("classify", "detect", "raw")


def make_card(name, task, size, mean, std, labels=(), score_min=0.5, iou_max=0.5):
    """`size` is (height, width) in pixels; Eddy's layer 0 computes (pixel / 255 - mean) / std, RGB."""
    if task not in TASKS:
        raise Failure(f"task {task!r} is not one of {', '.join(TASKS)}")
    return {
        "schema": SCHEMA,
        "name": name,
        "task": task,
        "height": size[0],
        "width": size[1],
        "mean": [float(v) for v in mean],
        "std": [float(v) for v in std],
        "labels": list(labels),
        "score_min": score_min,
        "iou_max": iou_max,
    }


def save(net, card, path):
    """Trace `net`, check that its outputs are what the card says, write `path` in one go."""
    net.eval()
    random = torch.Generator().manual_seed(1)
    frame, other = (torch.rand(1, 3, card["height"], card["width"], generator=random) for _ in range(2))
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns of every Python condition, nearly always one on a shape; whether any depends on the data is
        # what the comparison with another frame finds out.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(net, frame, check_trace=False)
        expected = _as_tuple(net(other))
    _check_outputs(expected, card)

    raw = io.BytesIO()
    torch.jit.save(traced, raw, _extra_files={"eddy.json": json.dumps(card, indent=1)})
    data = _without_origin(raw.getvalue())

    # What was written is what will be loaded: prove it before it gets its name.
    extra = {"eddy.json": ""}
    loaded = torch.jit.load(io.BytesIO(data), _extra_files=extra)
    if json.loads(extra["eddy.json"]) != card:
        raise Failure(f"the card of {path.name} did not survive saving")
    with torch.no_grad():
        for a, b in zip(_as_tuple(loaded(other)), expected):
            if not torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max())):
                raise Failure(f"{path.name} does not compute what the model it was made from does")
    with appearing(path) as temporary:
        temporary.write_bytes(data)


def _as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _check_outputs(outputs, card):
    shapes, count = [tuple(o.shape) for o in outputs], len(card["labels"])
    if card["task"] == "classify" and shapes != [(1, count)]:
        raise Failure(f"a classifier of {count} labels must give [1, {count}], found {shapes}")
    if card["task"] == "detect":
        anchors = shapes[0][1] if len(shapes[0]) == 3 else 0
        if shapes != [(1, anchors, 4), (1, anchors, count)]:
            raise Failure(f"a detector of {count} labels must give [1, n, 4] and [1, n, {count}], found {shapes}")


def _without_origin(data):
    """The archive again, without source positions (they hold this machine's paths) and dates."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0)), old.read(entry))
    return result.getvalue()
