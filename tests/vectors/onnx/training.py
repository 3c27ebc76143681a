#!/usr/bin/python3
"""Makes the vectors of models that compute otherwise while they train, and of what is made of gradients besides a step:
run from anywhere with Debian's python3-torch and python3-onnx.

  batch-norm.json   BatchNormalization after dense and convolutional layers, one module used twice, in two exports:
                    losses, and the last weights with running statistics
  per-example.json  each example's own gradient, cut to a norm, summed: by one autograd call per example
  lora.json         low-rank adapters beside frozen layers, as PEFT defines them: losses, adapters, merged weights

Without constant folding, weights keep their names. Arrays are as in make.py.
"""
import torch
from torch import nn
from torch.nn import functional as F
from torch.onnx import TrainingMode

from make import array, export, write

AXES = {"input": {0: "n"}, "out": {0: "n"}}


def exported(model, shape, **options):
    return export(model, torch.randn(2, *shape), ["input"], 14, dynamic_axes=AXES, **options)


def weights(model):
    return {k: array(p) for k, p in model.state_dict().items() if "num_batches" not in k}


class Normalised(nn.Module):
    """The activation before each normalisation keeps the exporter from folding it into the layer before."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.twice = nn.BatchNorm2d(4, eps=1e-3, momentum=0.3)
        self.fc = nn.Linear(4 * 6 * 5, 7)
        self.bn2 = nn.BatchNorm1d(7, affine=False)
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        x = self.bn1(torch.tanh(self.conv1(x)))
        x = self.twice(torch.sigmoid(self.conv2(x)))
        x = self.twice(torch.tanh(x * 2))
        x = self.bn2(torch.tanh(self.fc(torch.flatten(x, 1))))
        return self.head(x)


def batch_norm():
    model = Normalised()
    shape = (2, 6, 5)
    with torch.no_grad():
        for bn in (model.bn1, model.twice, model.bn2):
            bn.running_mean.uniform_(-0.5, 0.5)
            bn.running_var.uniform_(0.5, 2.0)
            if bn.affine:
                bn.weight.uniform_(0.5, 1.5)
                bn.bias.uniform_(-0.5, 0.5)
    evaluation = exported(model.eval(), shape)
    model.train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    training = exported(model, shape, training=TrainingMode.TRAINING, do_constant_folding=False)
    model.load_state_dict(state)  # the exporter ran it
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = []
    for size in [6, 6, 6, 6, 3]:
        x = torch.randn(size, *shape)
        y = torch.randint(0, 3, (size,), dtype=torch.int32)
        loss = F.cross_entropy(model(x), y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append({"x": array(x), "y": array(y), "loss": loss.item()})
    model.eval()
    x = torch.randn(3, *shape)
    return {
        "exports": {"evaluation": evaluation, "training": training},
        "optimizer": {"lr": 0.1, "momentum": 0.9},
        "batches": batches,
        "weights": weights(model),
        "x": array(x),
        "logits": array(model(x)),
    }


class Mixed(nn.Module):
    """A weight of each kind: convolution (also grouped and strided), dense on matrices and on sequences, a scale, a bias,
    an embedding of positions, one dense layer used twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, stride=2)
        self.grouped = nn.Conv2d(4, 6, (2, 3), groups=2, dilation=(1, 2), padding=(0, 2))
        self.position = nn.Parameter(torch.randn(1, 12, 6) * 0.3)
        self.dense = nn.Linear(6, 6)
        self.scale = nn.Parameter(torch.rand(6) + 0.5)
        self.bare = nn.Parameter(torch.randn(6, 5) * 0.4)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        x = torch.tanh(self.grouped(x))
        x = x.flatten(2).transpose(1, 2) + self.position
        x = torch.tanh(self.dense(x)) * self.scale
        x = torch.tanh(self.dense(x)).mean(1)
        return self.head(torch.tanh(x @ self.bare))


def per_example():
    model = Mixed()
    shape, clip = (2, 8, 8), 0.95
    x = torch.randn(6, *shape)
    y = torch.randint(0, 3, (6,), dtype=torch.int32)
    names, parameters = zip(*model.named_parameters())
    sums = [torch.zeros_like(p) for p in parameters]
    norms = []
    for i in range(len(x)):
        loss = F.cross_entropy(model(x[i : i + 1]), y[i : i + 1].long())
        grads = torch.autograd.grad(loss, parameters)
        norm = torch.sqrt(sum((g.double() ** 2).sum() for g in grads)).item()
        norms.append(norm)
        for total, g in zip(sums, grads):
            total += g * min(1.0, clip / (norm + 1e-6))
    return {
        "model": exported(model, shape, do_constant_folding=False),
        "clip": clip,
        "x": array(x),
        "y": array(y),
        "norms": norms,
        "sums": {name: array(total) for name, total in zip(names, sums)},
    }


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1, stride=2)
        self.grouped = nn.Conv2d(6, 4, 3, groups=2)
        self.project = nn.Linear(4, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        x = torch.tanh(self.grouped(x))
        x = torch.tanh(self.project(x.flatten(2).transpose(1, 2))).mean(1)
        return self.head(x)


def lora():
    base = Base().requires_grad_(False)
    shape, rank, alpha = (2, 8, 8), 2, 6
    scale = alpha / rank
    layers = ["conv", "grouped", "project", "head"]
    a, b = {}, {}
    for name in layers:
        weight = getattr(base, name).weight
        a[name] = (torch.randn(rank, *weight.shape[1:]) * 0.4).requires_grad_()
        b[name] = torch.zeros(weight.shape[0], rank, *[1] * (weight.dim() - 2)).requires_grad_()

    def merged(name):
        weight = getattr(base, name).weight
        return weight + scale * (b[name].flatten(1) @ a[name].flatten(1)).reshape(weight.shape)

    def run(x):
        x = torch.tanh(F.conv2d(x, merged("conv"), base.conv.bias, 2, 1))
        x = torch.tanh(F.conv2d(x, merged("grouped"), base.grouped.bias, groups=2))
        x = torch.tanh(F.linear(x.flatten(2).transpose(1, 2), merged("project"), base.project.bias)).mean(1)
        return F.linear(x, merged("head"), base.head.bias)

    first = {f"{name}.lora_A.weight": array(a[name]) for name in layers}
    optimizer = torch.optim.SGD([*a.values(), *b.values()], lr=0.3, momentum=0.9)
    batches = []
    for size in [6, 6, 6, 6, 4]:
        x = torch.randn(size, *shape)
        y = torch.randint(0, 3, (size,), dtype=torch.int32)
        loss = F.cross_entropy(run(x), y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append({"x": array(x), "y": array(y), "loss": loss.item()})
    x = torch.randn(3, *shape)
    return {
        "model": exported(base, shape, do_constant_folding=False),
        "rank": rank,
        "alpha": alpha,
        "lr": 0.3,
        "first": first,
        "batches": batches,
        "adapters": {
            **{f"{name}.lora_A.weight": array(a[name]) for name in layers},
            **{f"{name}.lora_B.weight": array(b[name]) for name in layers},
        },
        "merged": {f"{name}.weight": array(merged(name)) for name in layers},
        "x": array(x),
        "logits": array(run(x)),
    }


if __name__ == "__main__":
    version = f"torch {torch.__version__}"
    torch.manual_seed(11)
    write("batch-norm", {"by": version, **batch_norm()})
    torch.manual_seed(12)
    write("per-example", {"by": version, **per_example()})
    torch.manual_seed(13)
    write("lora", {"by": version, **lora()})
