#!/usr/bin/python3
"""Makes the differentiator's vectors with PyTorch: run from anywhere with Debian's python3-torch and python3-onnx.

  ops.json      single operators: an exported model, its inputs, an output gradient, and autograd's input gradients
  <model>.json  whole models: exported at their first weights, batches, SGD's loss per step and the last weights

Arrays are {dtype, shape, data}, data in base64, little-endian. Everything is seeded: the same versions give the same
files.
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
NAMES = {torch.float32: "F32", torch.uint8: "U8", torch.int32: "I32", torch.int64: "I64"}
warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def array(t):
    t = t.detach().contiguous()
    return {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data": base64.b64encode(t.numpy().tobytes()).decode()}


def export(model, inputs, names, opset, **options):
    out = io.BytesIO()
    torch.onnx.export(model, inputs, out, opset_version=opset, input_names=names, output_names=["out"], **options)
    return base64.b64encode(out.getvalue()).decode()


class Op(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *xs):
        return self.f(*xs)


def uniform(*shape, low=-2.0, high=2.0):
    return torch.rand(shape) * (high - low) + low


def positive(*shape):
    return uniform(*shape, low=0.4, high=3.0)


# name of the ONNX operator it is about -> (function, inputs)
OPS = [
    ("Abs", torch.abs, [uniform(3, 4)]),
    ("Add", torch.add, [uniform(2, 3, 4), uniform(3, 1)]),
    ("AveragePool", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), [uniform(2, 3, 7, 8)]),
    ("AveragePool", lambda x: F.avg_pool2d(x, (2, 3), (2, 1), (1, 1)), [uniform(2, 2, 6, 7)]),
    ("Cast", lambda x: x.double().float() * 2, [uniform(3, 4)]),
    ("Clip", lambda x: torch.clamp(x, -0.7, 1.1), [uniform(5, 6)]),
    ("Concat", lambda a, b: torch.cat([a, b, a], 1), [uniform(2, 3), uniform(2, 2)]),
    ("Conv", lambda x, w, b: F.conv2d(x, w, b), [uniform(2, 3, 6, 7), uniform(4, 3, 3, 2), uniform(4)]),
    ("Conv", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), [uniform(2, 3, 8, 7), uniform(4, 3, 3, 3), uniform(4)]),
    ("Conv", lambda x, w: F.conv2d(x, w, stride=(3, 2), padding=(2, 1), dilation=(1, 2)), [uniform(2, 2, 9, 9), uniform(3, 2, 2, 3)]),
    ("Conv", lambda x, w: F.conv2d(x, w, groups=2, padding=1), [uniform(2, 4, 5, 5), uniform(6, 2, 3, 3)]),
    ("Conv", lambda x, w: F.conv2d(x, w, groups=3, stride=2), [uniform(2, 3, 6, 6), uniform(3, 1, 3, 3)]),
    ("Conv", lambda x, w: F.conv1d(x, w, stride=2, padding=2), [uniform(2, 3, 9), uniform(4, 3, 4)]),
    ("Cos", torch.cos, [uniform(3, 4)]),
    ("Div", torch.div, [uniform(2, 3), positive(3)]),
    ("Dropout", lambda x: F.dropout(x, 0.5, training=False) * 3, [uniform(3, 4)]),
    ("Elu", lambda x: F.elu(x, 0.7), [uniform(4, 5)]),
    ("Erf", torch.erf, [uniform(3, 4)]),
    ("Exp", torch.exp, [uniform(3, 4)]),
    ("Expand", lambda x: x.expand(4, 2, 3), [uniform(2, 1)]),
    ("Flatten", lambda x: torch.flatten(x, 1) * 2, [uniform(2, 3, 4)]),
    ("Gemm", lambda x, w, b: F.linear(x, w, b), [uniform(3, 5), uniform(4, 5), uniform(4)]),
    ("Gemm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), [uniform(3, 4), uniform(3, 5), uniform(5, 4)]),
    ("GlobalAveragePool", lambda x: F.adaptive_avg_pool2d(x, 1), [uniform(2, 3, 4, 5)]),
    ("Identity", lambda x: x * 1, [uniform(2, 3)]),
    ("LeakyRelu", lambda x: F.leaky_relu(x, 0.2), [uniform(4, 5)]),
    ("Log", torch.log, [positive(3, 4)]),
    ("LogSoftmax", lambda x: F.log_softmax(x, 1), [uniform(3, 4, 2)]),
    ("MatMul", torch.matmul, [uniform(3, 4), uniform(4, 2)]),
    ("MatMul", torch.matmul, [uniform(2, 1, 3, 4), uniform(5, 4, 2)]),
    ("MatMul", torch.matmul, [uniform(2, 3, 4), uniform(4)]),
    ("MaxPool", lambda x: F.max_pool2d(x, 2), [uniform(2, 3, 6, 8)]),
    ("MaxPool", lambda x: F.max_pool2d(x, 3, 2, 1), [uniform(2, 2, 7, 8)]),
    ("MaxPool", lambda x: F.max_pool2d(x, (2, 3), (1, 2), dilation=(2, 1)), [uniform(1, 2, 6, 9)]),
    ("MaxPool", lambda x: F.max_pool2d(x, 2), [torch.round(uniform(2, 3, 6, 6))]),
    ("MaxPool", lambda x: F.max_pool2d(x, 3, 1), [torch.round(uniform(2, 2, 6, 6))]),
    ("Mul", torch.mul, [uniform(2, 3, 4), uniform(1, 4)]),
    ("Neg", torch.neg, [uniform(3, 4)]),
    ("Pad", lambda x: F.pad(x, (1, 2, 0, 3), value=2.0), [uniform(2, 3, 4)]),
    ("Pow", lambda x: x**3, [uniform(3, 4)]),
    ("Pow", torch.pow, [positive(3, 4), uniform(4)]),
    ("Reciprocal", torch.reciprocal, [positive(3, 4)]),
    ("ReduceMean", lambda x: x.mean((0, 2)), [uniform(2, 3, 4)]),
    ("ReduceSum", lambda x: x.sum(1, keepdim=True), [uniform(2, 3, 4)]),
    ("Relu", F.relu, [uniform(4, 5)]),
    ("Reshape", lambda x: x.reshape(-1, 6), [uniform(3, 2, 4)]),
    ("Sigmoid", torch.sigmoid, [uniform(3, 4)]),
    ("Sin", torch.sin, [uniform(3, 4)]),
    ("Slice", lambda x: x[1:, :, -3:-1], [uniform(3, 4, 5)]),
    ("Softmax", lambda x: F.softmax(x, 1), [uniform(2, 4, 3)]),
    ("Softplus", F.softplus, [uniform(3, 4)]),
    ("Sqrt", torch.sqrt, [positive(3, 4)]),
    ("Squeeze", lambda x: x.squeeze(1) * 2, [uniform(3, 1, 4)]),
    ("Sub", torch.sub, [uniform(3, 1), uniform(2, 1, 4)]),
    ("Tanh", torch.tanh, [uniform(3, 4)]),
    ("Transpose", lambda x: x.permute(2, 0, 1), [uniform(2, 3, 4)]),
    ("Unsqueeze", lambda x: x.unsqueeze(1) * 2, [uniform(3, 4)]),
    ("Where", lambda a, b: torch.where(torch.tensor([True, False, True]), a, b), [uniform(2, 3), uniform(3)]),
]


def op_vector(name, f, inputs):
    names = [f"in{i}" for i in range(len(inputs))]
    model = export(Op(f), tuple(inputs), names, 14, do_constant_folding=False)
    leaves = [x.clone().requires_grad_() for x in inputs]
    y = f(*leaves)
    dy = torch.rand_like(y) * 2 - 1
    grads = torch.autograd.grad(y, leaves, dy)
    return {
        "op": name,
        "model": model,
        "inputs": [array(x) for x in inputs],
        "dy": array(dy),
        "y": array(y),
        "grads": [array(x) for x in grads],
    }


class Mlp(nn.Module):
    """Two hidden biases that start equal: the exporter merges them."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 24)
        self.fc2 = nn.Linear(24, 24)
        self.head = nn.Linear(24, 10)
        nn.init.zeros_(self.fc1.bias)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, x):
        return self.head(torch.tanh(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))


class LeNet(nn.Module):
    """Normalises unsigned bytes itself, like the models that this project ships."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = (x.float() / 255 - 0.1307) / 0.3081
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.view(x.size(0), -1))


class Zoo(nn.Module):
    """What small convolutional models are made of: strides, dilation, groups, overlapping pools, residuals, a softmax."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, groups=8, bias=False)
        self.gate = nn.Parameter(torch.rand(8, 1, 1))
        self.fc = nn.Linear(8, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = F.leaky_relu(self.stem(x), 0.1)
        x = x + torch.tanh(self.wide(x)) * self.gate
        x = F.max_pool2d(F.relu(self.grouped(x)), 3, 2, 1)
        x = F.avg_pool2d(torch.sigmoid(self.depthwise(x)), 2, 1)
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        x = F.log_softmax(self.fc(x), 1).exp()
        return self.head(torch.clamp(x, 0.05, 0.9))


def model_vector(model, shape, classes, dtype, lr, sgd, opset):
    draw = (lambda *s: torch.randint(0, 256, s, dtype=torch.uint8)) if dtype == "U8" else (lambda *s: torch.randn(s))
    exported = export(
        model, draw(2, *shape), ["input"], opset, dynamic_axes={"input": {0: "n"}, "out": {0: "n"}}
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, **sgd)
    batches = []
    for size in [8, 8, 8, 8, 8, 5]:  # the last one smaller
        x = draw(size, *shape)
        y = torch.randint(0, classes, (size,), dtype=torch.int32)
        out = model(x)
        loss = F.cross_entropy(out, y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct = int((out.argmax(1) == y).sum())
        batches.append({"x": array(x), "y": array(y), "loss": loss.item(), "correct": correct})
    ones = draw(3, *shape) * 0 + 1
    return {
        "model": exported,
        "optimizer": {"lr": lr, **sgd},
        "batches": batches,
        "weights": {name: array(p) for name, p in model.state_dict().items()},
        "ones": array(ones),
        "logits": array(model(ones)),
    }


def write(name, value):
    (HERE / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    version = f"torch {torch.__version__}"
    torch.manual_seed(1)
    write("ops", {"by": version, "ops": [op_vector(*op) for op in OPS]})
    torch.manual_seed(2)
    write("mlp", {"by": version, **model_vector(Mlp(), (1, 8, 8), 10, "F32", 0.1, {"momentum": 0.9, "weight_decay": 0.01}, 14)})
    torch.manual_seed(3)
    write("lenet", {"by": version, **model_vector(LeNet(), (1, 28, 28), 10, "U8", 0.05, {"momentum": 0.9}, 14)})
    torch.manual_seed(4)
    write("zoo", {"by": version, **model_vector(Zoo(), (2, 17, 18), 5, "F32", 0.2, {"momentum": 0.8, "nesterov": True}, 16)})
    torch.manual_seed(4)
    write("plain-sgd", {"by": version, **model_vector(Mlp(), (1, 8, 8), 10, "F32", 0.2, {}, 13)})
