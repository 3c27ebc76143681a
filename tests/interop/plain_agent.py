"""examples/pytorch-agent without PyTorch or numpy: the same softmax regression in plain Python, through the same agent."""

import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "agent", "python"))
sys.modules["numpy"] = None

from tributary_agent import FlareAgent, FLModel, Tensor


def data_of(site):
    seed = 7
    for letter in site:
        seed = seed * 31 + ord(letter)
    values = []
    for i in range(480):
        seed = (seed * 1664525 + 1013904223) % 2**32
        values.append(seed / 2**32 - 0.5 + (1 if i // 4 % 3 == i % 4 else 0))
    return [values[i : i + 4] for i in range(0, 480, 4)], [i % 3 for i in range(120)]


def scores(w, b, x):
    return [b[k] + sum(w[k * 4 + j] * x[j] for j in range(4)) for k in range(3)]


def train(w, b, xs, ys, lr=0.1, size=3):
    for at in range(0, len(ys), size):
        dw, db = [0.0] * 12, [0.0] * 3
        for x, y in zip(xs[at : at + size], ys[at : at + size]):
            e = [math.exp(score) for score in scores(w, b, x)]
            for k in range(3):
                slope = (e[k] / sum(e) - (y == k)) / size
                db[k] += slope
                for j in range(4):
                    dw[k * 4 + j] += slope * x[j]
        w = [v - lr * d for v, d in zip(w, dw)]
        b = [v - lr * d for v, d in zip(b, db)]
    return w, b


agent = FlareAgent(sys.argv[1])
agent.start()
own = None
for task in agent.tasks():
    if task.task_name == "submit_model":
        agent.submit_result(FLModel(own))
        continue
    xs, ys = data_of(task.site_name)
    w, b = (task.params[name].tolist() for name in "wb")
    right = sum(max(range(3), key=scores(w, b, x).__getitem__) == y for x, y in zip(xs, ys))
    metrics = {"accuracy": {"sum": right, "count": len(ys)}}
    if task.task_name == "validate":
        agent.submit_result(FLModel(metrics=metrics))
        continue
    w, b = train(w, b, xs, ys)
    own = {"w": Tensor.of(w, (3, 4)), "b": Tensor.of(b, (3,))}
    agent.submit_result(FLModel(own, metrics=metrics, meta={"NUM_STEPS_CURRENT_ROUND": 40}))
