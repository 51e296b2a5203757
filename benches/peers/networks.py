"""The peers' networks. BioTorch's own definitions where it has them; plain PyTorch modules in any case."""

import contextlib
import io

import torch
from torch import nn

# BioTorch's words for the rules it has.
MODES = {"fa": "fa", "sign_fa": "usf"}


def mlp(widths):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def stack():
    layers, channels = [], 3
    for outputs, stride in [(32, 1), (32, 1), (64, 2), (64, 1), (64, 2), (64, 1)]:
        layers += [nn.Conv2d(channels, outputs, 3, stride, 1), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def widths(name):
    return [int(w) for w in name.removeprefix("mlp ").split("-")]


def make(name):
    if name.startswith("mlp "):
        return mlp(widths(name))
    if name == "stack":
        return stack()
    if name == "lenet":
        from biotorch.models.le_net import le_net_cifar

        return le_net_cifar()
    from biotorch.models.small_resnet import resnet20

    return resnet20()


def biological(module, rule):
    """The same network with BioTorch's layers; it announces every conversion, which nobody reads here."""
    from biotorch.module.biomodule import BioModule

    with contextlib.redirect_stdout(io.StringIO()):
        return BioModule(module, mode=MODES[rule])


def layers(module):
    """Those with a weight, in the order of the forward pass on both sides."""
    return [m for m in module.modules() if getattr(m, "weight", None) is not None]


@torch.no_grad()
def load(module, state):
    """Copies weights, biases and feedback weights."""
    found = layers(module)
    for i, layer in enumerate(found):
        layer.weight.copy_(state[f"layers.{i}.weight"])
        if layer.bias is not None:
            layer.bias.copy_(state[f"layers.{i}.bias"])
        feedback = state.get(f"layers.{i}.feedback")
        if feedback is not None and hasattr(layer, "weight_backward"):
            layer.weight_backward.copy_(feedback)
    assert f"layers.{len(found)}.weight" not in state, "more layers on one side than on the other"


@torch.no_grad()
def drift(tensors, before, after):
    """How far the way of each tensor since `before` is from the other side's, whose end is `after`, as shares of that way's length: of the whole
    tensor, and of its median row (times the root of the number of rows)."""
    shares = {}
    for name, tensor in tensors.items():
        way = (after[name].double() - before[name].double()).norm().item()
        apart = (tensor.double() - after[name].double()).reshape(len(tensor), -1).norm(dim=1)
        whole, median = apart.norm().item(), apart.median().item() * len(tensor) ** 0.5
        shares[name] = [share / way if share else 0.0 for share in (whole, median)]
    return shares
