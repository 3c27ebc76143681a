#!/usr/bin/env python3
"""Trains whole models with PyTorch and exports them at their first weights: the vectors in models/.

  python3 models.py [--large] [--exporter old|default|new] [--opset N] [--out FOLDER] [NAME ...]

  <name>.json            losses of 20 SGD steps, the last weights (norm and first elements), the last running statistics
  <name>.<exporter>.onnx the model: `old` is torch.onnx.export's TorchScript exporter with the flags that docs/ gives,
                         `default` the same without flags, `new` torch.export's (dynamo=True)

Inputs and labels are drawn from mulberry32, whose few lines the tests repeat, so no data is stored. What each example
is follows from the model's first input.
"""
import argparse
import base64
import copy
import json
import pathlib
import warnings

import numpy as np
import torch
from torch.nn import functional as F

import zoo

HERE = pathlib.Path(__file__).parent
NAMES = {torch.float32: "F32", torch.int64: "I64"}
STEPS, BATCH = 20, 6
MOMENTUM = 0.9
warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def mulberry32(seed):
    state = seed & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + (((t ^ (t >> 7)) * (61 | t)) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        yield ((t ^ (t >> 14)) & 0xFFFFFFFF) / 4294967296


def draw(rng, shape, integers=None):
    values = np.array([next(rng) for _ in range(int(np.prod(shape)))])
    if integers is None:
        return torch.tensor((values * 2 - 1).astype(np.float32).reshape(shape))
    return torch.tensor(np.floor(values * integers).astype(np.int64).reshape(shape))


def array(t):
    t = t.detach().contiguous()
    return {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data": base64.b64encode(t.numpy().tobytes()).decode()}


def export_old(model, x, path, opset):
    """Flags that keep every parameter apart, unfolded, under its own name, and running statistics as they are."""
    axes = {"input": {0: "batch"}, "out": {0: "batch"}}
    torch.onnx.export(
        model.eval(), x, str(path), opset_version=opset, input_names=["input"], output_names=["out"], dynamic_axes=axes,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        **({"dynamo": False} if torch.__version__ >= "2.5" else {}),
    )


def export_default(model, x, path, opset):
    """As most people do it: for inference, with constants folded. Renames, transposes, reorders and merges weights."""
    torch.onnx.export(
        model.eval(), x, str(path), opset_version=opset, input_names=["input"], output_names=["out"],
        dynamic_axes={"input": {0: "batch"}, "out": {0: "batch"}},
        **({"dynamo": False} if torch.__version__ >= "2.5" else {}),
    )


def export_new(model, x, path, opset):
    import onnx

    program = torch.onnx.export(
        model.eval(), (x,), dynamo=True, opset_version=opset, input_names=["input"], output_names=["out"],
        dynamic_shapes=({0: torch.export.Dim("batch", max=65536)},), optimize=True, verbose=False,
    )
    proto = program.model_proto
    for node in proto.graph.node:  # traces of this machine's Python, most of the file
        kept = [prop for prop in node.metadata_props if prop.key.endswith("name_scopes")]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(proto, str(path))


def train(model, rng, spec, classes, positions, lr):
    model.train()
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM)
    losses = []
    for step in range(STEPS):
        size = BATCH if step < STEPS - 1 else BATCH - 1  # the last one smaller
        x = draw(rng, [size, *spec["shape"]], spec.get("integers"))
        x = x.to(next(model.parameters()).dtype) if x.is_floating_point() else x
        y = draw(rng, [size, *positions], classes)
        out = model(x)
        loss = F.cross_entropy(out if len(positions) != 1 else out.transpose(1, 2), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def apart(some, others):
    """Largest difference, of each tensor's largest element and a bit."""
    pairs = [(a.detach().double(), b.detach()) for a, b in zip(some, others) if a.is_floating_point()]
    return max([((a - b).abs().max() / (b.abs().max() + 0.1)).item() for a, b in pairs], default=0.0)


def digest(t):
    flat = t.detach().double().flatten()
    return {"shape": list(t.shape), "norm": flat.norm().item(), "first": flat[:4].tolist()}


def make(name, models, seed, folder, exporters, opset):
    build, spec, classes, positions, lr = models[name]
    torch.manual_seed(seed)
    model = build()
    sample = draw(mulberry32(99), [2, *spec["shape"]], spec.get("integers"))
    for exporter in exporters:
        default = EXPORTERS[exporter][1]
        path = folder / f"{name}.{exporter}.onnx"
        EXPORTERS[exporter][0](model, sample, path, opset or default)
        print(f"{path.name}: {path.stat().st_size} bytes")
    # How far rounding alone moves the curve: a model that amplifies it says nothing about who computes it.
    double = copy.deepcopy(model).double()
    exact = train(double, mulberry32(seed), spec, classes, positions, lr)
    losses = train(model, mulberry32(seed), spec, classes, positions, lr)
    rounding = {
        "losses": max(abs(a - b) / b for a, b in zip(losses, exact)),
        "weights": apart(model.parameters(), double.parameters()),
        "statistics": apart(model.buffers(), double.buffers()),
    }
    print(f"{name} between float32 and float64: {rounding}")
    if max(rounding.values()) > 3e-4 and models is zoo.SMALL:
        raise SystemExit(f"{name} is too sensitive; choose another learning rate")
    # The parameters and buffers of their own: state_dict names a shared parameter twice.
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    value = {
        "by": f"torch {torch.__version__}",
        "order": [key for key, value in model.state_dict().items() if value.is_floating_point()],
        "seed": seed,
        "batch": BATCH,
        "input": spec,
        "classes": classes,
        "positions": positions,
        "optimizer": {"lr": lr, "momentum": MOMENTUM},
        "rounding": rounding,
        "losses": losses,
        "weights": {key: digest(p) for key, p in parameters.items()},
        "statistics": {key: array(b) for key, b in buffers.items() if key.endswith(("running_mean", "running_var"))},
    }
    (folder / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


# exporter -> (function, opset)
EXPORTERS = {"old": (export_old, 17), "new": (export_new, 18), "default": (export_default, 14)}
# The models whose weights the default export changes: kept small in number, each shows one way.
CHANGED = ["resnet18", "lstm", "gru", "encoder"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--exporter", choices=[*EXPORTERS])
    parser.add_argument("--opset", type=int)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "models")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    table = zoo.LARGE if args.large else zoo.SMALL
    args.out.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(table):
        if not args.names or name in args.names:
            usual = ["old", "new", *(["default"] if name in CHANGED else [])]
            make(name, table, i + 1, args.out, [args.exporter] if args.exporter else usual, args.opset)
