#!/usr/bin/env python3
"""Time of a training step against width, depth and batch, with the line of the cost model of crates/core/benches/scaling.rs: three log-log panels.

    python benches/peers/scaling.py [--quick] [--rounds N] [--svg FILE] [--json FILE]
    python benches/peers/scaling.py --again FILE.json --svg FILE

Needs cargo and Python only, and an idle machine. The model is operations / peak + bytes / bandwidth with both constants measured in the same process, in
turns with the steps; nothing is fitted to the times.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import machine
import svg
from run import bench

PANELS = {
    "width": "width w of 784-w-10, batch 128",
    "depth": "hidden layers of width 512, batch 128",
    "batch": "batch of 784-1024-10",
}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 1080, 380, 62, 66, 56, 62


def measured(options):
    """One dictionary per point, as the benchmark prints them."""
    pin = (lambda: os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])) if hasattr(os, "sched_setaffinity") else None
    command = [bench("scaling"), *["--quick"] * options.quick, *(["--rounds", str(options.rounds)] if options.rounds else [])]
    points = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin) as process:
        for line in process.stdout:
            points.append(json.loads(line))
            p = points[-1]
            print(f"{p['panel']} {p['x']}: {1e3 * p['seconds']:.3f} ms, model {1e3 * p['model']:.3f} ms", file=sys.stderr)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return points


def decades(values):
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def panel(name, points, left, width, low, high):
    """One panel; the scale of seconds is that of all."""
    xs = [p["x"] for p in points]
    first, last = math.log2(min(xs)), math.log2(max(xs))
    at_x = lambda x: left + width * (math.log2(x) - first) / max(last - first, 1)
    at_y = lambda s: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(s) - low) / (high - low)
    body = []
    for decade in range(low, high + 1):
        y = at_y(10.0**decade)
        body += [svg.line(left, y, left + width, y, "grid"), svg.text(left - 6, y + 4, seconds(decade), "end", "small")]
    every = 2 if len(xs) > 6 else 1
    for x in sorted(xs)[::every]:
        body += [svg.line(at_x(x), TOP, at_x(x), HEIGHT - BOTTOM, "grid"), svg.text(at_x(x), HEIGHT - BOTTOM + 15, str(x), "middle", "small")]
    body.append(svg.text(left + width / 2, HEIGHT - BOTTOM + 36, PANELS[name], "middle"))
    body.append(svg.path([(at_x(p["x"]), at_y(p["model"])) for p in points], "model"))
    return body + [svg.dot(at_x(p["x"]), at_y(p["seconds"]), "one") for p in points]


def seconds(decade):
    unit, power = ("s", decade) if decade >= 0 else ("ms", decade + 3) if decade >= -3 else ("µs", decade + 6)
    return f"{10**power} {unit}"


def figure(facts, points):
    low, high = decades([p[key] for p in points for key in ("seconds", "model")])
    width = (WIDTH - LEFT - 20 - GAP * (len(PANELS) - 1)) / len(PANELS)
    body = [svg.text(LEFT, 20, "Time of a training step (fa, plain SGD, f32, one thread)", kind="title")]
    body += [svg.dot(LEFT + 5, 39, "one"), svg.text(LEFT + 16, 43, "measured"), svg.line(LEFT + 100, 39, LEFT + 130, 39, "model")]
    body.append(svg.text(LEFT + 136, 43, "model: operations / peak + bytes / bandwidth, both measured in the same process, nothing fitted"))
    for i, name in enumerate(PANELS):
        body += panel(name, [p for p in points if p["panel"] == name], LEFT + i * (width + GAP), width, low, high)
    return svg.document(WIDTH, HEIGHT, body, f"Time of a training step against width, depth and batch on {facts['processor']}")


def markdown(facts, points):
    lines = [f"* {key}: {value}" for key, value in facts.items()] + ["", "| panel | x | step, ms | model, ms | step / model |", "|---|---|---|---|---|"]
    for p in points:
        lines.append(f"| {p['panel']} | {p['x']} | {1e3 * p['seconds']:.3f} | {1e3 * p['model']:.3f} | {p['seconds'] / p['model']:.2f} |")
    peak, bandwidth = (statistics.median(p[key] for p in points) / 1e9 for key in ("peak", "bandwidth"))
    return "\n".join([*lines, "", f"Median of all points: peak {peak:.1f} GFLOP/s, bandwidth {bandwidth:.1f} GB/s (it depends on the size of the buffers)."]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every other point, 3 rounds")
    parser.add_argument("--rounds", type=int, help="rounds per point")
    parser.add_argument("--svg", type=Path, help="the figure")
    parser.add_argument("--json", type=Path, help="machine and points")
    parser.add_argument("--again", type=Path, help="do not measure: take a file written by --json")
    options = parser.parse_args()
    if options.again:
        found = json.loads(options.again.read_text())
    else:
        found = {"machine": machine.describe(), "points": measured(options)}
    print(markdown(found["machine"], found["points"]))
    if options.svg:
        options.svg.write_text(figure(found["machine"], found["points"]))
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
