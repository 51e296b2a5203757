#!/usr/bin/env python3
"""Times realign beside PyTorch and BioTorch: the same training step (forward, backward, update; same batch, dtype, shapes and initial
numbers), in interleaved rounds A B A B on the same cores.

    python benches/peers/run.py [--quick] [--only TEXT] [--rounds N] [--threads 1,2] [--json FILE]

Makes its own virtual environment beside this file (PyTorch and BioTorch from the package index that pip is set up for), builds realign's side in
release without `target-cpu=native`, checks that both sides give the same losses, then prints a table in Markdown. Ratios are peer / realign: above
1, realign is faster. One thread is timed by processor time, so that other programs of the machine count as little as possible (wall beside it);
several threads by the clock on the wall. The peer runs in both memory layouts and the faster one counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path

from cases import CASES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# BioTorch pins an old PyTorch and asks for a notebook; it needs neither, so it is installed without its requirements.
PACKAGES = [
    "torch==2.15.0",
    "torchvision==0.29.2",
    "numpy==2.4.6",
    "safetensors==0.8.0",
    "pillow==13.0.0",
    "tqdm==4.70.1",
]
WITHOUT_REQUIREMENTS = ["biotorch==0.0.16"]
# Losses of the first steps agree to this share: rounding of f32 sums in another order, carried through a few updates.
TOLERANCE = 1e-4
AGREE_STEPS = 5
TURN_SECONDS = 0.25


def environment():
    """The interpreter of the virtual environment, made if there is none."""
    folder = HERE / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", *WITHOUT_REQUIREMENTS], check=True)
        done.touch()
    return python


def build():
    """Realign's side of the comparison."""
    command = ["cargo", "bench", "-p", "realign", "--bench", "peers", "--no-run", "--message-format=json"]
    flags = {k: v for k, v in os.environ.items() if k != "RUSTFLAGS"}
    out = subprocess.run(command, cwd=ROOT, env=flags, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in out.splitlines()]
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "peers" and m.get("executable"))


class Side:
    """A process that makes steps on request."""

    def __init__(self, command, **extra):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, **extra)

    def ask(self, what, **fields):
        self.process.stdin.write(json.dumps({what: fields}) + "\n")
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[0]} ended during {what}")
        return json.loads(line)

    def run(self, id, steps):
        return self.ask("run", id=id, steps=steps)

    def pin(self, cores):
        """Every thread of the process: pools exist already."""
        if hasattr(os, "sched_setaffinity"):
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(task), cores)


def agree(case, ours, theirs):
    for step, (a, b) in enumerate(zip(ours, theirs)):
        if not abs(a - b) <= TOLERANCE * abs(b):
            sys.exit(f"{case.id}: losses differ at step {step}: realign {a}, {case.peer} {b}")


def steps_for(side, id):
    """Steps of a turn."""
    side.run(id, 1)
    return max(1, min(200, round(TURN_SECONDS / side.run(id, 1)["wall"])))


def compare(case, ours, peer, threads, cores, rounds, folder):
    """Ratios of every round, for the peer's faster layout."""
    state = str(Path(folder) / "state.safetensors")
    fields = {k: v for k, v in asdict(case).items() if k in ("network", "rule", "optimizer", "lr", "classes", "batch")}
    id = f"{case.id} {threads}"
    own = ours.ask("open", id=id, input=list(case.input), threads=threads, state=state, **fields)
    layouts = ["contiguous", "channels_last"] if case.images else ["contiguous"]
    for layout in layouts:
        there = peer.ask("open", id=f"{id} {layout}", case=asdict(case), layout=layout, threads=threads, state=state)
        if own["parameters"] != there["parameters"]:
            sys.exit(f"{case.id}: {own['parameters']} parameters against {there['parameters']}")
    losses = ours.run(id, AGREE_STEPS)["losses"]
    for layout in layouts:
        agree(case, losses, peer.run(f"{id} {layout}", AGREE_STEPS)["losses"])
    used = cores[:threads] if threads == 1 else cores
    ours.pin(used)
    peer.pin(used)
    sides = {"realign": (ours, id), **{layout: (peer, f"{id} {layout}") for layout in layouts}}
    steps = {name: steps_for(*side) for name, side in sides.items()}
    seconds = {name: {"wall": [], "processor": []} for name in sides}
    for _ in range(rounds):
        for name, (side, run) in sides.items():
            side.run(run, 1)
            took = side.run(run, steps[name])
            for clock in ("wall", "processor"):
                seconds[name][clock].append(took[clock] / steps[name])
    for name, (side, run) in sides.items():
        side.ask("close", id=run)
    clock = "processor" if threads == 1 else "wall"
    best = min(layouts, key=lambda layout: statistics.median(seconds[layout][clock]))
    return {"case": case.id, "peer": case.peer, "threads": threads, "layout": best, "clock": clock, "seconds": seconds}


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


def row(result):
    seconds, clock = result["seconds"], result["clock"]
    ratio = {
        c: quartiles([b / a for a, b in zip(seconds["realign"][c], seconds[result["layout"]][c])])
        for c in ("wall", "processor")
    }
    low, mid, high = ratio[clock]
    ours = 1e3 * statistics.median(seconds["realign"][clock])
    theirs = 1e3 * statistics.median(seconds[result["layout"]][clock])
    return (
        f"| {result['case']} | {result['peer']}, {result['layout']} | {result['threads']} | {ours:.2f} | {theirs:.2f} "
        f"| **{mid:.2f}** ({low:.2f} to {high:.2f}) | {ratio['wall'][1]:.2f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, under 5 minutes")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("--rounds", type=int, help="rounds per case")
    parser.add_argument("--threads", help="numbers of threads, by default 1 and all cores")
    parser.add_argument("--json", type=Path, help="every single time, for the record")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 15)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    threads = [int(t) for t in options.threads.split(",")] if options.threads else sorted({1, len(cores)})
    python, program = environment(), build()
    results = []
    print("| case | peer, its faster layout | threads | realign, ms | peer, ms | ratio (quartiles) | ratio of wall times |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        ours = Side([program], env={**os.environ, "RAYON_NUM_THREADS": str(len(cores))})
        peer = Side([str(python), str(HERE / "peer.py")], cwd=HERE, stderr=subprocess.DEVNULL)
        for count in threads:
            for case in CASES:
                if options.only.lower() in case.id.lower():
                    results.append(compare(case, ours, peer, count, cores, rounds, folder))
                    print(row(results[-1]), flush=True)
        ours.process.stdin.close()
        peer.process.stdin.close()
    if options.json:
        options.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
