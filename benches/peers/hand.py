"""A step of an MLP in PyTorch by hand: no autograd, every buffer made once, products in place. Plain SGD under bp or fa."""

import torch


class Hand:
    def __init__(self, widths, rule, lr, state):
        layers = range(len(widths) - 1)
        self.w = [state[f"layers.{i}.weight"] for i in layers]
        self.b = [state[f"layers.{i}.bias"] for i in layers]
        self.back = self.w if rule == "bp" else [None] + [state[f"layers.{i}.feedback"] for i in layers[1:]]
        x, labels = state["x"], state["labels"].long()
        n = len(x)
        self.h = [x] + [torch.empty(n, width) for width in widths[1:]]
        self.delta = [torch.empty(n, width) for width in widths[1:]]
        self.truth = torch.nn.functional.one_hot(labels, widths[-1]).float()
        self.labels, self.logits, self.lr = labels[:, None], torch.empty(n, widths[-1]), lr

    def parameters(self):
        return [*self.w, *self.b]

    def tensors(self):
        """What moves, by the names of realign's checkpoints."""
        return {f"layers.{i}.{name}": t for name, held in (("weight", self.w), ("bias", self.b)) for i, t in enumerate(held)}

    @torch.inference_mode()
    def step(self):
        h, delta, top = self.h, self.delta, len(self.w) - 1
        for i, (w, b) in enumerate(zip(self.w, self.b)):
            torch.addmm(b, h[i], w.t(), out=h[i + 1])
            if i < top:
                h[i + 1].relu_()
        torch._log_softmax(h[-1], 1, False, out=self.logits)
        loss = self.logits.gather(1, self.labels).mean().neg()
        torch.exp(self.logits, out=delta[top])
        delta[top].sub_(self.truth).div_(len(h[0]))
        for i in range(top, -1, -1):
            if i:
                torch.mm(delta[i], self.back[i], out=delta[i - 1])
                torch.ops.aten.threshold_backward.grad_input(delta[i - 1], h[i], 0, grad_input=delta[i - 1])
            self.w[i].addmm_(delta[i].t(), h[i], alpha=-self.lr)
            self.b[i].sub_(delta[i].sum(0), alpha=self.lr)
        return loss
