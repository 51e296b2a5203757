# Replays a run with crops, mirrors and dropout, after the functions of docs/reproducing.md; prints how far it is from the run.
def tensors(path):
    raw, kinds = path.read_bytes(), {"F64": "<f8", "I64": "<i8", "U8": "u1"}
    start = 8 + int.from_bytes(raw[:8], "little")
    heads = {name: t for name, t in json.loads(raw[8:start]).items() if name != "__metadata__"}
    cut = lambda t: raw[start + t["data_offsets"][0]:start + t["data_offsets"][1]]
    return {name: np.frombuffer(cut(t), kinds[t["dtype"]]).reshape(t["shape"]) for name, t in heads.items()}

run = Path(sys.argv[1])
spec, data = tomllib.loads((run / "spec.toml").read_text()), json.loads((run / "data.json").read_text())
lines = [json.loads(line) for line in open(run / "export/batches.jsonl")]
split, first = tensors(run / "export/data.safetensors"), tensors(run / "checkpoints/step_0.safetensors")
indices, seed = positions(data["train_indices"]), spec["seed"]
assert split["train.positions"].tolist() == indices and split["validation.positions"].tolist() == positions(data["validation_indices"])
assert [data["seed"], len(split["validation.labels"]), len(split["test.labels"])] == [seed, 5, len(positions(data["test_indices"]))]
noisy = dict(zip(indices, split["train.labels"].tolist()))
assert data["changed_labels"] and all(noisy[c["index"]] == c["to"] != c["from"] for c in data["changed_labels"])
# Of those chosen by label noise: the beginning of its own order, and the label that its own node draws.
noise = child(child(root(seed), "data"), "label_noise")
chosen = [i for i in permutation(noise, spec["data"]["train_size"]).tolist() if i in noisy][:len(data["changed_labels"])]
assert sorted(chosen) == [c["index"] for c in data["changed_labels"]]
for c in data["changed_labels"]:
    draw = below(at(child(noise, "label"), c["index"]), [3])[0]
    assert c["to"] == draw + (draw >= c["from"])

widths, p, opt = spec["network"]["widths"], spec["network"]["dropout"], spec["optimizer"]
layers, pad, n = range(len(widths) - 1), spec["data"]["augment"]["pad"], len(indices)
# The first weights and the feedback weights: xavier_uniform.
start = 0.0
for i in layers:
    fan_out, fan_in = widths[i + 1], widths[i]
    bound = (2 / (fan_in + fan_out)) ** 0.5 * 3**0.5
    drawn = {"weight": child(at(child(root(seed), "init"), i), "weight"), "feedback": at(child(root(seed), "feedback"), i)}
    for name, key in drawn.items():
        if name == "weight" or i > 0:
            own = (-bound + 2 * bound * uniform(key, fan_in * fan_out)).reshape(fan_out, fan_in)
            start = max(start, np.abs(own - first[f"layers.{i}.{name}"]).max())

W = [first[f"layers.{i}.weight"].copy() for i in layers]
b = [first[f"layers.{i}.bias"].copy() for i in layers]
V = [np.zeros_like(q) for q in W + b]
size, made, total = spec["train"]["batch"], 0, max(int(q.stem[5:]) for q in (run / "checkpoints").glob("step_*"))
crops = mirrors = 0
for step in range(total):
    epoch, place = divmod(step, -(-n // size))
    order = permutation(at(child(root(seed), "batches"), epoch), n)[place * size:][:size]
    line = lines[step]
    assert line["step"] == step and line["epoch"] == epoch and line["examples"] == [indices[i] for i in order]
    rate = opt["lr"] * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * step / total)))
    assert abs(line["lr"] - rate) < 1e-17
    pictures = []
    for row, (i, (down, right, mirror)) in enumerate(zip(order, line["augment"])):
        key = at(at(child(root(seed), "augment"), step), row)
        drawn = below(key, [2 * pad + 1] * 2)
        assert [down, right, mirror] == [drawn[0] - pad, drawn[1] - pad, int(uniform(key, 3)[2] < 0.5)]
        crops, mirrors = crops + (down != 0 or right != 0), mirrors + mirror
        around = np.pad(split["train.pixels"][i, 0], pad)[pad + down:, pad + right:][:28, :28]
        pictures.append(around[:, ::-1] if mirror else around)
    h = [((np.array(pictures) / 255 - data["mean"][0]) / data["sd"][0]).reshape(len(order), -1)]
    masks = []
    for i in layers:
        z = h[i] @ W[i].T + b[i]
        if i < layers[-1]:
            key = at(child(at(child(root(seed), "noise"), step), "dropout"), i)
            assert int(line["dropout"][i], 16) == key
            drop = words(key, z.size).reshape(z.shape) < int(p * 2**32)
            masks.append(np.where(drop, 0, 1 / (1 - p)))
            z = np.maximum(z, 0) * masks[i]
        h.append(z)
    soft = np.exp(h[-1] - h[-1].max(1, keepdims=True))
    error = (soft / soft.sum(1, keepdims=True) - np.eye(widths[-1])[split["train.labels"][order]]) / len(order)
    G = [None] * len(V)
    for i in reversed(layers):
        G[i], G[i + len(W)] = error.T @ h[i], error.sum(0)
        if i > 0:
            error = error @ first[f"layers.{i}.feedback"] * masks[i - 1] * (h[i] > 0)
    for i, q in enumerate(W + b):
        V[i] = opt["momentum"] * V[i] + G[i] + opt["weight_decay"] * q
        q -= rate * V[i]
last = tensors(run / f"checkpoints/step_{total}.safetensors")
end = max(np.abs(last[f"layers.{i}.{name}"] - q[i]).max() for name, q in (("weight", W), ("bias", b)) for i in layers)
moved = np.abs(last["layers.0.weight"] - first["layers.0.weight"]).max()
print(json.dumps({"lines": len(lines), "steps": total, "start": float(start), "end": float(end), "moved": float(moved),
                  "crops": int(crops), "mirrors": int(mirrors)}))
