"""Whole programs beside each other: a sweep of runs, and the memory of one run."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cases import LEDGER_TARGETS, MEMORY_TARGET, PEERS, SWEEP_TARGET
from sides import Side

HERE = Path(__file__).resolve().parent
# The peer's side of sweep.toml and memory.toml: so many examples and seeds, the same batch and rate.
SWEEP = dict(network="mlp 784-512-10", batch=64, lr=0.01)
SEEDS = list(range(4))
DATA = dict(count=8000, inputs=784, classes=10)
MEMORY = dict(kind="BioTorch", network="mlp 784-4096-10", rule="fa", lr=0.01, update="foreach", batch=128, threads=1, seed=0)


def trained(program, spec, threads, *overrides):
    """Runs a spec into a folder that is thrown away; seconds, most memory in bytes, and how many runs ended well."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "run", HERE / spec, "--out", Path(folder) / "out", "--threads", str(threads), "--json", *overrides]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    done = len(re.findall(rb'"status":\s*"done"', out))
    return wall, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), done, json.loads(out)


def sweep(program, peer, threads, rounds, steps):
    """16 runs: ours several at a time as `realign run` does it, start, data, scores and files included; the peer's one after the other in one process
    that runs already, with all threads, data in memory, nothing scored or written."""
    seconds = {"ours": [], "theirs": []}
    runs = [dict(kind=kind, rule=rule) for rule, kind in PEERS.items()]
    for _ in range(rounds):
        wall, _, done, out = trained(program, "sweep.toml", threads, f"train.steps={steps}")
        if done != len(runs) * len(SEEDS):
            sys.exit(f"{done} runs of the sweep are done: {out}")
        seconds["ours"].append(wall)
        data = dict(DATA, as_bytes=False)
        there = peer.ask("sweep", runs=runs, seeds=SEEDS, data=data, steps=steps, trial=min(steps, 100), threads=threads, **SWEEP)
        seconds["theirs"].append(there["wall"])
    # A short sweep is made of starts and scores more than of steps: no target.
    target = SWEEP_TARGET if steps >= 2000 else None
    return dict(kind="sweep", steps=steps, threads=threads, variants=there["variants"], target=target, **seconds)


def memory(program, python, steps):
    """Most memory of a process that trains 784-4096-10, batch 128, `fa`, plain SGD, on 8,000 examples held as bytes; both on one thread."""
    _, ours, _, _ = trained(program, "memory.toml", 1, f"train.steps={steps}")
    peer = Side([str(python), str(HERE / "peer.py")], cwd=HERE, stderr=subprocess.DEVNULL)
    there = peer.ask("memory", run=dict(MEMORY, steps=steps), data=dict(DATA, as_bytes=True))
    peer.close()
    return dict(kind="memory", ours=ours, theirs=there["most"], imports=there["imports"], target=MEMORY_TARGET)


def ledger(program, core):
    """The theory's own benchmark of the ledger, on one core."""
    pin = (lambda: os.sched_setaffinity(0, [core])) if hasattr(os, "sched_setaffinity") else None
    out = subprocess.run([program], preexec_fn=pin, check=True, stdout=subprocess.PIPE, text=True).stdout
    results, network = [], ""
    for line in out.splitlines():
        if found := re.match(r"\[(.*)\] batch (\d+)", line):
            network = f"{found[1].replace(', ', '-')}, {found[2]}, fa, sgd"
        elif found := re.match(r"\s*(.*): ([\d.]+) \(([\d.]+) to ([\d.]+)\)", line):
            low, mid, high = float(found[3]), float(found[2]), float(found[4])
            target = LEDGER_TARGETS[found[1]] if network.startswith("784-1000-10, 64") else None
            results.append(dict(kind="ledger", case=network, what=f"ledger, {found[1]}", threads=1, ratio=[low, mid, high], target=target))
    return results
