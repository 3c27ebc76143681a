#!/usr/bin/python3
"""Makes lengths.json with PyTorch: a one-block GPT whose batch and sequence length are both dynamic, exported with old and
newer opsets, and the loss of training it on batches of unequal lengths. Run with Debian's python3-torch.
"""
import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

from make import array, export

HERE = pathlib.Path(__file__).parent
WORDS, WIDTH, HEADS, CONTEXT = 13, 8, 2, 12


class Gpt(nn.Module):
    """The next word after a sequence: the mask and the positions are cut to its length."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.places = nn.Parameter(torch.randn(1, CONTEXT, WIDTH) * 0.1)
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, WORDS)
        self.register_buffer("mask", torch.tril(torch.ones(1, 1, CONTEXT, CONTEXT)))

    def forward(self, x):
        batch, length = x.size()
        h = self.words(x) + self.places[:, :length]
        parts = self.qkv(self.norm(h)).split(WIDTH, dim=2)
        q, k, v = [t.view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2) for t in parts]
        scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH // HEADS)
        scores = scores.masked_fill(self.mask[:, :, :length, :length] == 0, float("-inf"))
        h = h + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, WIDTH))
        return self.head(h[:, -1])


def lengths(opset):
    model = Gpt()
    dynamic = {"x": {0: "n", 1: "length"}, "out": {0: "n"}}
    exported = export(model, torch.zeros(2, 5, dtype=torch.long), ["x"], opset, dynamic_axes=dynamic)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    batches = []
    for size, length in [(4, 5), (3, 7), (1, 12), (4, 1), (2, 3), (4, 9), (5, 6), (2, 2)]:
        x, y = torch.randint(0, WORDS, (size, length)), torch.randint(0, WORDS, (size,), dtype=torch.int32)
        loss = F.cross_entropy(model(x), y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append({"x": array(x), "y": array(y), "loss": loss.item()})
    return {"opset": opset, "model": exported, "batches": batches}


if __name__ == "__main__":
    torch.manual_seed(8)
    written = {"by": f"torch {torch.__version__}", "models": [lengths(opset) for opset in (10, 11, 14, 17)]}
    (HERE / "lengths.json").write_text(json.dumps(written, separators=(",", ":")) + "\n")
