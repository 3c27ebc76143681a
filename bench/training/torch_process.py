"""`torch_process.py MODEL BATCH THREADS`: the same model and step in PyTorch, on the CPU."""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = inputs == outputs
        self.around = None if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + (x if self.around is None else self.around(x)))


def resnet18():
    blocks, inputs = [], 64
    for outputs in (64, 128, 256, 512):
        for block in (0, 1):
            blocks.append(Residual(inputs, outputs, 2 if block == 0 and outputs > 64 else 1))
            inputs = outputs
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


VOCABULARY, LENGTH, LAYERS, HEADS, WIDTH = 65, 64, 4, 4, 128


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("mask", torch.full((LENGTH, LENGTH), -1e9).triu(1))

    def forward(self, x):
        size = x.shape[0]
        q, k, v = (t.view(size, LENGTH, HEADS, -1).transpose(1, 2) for t in self.attn(self.ln1(x)).split(WIDTH, 2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH / HEADS) + self.mask
        seen = (scores.softmax(-1) @ v).transpose(1, 2).reshape(size, LENGTH, WIDTH)
        x = x + self.proj(seen)
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(torch.randn(LENGTH, WIDTH) / 11)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.ln, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, x):
        return self.head(self.ln(self.blocks(self.wte(x) + self.wpe))).flatten(0, 1)


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def main():
    name, size, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = {"mlp": mlp, "cnn": cnn, "resnet18": resnet18, "gpt": Gpt}[name]()
    if name == "gpt":
        x = torch.randint(VOCABULARY, (size, LENGTH))
        y = torch.randint(VOCABULARY, (size * LENGTH,))
    else:
        x = torch.rand(size, *((3, 64, 64) if name == "resnet18" else (1, 28, 28)))
        y = torch.randint(10, (size,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    def say(**report):
        print("#" + json.dumps(report), flush=True)

    say(ms=[], losses=[], about=torch.__version__)
    for line in sys.stdin:
        times, losses = [], []
        for _ in range(int(line)):
            before = time.perf_counter()
            losses.append(step())
            times.append((time.perf_counter() - before) * 1000)
        say(ms=times, losses=losses)


main()
