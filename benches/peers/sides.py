"""Both sides as processes that make steps on request, and rounds in which they take turns."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cases import COST_TARGET, METRIC

# Losses of the first steps agree to this share: rounding of f32 sums in another order, carried through a few updates.
TOLERANCE = 1e-4
AGREE_STEPS = 5
# The way of every tensor in these steps agrees to these shares of its length: of the whole, and in networks of one hidden layer of the median row.
# Rounding makes some 1e-6; a ReLU that rounding puts on the other side of zero makes some 1e-3 of the whole: with one hidden layer in its unit's row only, in
# deeper networks in all rows below. A missing decay of 1e-4 is 7e-4 of the way of every row, any other difference in rule or optimizer far more.
# Batch norm in twenty layers carries rounding further: after two steps PyTorch's two layouts lie 0.9 and 1.7 % of the way from us, so at least 0.8 % from each
# other, after five 3.5 and 4.1 %; the losses agree to 3e-5 all the same.
WHOLE, ROW, NORMED = 1e-2, 1e-4, 1e-1
# BioTorch sums 400,000 squares in f32, to some 1e-6 of the norm: so much for a ratio, and 57 times as many degrees for an angle; ten times that is allowed.
RATIO_TOLERANCE, ANGLE_TOLERANCE = 1e-5, 6e-4


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

    def pin(self, cores):
        """Every thread of the process; later ones inherit."""
        if hasattr(os, "sched_setaffinity"):
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(task), cores)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Arm:
    """One of those that take turns."""

    side: Side
    id: str
    steps: int = 1
    seconds: dict = field(default_factory=lambda: {"wall": [], "processor": []})

    def settle(self, turn, multiple=1):
        """Chooses how many steps a turn of `turn` seconds has."""
        steps = turn / self.side.ask("run", id=self.id, steps=multiple)["wall"]
        self.steps = multiple * max(1, min(200, round(steps)))

    def turn(self):
        took = self.side.ask("run", id=self.id, steps=self.steps)
        for clock, values in self.seconds.items():
            values.append(took[clock] / self.steps)

    def forget(self):
        self.seconds = {clock: [] for clock in self.seconds}

    def close(self):
        self.side.ask("close", id=self.id)


@dataclass
class Bench:
    """What all comparisons share: both processes, how many threads on which cores, rounds, seconds of a turn, and a folder for the initial numbers."""

    ours: Side
    peer: Side
    threads: int
    cores: list
    rounds: int
    turn: float
    folder: str

    @property
    def clock(self):
        """One thread by its processor time, so that other programs count as little as possible; several by the clock on the wall."""
        return "processor" if self.threads == 1 else "wall"

    @property
    def state(self):
        return str(Path(self.folder) / "state.safetensors")

    def pin(self):
        for side in (self.ours, self.peer):
            side.pin(self.cores[: self.threads])

    def open(self, case, id):
        return self.ours.ask("open", id=id, threads=self.threads, state=self.state, **case.opening())

    def peak(self):
        """Operations per second of fused multiply-adds, by both clocks."""
        took = self.ours.ask("peak", threads=self.threads)
        return {clock: took["operations"] / took[clock] for clock in ("wall", "processor")}


def agree(case, ours, theirs):
    """Ends the program unless losses and metrics are the same numbers on both sides."""
    for step, (a, b) in enumerate(zip(ours["losses"], theirs["losses"], strict=True)):
        if not abs(a - b) <= TOLERANCE * abs(b):
            sys.exit(f"{case.id}: losses differ at step {step}: realign {a}, {case.peer} {b}")
    for row in ours["rows"]:
        step, layer, name, a = row["step"], row["layer"], row["name"], row["value"]
        if step >= len(theirs["rows"]):
            continue
        b = theirs["rows"][step][layer][("angle", "ratio").index(name)]
        if not abs(a - b) <= (ANGLE_TOLERANCE if name == "angle" else RATIO_TOLERANCE * abs(b)):
            sys.exit(f"{case.id}: {name} of layer {layer} differs at step {step}: realign {a}, {case.peer} {b}")
    if case.probes == METRIC:
        # The lowest layer has a B in BioTorch only.
        seen, layers = {(row["layer"], row["name"]) for row in ours["rows"]}, range(1, len(theirs["rows"][0]))
        assert seen == {(layer, name) for layer in layers for name in ("angle", "ratio")}, seen


def same_way(case, shares):
    """Ends the program unless every tensor moved the same way on both sides."""
    most = (NORMED, NORMED) if case.net.normed else (WHOLE, ROW if case.net.shallow else WHOLE)
    for name, found in shares.items():
        if not all(share <= bound for share, bound in zip(found, most, strict=True)):
            sys.exit(f"{case.id}: {name} went another way: apart by {found} of its length after {AGREE_STEPS} steps, allowed {most}")


def finalists(arms, clock, turn):
    """The two fastest in a short trial."""
    if len(arms) <= 2:
        return arms
    for arm in arms:
        arm.settle(turn / 3)
    for _ in range(2):
        for arm in arms:
            arm.turn()
    arms = sorted(arms, key=lambda arm: min(arm.seconds[clock]))
    for arm in arms[2:]:
        arm.close()
    for arm in arms[:2]:
        arm.forget()
    return arms[:2]


def compare(case, bench):
    """One case beside the fastest variant of its peer."""
    id = f"{case.id} {bench.threads}"
    own, variants = bench.open(case, id), {}
    for variant in case.variants():
        label = ", ".join(variant.values())
        there = bench.peer.ask(
            "open", id=f"{id} {label}", case=case.other(), variant=variant, threads=bench.threads, state=bench.state
        )
        if own["parameters"] != there["parameters"]:
            sys.exit(f"{case.id}: {own['parameters']} parameters against {there['parameters']}")
        variants[label] = Arm(bench.peer, f"{id} {label}")
    bench.pin()
    ours = Arm(bench.ours, id)
    first = bench.ours.ask("run", id=id, steps=AGREE_STEPS - 1, rows=True)
    after = bench.state + ".after"
    bench.ours.ask("save", id=id, path=after)
    for arm in variants.values():
        agree(case, first, bench.peer.ask("run", id=arm.id, steps=AGREE_STEPS - 1))
        same_way(case, bench.peer.ask("drift", id=arm.id, before=bench.state, after=after))
    arms = finalists(list(variants.values()), bench.clock, bench.turn)
    for arm in (ours, *arms):
        arm.settle(bench.turn)
    peaks = {"wall": [], "processor": []}
    for _ in range(bench.rounds):
        for clock, rate in bench.peak().items():
            peaks[clock].append(rate)
        for arm in (ours, *arms):
            arm.turn()
    for arm in (ours, *arms):
        arm.close()
    best = min(arms, key=lambda arm: statistics.median(arm.seconds[bench.clock]))
    label = next(label for label, arm in variants.items() if arm is best)
    target = case.targets[0 if bench.threads == 1 else 1]
    return dict(
        kind="peer", case=case.name, peer=case.peer, variant=label, threads=bench.threads, clock=bench.clock, target=target,
        operations=own["operations"], ours=ours.seconds, theirs=best.seconds, peak=peaks,
    )  # fmt: skip


def cost(case, bench):
    """Our own step with the probes of a case against the same step without."""
    bare = type(case)(case.net, case.rule, case.optimizer)
    arms = [Arm(bench.ours, f"{label} {case.id} {bench.threads}") for label in ("without", "with")]
    for each, arm in zip((bare, case), arms):
        bench.open(each, arm.id)
    bench.pin()
    first = [bench.ours.ask("run", id=arm.id, steps=AGREE_STEPS) for arm in arms]
    assert first[0]["losses"] == first[1]["losses"], "probes changed the run"
    for arm in arms:
        # As many looks in every turn: rows are due every 10 steps.
        arm.settle(bench.turn, 10)
    for _ in range(bench.rounds):
        for arm in arms:
            arm.turn()
    for arm in arms:
        arm.close()
    return dict(
        kind="cost", case=case.name, what="update_angle and error_angle of every layer, every 10th step", threads=bench.threads,
        clock=bench.clock, target=COST_TARGET, bare=arms[0].seconds, probed=arms[1].seconds,
    )  # fmt: skip
