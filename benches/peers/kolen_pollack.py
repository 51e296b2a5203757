"""Kolen-Pollack learning in PyTorch, as lean as eager mode lets it be: the error travels through B, and B receives W's own increment without its
decay, as realign's `adafa` with its defaults does (kappa 1, no decay of B). Akrout et al., NeurIPS 2019."""

import torch
from torch import nn
from torch.autograd import Function


class _Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, back):
        ctx.save_for_backward(x, back)
        return torch.addmm(bias, x, weight.t())

    @staticmethod
    def backward(ctx, delta):
        x, back = ctx.saved_tensors
        below = delta.mm(back) if ctx.needs_input_grad[0] else None
        return below, delta.t().mm(x), delta.sum(0), None


class _Conv2d(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, back, stride, padding):
        ctx.save_for_backward(x, back)
        ctx.window = (stride, padding)
        ctx.biases = None if bias is None else list(bias.shape)
        return nn.functional.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, delta):
        x, back = ctx.saved_tensors
        stride, padding = ctx.window
        # The update does not depend on the weight, so one call with B gives it and the error.
        wanted = [ctx.needs_input_grad[0], True, ctx.biases is not None]
        below, weight, bias = torch.ops.aten.convolution_backward(
            delta, x, back, ctx.biases, stride, padding, (1, 1), False, (0, 0), 1, wanted
        )
        return below, weight, bias, None, None, None


class Linear(nn.Linear):
    def forward(self, x):
        return _Linear.apply(x, self.weight, self.bias, self.weight_backward)


class Conv2d(nn.Conv2d):
    def forward(self, x):
        return _Conv2d.apply(x, self.weight, self.bias, self.weight_backward, self.stride, self.padding)


def convert(module):
    """Gives every layer its B."""
    for layer in module.modules():
        if type(layer) in (nn.Linear, nn.Conv2d):
            layer.__class__ = Linear if type(layer) is nn.Linear else Conv2d
            layer.weight_backward = nn.Parameter(torch.zeros_like(layer.weight), requires_grad=False)
    return module


class Plasticity:
    """Lets B follow. The lowest layer carries no error and its B stays as it is."""

    def __init__(self, module, lr, decay, plain):
        layers = [m for m in module.modules() if hasattr(m, "weight_backward")][1:]
        self.weights, self.backs = [m.weight for m in layers], [m.weight_backward for m in layers]
        self.lr, self.kept, self.plain = lr, 1 - lr * decay, plain
        self.old = [] if plain else [torch.empty_like(w) for w in self.weights]

    @torch.no_grad()
    def before(self):
        if not self.plain:
            torch._foreach_copy_(self.old, self.weights)

    @torch.no_grad()
    def after(self):
        if self.plain:
            torch._foreach_add_(self.backs, [w.grad for w in self.weights], alpha=-self.lr)
        else:
            torch._foreach_add_(self.backs, self.weights)
            torch._foreach_add_(self.backs, self.old, alpha=-self.kept)
