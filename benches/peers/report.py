"""Results as tables in Markdown and as a figure."""

import statistics

import svg
from cases import SHARE_TARGET


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else list(values) * 3


def over(top, bottom):
    return quartiles([a / b for a, b in zip(top, bottom, strict=True)])


def ratio(result):
    """Quartiles: times of the peer over ours, of ours with over without, or of memory."""
    kind = result["kind"]
    if kind == "peer":
        return over(result["theirs"][result["clock"]], result["ours"][result["clock"]])
    if kind == "cost":
        return over(result["probed"][result["clock"]], result["bare"][result["clock"]])
    if kind == "sweep":
        return over(result["theirs"], result["ours"])
    if kind == "memory":
        return [result["theirs"] / result["ours"]] * 3
    return result["ratio"]


def share(result, side):
    """Median share of the peak of fused multiply-adds, in which a round's own peak counts."""
    clock = result["clock"]
    return statistics.median(result["operations"] / s / p for s, p in zip(result[side][clock], result["peak"][clock], strict=True))


def verdict(result):
    """The target and whether it is met."""
    target, mid = result["target"], ratio(result)[1]
    if target is None:
        return ""
    lower = result["kind"] in ("cost", "ledger")
    met = mid <= target if lower else mid >= target
    return f"{'≤' if lower else '≥'} {target:g} {'met' if met else f'missed by {abs(mid - target):.2f}'}"


def spread(values):
    low, mid, high = values
    return f"**{mid:.2f}** ({low:.2f} to {high:.2f})"


def milliseconds(values):
    value = 1e3 * statistics.median(values)
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def table(heads, rows):
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(r) + " |" for r in rows)])


PEER_HEADS = ["network, batch, rule, optimizer", "peer, fastest variant", "realign, ms", "peer, ms", "ratio (quartiles)", "target", "share of peak", "peer's"]


def peer_row(r):
    clock = r["clock"]
    shares = [f"{100 * share(r, side):.0f} %" for side in ("ours", "theirs")]
    return [
        r["case"], ": ".join(filter(None, (r["peer"], r["variant"]))), milliseconds(r["ours"][clock]), milliseconds(r["theirs"][clock]),
        spread(ratio(r)), verdict(r), *shares,
    ]  # fmt: skip


def whole_row(r):
    if r["kind"] == "memory":
        what = f"784-4096-10, 128, fa: most memory of the process (peer: {r['imports'] / 2**20:.0f} MiB after its imports)"
        return [what, f"{r['ours'] / 2**20:.0f} MiB", f"{r['theirs'] / 2**20:.0f} MiB", f"**{ratio(r)[1]:.1f}**", verdict(r)]
    ours, theirs = (f"{statistics.median(r[side]):.1f} s" for side in ("ours", "theirs"))
    return [f"16 runs of 784-512-10, {r['steps']} steps, {r['threads']} threads", ours, theirs, spread(ratio(r)), verdict(r)]


def shares(results):
    """The share that has a target of its own."""
    of = [r for r in results if r["kind"] == "peer" and r["case"] == "784-4096-10, 128, fa, sgd" and r["peer"] == "BioTorch"]
    lines = []
    for r in of:
        mine = share(r, "ours")
        met = "met" if mine >= SHARE_TARGET else f"missed by {100 * (SHARE_TARGET - mine):.1f} points"
        lines.append(f"Share of the peak, step of {r['case']}, {threads(r['threads'])}: {100 * mine:.1f} %, target ≥ {100 * SHARE_TARGET:.0f} %, {met}.")
    return "  \n".join(lines)


def threads(count):
    return "1 thread" if count == 1 else f"{count} threads"


def markdown(machine, results):
    parts = ["\n".join(f"* {key}: {value}" for key, value in machine.items())]
    for count in sorted({r["threads"] for r in results if r["kind"] == "peer"}):
        rows = [peer_row(r) for r in results if r["kind"] == "peer" and r["threads"] == count]
        clock = "processor time" if count == 1 else "wall time"
        parts += [f"**{threads(count).capitalize()}**, {clock}; above 1, realign is faster:", table(PEER_HEADS, rows)]
    parts.append(shares(results))
    costs = [r for r in results if r["kind"] in ("cost", "ledger")]
    if costs:
        rows = [[r["case"], r["what"], str(r["threads"]), spread(ratio(r)), verdict(r)] for r in costs]
        heads = ["network, batch, rule, optimizer", "measured", "threads", "step with / without (quartiles)", "target"]
        parts += ["**What measuring costs**, our own steps against each other:", table(heads, rows)]
    whole = [whole_row(r) for r in results if r["kind"] in ("sweep", "memory")]
    if whole:
        parts += ["**Whole programs**:", table(["", "realign", "peer", "ratio", "target"], whole)]
    return "\n\n".join(filter(None, parts)) + "\n"


LEFT, RIGHT, TOP, ROW, BAR = 430, 60, 62, 34, 12


def figure(machine, results):
    """Bars of ratios, both numbers of threads below each other, with quartiles and targets."""
    shown = [r for r in results if r["kind"] in ("peer", "sweep", "memory")]
    keys = list(dict.fromkeys(label(r) for r in shown))
    most = max((min(ratio(r)[2], 6.0) for r in shown), default=1.0)
    limit = max(2.0, most, *(r["target"] or 0 for r in shown)) * 1.05
    width, height = 960, TOP + ROW * len(keys) + 30
    at = lambda value: LEFT + (width - LEFT - RIGHT) * min(value, limit) / limit
    counts = sorted({r["threads"] for r in shown if r["kind"] == "peer"})
    body = [svg.text(10, 20, "Time of the peer / time of realign: above 1, realign is faster", kind="title"), *legend(counts)]
    for tick in range(int(limit) + 1):
        body += [svg.line(at(tick), TOP, at(tick), height - 24, "line" if tick == 1 else "grid"), svg.text(at(tick), height - 8, str(tick), "middle")]
    for i, key in enumerate(keys):
        y = TOP + ROW * i + 3
        body += [svg.text(LEFT - 8, y + 11, key[0], "end"), svg.text(LEFT - 8, y + 24, key[1], "end", "small")]
        for r in (r for r in shown if label(r) == key):
            first = r.get("threads", 1) == 1
            body += drawn(r, y if first else y + BAR + 2, "one" if first else "all", at, limit)
    body.append(svg.line(LEFT, TOP, LEFT, height - 24, "line"))
    return svg.document(width, height, body, f"realign beside its peers on {machine['processor']}")


def label(r):
    if r["kind"] == "peer":
        return (r["case"], "beside " + r["peer"])
    if r["kind"] == "sweep":
        return ("sweep of 16 runs, 784-512-10, wall time", "beside PyTorch and BioTorch, one run after the other")
    return ("784-4096-10, 128, fa: memory of the process", "BioTorch's / ours")


def legend(counts):
    names = {1: ("one", "1 thread, processor time")}
    entries = [names.get(c, ("all", f"{c} threads, wall time")) for c in counts]
    body, x = [], LEFT
    for kind, name in entries:
        body += [svg.bar(x, 34, 14, 10, kind), svg.text(x + 20, 43, name)]
        x += 190
    return [*body, svg.line(x, 32, x, 46, "target"), svg.text(x + 8, 43, "target")]


def drawn(r, y, kind, at, limit):
    low, mid, high = ratio(r)
    middle = y + BAR / 2
    body = [svg.bar(LEFT, y, at(mid) - LEFT, BAR, kind)]
    if high > low:
        body.append(svg.line(at(low), middle, at(high), middle, "line"))
    if r["target"]:
        body.append(svg.line(at(r["target"]), y - 1, at(r["target"]), y + BAR + 1, "target"))
    end = max(at(high), at(r["target"] or 0))
    return [*body, svg.text(end + 5, y + BAR - 2, f"{mid:.2f}" + (" →" if mid > limit else ""), kind="small")]
