"""Reads the weights of a TensorFlow.js model: fp32, or quantised to 8 or 16 bits."""

import json
import math

import numpy as np

from fetch import Failure

_TYPES = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1", "uint16": "<u2", "float16": "<f2"}


def load(members, folder):
    """(topology, {name: array}) of FOLDER/model.json and its shards among an archive's members."""
    try:
        model = json.loads(members[f"{folder}/model.json"])
        weights = {}
        for group in model["weightsManifest"]:
            data = b"".join(members[f"{folder}/{path}"] for path in group["paths"])
            weights.update(_read_group(group["weights"], data))
        return model["modelTopology"], weights
    except KeyError as error:
        raise Failure(f"{folder}: {error} is missing from the archive or its manifest") from error
    except (ValueError, TypeError) as error:
        raise Failure(f"{folder}: not a TensorFlow.js model: {error}") from error


def _read_group(entries, data):
    offset = 0
    for entry in entries:
        quantised = entry.get("quantization")
        stored = np.dtype(_TYPES[(quantised or entry)["dtype"]])
        count = math.prod(entry["shape"])
        array = np.frombuffer(data, stored, count, offset)  # ValueError where the data ends early
        offset += count * stored.itemsize
        if quantised and "scale" in quantised:
            array = array * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        yield entry["name"], array.astype(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    if offset != len(data):
        raise ValueError(f"{len(data)} bytes of weights, the manifest describes {offset}")


class Weights:
    """Hands out weights by name and knows which were never asked for: a layer left out would be an error in silence."""

    def __init__(self, arrays):
        self._arrays = arrays
        self._unused = set(arrays)

    def __call__(self, name):
        if name not in self._arrays:
            raise Failure(f"the archive has no weight {name}")
        self._unused.discard(name)
        return self._arrays[name]

    def expect_all_used(self, except_for=lambda name: False):
        left = sorted(name for name in self._unused if not except_for(name))
        if left:
            raise Failure(f"{len(left)} weights were not used, {left[0]} among them")
