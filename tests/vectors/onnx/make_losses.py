#!/usr/bin/python3
"""Makes losses.json with PyTorch: values and gradients of every loss, in float64, and losses exported as ONNX graphs.

Run from anywhere with Debian's python3-torch. `sum` and `count` are what a batch adds to the loss's mean; `gradient` is
that of the mean (of the sum where the options say so). Arrays are {dtype, shape, data}, data in base64, little-endian.
"""
import base64
import io
import json
import pathlib
import warnings

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
NAMES = {torch.float32: "F32", torch.int32: "I32"}
warnings.filterwarnings("ignore")
torch.manual_seed(11)


def array(t):
    t = t.detach().contiguous()
    t = t.float() if t.is_floating_point() else t.int()
    return {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data": base64.b64encode(t.numpy().tobytes()).decode()}


def rounded(t):
    """float32 values, as float64."""
    return t.float().double()


def normal(*shape, scale=1.0):
    return rounded(torch.randn(shape) * scale)


def labels(classes, *shape):
    return torch.randint(classes, shape)


def distribution(*shape, axis=1):
    return rounded(torch.softmax(torch.randn(shape) * 2, axis))


def case(options, z, y, total, count, correct=None, counted=None):
    """`total`: a function of the output, summed over the batch. The mean divides it by `count`."""
    leaf = z.clone().requires_grad_()
    value = total(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    if options.get("reduction", "mean") == "mean" and count > 0:
        gradient = gradient / count
    entry = {"options": options, "z": array(z), "y": array(y), "sum": value.item(), "count": float(count), "gradient": array(gradient)}
    if correct is not None:
        entry["correct"] = float(correct)
        entry["counted"] = float(counted)
    return entry


def classification(loss, options, z, y):
    """Integer labels: each position by itself, so that ignored ones simply aren't there (torch 1.13 counts some)."""
    axis = options.get("axis", 1)
    classes = z.shape[axis]
    weight = torch.tensor(options["classWeights"]).double() if "classWeights" in options else None
    smoothing = options.get("labelSmoothing", 0)
    keep = y.flatten() != options.get("ignoreIndex", -(10**6))
    truth = y.flatten()[keep]

    def total(x):
        flat = x.movedim(axis, -1).reshape(-1, classes)[keep]
        if loss == "nll":
            return F.nll_loss(flat, truth, weight, reduction="sum")
        return F.cross_entropy(flat, truth, weight, reduction="sum", label_smoothing=smoothing)

    count = keep.sum() if weight is None else weight[truth].sum()
    best = z.movedim(axis, -1).reshape(-1, classes)[keep].argmax(1)
    made = case({"name": loss, **options}, z, y, total, count, (best == truth).sum(), keep.sum())
    if keep.all() and axis == 1:
        f = F.nll_loss if loss == "nll" else F.cross_entropy
        more = {} if loss == "nll" else {"label_smoothing": smoothing}
        assert torch.allclose(f(z, y, weight, **more), torch.tensor(made["sum"]).double() / count)
    return made


def soft(options, z, y):
    axis = options.get("axis", 1)
    weight = torch.tensor(options["classWeights"]).double() if "classWeights" in options else None
    smoothing = options.get("labelSmoothing", 0)
    options = {"name": "softmax-cross-entropy", "labels": "probabilities", **options}

    def total(x):
        return F.cross_entropy(x.movedim(axis, 1), y.movedim(axis, 1), weight, reduction="sum", label_smoothing=smoothing)

    count = z.numel() / z.shape[axis]
    mean = F.cross_entropy(z.movedim(axis, 1), y.movedim(axis, 1), weight, label_smoothing=smoothing)
    assert torch.allclose(mean, total(z) / count)
    return case(options, z, y, total, count, (z.argmax(axis) == y.argmax(axis)).sum(), count)


def ignoring(y, ignored, every=3):
    y = y.clone()
    y.flatten()[::every] = ignored
    return y


def elementwise(options, f, z, y, count=None):
    total = lambda x: f(x, y, "sum")
    count = count or z.numel()
    assert count != z.numel() or torch.allclose(f(z, y, "mean"), total(z) / count)
    return case(options, z, y, total, count)


def binary(options, z, y):
    weight = options.get("posWeight")
    weight = None if weight is None else torch.tensor(weight).double()
    f = lambda x, y, reduction: F.binary_cross_entropy_with_logits(x, y, pos_weight=weight, reduction=reduction)
    made = elementwise({"name": "bce-with-logits", **options}, f, z, y)
    return {**made, "correct": float(((z > 0) == (y > 0.5)).sum()), "counted": float(z.numel())}


def similarity(options, z, y):
    axis, eps = options.get("axis", -1), options.get("eps", 1e-8)
    total = lambda x: (1 - F.cosine_similarity(x, y, axis, eps)).sum()
    return case({"name": "cosine", **options}, z, y, total, z.numel() / z.shape[axis])


def ragged(*shape):
    """Values of very different size."""
    return rounded(torch.randn(shape) * torch.logspace(-2, 2, shape[-1]))


def tied(z, y):
    y = y.clone()
    y.flatten()[0] = z.flatten()[0]
    return y


WEIGHTS = [0.5, 2.0, 1.25, 0.0, 3.0]
LOGITS, CLASSES = normal(7, 5, scale=3), labels(5, 7)
PIXELS, MASK = normal(2, 5, 3, 4, scale=2), labels(5, 2, 3, 4)
TOKENS, NEXT = normal(3, 4, 6, scale=2), labels(6, 3, 4)
HUGE = torch.tensor([[3e4, -3e4, 0, 2e4, 1], [-1e4, -1e4, -1e4, -1e4, -1e4]]).double()
Z, Y = normal(4, 6, scale=2), normal(4, 6, scale=2)
MAP, MAP_Y = ragged(2, 3, 4, 5), ragged(2, 3, 4, 5)
BITS = (torch.rand(4, 6) > 0.4).double()

mse = lambda z, y, r: F.mse_loss(z, y, reduction=r)
mae = lambda z, y, r: F.l1_loss(z, y, reduction=r)
huber = lambda delta: lambda z, y, r: F.huber_loss(z, y, delta=delta, reduction=r)
smooth = lambda beta: lambda z, y, r: F.smooth_l1_loss(z, y, beta=beta, reduction=r)
kl = lambda log: lambda z, y, r: F.kl_div(z, y, log_target=log, reduction=r)

CASES = [
    *[
        classification("softmax-cross-entropy", options, *data)
        for options, data in [
            ({}, (LOGITS, CLASSES)),
            ({"reduction": "sum"}, (LOGITS, CLASSES)),
            ({}, (HUGE, torch.tensor([1, 4]))),
            ({"classWeights": WEIGHTS}, (LOGITS, CLASSES)),
            ({"classWeights": WEIGHTS, "reduction": "sum"}, (LOGITS, CLASSES)),
            ({"ignoreIndex": -100}, (LOGITS, ignoring(CLASSES, -100))),
            ({"ignoreIndex": 2}, (LOGITS, ignoring(CLASSES, 2))),
            ({"ignoreIndex": 2, "classWeights": WEIGHTS}, (LOGITS, ignoring(CLASSES, 2))),
            ({"ignoreIndex": -1}, (LOGITS, torch.full((7,), -1))),
            ({"labelSmoothing": 0.1}, (LOGITS, CLASSES)),
            ({"labelSmoothing": 0.3, "classWeights": WEIGHTS}, (LOGITS, CLASSES)),
            ({"labelSmoothing": 0.2, "ignoreIndex": 1}, (LOGITS, ignoring(CLASSES, 1))),
            ({"labelSmoothing": 0.2, "ignoreIndex": 255, "classWeights": WEIGHTS}, (PIXELS, ignoring(MASK, 255))),
            ({}, (PIXELS, MASK)),
            ({"classWeights": WEIGHTS, "ignoreIndex": 0}, (PIXELS, MASK)),
            ({"axis": -1}, (TOKENS, NEXT)),
            ({"axis": 2, "ignoreIndex": -100, "labelSmoothing": 0.1}, (TOKENS, ignoring(NEXT, -100, 4))),
        ]
    ],
    soft({}, LOGITS, distribution(7, 5)),
    soft({"reduction": "sum"}, LOGITS, distribution(7, 5)),
    soft({}, LOGITS, F.one_hot(CLASSES, 5).double()),
    soft({"labelSmoothing": 0.2}, LOGITS, distribution(7, 5)),
    soft({"labelSmoothing": 0.2, "classWeights": WEIGHTS}, LOGITS, distribution(7, 5)),
    soft({"classWeights": WEIGHTS}, PIXELS, distribution(2, 5, 3, 4)),
    soft({"axis": -1}, TOKENS, distribution(3, 4, 6, axis=-1)),
    soft({}, LOGITS, rounded(torch.rand(7, 5))),
    *[
        classification("nll", options, *data)
        for options, data in [
            ({}, (LOGITS.log_softmax(1), CLASSES)),
            ({"classWeights": WEIGHTS}, (normal(7, 5), CLASSES)),
            ({"ignoreIndex": 3}, (normal(7, 5), ignoring(CLASSES, 3))),
            ({"ignoreIndex": 255, "classWeights": WEIGHTS, "reduction": "sum"}, (PIXELS, ignoring(MASK, 255))),
            ({"axis": -1}, (TOKENS, NEXT)),
        ]
    ],
    binary({}, Z, BITS),
    binary({}, ragged(4, 6) * 10, rounded(torch.rand(4, 6))),
    binary({"posWeight": 3}, Z, BITS),
    binary({"posWeight": [0.2, 1, 2, 3.5, 0, 1.5]}, Z, rounded(torch.rand(4, 6))),
    binary({"reduction": "sum"}, normal(5, 1), (torch.rand(5, 1) > 0.5).double()),
    binary({}, normal(5), (torch.rand(5) > 0.5).double()),
    elementwise({"name": "mse"}, mse, Z, Y),
    elementwise({"name": "mse", "reduction": "sum"}, mse, MAP, MAP_Y),
    elementwise({"name": "mse"}, mse, normal(5, 1), normal(5, 1)),
    elementwise({"name": "mae"}, mae, Z, tied(Z, Y)),
    elementwise({"name": "mae"}, mae, MAP, MAP_Y),
    elementwise({"name": "huber"}, huber(1), Z, Y),
    elementwise({"name": "huber", "delta": 0.3}, huber(0.3), Z, Y),
    elementwise({"name": "huber", "delta": 2.5, "reduction": "sum"}, huber(2.5), MAP, MAP_Y),
    elementwise({"name": "smooth-l1"}, smooth(1), Z, Y),
    elementwise({"name": "smooth-l1", "beta": 0.3}, smooth(0.3), Z, Y),
    elementwise({"name": "kl"}, kl(False), Z.log_softmax(1), distribution(4, 6)),
    elementwise({"name": "kl"}, kl(False), Z.log_softmax(1), F.one_hot(labels(6, 4), 6).double()),
    elementwise({"name": "kl", "over": "examples"}, kl(False), Z.log_softmax(1), distribution(4, 6), 4),
    elementwise({"name": "kl", "logTarget": True}, kl(True), Z.log_softmax(1), rounded(Y.log_softmax(1))),
    elementwise({"name": "kl", "reduction": "sum"}, kl(False), normal(2, 3, 4), distribution(2, 3, 4)),
    similarity({}, Z, Y),
    similarity({"axis": 1}, MAP, MAP_Y),
    similarity({"eps": 3}, normal(4, 6), normal(4, 6)),
    similarity({"reduction": "sum"}, normal(2, 3, 4), normal(2, 3, 4)),
]


class Graph(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *xs):
        return self.f(*xs)


def dice(out, y):
    p = torch.sigmoid(out)
    return 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


def focal(out, y):
    """One loss for each example, and how sure the model is as a metric."""
    p = torch.sigmoid(out)
    true = p * y + (1 - p) * (1 - y)
    return -((1 - true) ** 2 * torch.log(true)).mean(1), torch.max(p, 1)[0]


def contrastive(a, b):
    """Two outputs and no labels."""
    return ((a - b) ** 2).sum(1) / (1 + (a * a).sum(1))


def pixels(out, y):
    weight = torch.tensor([[[1.0]], [[3.0]]])
    return weight * (out - y) ** 2


def graph(name, f, inputs, judged, reduction="mean"):
    names = list(inputs)
    tensors = [t.float() for t in inputs.values()]
    out = io.BytesIO()
    first = f(*tensors)
    results = dict(zip(["loss", "sureness"], first if isinstance(first, tuple) else (first,)))
    outputs = list(results)
    axes = {n: {0: "n"} for n in names + [n for n, t in results.items() if t.dim() > 0]}
    torch.onnx.export(Graph(f), tuple(tensors), out, opset_version=14, input_names=names, output_names=outputs, dynamic_axes=axes)
    leaves = {n: t.clone().requires_grad_() for n, t in inputs.items()}
    made = f(*leaves.values())
    loss, more = made if isinstance(made, tuple) else (made, None)
    batch = next(iter(inputs.values())).shape[0]
    value = loss.mean() if reduction == "mean" else loss.sum() * (batch if loss.dim() == 0 else 1)
    grads = torch.autograd.grad(value, [leaves[n] for n in judged])
    return {
        "name": name,
        "graph": base64.b64encode(out.getvalue()).decode(),
        "reduction": reduction,
        "inputs": {n: array(t) for n, t in inputs.items()},
        "mean": loss.mean().item(),
        "gradients": {n: array(g) for n, g in zip(judged, grads)},
        **({} if more is None else {"sureness": more.mean().item()}),
    }


GRAPHS = [
    graph("dice", dice, {"out": Z, "y": BITS}, ["out"]),
    graph("dice, summed", dice, {"out": Z, "y": BITS}, ["out"], "sum"),
    graph("focal", focal, {"out": Z, "y": BITS}, ["out"]),
    graph("focal, summed", focal, {"out": Z, "y": BITS}, ["out"], "sum"),
    graph("contrastive", contrastive, {"a": normal(4, 3), "b": normal(4, 3)}, ["a", "b"]),
    graph("pixels", pixels, {"out": normal(3, 2, 4, 5), "y": normal(3, 2, 4, 5)}, ["out"]),
]

vectors = {"torch": torch.__version__, "losses": CASES, "graphs": GRAPHS}
(HERE / "losses.json").write_text(json.dumps(vectors) + "\n")
