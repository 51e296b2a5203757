#!/usr/bin/env python3
"""Times realign beside PyTorch and BioTorch: the same training step (forward, backward, update; same batch, dtype, shapes and initial
numbers), in interleaved rounds A B A B on the same cores; then a sweep and the memory of a run as whole programs.

    python benches/peers/run.py [--quick | --targets | --all] [--only TEXT] [--skip-whole] [--rounds N] [--threads 1,2]
                                [--markdown FILE] [--svg FILE] [--json FILE]
    python benches/peers/run.py --again FILE.json --svg FILE     # draws a finished measurement again

Makes its own virtual environment beside this file (PyTorch and BioTorch from the package index that pip is set up for), builds realign's side in
release without `target-cpu=native`, checks that both sides give the same losses (and metrics), then prints tables in Markdown. Ratios are peer / realign:
above 1, realign is faster. One thread is timed by processor time, so that other programs of the machine count as little as possible; several threads by
the clock on the wall. The peer runs in every variant (memory layout; update in a loop, foreach, fused) and the fastest one counts. Needs an idle machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import cases
import machine
import report
import whole
from sides import Bench, Side, compare, cost

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


def environment():
    """The interpreter of the virtual environment, made if there is none."""
    folder = HERE / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", *WITHOUT_REQUIREMENTS], check=True)
        done.touch()
    return python


def build(*what):
    """The executable of a cargo target."""
    command = ["cargo", *what, "--message-format=json"]
    flags = {k: v for k, v in os.environ.items() if k != "RUSTFLAGS"}
    out = subprocess.run(command, cwd=ROOT, env=flags, check=True, stdout=subprocess.PIPE, text=True).stdout
    made = [m["executable"] for m in map(json.loads, out.splitlines()) if m.get("executable")]
    return made[-1]


def bench(name):
    # The whole workspace: one package alone would choose other features of its dependencies and build them all again.
    return build("bench", "--workspace", "--bench", name, "--no-run")


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--quick", action="store_true", help="few cases and rounds, under 5 minutes once everything is installed and built")
    how_many.add_argument("--targets", action="store_true", help="only the cases that have a target")
    how_many.add_argument("--all", action="store_true", help="every network with every rule and optimizer")
    parser.add_argument("--only", default="", help="cases whose name or peer contains this text")
    parser.add_argument("--skip-whole", action="store_true", help="no sweep, no memory, no ledger")
    parser.add_argument("--rounds", type=int, help="rounds per case")
    parser.add_argument("--threads", help="numbers of threads, by default 1 and all cores")
    parser.add_argument("--markdown", type=Path, help="the tables as a file")
    parser.add_argument("--svg", type=Path, help="the figure")
    parser.add_argument("--json", type=Path, help="every single time, for the record")
    parser.add_argument("--again", type=Path, help="do not measure: take a file written by --json")
    return parser.parse_args()


def say(what):
    print(what, file=sys.stderr, flush=True)


def steps(options, ours, peer, folder, keep):
    """All comparisons of steps."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    counts = [int(t) for t in options.threads.split(",")] if options.threads else sorted({1, len(cores)})
    rounds, turn = (options.rounds or 3, 0.08) if options.quick else (options.rounds or 15, 0.25)
    chosen = cases.QUICK if options.quick else cases.TARGETED if options.targets else cases.ALL if options.all else cases.SELECTED
    wanted = lambda case: options.only.lower() in case.id.lower()
    for count in counts:
        setting = Bench(ours, peer, count, cores, rounds, turn, folder)
        for case in filter(wanted, chosen):
            keep(compare(case, setting))
        for case in filter(wanted, cases.COSTS[: 1 if options.quick else None]):
            # Ratios near 1 need more rounds.
            keep(cost(case, Bench(ours, peer, count, cores, 3 * rounds, turn, folder)))


def wholes(options, program, books, python, peer, keep):
    """Sweep, memory and ledger."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())
    peer.pin(cores)
    keep(whole.memory(program, python, 50 if options.quick else 200))
    keep(whole.sweep(program, peer, len(cores), *((1, 200) if options.quick else (3, 2000))))
    if books:
        for result in whole.ledger(books, min(cores)):
            keep(result)


def about(peer):
    return f"{peer['torch']} (build: {peer['build']}; instructions {peer['instructions']})"


def measure(options):
    # Installing and building would make an idle machine look busy.
    facts = machine.describe()
    python = environment()
    program, own = build("build", "--release"), bench("peers")
    books = None if options.quick or options.skip_whole else bench("ledger")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    results = []

    def keep(result):
        results.append(result)
        if options.json:
            # After every case: a later one may end the program.
            options.json.write_text(json.dumps({"machine": facts, "results": results}))
        say(f"{result.get('case', result['kind'])} / {result.get('peer', result.get('what', 'peer'))}: {report.spread(report.ratio(result))}")

    with tempfile.TemporaryDirectory() as folder:
        ours = Side([own], env={**os.environ, "RAYON_NUM_THREADS": str(cores)})
        peer = Side([str(python), str(HERE / "peer.py")], cwd=HERE, stderr=subprocess.DEVNULL)
        facts["PyTorch"], facts["other packages"] = about(peer.ask("about")), ", ".join([*PACKAGES[1:], *WITHOUT_REQUIREMENTS])
        steps(options, ours, peer, folder, keep)
        if not options.skip_whole:
            wholes(options, program, books, python, peer, keep)
        ours.close()
        peer.close()
    return {"machine": facts, "results": results}


def main():
    options = parsed()
    found = json.loads(options.again.read_text()) if options.again else measure(options)
    text = report.markdown(found["machine"], found["results"])
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.svg:
        options.svg.write_text(report.figure(found["machine"], found["results"]))


if __name__ == "__main__":
    main()
