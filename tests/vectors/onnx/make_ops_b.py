#!/usr/bin/python3
"""Makes ops-b.json with PyTorch: reductions, operators that cut, index, scatter, pad and resize, recurrent nodes, attention.

Vectors as in ops-a.json. Where the old form of an operator differs (attributes that became inputs), both are here. Run
from anywhere with Debian's python3-torch and python3-onnx; the same versions give the same file.
"""
import json
import math
import pathlib
import random

import numpy as np
import torch
from torch.nn import functional as F

from make import positive, uniform
from make_ops_a import VECTORS, vector

HERE = pathlib.Path(__file__).parent


def ints(*values):
    return np.array(values, np.int64)


def reductions():
    forms = {
        "ReduceSum": torch.sum,
        "ReduceMean": torch.mean,
        "ReduceMax": torch.amax,
        "ReduceMin": torch.amin,
        "ReduceL1": lambda x, d, keepdim: torch.linalg.vector_norm(x, 1, d, keepdim),
        "ReduceL2": lambda x, d, keepdim: torch.linalg.vector_norm(x, 2, d, keepdim),
        "ReduceLogSum": lambda x, d, keepdim: x.sum(d, keepdim).log(),
        "ReduceLogSumExp": torch.logsumexp,
        "ReduceSumSquare": lambda x, d, keepdim: (x * x).sum(d, keepdim),
    }
    for op, f in forms.items():
        # Rounded, so that there are ties and zeros; but no kink where PyTorch and the limit differ.
        draw = positive if op == "ReduceLogSum" else lambda *s: torch.round(uniform(*s, low=-3, high=3))
        for axes, keep in [([1], 1), ([0, 2], 0), ([-1], 0), ([0, 1, 2], 1)]:
            run = lambda x: f(x, axes, keepdim=bool(keep))
            old = {"axes": axes, "keepdims": keep}
            vector(op, run, [draw(2, 3, 4)], old, opset=11)
            vector(op, run, [draw(2, 3, 4)], {"keepdims": keep}, 18, ["in0", "axes"], {"axes": ints(*axes)})
    x = torch.round(uniform(3, 4, 2, low=-2, high=2))
    vector("ReduceProd", lambda x: x.prod(1), [x], {"axes": [1], "keepdims": 0})
    vector("ReduceProd", lambda x: x.prod(), [uniform(3, 4)], {"keepdims": 0})
    vector("ReduceL2", lambda x: torch.linalg.vector_norm(x, 2, 1), [torch.zeros(2, 3)], {"axes": [1], "keepdims": 0})


def cuts():
    x = uniform(4, 5, 6)
    lists = lambda starts, ends, axes, steps: dict(s=ints(*starts), e=ints(*ends), a=ints(*axes), t=ints(*steps))
    names = ["in0", "s", "e", "a", "t"]
    vector("Slice", lambda x: x[:, 1:4:2, -5:], [x], {}, 13, names, lists([1, -5], [4, 99], [1, 2], [2, 1]))
    vector("Slice", lambda x: x[1:, :4].flip(1), [x], {}, 13, names, lists([1, 3], [9, -99], [0, 1], [1, -1]))
    vector("Slice", lambda x: x[1:3, :, 2:-1], [x], {"starts": [1, 2], "ends": [3, -1], "axes": [0, 2]}, opset=9)
    vector("Concat", lambda a, b, c: torch.cat([a, b, c], -1), [uniform(2, 3), uniform(2, 1), uniform(2, 4)], {"axis": -1})
    half = lambda x: x.split([2, 3], 1)[0]
    vector("Split", half, [x], {"axis": 1, "split": [2, 3]}, opset=11, outputs=2)
    vector("Split", half, [x], {"axis": 1}, 13, ["in0", "n"], {"n": ints(2, 3)}, outputs=2)
    pads = ints(0, 1, 2, 0, 2, 1)
    for mode, name in [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]:
        f = lambda x: F.pad(x[None], (2, 1, 1, 2), mode)[0]
        vector("Pad", f, [uniform(2, 4, 5)], {"mode": name}, 19, ["in0", "p"], {"p": pads})
    vector("Pad", lambda x: F.pad(x, (2, 1, 1, 2), value=0.5), [x], {"pads": pads.tolist(), "value": 0.5}, opset=9)
    f = lambda x, c: F.pad(x, (-1, 2)) + c * F.pad(torch.zeros_like(x), (-1, 2), value=1)
    vector("Pad", f, [x, uniform()], {}, 18, ["in0", "p", "in1", "a"], {"p": ints(-1, 2), "a": ints(2)})
    vector("Tile", lambda x: x.repeat(2, 1, 3), [uniform(2, 3, 2)], {}, 13, ["in0", "r"], {"r": ints(2, 1, 3)})
    vector("Expand", lambda x: x.expand(4, 2, 3), [uniform(2, 1)], {}, 13, ["in0", "s"], {"s": ints(4, 1, 3)})
    for k in [-1, 0, 2]:
        up, low = lambda x: torch.triu(x, k), lambda x: torch.tril(x, k)
        vector("Trilu", up, [uniform(2, 3, 4)], {}, 14, ["in0", "k"], {"k": np.int64(k)})
        vector("Trilu", low, [uniform(2, 3, 4)], {"upper": 0}, 14, ["in0", "k"], {"k": np.int64(k)})
    vector("CumSum", lambda x: x.cumsum(1), [x], {}, 14, ["in0", "a"], {"a": np.int64(1)})
    f = lambda x: x.flip(0).cumsum(0).flip(0) - x
    vector("CumSum", f, [x], {"exclusive": 1, "reverse": 1}, 14, ["in0", "a"], {"a": np.int64(-3)})
    f = lambda x: torch.stack([torch.cat([x[: n, i].flip(0), x[n:, i]]) for i, n in enumerate([1, 4, 3, 2, 4])], 1)
    vector("ReverseSequence", f, [x], {}, 10, ["in0", "n"], {"n": ints(1, 4, 3, 2, 4)})
    for mode in ["DCR", "CRD"]:
        crd = lambda x: F.pixel_shuffle(x, 2)
        dcr = lambda x: F.pixel_shuffle(x.reshape(2, 4, 3, 2, 3).transpose(1, 2).reshape(2, 12, 2, 3), 2)
        vector("DepthToSpace", crd if mode == "CRD" else dcr, [uniform(2, 12, 2, 3)], {"blocksize": 2, "mode": mode}, 13)
    f = lambda x: F.pixel_unshuffle(x, 2).reshape(2, 3, 4, 2, 3).transpose(1, 2).reshape(2, 12, 2, 3)
    vector("SpaceToDepth", f, [uniform(2, 3, 4, 6)], {"blocksize": 2}, 13)
    for op, f, old in [
        ("Squeeze", lambda x: x.squeeze(1).squeeze(2), {"axes": [1, 3]}),
        ("Unsqueeze", lambda x: x[:, None, :, None], {"axes": [1, 3]}),
    ]:
        x = uniform(2, 1, 3, 1) if op == "Squeeze" else uniform(2, 3)
        vector(op, f, [x], old, opset=9)
        vector(op, f, [x], {}, 13, ["in0", "a"], {"a": ints(1, 3)})


def indices():
    x = uniform(4, 5, 3)
    i = ints(0, -1, 2, 2, 0)
    vector("Gather", lambda x: x[i], [x], {}, 13, ["in0", "i"], {"i": i})
    vector("Gather", lambda x: x[:, i.reshape(5, 1)], [x], {"axis": 1}, 13, ["in0", "i"], {"i": i.reshape(5, 1)})
    vector("Gather", lambda x: x[:, :, 1], [x], {"axis": -1}, 13, ["in0", "i"], {"i": np.int64(1)})
    j = torch.randint(0, 3, (4, 2, 3))
    f = lambda x: torch.gather(x, 1, j)
    vector("GatherElements", f, [x], {"axis": 1}, 13, ["in0", "i"], {"i": j.numpy()})
    k = ints(0, 1, 3, -1, 0, 1).reshape(3, 2)
    vector("GatherND", lambda x: x[k[:, 0], k[:, 1]], [x], {}, 13, ["in0", "i"], {"i": k})
    b = torch.randint(0, 5, (4, 2, 1))
    f = lambda x: torch.stack([x[n, b[n, :, 0]] for n in range(4)])
    vector("GatherND", f, [x], {"batch_dims": 1}, 13, ["in0", "i"], {"i": b.numpy()})
    # Where updates meet, the outcome of `none` is open; here each goes to a place of its own.
    apart = torch.stack([torch.randperm(5)[:2] for _ in range(12)]).reshape(4, 3, 2).transpose(1, 2).contiguous()
    for opset, op in [(9, "Scatter"), (13, "ScatterElements")]:
        f = lambda x, u: x.scatter(1, apart, u)
        vector(op, f, [x, uniform(4, 2, 3)], {"axis": 1}, opset, ["in0", "i", "in1"], {"i": apart.numpy()})
    for how, name in [("sum", "add"), ("prod", "mul"), ("amax", "max"), ("amin", "min")]:
        f = lambda x, u: x.scatter_reduce(1, j, u, how)
        inputs = [torch.round(x), torch.round(uniform(4, 2, 3))]
        vector("ScatterElements", f, inputs, {"axis": 1, "reduction": name}, 18, ["in0", "i", "in1"], {"i": j.numpy()})
    where = tuple(torch.from_numpy(k.T.copy()))
    f = lambda x, u: x.index_put(where, u, accumulate=True)
    vector("ScatterND", f, [x, uniform(3, 3)], {"reduction": "add"}, 16, ["in0", "i", "in1"], {"i": k})
    once = ints(3, 1).reshape(2, 1)
    f = lambda x, u: x.index_put((torch.tensor([3, 1]),), u)
    vector("ScatterND", f, [x, uniform(2, 5, 3)], {}, 11, ["in0", "i", "in1"], {"i": once})
    f = lambda x: x.topk(2, 1)[0]
    vector("TopK", f, [x], {"axis": 1}, 11, ["in0", "k"], {"k": ints(2)}, outputs=2)
    vector("TopK", f, [x], {"axis": 1, "k": 2}, opset=9, outputs=2)
    small = lambda x: x.topk(2, 0, largest=False)[0]
    vector("TopK", small, [x], {"axis": 0, "largest": 0}, 11, ["in0", "k"], {"k": ints(2)}, outputs=2)
    kept = np.array([True, False, True, True])
    vector("Compress", lambda x: x[kept], [x], {"axis": 0}, 11, ["in0", "c"], {"c": kept})
    vector("Compress", lambda x: x.flatten()[:4][kept], [x], {}, 11, ["in0", "c"], {"c": kept})
    places = torch.nn.MaxPool2d(2, return_indices=True)(uniform(2, 3, 4, 6))[1]
    flat = places.numpy() + (np.arange(6) * 24).reshape(2, 3, 1, 1)
    f = lambda x: F.max_unpool2d(x, places, 2)
    vector("MaxUnpool", f, [uniform(2, 3, 2, 3)], {"kernel_shape": [2, 2], "strides": [2, 2]}, 11, ["in0", "i"], {"i": flat})
    f = lambda x: F.fold(x, (4, 5), (2, 3), padding=1, stride=(2, 1))
    attributes = {"pads": [1, 1, 1, 1], "strides": [2, 1]}
    vector("Col2Im", f, [uniform(2, 12, 15)], attributes, 18, ["in0", "s", "b"], {"s": ints(4, 5), "b": ints(2, 3)})


def resizes():
    def resize(shape, size, attributes, opset=13, **options):
        f = lambda x: F.interpolate(x, size, **options)
        sizes = {"s": ints(*shape[:2], *size)}
        vector("Resize", f, [uniform(*shape)], attributes, opset, ["in0", "", "", "s"], sizes)

    half, edge = "half_pixel", "align_corners"
    for shape, size in [((2, 3, 4), (7,)), ((2, 2, 3, 5), (6, 4)), ((1, 2, 2, 3, 4), (4, 5, 3))]:
        floor = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        resize(shape, size, floor, mode="nearest")
        linear = ["linear", "bilinear", "trilinear"][len(size) - 1]
        for corners in [False, True]:
            placed = {"mode": "linear", "coordinate_transformation_mode": edge if corners else half}
            resize(shape, size, placed, mode=linear, align_corners=corners)
    for corners in [False, True]:
        placed = {"mode": "cubic", "coordinate_transformation_mode": edge if corners else half}
        resize((2, 2, 4, 5), (7, 3), placed, mode="bicubic", align_corners=corners)
    for mode in ["linear", "cubic"]:
        resize((1, 2, 8, 9), (3, 4), {"mode": mode, "antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5}, 18, mode="bi" + mode, antialias=True)
    twice = lambda x: F.interpolate(x, scale_factor=(2, 3))
    scales = {"s": np.array([1, 1, 2, 3], np.float32)}
    vector("Upsample", twice, [uniform(2, 2, 3, 4)], {"mode": "nearest"}, 9, ["in0", "s"], scales)
    vector("Resize", twice, [uniform(2, 2, 3, 4)], {"mode": "nearest"}, 10, ["in0", "s"], scales)


def gates(w, order):
    """Rows of ONNX's gates in PyTorch's order."""
    blocks = w.chunk(len(order), 0)
    return torch.cat([blocks[i] for i in order])


def recurrence():
    kinds = {"RNN": (torch.rnn_tanh, [0]), "GRU": (torch.gru, [1, 0, 2]), "LSTM": (torch.lstm, [0, 2, 3, 1])}
    steps, batch, size, hidden = 4, 3, 2, 3
    for op, (run, order) in kinds.items():
        for direction in ["forward", "reverse", "bidirectional"]:
            for layout in [0, 1]:
                ways, rows = 2 if direction == "bidirectional" else 1, len(order) * hidden

                def f(x, w, r, b, h, c=None):
                    x = x.transpose(0, 1) if layout else x
                    h, c = [s if s is None or not layout else s.transpose(0, 1) for s in (h, c)]
                    x = x.flip(0) if direction == "reverse" else x
                    flat = []
                    for i in range(ways):
                        wb, rb = b[i].chunk(2)
                        flat += [gates(t, order) for t in (w[i], r[i], wb, rb)]
                    state = h.contiguous() if c is None else (h.contiguous(), c.contiguous())
                    y = run(x, state, flat, True, 1, 0.0, True, ways == 2, False)[0]
                    y = y.flip(0) if direction == "reverse" else y
                    y = y.reshape(steps, batch, ways, hidden)
                    return y.transpose(0, 1) if layout else y.transpose(1, 2)

                x = uniform(batch, steps, size) if layout else uniform(steps, batch, size)
                state = (batch, ways, hidden) if layout else (ways, batch, hidden)
                inputs = [x, uniform(ways, rows, size), uniform(ways, rows, hidden), uniform(ways, 2 * rows)]
                inputs += [uniform(*state) for _ in range(2 if op == "LSTM" else 1)]
                names = ["in0", "in1", "in2", "in3", "", "in4"] + (["in5"] if op == "LSTM" else [])
                attributes = {"hidden_size": hidden, "direction": direction, "layout": layout}
                if op == "GRU":
                    attributes["linear_before_reset"] = 1
                vector(op, f, inputs, attributes, 14, names)
    f = lambda x, w, r: torch.rnn_relu(x, torch.zeros(1, 3, 3).double(), [w[0], r[0]], False, 1, 0.0, True, False, False)[0][:, None]
    inputs = [uniform(4, 3, 2), uniform(1, 3, 2), uniform(1, 3, 3)]
    vector("RNN", f, inputs, {"hidden_size": 3, "activations": ["Relu"]}, 9)


def attentions():
    def attend(q, k, v, mask=0, cap=0):
        k, v = [t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v)]
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        scores = cap * torch.tanh(scores / cap) if cap else scores
        return (scores + mask).softmax(-1) @ v

    heads = lambda x, n: x.reshape(*x.shape[:2], n, -1).transpose(1, 2)
    joined = lambda x: x.transpose(1, 2).flatten(2)
    q, k, v = uniform(2, 3, 8), uniform(2, 5, 8), uniform(2, 5, 4)
    f = lambda q, k, v: joined(attend(heads(q, 4), heads(k, 4), heads(v, 4)))
    vector("Attention", f, [q, k, v], {"q_num_heads": 4, "kv_num_heads": 4}, 23)
    x = [uniform(2, 4, 3, 2), uniform(2, 2, 3, 2), uniform(2, 2, 3, 5)]
    causal = torch.full((3, 3), -math.inf).triu(1).double()
    vector("Attention", lambda q, k, v: attend(q, k, v, causal), x, {"is_causal": 1}, 23)
    f = lambda q, k, v, m: attend(q, k, v, m, 1.5)
    vector("Attention", f, [*x, uniform(2, 1, 3, 3)], {"softcap": 1.5}, 23)
    mask = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)
    hidden = torch.zeros(3, 3).double().masked_fill(torch.from_numpy(~mask), -math.inf)
    vector("Attention", lambda q, k, v: attend(q, k, v, hidden), x, {}, 23, ["in0", "in1", "in2", "m"], {"m": mask})

    def turn(x, cos, sin, interleaved=False):
        a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
        cos, sin = cos[:, None], sin[:, None]
        both = [a * cos - b * sin, a * sin + b * cos]
        return torch.stack(both, -1).flatten(-2) if interleaved else torch.cat(both, -1)

    x, cos, sin = uniform(2, 2, 3, 4), uniform(2, 3, 2), uniform(2, 3, 2)
    vector("RotaryEmbedding", turn, [x, cos, sin], {}, 23)
    vector("RotaryEmbedding", lambda *a: turn(*a, True), [x, cos, sin], {"interleaved": 1}, 23)
    f = lambda x: F.pad(x[:, 1:4], (1, 2))
    vector("CenterCropPad", f, [uniform(2, 6, 4)], {}, 18, ["in0", "s"], {"s": ints(2, 3, 7)})


def older():
    """Forms that opsets 9 to 12 had."""
    x = uniform(3, 4, 5)
    vector("Clip", lambda x: x.clamp(-0.5, 1.25), [x], {"min": -0.5, "max": 1.25}, 9)
    vector("Clip", lambda x: x.clamp(max=0.5), [x], {"max": 0.5}, 9)
    vector("Dropout", lambda x: x, [x], {"ratio": 0.3}, 10)
    for axis in [0, 1, 2]:
        flat = lambda f, x: f(x.reshape(math.prod(x.shape[:axis]), -1), -1).reshape(x.shape)
        for op, f in [("Softmax", torch.softmax), ("LogSoftmax", torch.log_softmax)]:
            vector(op, lambda x: flat(f, x), [x], {"axis": axis}, 9 + axis)
    stats = [uniform(4), uniform(4), uniform(4), positive(4)]
    over = lambda t: t[:, None]
    f = lambda x, w, b, m, v: (x - over(m)) / torch.sqrt(over(v) + 1e-3) * over(w) + over(b)
    vector("BatchNormalization", f, [x, *stats], {"epsilon": 1e-3, "momentum": 0.9}, 9)


if __name__ == "__main__":
    torch.manual_seed(6)
    random.seed(6)
    for section in [reductions, cuts, indices, resizes, recurrence, attentions, older]:
        section()
    written = {"by": f"torch {torch.__version__}", "ops": VECTORS}
    (HERE / "ops-b.json").write_text(json.dumps(written, separators=(",", ":")) + "\n")
