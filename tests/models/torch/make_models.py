"""Makes the untrained models that the importer's tests run on: python3 make_models.py FOLDER

Seeded, and skipped if the folder holds them already (a stamp names this file's content). Weights are random, but batch
norms get statistics near those of a trained net, so that activations neither vanish nor explode and a relative error
of 1e-4 means something.
"""
import hashlib
import json
import pathlib
import sys
import warnings

import torch
import torchvision

warnings.filterwarnings("ignore")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def card(name, height, width, **more):
    return json.dumps({"schema": "eddy.model/1", "name": name, "task": "raw", "height": height, "width": width,
                       "mean": MEAN, "std": STD, "labels": [], "score_min": 0.5, "iou_max": 0.5, **more})


def pictures(count, height, width):
    """Noise over smooth blobs of varying brightness and contrast: batch norms must see how much frames differ."""
    torch.manual_seed(7)
    blobs = torch.nn.functional.interpolate(torch.randn(count, 3, 4, 4), size=(height, width), mode="bilinear")
    contrast = torch.rand(count, 1, 1, 1) * 1.2 + 0.3
    return contrast * (torch.randn(count, 3, height, width) + blobs) + torch.randn(count, 3, 1, 1) * 0.7


def settle(model, size):
    """Let every batch norm see its own input once, so that its output is near unit scale."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
        torch.nn.init.uniform_(norm.weight, 0.5, 1.0)
        # Centred on zero, half of the units would switch, and a deep random net would amplify rounding with every
        # layer as no trained one does.
        torch.nn.init.normal_(norm.bias, 0.7, 0.2)
    for part in model.modules():  # some heads start at zero, and would hide every error before them
        if isinstance(part, torch.nn.Linear) and not part.weight.any():
            torch.nn.init.normal_(part.weight, 0.0, 0.1)
    with torch.no_grad():
        model(pictures(12, *size))
    return model.eval()


def save(folder, name, module, height, width, text=None):
    extra = {"eddy.json": card(name, height, width) if text is None else text}
    torch.jit.save(module, str(folder / f"{name}.pt"), _extra_files=extra if extra["eddy.json"] else None)
    print("made", name, flush=True)


def architectures(folder):
    zoo = torchvision.models
    vit = lambda: zoo.VisionTransformer(image_size=64, patch_size=16, num_layers=3, num_heads=4, hidden_dim=96,
                                        mlp_dim=192, num_classes=50)
    swin = lambda: zoo.SwinTransformer(patch_size=[4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 4],
                                       window_size=[4, 4], num_classes=50)
    fcn = lambda: zoo.segmentation.fcn._fcn_resnet(
        zoo.resnet.ResNet(zoo.resnet.Bottleneck, [3, 4, 6, 3], width_per_group=16,
                          replace_stride_with_dilation=[False, True, True]), 21, None)
    small = {"num_classes": 100}
    # name, maker, input size, how it becomes TorchScript
    table = [
        ("mobilenet_v2", lambda: zoo.mobilenet_v2(**small), 96, "trace"),
        ("mobilenet_v2_scripted", lambda: zoo.mobilenet_v2(**small), 64, "script"),
        ("mobilenet_v3_small", lambda: zoo.mobilenet_v3_small(**small), 96, "trace"),
        ("resnet18", lambda: zoo.resnet18(**small), 64, "trace"),
        ("resnet50_scripted", lambda: zoo.resnet50(**small), 64, "script"),
        ("googlenet", lambda: zoo.googlenet(init_weights=False, aux_logits=True, transform_input=True, **small), 96, "script"),
        ("inception_v3", lambda: zoo.inception_v3(init_weights=False, aux_logits=False, **small), 96, "trace"),
        ("densenet121", lambda: zoo.densenet121(**small), 64, "script"),
        ("squeezenet1_1", lambda: zoo.squeezenet1_1(**small), 96, "trace"),
        ("shufflenet_v2", lambda: zoo.shufflenet_v2_x1_0(**small), 96, "trace"),
        ("shufflenet_v2_scripted", lambda: zoo.shufflenet_v2_x0_5(**small), 64, "script"),
        ("efficientnet_b0", lambda: zoo.efficientnet_b0(**small), 96, "trace"),
        ("regnet_y_400mf", lambda: zoo.regnet_y_400mf(**small), 96, "script"),
        ("vit_small", vit, 64, "trace"),
        ("swin_small", swin, 64, "trace"),
        ("fcn_resnet50", fcn, 64, "script"),
    ]
    for name, make, size, how in table:
        torch.manual_seed(3)
        model = settle(make(), (size, size))
        example = torch.randn(1, 3, size, size)
        with torch.no_grad():
            module = torch.jit.script(model) if how == "script" else torch.jit.trace(model, example, check_trace=False)
        save(folder, name, module, size, size)


class Branches(torch.nn.Module):
    """The frame's content decides."""
    def forward(self, x):
        if bool(x.mean() > 0):
            return x * 2
        return x - 1


class Nonzero(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero(x > 0.5).float()


class Masked(torch.nn.Module):
    def forward(self, x):
        return x[x > 0].sum() + x.mean()


class Steers(torch.nn.Module):
    """A number read from the pixels becomes a size."""
    def forward(self, x):
        n = int(x.abs().max().item()) + 1
        return torch.nn.functional.interpolate(x, scale_factor=float(n))


class Noise(torch.nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class Counts(torch.nn.Module):
    """Keeps state between frames."""
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen += 1
        return x + self.seen


class TwoInputs(torch.nn.Module):
    def forward(self, x, y):
        return x + y


class WritesThroughView(torch.nn.Module):
    """Alters a slice, then reads the whole."""
    def forward(self, x):
        y = x * 1.5
        y[:, 0].mul_(2.0)
        return y + 1


class Fixed(torch.nn.Module):
    """A classifier's head that wants one input size only."""
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.head = torch.nn.Linear(4 * 30 * 30, 5)

    def forward(self, x):
        return self.head(torch.flatten(torch.relu(self.conv(x)), 1))


class StaticFlow(torch.nn.Module):
    """Loops, branches, lists, dictionaries and in-place operators that the shape alone decides."""
    def __init__(self):
        super().__init__()
        self.convs = torch.nn.ModuleList([torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)])

    def forward(self, x):
        parts = []
        n = x.size(2) // 8
        for conv in self.convs:
            x = conv(x)
            if x.shape[2] > 16:
                x.relu_()
            else:
                x.sub_(1.0)
            parts.append(x)
        grid = torch.zeros(x.shape[2], x.shape[3])
        for i in range(n):
            grid[i] = float(i)
        total = torch.cat(parts, 1)
        total += grid
        a, b = total.chunk(2, 1)[0], total.chunk(2, 1)[1]
        named = {"sum": a + b, "product": a * b}
        return named["product"], [named["sum"], total[:, :2].clone()]


class Windows(torch.nn.Module):
    """Convolutions and pools of many kinds on odd heights, branches, a gate by global pooling, and sums over rows."""
    def __init__(self):
        super().__init__()
        conv = torch.nn.Conv2d
        self.stem = conv(3, 16, 5, stride=2, padding=2)
        self.norm = torch.nn.BatchNorm2d(16)
        self.dilated = conv(16, 16, 3, padding=4, dilation=4, groups=4)
        self.wide = conv(16, 24, (4, 3), padding=(0, 1))
        self.deep = conv(24, 24, 3, padding=1, groups=24)
        self.squeeze = conv(72, 8, 1)
        self.excite = conv(8, 36, 1)
        self.far = conv(16, 24, 1, stride=3, padding=1)

    def forward(self, x):
        pool, average = torch.nn.functional.max_pool2d, torch.nn.functional.avg_pool2d
        x = torch.nn.functional.hardswish(self.norm(self.stem(x)))
        a = torch.nn.functional.relu6(self.dilated(x)) + x
        b = torch.nn.functional.silu(self.wide(a))
        b = self.deep(b) * torch.sigmoid(b)
        pools = [pool(b, 3, 2, 1, ceil_mode=True),
                 average(b, 3, 2, 1, ceil_mode=True, count_include_pad=True),
                 average(b, 3, 2, 1, ceil_mode=True, count_include_pad=False)]
        c = torch.cat(pools, 1)
        gate = self.excite(torch.relu(self.squeeze(c.mean((2, 3), keepdim=True))))
        first, second = c.chunk(2, 1)
        d = (first - second) * torch.nn.functional.hardsigmoid(gate)
        d = torch.nn.functional.leaky_relu(pool(d, 2, 1, dilation=2), 0.1)
        d = average(average(d, (4, 3), (3, 2), (2, 1), divisor_override=5), 2, 1)
        e = self.far(x)
        return (d, e, d.sum((2, 3)), torch.nn.functional.adaptive_avg_pool2d(e, 1),
                average(e, (10, 3), (10, 2), (0, 1), count_include_pad=False))


class Grows(torch.nn.Module):
    """What makes more rows than it is given, or other ones: transposed convolutions, upsampling, padding, bins."""
    def __init__(self):
        super().__init__()
        transposed = torch.nn.ConvTranspose2d
        self.stem = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.edges = torch.nn.Conv2d(8, 8, 1, padding=1)  # its first and last row are bias alone
        self.twice = transposed(8, 8, 2, stride=2)
        self.overlap = transposed(8, 8, 4, stride=2, padding=1)
        self.gaps = transposed(8, 8, 1, stride=2, output_padding=1)
        self.spread = transposed(8, 8, 3, stride=2, padding=2, dilation=2, output_padding=1, groups=2)

    def forward(self, x):
        grow = torch.nn.functional.interpolate
        x = torch.relu(self.stem(x))
        y = self.edges(x)
        z = torch.cat([self.twice(y), self.overlap(y), self.gaps(y), self.spread(y)], 1)
        size = (int(z.shape[2]), int(z.shape[3]))
        smooth = (grow(x, size=size, mode="bilinear", align_corners=False) *
                  grow(x, size=size, mode="bilinear", align_corners=True))
        padded = torch.constant_pad_nd(torch.constant_pad_nd(x, (1, 1, 2, 3)), (-1, -1, -3, 1), 0.5)
        return (grow(z, scale_factor=1.7), smooth, grow(x, scale_factor=2.3, mode="bilinear"), padded,
                grow(padded, scale_factor=2.0), grow(z, size=(9, 11)),
                torch.nn.functional.adaptive_avg_pool2d(z, (5, 7)), torch.softmax(z, 1))


def row_rules(folder):
    for module, height, width in [(Windows(), 53, 41), (Grows(), 19, 17)]:
        torch.manual_seed(9)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, 0.1, 0.3)
        with torch.no_grad():
            traced = torch.jit.trace(module.eval(), torch.randn(1, 3, height, width), check_trace=False)
        save(folder, type(module).__name__, traced, height, width)


def refusals(folder):
    example = torch.randn(1, 3, 32, 32)
    for module in [Branches(), Nonzero(), Masked(), Steers(), Noise(), Counts(), WritesThroughView(), StaticFlow()]:
        save(folder, type(module).__name__, torch.jit.script(module), 32, 32)
    save(folder, "TwoInputs", torch.jit.script(TwoInputs()), 32, 32)
    torch.manual_seed(5)
    save(folder, "Fixed", torch.jit.script(Fixed()), 32, 32)
    save(folder, "Misfit", torch.jit.script(Fixed()), 48, 32)
    save(folder, "NoCard", torch.jit.script(Fixed()), 32, 32, text="")
    save(folder, "BadCard", torch.jit.script(Fixed()), 32, 32, text='{"schema": "eddy.model/1", "name": 3}')


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "stamp"
    wanted = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        print("models are there already")
        return
    torch.set_num_threads(2)
    architectures(folder)
    row_rules(folder)
    refusals(folder)
    stamp.write_text(wanted)


main()
