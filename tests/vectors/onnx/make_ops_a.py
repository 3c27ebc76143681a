#!/usr/bin/python3
"""Makes ops-a.json with PyTorch: elementwise and activation operators, products, windows and normalisations.

Each vector is a graph of one ONNX node, its inputs, an output gradient, and the output and the inputs' gradients that
PyTorch's autograd computes in float64. Attributes and shapes are drawn at random; activations also see the very points
where they bend. Run from anywhere with Debian's python3-torch and python3-onnx; the same versions give the same file.
"""
import base64
import json
import math
import pathlib
import random

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from make import array, positive, uniform

HERE = pathlib.Path(__file__).parent
TYPES = {torch.float32: TensorProto.FLOAT, torch.int64: TensorProto.INT64}


def node_model(op, names, inputs, constants, attributes, opset, outputs):
    """A model of one node. Constants come from Constant nodes; an input named like `~in1` passes through Identity."""
    nodes = [helper.make_node("Constant", [], [k], value=numpy_helper.from_array(v)) for k, v in constants.items()]
    nodes += [helper.make_node("Identity", [name[1:]], [name]) for name in names if name.startswith("~")]
    nodes.append(helper.make_node(op, names, ["out", "out1"][:outputs], **attributes))
    graph = helper.make_graph(
        nodes,
        op,
        [helper.make_tensor_value_info(f"in{i}", TYPES[x.dtype], list(x.shape)) for i, x in enumerate(inputs)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return base64.b64encode(model.SerializeToString()).decode()


VECTORS = []


def vector(op, f, inputs, attributes={}, opset=17, names=None, constants={}, outputs=1):
    """One vector: `f` in float64 is what the node should do. Gradients that PyTorch doesn't give are left out."""
    inputs = [x.float() for x in inputs]
    leaves = [x.double().requires_grad_() for x in inputs]
    y = f(*leaves)
    dy = (torch.rand(y.shape) * 2 - 1).float()
    grads = torch.autograd.grad(y, leaves, dy.double())
    names = names or [f"in{i}" for i in range(len(inputs))]
    VECTORS.append(
        {
            "op": op,
            "model": node_model(op, names, inputs, constants, attributes, opset, outputs),
            "inputs": [array(x) for x in inputs],
            "dy": array(dy),
            "y": array(y.float()),
            "grads": [array(g.float()) for g in grads],
        }
    )


def small(*shape):
    return uniform(*shape, low=-0.9, high=0.9)


def large(*shape):
    return uniform(*shape, low=1.1, high=3.0)


def bends(*points):
    """Some values, and the points where the function bends."""
    return torch.cat([torch.tensor(points, dtype=torch.float32), uniform(8 - len(points))])


def elementwise():
    for op, f, x in [
        ("Acos", torch.acos, small(3, 4)),
        ("Acosh", torch.acosh, large(3, 4)),
        ("Asin", torch.asin, small(3, 4)),
        ("Asinh", torch.asinh, uniform(3, 4)),
        ("Atan", torch.atan, uniform(3, 4)),
        ("Atanh", torch.atanh, small(3, 4)),
        ("Cosh", torch.cosh, uniform(3, 4)),
        ("Sinh", torch.sinh, uniform(3, 4)),
        ("Tan", torch.tan, small(3, 4)),
        ("Abs", torch.abs, bends(0, -0.0, 1e-30, -1e-30)),
    ]:
        vector(op, f, [x])
    vector("CastLike", lambda x: x * 1, [uniform(3, 4)], names=["in0", "like"], opset=19,
           constants={"like": np.zeros(1, np.float32)})  # fmt: skip
    for shapes in [[(3, 4), (4,)], [(2, 1, 3), (4, 1)]]:
        # Halves: many of them equal.
        a, b = [torch.round(uniform(*shape)) / 2 for shape in shapes]
        vector("Max", torch.maximum, [a, b])
        vector("Min", torch.minimum, [a, b])
    vector("Max", lambda *x: torch.amax(torch.stack(x), 0), [torch.round(uniform(4, 5)) for _ in range(3)])
    vector("Min", lambda *x: torch.amin(torch.stack(x), 0), [torch.round(uniform(4, 5)) for _ in range(3)])
    vector("Max", lambda x: x * 1, [uniform(3)])
    vector("Mean", lambda a, b, c: (a + b + c) / 3, [uniform(2, 3, 4), uniform(3, 1), uniform(4)])
    vector("Sum", lambda a, b, c: a + b + c, [uniform(2, 3, 4), uniform(3, 1), uniform(4)])
    vector("Mod", torch.fmod, [uniform(5, 6, low=-9, high=9), positive(6)], {"fmod": 1})
    bounds = torch.tensor(-0.5), torch.tensor(0.75)
    x = torch.cat([torch.tensor([-0.5, 0.75]), uniform(8)])
    vector("Clip", lambda x, low, high: torch.maximum(torch.minimum(x, high), low), [uniform(4, 5), *bounds],
           names=["in0", "~in1", "~in2"])  # fmt: skip
    vector("Clip", lambda x: torch.clamp(x, -0.5, 0.75), [x], names=["in0", "low", "high"],
           constants={"low": np.array(-0.5, np.float32), "high": np.array(0.75, np.float32)})  # fmt: skip
    vector("Clip", lambda x: torch.clamp(x, max=0.75), [x], names=["in0", "", "high"],
           constants={"high": np.array(0.75, np.float32)})  # fmt: skip
    for p in [0.0, 0.5, 1.0, 2.0, 3.0, -2.0]:
        x = positive(3, 4) if p in (0.5, -2.0) else bends(0.0, 1.0)
        vector("Pow", lambda x: x**p, [x], names=["in0", "p"], constants={"p": np.array(p, np.float32)})
    vector("Pow", lambda x: x**2, [uniform(3)], names=["in0", "p"], constants={"p": np.array(2, np.int64)})
    vector("Pow", torch.pow, [positive(2, 3, 4), uniform(3, 1)])
    vector("Pow", torch.pow, [positive(4), uniform(3, 4)])
    vector("Pow", torch.pow, [torch.tensor([0.0, 0.0, 1.5, 2.0]), torch.tensor([1.0, 2.0, 0.0, -1.0])])
    vector("Div", torch.div, [uniform(3, 1), positive(2, 1, 4)])


def activations():
    for op, f, attributes, x, opset in [
        ("Relu", F.relu, {}, bends(0, -0.0), 17),
        ("Elu", lambda x: F.elu(x, 0.7), {"alpha": 0.7}, bends(0), 17),
        ("Celu", lambda x: F.celu(x, 0.7), {"alpha": 0.7}, bends(0), 17),
        ("Celu", F.celu, {}, uniform(3, 4), 17),
        ("Selu", F.selu, {}, bends(0), 17),
        ("Gelu", F.gelu, {}, uniform(4, 5, low=-4, high=4), 20),
        ("Gelu", lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}, uniform(4, 5, low=-4, high=4), 20),
        ("HardSigmoid", F.hardsigmoid, {"alpha": 1 / 6, "beta": 0.5}, bends(-3, 3, -4, 4), 17),
        # At 3 PyTorch itself has two answers: its vectorised loop says 1, its scalar loop 1.5.
        ("HardSwish", F.hardswish, {}, bends(-3, -4, 4), 17),
        ("LeakyRelu", lambda x: F.leaky_relu(x, 0.2), {"alpha": 0.2}, bends(0), 17),
        ("Mish", F.mish, {}, uniform(4, 5, low=-4, high=4), 18),
        ("Shrink", lambda x: F.hardshrink(x, 0.5), {"lambd": 0.5}, bends(-0.5, 0.5), 17),
        ("Shrink", lambda x: F.softshrink(x, 0.5), {"lambd": 0.5, "bias": 0.5}, bends(-0.5, 0.5), 17),
        ("Sigmoid", torch.sigmoid, {}, uniform(3, 4, low=-6, high=6), 17),
        ("Softplus", F.softplus, {}, uniform(3, 4, low=-6, high=6), 17),
        ("Softsign", F.softsign, {}, bends(0), 17),
        ("Swish", F.silu, {}, uniform(4, 5), 24),
        ("Swish", lambda x: x * torch.sigmoid(1.5 * x), {"alpha": 1.5}, uniform(4, 5), 24),
        ("Tanh", torch.tanh, {}, uniform(3, 4, low=-4, high=4), 17),
        ("ThresholdedRelu", lambda x: F.threshold(x, 0.5, 0), {"alpha": 0.5}, bends(0.5), 17),
    ]:
        vector(op, f, [x], attributes, opset)
    slope = uniform(3, 1)
    vector("PRelu", lambda x, w: F.prelu(x, w.reshape(-1)), [torch.round(uniform(2, 3, 4)), slope])
    vector("PRelu", F.prelu, [uniform(2, 4), uniform(1)])
    for axis in [0, 1, 2, -1]:
        vector("Softmax", lambda x: F.softmax(x, axis), [uniform(2, 3, 4, low=-5, high=5)], {"axis": axis})
        vector("LogSoftmax", lambda x: F.log_softmax(x, axis), [uniform(2, 3, 4, low=-5, high=5)], {"axis": axis})
    rows = uniform(2, 3, 4, low=-5, high=5)
    vector("Softmax", lambda x: F.softmax(x.flatten(1), 1).reshape(2, 3, 4), [rows], opset=11)
    vector("LogSoftmax", lambda x: F.log_softmax(x.flatten(2).flatten(0, 1), 1).reshape(2, 3, 4), [rows], {"axis": 2}, 9)


def products():
    for a, b in [((2, 3, 4), (4, 5)), ((2, 2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (4,)), ((4,), (2, 4, 3))]:
        vector("MatMul", torch.matmul, [uniform(*a), uniform(*b)])
    for ta in [0, 1]:
        for tb in [0, 1]:
            a, b = uniform(*((4, 3) if ta else (3, 4))), uniform(*((5, 4) if tb else (4, 5)))
            f = lambda a, b, c: 1.5 * (a.T if ta else a) @ (b.T if tb else b) + 0.5 * c
            vector("Gemm", f, [a, b, uniform(*[(5,), (1, 5), (3, 1), (3, 5)][2 * ta + tb])],
                   {"alpha": 1.5, "beta": 0.5, "transA": ta, "transB": tb})  # fmt: skip
    for equation, shapes in [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("bij,bjk", [(2, 3, 4), (2, 4, 5)]),
        ("i,j->ij", [(3,), (4,)]),
        ("ij->", [(3, 4)]),
        ("ij->j", [(3, 4)]),
        ("ij->ji", [(3, 4)]),
        ("ii->i", [(4, 4)]),
        ("bii->b", [(2, 3, 3)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 2)]),
        ("...ij,...kj->...ik", [(2, 1, 3, 4), (1, 5, 2, 4)]),
        ("ij,ij,jk->k", [(2, 3), (2, 3), (3, 4)]),
        ("ij,k->ik", [(2, 3), (4,)]),
        ("...d,d->...", [(2, 3, 4), (4,)]),
    ]:
        vector("Einsum", lambda *x: torch.einsum(equation, *x), [uniform(*s) for s in shapes], {"equation": equation})


def spread(pads):
    """ONNX's pads (begins, ends) in the order of F.pad."""
    rank = len(pads) // 2
    return [p for axis in reversed(range(rank)) for p in (pads[axis], pads[rank + axis])]


def same(size, kernel, strides, lower):
    """Pads of auto_pad SAME_UPPER or SAME_LOWER."""
    total = [max(0, (math.ceil(n / s) - 1) * s + k - n) for n, k, s in zip(size, kernel, strides)]
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return more + less if lower else less + more


def drawn(rank, most=3):
    """Kernel, strides, dilations, pads, and a size that they fit."""
    draw = lambda low, high, count=rank: [random.randint(low, high) for _ in range(count)]
    kernel, strides, dilations, pads = draw(1, most), draw(1, 3), draw(1, 2), draw(0, 2, 2 * rank)
    size = [(k - 1) * d + 1 + random.randint(0, 3) for k, d in zip(kernel, dilations)]
    return kernel, strides, dilations, pads, size


def convolutions():
    conv = [None, F.conv1d, F.conv2d, F.conv3d]
    transposed = [None, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d]
    for rank in [1, 1, 2, 2, 2, 3, 3]:
        kernel, strides, dilations, pads, size = drawn(rank)
        group = random.randint(1, 3)
        x, w, b = uniform(2, 2 * group, *size), uniform(group, 2, *kernel), uniform(group)
        f = lambda x, w, b: conv[rank](F.pad(x, spread(pads)), w, b, strides, 0, dilations, group)
        vector("Conv", f, [x, w, b],
               {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads, "group": group})  # fmt: skip
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        kernel, strides, _, _, size = drawn(2)
        pads = [0] * 4 if auto == "VALID" else same(size, kernel, strides, auto == "SAME_LOWER")
        f = lambda x, w: conv[2](F.pad(x, spread(pads)), w, None, strides)
        vector("Conv", f, [uniform(2, 3, *size), uniform(2, 3, *kernel)], {"strides": strides, "auto_pad": auto})
    for rank in [1, 1, 2, 2, 2, 3, 3]:
        kernel, strides, dilations, pads, size = drawn(rank)
        kernel = [max(2, k) for k in kernel]
        pads = [min(p, 1) for p in pads]
        more = [random.randint(0, s - 1) for s in strides]
        group = random.randint(1, 3)
        x, w, b = uniform(2, 2 * group, *size), uniform(2 * group, 2, *kernel), uniform(2 * group)
        f = lambda x, w, b: F.pad(
            transposed[rank](x, w, b, strides, 0, more, group, dilations), [-p for p in spread(pads)]
        )
        # PyTorch wants less output padding than strides or dilations; ONNX Runtime less than strides.
        vector("ConvTranspose", f, [x, w, b],
               {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads, "group": group, "output_padding": more})  # fmt: skip
    for auto, shape in [("SAME_UPPER", None), ("SAME_LOWER", None), ("VALID", None), ("NOTSET", 8), ("SAME_UPPER", 8)]:
        x, w = uniform(2, 2, 4), uniform(2, 3, 3)
        cut = {"SAME_UPPER": (0, 1), "SAME_LOWER": (1, 0), "VALID": (0, 0), "NOTSET": (1, 0)}[auto]
        f = lambda x, w: F.pad(F.conv_transpose1d(x, w, None, 2), [-cut[0], -cut[1]])
        vector("ConvTranspose", f, [x, w], {"strides": [2], "auto_pad": auto, **({"output_shape": [shape]} if shape else {})})


def pools():
    biggest = [None, F.max_pool1d, F.max_pool2d, F.max_pool3d]
    mean = [None, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
    for rank, ceil in [(1, 0), (1, 1), (2, 0), (2, 1), (2, 1), (3, 0), (3, 1)]:
        kernel, strides, dilations, _, size = drawn(rank)
        pads = [min(1, k // 2) for k in kernel]
        size = [n + 1 for n in size]
        x = torch.round(uniform(2, 2, *size, low=-4, high=4))
        f = lambda x: biggest[rank](x, kernel, strides, pads, dilations, bool(ceil))
        vector("MaxPool", f, [x], {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads * 2, "ceil_mode": ceil})
        include = random.randint(0, 1)
        f = lambda x: mean[rank](x, kernel, strides, pads, bool(ceil), bool(include))
        vector("AveragePool", f, [x],
               {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "ceil_mode": ceil, "count_include_pad": include})  # fmt: skip
        p = random.randint(1, 3)
        f = lambda x: (mean[rank](F.pad(x.abs() ** p, spread(pads * 2)), kernel, strides) * math.prod(kernel)) ** (1 / p)
        vector("LpPool", f, [positive(2, 2, *size) * torch.sign(uniform(2, 2, *size))],
               {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "p": p})  # fmt: skip
    for auto in ["SAME_UPPER", "SAME_LOWER"]:
        kernel, strides, size = [3, 2], [2, 1], [6, 5]
        pads = same(size, kernel, strides, auto == "SAME_LOWER")
        attributes = {"kernel_shape": kernel, "strides": strides, "auto_pad": auto}
        x = torch.round(uniform(2, 2, *size, low=-4, high=4))
        vector("MaxPool", lambda x: F.max_pool2d(F.pad(x, spread(pads), value=-math.inf), kernel, strides), [x], attributes)
        share = lambda x: F.avg_pool2d(F.pad(x, spread(pads)), kernel, strides)
        vector("AveragePool", lambda x: share(x) / share(torch.ones_like(x)), [x], attributes)
    vector("AveragePool", lambda x: F.avg_pool2d(x, 2), [uniform(2, 3, 4, 6)], {"kernel_shape": [2, 2], "strides": [2, 2]})
    for size in [(5,), (3, 4), (2, 3, 2)]:
        axes = list(range(2, 2 + len(size)))
        adaptive = [None, F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d][len(size)]
        vector("GlobalMaxPool", lambda x: adaptive(x, 1), [torch.round(uniform(2, 3, *size))])
        vector("GlobalAveragePool", lambda x: x.mean(axes, keepdim=True), [uniform(2, 3, *size)])
        for p in [1, 2, 3]:
            f = lambda x: (x.abs() ** p).sum(axes, keepdim=True) ** (1 / p)
            vector("GlobalLpPool", f, [uniform(2, 3, *size)], {"p": p})


def normalisations():
    for size in [(), (4,), (3, 4), (2, 3, 2)]:
        x, stats = uniform(3, 2, *size), [uniform(2), uniform(2), uniform(2), positive(2)]
        over = lambda t: t.reshape(-1, *[1 for _ in size])
        f = lambda x, w, b, m, v: (x - over(m)) / torch.sqrt(over(v) + 1e-3) * over(w) + over(b)
        vector("BatchNormalization", f, [x, *stats], {"epsilon": 1e-3})
        if size:
            vector("InstanceNormalization", lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-3),
                   [x, uniform(2), uniform(2)], {"epsilon": 1e-3})  # fmt: skip
    for axis, bias in [(-1, True), (1, True), (2, False), (-2, True)]:
        shape = (2, 3, 4)
        own = shape[axis:]
        f = lambda x, w, b=None: F.layer_norm(x, own, w, b, 1e-4)
        inputs = [uniform(*shape), uniform(*own)] + ([uniform(*own)] if bias else [])
        vector("LayerNormalization", f, inputs, {"axis": axis, "epsilon": 1e-4})
        rms = lambda x, w: x * torch.rsqrt((x**2).mean(list(range(axis % 3, 3)), keepdim=True) + 1e-4) * w
        vector("RMSNormalization", rms, inputs[:2], {"axis": axis, "epsilon": 1e-4}, 23)
    for size in [(3,), (2, 4)]:
        x = uniform(2, 6, *size)
        f = lambda x, w, b: F.group_norm(x, 3, w, b, 1e-4)
        vector("GroupNormalization", f, [x, uniform(6), uniform(6)], {"num_groups": 3, "epsilon": 1e-4}, 21)
        each = lambda w: w.repeat_interleave(2)
        f = lambda x, w, b: F.group_norm(x, 3, each(w), each(b), 1e-4)
        vector("GroupNormalization", f, [x, uniform(3), uniform(3)], {"num_groups": 3, "epsilon": 1e-4}, 18)
    for width in [1, 3, 5]:
        f = lambda x: F.local_response_norm(x, width, 0.5, 0.7, 1.5)
        vector("LRN", f, [uniform(2, 4, 2, 3)], {"size": width, "alpha": 0.5, "beta": 0.7, "bias": 1.5})
    for axis in [-1, 0, 1]:
        for p in [1, 2]:
            vector("LpNormalization", lambda x: F.normalize(x, p, axis), [uniform(2, 3, 4)], {"axis": axis, "p": p})
    for axes in [[0, 2, 3], [1], [1, 2, 3]]:
        centred = lambda x: x - x.mean(axes, keepdim=True)
        f = lambda x: centred(x) / (torch.sqrt((centred(x) ** 2).mean(axes, keepdim=True)) + 1e-9)
        vector("MeanVarianceNormalization", f, [uniform(2, 3, 4, 2)], {"axes": axes})


if __name__ == "__main__":
    torch.manual_seed(5)
    random.seed(5)
    for section in [elementwise, activations, products, convolutions, pools, normalisations]:
        section()
    written = {"by": f"torch {torch.__version__}", "ops": VECTORS}
    (HERE / "ops-a.json").write_text(json.dumps(written, separators=(",", ":")) + "\n")
