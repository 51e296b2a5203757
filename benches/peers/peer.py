"""The peers' side: the same protocol as crates/core/benches/peers.rs, one JSON object per line. Run inside the virtual environment."""

import json
import os
import sys
import time

import networks
import torch
from safetensors.torch import load_file


class Run:
    def __init__(self, case, layout, threads, state):
        state = load_file(state)
        self.threads = threads
        module = networks.make(case["torch"])
        if case["rule"] != "bp":
            module = networks.biological(module, case["rule"])
        networks.load(module, state)
        module.train()
        x, self.labels = state["x"].reshape(-1, *case["input"]), state["labels"].long()
        if layout == "channels_last":
            module, x = module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
        self.module, self.x = module, x
        self.optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=case["lr"])
        self.loss = torch.nn.CrossEntropyLoss()

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.module(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def run(self, steps):
        torch.set_num_threads(self.threads)
        wall, processor = time.perf_counter(), time.process_time()
        losses = [self.step() for _ in range(steps)]
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        return {"losses": [l.item() for l in losses], "wall": wall, "processor": processor}


def main():
    runs = {}
    # Libraries that print must not disturb the protocol.
    answers, sys.stdout = os.fdopen(os.dup(1), "w", buffering=1), sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        if "open" in request:
            o = request["open"]
            runs[o["id"]] = Run(o["case"], o["layout"], o["threads"], o["state"])
            trained = sum(p.numel() for p in runs[o["id"]].module.parameters() if p.requires_grad)
            answer = {"parameters": trained, "version": torch.__version__}
        elif "run" in request:
            answer = runs[request["run"]["id"]].run(request["run"]["steps"])
        else:
            runs.pop(request["close"]["id"], None)
            answer = {}
        answers.write(json.dumps(answer) + "\n")


main()
