"""Replays a run of realign (dense relu net, fa, sgd, cross-entropy, f64) from its files and docs/reproducing.md alone:
realign export RUN_DIR --data; python3 examples/replay.py RUN_DIR"""
import json, pathlib, sys, tomllib, numpy as np
ALL = 2**64 - 1
def mix(z):
    z = z + 0x9E3779B97F4A7C15 & ALL
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & ALL
    z = (z ^ z >> 27) * 0x94D049BB133111EB & ALL
    return z ^ z >> 31
def turn(key, by): return (key << by | key >> 64 - by) & ALL
def root(seed): return mix(seed ^ 0x005EED0FFEEDBAC6)
def at(key, index): return mix(turn(key, 31) ^ mix(index ^ 0xA11CE5ED1DE40001))
def child(key, name):
    hashed = 0xCBF29CE484222325
    for byte in name.encode(): hashed = (hashed ^ byte) * 0x100000001B3 & ALL
    return mix(turn(key, 17) ^ mix(hashed))
def words(key, n):  # the first n numbers of 32 bits
    u, low, block = np.uint64, np.uint64(2**32 - 1), np.arange(n // 4 + 1, dtype=np.uint64)
    c, k = [block & low, block >> u(32), block * u(0), block * u(0)], np.array([key & 2**32 - 1, key >> 32], u)
    for _ in range(10):
        a, b = c[0] * u(0xD2511F53), c[2] * u(0xCD9E8D57)
        c = [b >> u(32) ^ c[1] ^ k[0], b & low, a >> u(32) ^ c[3] ^ k[1], a & low]
        k = k + np.array([0x9E3779B9, 0xBB67AE85], u) & low
    return np.stack(c, 1).ravel()[:n]
def longs(key, n): return words(key, 2 * n).reshape(n, 2) @ np.array([2**32, 1], np.uint64)
def permutation(key, n):
    order, draws = list(range(n)), iter(longs(key, n + 64).tolist())
    for i in range(n - 1, 0, -1):  # the product of a draw and i + 1 has 128 bits; its upper half is the place
        wide = next(w for w in (d * (i + 1) for d in draws) if w & ALL >= 2**64 % (i + 1))
        order[i], order[wide >> 64] = order[wide >> 64], order[i]
    return np.array(order)
def tensors(path, kinds={"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "u1"}):
    start = 8 + int.from_bytes((raw := path.read_bytes())[:8], "little")
    return {name: np.frombuffer(raw[start:][slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"])
            for name, t in json.loads(raw[8:start]).items() if name != "__metadata__"}
run = pathlib.Path(sys.argv[1])
spec, data = tomllib.loads((run / "spec.toml").read_text()), json.loads((run / "data.json").read_text())
total = max(int(path.stem[5:]) for path in (run / "checkpoints").glob("step_*.safetensors"))
first, last = (tensors(run / f"checkpoints/step_{step}.safetensors") for step in (0, total))
split, mean, sd = tensors(run / "export/data.safetensors"), *(np.reshape(data[key], (-1, 1, 1)) for key in ("mean", "sd"))
x = split["train.inputs"] if "train.inputs" in split else (split["train.pixels"] / 255 - mean) / sd
x, y = x.reshape(len(x), -1), np.eye(spec["network"]["widths"][-1])[split["train.labels"]]
size, layers, opt = spec["train"]["batch"], range(len(spec["network"]["widths"]) - 1), spec["optimizer"]
W, b = ([first[f"layers.{i}.{name}"].copy() for i in layers] for name in ("weight", "bias"))
V = [np.zeros_like(p) for p in W + b]
for step in range(total):
    epoch, place = divmod(step, -(-len(x) // size))
    if place == 0: order = permutation(at(child(root(spec["seed"]), "batches"), epoch), len(x))
    h = [x[rows := order[place * size:][:size]]]
    for i in layers: h.append(np.maximum(h[i] @ W[i].T + b[i], 0 if i < layers[-1] else -np.inf))
    soft = np.exp(h[-1] - h[-1].max(1, keepdims=True))
    error, G = (soft / soft.sum(1, keepdims=True) - y[rows]) / len(rows), [None] * len(V)
    for i in reversed(layers):
        G[i], G[i + len(W)] = error.T @ h[i], error.sum(0)
        if i > 0: error = error @ first[f"layers.{i}.feedback"] * (h[i] > 0)
    for i, p in enumerate(W + b): V[i] = opt["momentum"] * V[i] + G[i]; p -= opt["lr"] * V[i]
worst = max(np.abs(last[f"layers.{i}.{n}"] - p[i]).max() for n, p in (("weight", W), ("bias", b)) for i in layers)
print(f"{total} steps: the largest difference from the last checkpoint is {worst:.1e}")
sys.exit(0 if worst < 1e-9 else 1)
