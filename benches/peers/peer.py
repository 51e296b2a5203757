"""The peers' side: the same protocol as crates/core/benches/peers.rs, one JSON object per line. Run inside the virtual environment."""

import json
import os
import sys
import time

import hand
import kolen_pollack
import networks
import torch
from safetensors.torch import load_file

UPDATES = {"loop": dict(foreach=False), "foreach": dict(foreach=True), "fused": dict(fused=True)}
DECAY = 1e-4


def optimizer(word, parameters, lr, update):
    how = UPDATES[update]
    if word == "adam":
        return torch.optim.Adam(parameters, lr=lr, **how)
    memory = dict(momentum=0.9, weight_decay=DECAY) if word == "momentum + decay" else {}
    return torch.optim.SGD(parameters, lr=lr, **memory, **how)


class Modules:
    """A step with autograd: plain PyTorch, BioTorch's layers, or Kolen-Pollack's."""

    def __init__(self, kind, network, rule, word, lr, layout, update, state=None, metrics=False):
        module = networks.make(network)
        if kind.startswith("BioTorch"):
            module = networks.biological(module, rule)
        elif kind.startswith("Kolen"):
            module = kolen_pollack.convert(module)
        if state is not None:
            networks.load(module, state)
        module.train()
        if layout == "channels last":
            module = module.to(memory_format=torch.channels_last)
        self.module, self.mode = module, networks.MODES.get(rule)
        self.optimizer = optimizer(word, self.parameters(), lr, update)
        self.loss = torch.nn.CrossEntropyLoss()
        decay = DECAY if word == "momentum + decay" else 0.0
        follows = kind.startswith("Kolen")
        self.plasticity = kolen_pollack.Plasticity(module, lr, decay, word == "sgd") if follows else None
        self.metrics = metrics
        self.x = self.labels = None

    def parameters(self):
        return [p for p in self.module.parameters() if p.requires_grad]

    def tensors(self):
        """What moves, by the names of realign's checkpoints."""
        names = ["weight", "bias"] + ["weight_backward"] * bool(self.plasticity)
        moved = {}
        for i, layer in enumerate(networks.layers(self.module)):
            found = [(name, getattr(layer, name, None)) for name in names]
            moved |= {f"layers.{i}.{name.replace('weight_backward', 'feedback')}": t for name, t in found if t is not None}
        # No error is carried below the lowest layer, and realign keeps no B there.
        moved.pop("layers.0.feedback", None)
        return moved

    def measure(self):
        """BioTorch's metrics the way its trainer computes them."""
        from biotorch.training.metrics import compute_angles_module, compute_weight_ratio_module

        angles = compute_angles_module(self.module)
        return list(zip(angles.values(), compute_weight_ratio_module(self.module, self.mode).values()))

    def step(self, x=None, labels=None):
        x, labels = (self.x, self.labels) if x is None else (x, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.module(x), labels)
        loss.backward()
        if self.plasticity:
            self.plasticity.before()
        self.optimizer.step()
        if self.plasticity:
            self.plasticity.after()
        return loss.detach()


def opened(case, variant, state):
    state = load_file(state)
    if case["kind"] == "PyTorch by hand":
        return hand.Hand(networks.widths(case["network"]), case["rule"], case["lr"], state)
    run = Modules(
        case["kind"], case["network"], case["rule"], case["optimizer"], case["lr"], **variant, state=state, metrics=case["metrics"]
    )
    x, run.labels = state["x"].reshape(-1, *case["input"]), state["labels"].long()
    run.x = x.contiguous(memory_format=torch.channels_last) if variant["layout"] == "channels last" else x
    return run


def timed(run, steps, threads):
    """One step that does not count, then `steps` that do."""
    torch.set_num_threads(threads)
    losses, rows = [], []
    for made in range(steps + 1):
        if made == 1:
            wall, processor = time.perf_counter(), time.process_time()
        if getattr(run, "metrics", False):
            rows.append(run.measure())
        losses.append(run.step())
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"losses": [loss.item() for loss in losses], "rows": rows, "wall": wall, "processor": processor}


def train(kind, network, rule, lr, update, steps, batch, examples, threads, seed):
    """A whole run with the data in memory, as bytes or as numbers, and no data loader: the batches are slices of one shuffled order per epoch."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    run = Modules(kind, network, rule, "sgd", lr, "contiguous", update)
    x, labels = examples
    per_epoch = len(x) // batch
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        start = step % per_epoch * batch
        chosen = order[start : start + batch]
        pixels = x[chosen]
        run.step(pixels if pixels.is_floating_point() else pixels.float().sub_(127.5).div_(64.0), labels[chosen])


def examples(count, inputs, classes, as_bytes):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (count, inputs), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, classes, (count,), generator=generator)
    return (x if as_bytes else x.float().sub_(127.5).div_(64.0)), labels


def sweep(runs, seeds, steps, trial, data, **common):
    """Runs one after the other, each kind in its fastest variant, found in `trial` steps that do not count."""
    held = examples(**data)

    def seconds(steps, **run):
        start = time.perf_counter()
        train(**run, **common, steps=steps, examples=held)
        return time.perf_counter() - start

    best = {}
    for run in runs:
        takes = {u: min(seconds(trial, **run, update=u, seed=0) for _ in range(2)) for u in UPDATES}
        best[run["rule"]] = min(takes, key=takes.get)
    wall = sum(seconds(steps, **run, update=best[run["rule"]], seed=seed) for run in runs for seed in seeds)
    return {"wall": wall, "variants": best}


def peak_memory():
    """Bytes; Linux counts in KiB, macOS in bytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def about():
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    return {"torch": torch.__version__, "build": build, "instructions": torch.backends.cpu.get_cpu_capability()}


def answer(request, runs):
    (what, fields), = request.items()
    if what == "open":
        run = opened(fields["case"], fields["variant"], fields["state"])
        runs[fields["id"]] = (run, fields["threads"])
        return {"parameters": sum(p.numel() for p in run.parameters())}
    if what == "run":
        run, threads = runs[fields["id"]]
        return timed(run, fields["steps"], threads)
    if what == "drift":
        return networks.drift(runs[fields["id"]][0].tensors(), load_file(fields["before"]), load_file(fields["after"]))
    if what == "close":
        runs.pop(fields["id"], None)
        return {}
    if what == "sweep":
        return sweep(**fields)
    if what == "memory":
        # BioTorch is imported by its first use, which belongs to the process without the training.
        import biotorch.module.biomodule  # noqa: F401

        before = peak_memory()
        train(**fields["run"], examples=examples(**fields["data"]))
        return {"imports": before, "most": peak_memory()}
    return about()


def main():
    runs = {}
    # Libraries that print must not disturb the protocol.
    answers, sys.stdout = os.fdopen(os.dup(1), "w", buffering=1), sys.stderr
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line), runs)) + "\n")


main()
