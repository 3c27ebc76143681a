#!/usr/bin/python3
"""Makes optimizers.json with PyTorch: ten steps of each update rule with a changing learning rate, in float64.

Run from anywhere with Debian's python3-torch. Gradients are given, not computed, so that only the update is tested; some
steps are within the clipping norm and some are not. Arrays are {dtype, shape, data}, data in base64, little-endian.
"""
import base64
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
STEPS = 10
SHAPES = {"w": (3, 4), "b": (5,), "s": ()}
torch.manual_seed(7)


def rounded(t):
    """float32 values, as float64."""
    return t.float().double()


def array(t):
    t = t.detach().float().contiguous()
    return {"dtype": "F32", "shape": list(t.shape), "data": base64.b64encode(t.numpy().tobytes()).decode()}


def arrays(tensors):
    return {name: array(t) for name, t in tensors.items()}


START = {name: rounded(torch.randn(shape)) for name, shape in SHAPES.items()}
RECEIVED = {name: rounded(torch.randn(shape)) for name, shape in SHAPES.items()}
CONTROL = {name: rounded(torch.randn(shape)) for name, shape in SHAPES.items()}
GRADIENTS = [
    {name: rounded(torch.randn(shape) * (0.05 if step % 3 == 1 else 1.5)) for name, shape in SHAPES.items()}
    for step in range(STEPS)
]
LRS = [rounded(torch.tensor(0.1 / (1 + 0.3 * step) + 0.02 * (step % 2))).item() for step in range(STEPS)]
MU = rounded(torch.tensor(0.3)).item()

CLASSES = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}
ARGUMENTS = {"weightDecay": "weight_decay", "lrDecay": "lr_decay"}
OWN = {"name", "clip", "proximal", "control"}
SLOTS = {"momentum_buffer": "momentum"}

# Options as this project spells them; eps is large enough that its place in the formula shows.
CASES = [
    {"name": "sgd"},
    {"name": "sgd", "weightDecay": 0.2},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.8, "weightDecay": 0.1, "nesterov": True},
    {"name": "adam"},
    {"name": "adam", "betas": [0.7, 0.95], "eps": 0.05},
    {"name": "adam", "weightDecay": 0.2, "amsgrad": True},
    {"name": "adam", "betas": [0, 0.5], "eps": 0.01},
    {"name": "adamw"},
    {"name": "adamw", "betas": [0.8, 0.9], "eps": 0.02, "weightDecay": 0.3, "amsgrad": True},
    {"name": "adagrad"},
    {"name": "adagrad", "lrDecay": 0.4, "weightDecay": 0.2, "eps": 0.03},
    {"name": "rmsprop"},
    {"name": "rmsprop", "alpha": 0.8, "eps": 0.05, "weightDecay": 0.2},
    {"name": "rmsprop", "alpha": 0.9, "momentum": 0.7, "centered": True, "eps": 0.01},
    {"name": "sgd", "momentum": 0.9, "clip": {"norm": 1.5}},
    {"name": "sgd", "momentum": 0.9, "clip": {"value": 0.8}},
    {"name": "sgd", "momentum": 0.9, "weightDecay": 0.1, "clip": {"norm": 2}, "proximal": True, "control": True},
    {"name": "adam", "clip": {"norm": 1}, "weightDecay": 0.1, "proximal": True},
    {"name": "adamw", "control": True, "proximal": True},
    {"name": "adagrad", "clip": {"value": 0.5}, "control": True},
    {"name": "rmsprop", "proximal": True, "clip": {"value": 0.7}, "control": True},
]


def case(options):
    """FLARE's order: proximal term in the loss, clipping, the optimizer's step, then SCAFFOLD's correction."""
    params = {name: torch.nn.Parameter(t.clone()) for name, t in START.items()}
    arguments = {ARGUMENTS.get(key, key): value for key, value in options.items() if key not in OWN}
    optimizer = CLASSES[options["name"]](params.values(), lr=LRS[0], **arguments)
    clip = options.get("clip", {})
    first = None
    for lr, gradients in zip(LRS, GRADIENTS):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = sum((gradients[name] * p).sum() for name, p in params.items())
        if options.get("proximal"):
            loss = loss + MU / 2 * sum((p - RECEIVED[name]).square().sum() for name, p in params.items())
        loss.backward()
        if "norm" in clip:
            torch.nn.utils.clip_grad_norm_(params.values(), clip["norm"])
        if "value" in clip:
            torch.nn.utils.clip_grad_value_(params.values(), clip["value"])
        optimizer.step()
        if options.get("control"):
            with torch.no_grad():
                for name, p in params.items():
                    p -= lr * CONTROL[name]
        first = first or {name: p.detach().clone() for name, p in params.items()}
    state = {
        f"{SLOTS.get(slot, slot)}/{name}": value
        for name, p in params.items()
        for slot, value in optimizer.state[p].items()
        if slot != "step" and value is not None
    }
    return {"options": options, "first": arrays(first), "last": arrays(params), "state": arrays(state)}


vectors = {
    "torch": torch.__version__,
    "start": arrays(START),
    "received": arrays(RECEIVED),
    "control": arrays(CONTROL),
    "gradients": [arrays(gradients) for gradients in GRADIENTS],
    "lrs": LRS,
    "mu": MU,
    "cases": [case(options) for options in CASES],
}
(HERE / "optimizers.json").write_text(json.dumps(vectors) + "\n")
