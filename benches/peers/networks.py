"""The peers' networks. BioTorch's own definitions where it has them; plain PyTorch modules in any case."""

import contextlib
import io

import torch
from torch import nn


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


def make(name):
    if name.startswith("mlp "):
        return mlp([int(w) for w in name[4:].split("-")])
    if name == "stack":
        return stack()
    if name == "lenet":
        from biotorch.models.le_net import le_net_cifar

        return le_net_cifar()
    from biotorch.models.small_resnet import resnet20

    return resnet20()


def biological(module, mode):
    """The same network with BioTorch's layers; it announces every conversion, which nobody reads here."""
    from biotorch.module.biomodule import BioModule

    with contextlib.redirect_stdout(io.StringIO()):
        return BioModule(module, mode=mode)


@torch.no_grad()
def load(module, state):
    """Copies weights, biases and feedback weights: layers in the order of the forward pass on both sides."""
    layers = [m for m in module.modules() if getattr(m, "weight", None) is not None]
    for i, layer in enumerate(layers):
        layer.weight.copy_(state[f"layers.{i}.weight"])
        if layer.bias is not None:
            layer.bias.copy_(state[f"layers.{i}.bias"])
        feedback = state.get(f"layers.{i}.feedback")
        if feedback is not None and hasattr(layer, "weight_backward"):
            layer.weight_backward.copy_(feedback)
    assert f"layers.{len(layers)}.weight" not in state, "more layers on one side than on the other"
