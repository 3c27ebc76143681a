#!/usr/bin/python3
"""Makes opsets.json with PyTorch: two models full of operators whose form changed, exported with old opsets and newer ones, and
the loss of training them. Run with Debian's python3-torch.
"""
import json
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

from make import array, export

HERE = pathlib.Path(__file__).parent


class Pictures(nn.Module):
    """Pads, resizes, cuts, joins, reduces, gates."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3)
        self.second = nn.Conv2d(4, 8, 3, padding=1)
        self.head = nn.Linear(18, 3)

    def forward(self, x):
        x = self.first(F.pad(x, (1, 1, 2, 0), mode="reflect"))
        x = torch.clamp(x, -0.5, 0.7)
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.avg_pool2d(F.pad(x, (0, 1, 1, 0), value=0.25), 2)
        a, b = self.second(x).chunk(2, 1)
        x = torch.cat([a * torch.sigmoid(b), x[:, 1:3, :, :]], 1)[:, :, 1:-1]
        x = F.pixel_shuffle(torch.cat([x, x[:, :2]], 1), 2)
        x = F.softmax(x.squeeze(1) if x.shape[1] == 1 else x, 1)
        rows = [x.sum(3), x.mean(3), x.amax(3), x.logsumexp(3), x.norm(dim=3), x.prod(3)]
        x = torch.stack([r[:, :, :3] for r in rows], 1)
        return self.head(x.flatten(2).mean(2).unsqueeze(1).expand(-1, 3, -1).reshape(x.shape[0], -1))


class Sequences(nn.Module):
    """A bidirectional LSTM of two layers, and a GRU."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.rnn = nn.RNN(5, 3, nonlinearity="relu")

    def forward(self, x):
        x, _ = self.gru(self.lstm(x)[0])
        return self.rnn(x.transpose(0, 1))[0][-1]


def curve(kind, opset, shape):
    model = kind()
    dynamic = {"x": {0: "n"}, "out": {0: "n"}}
    exported = export(model, torch.randn(2, *shape), ["x"], opset, dynamic_axes=dynamic, do_constant_folding=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    batches = []
    for size in [4, 4, 1, 5]:
        x, y = torch.randn(size, *shape), torch.randint(0, 3, (size,), dtype=torch.int32)
        loss = F.cross_entropy(model(x), y.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append({"x": array(x), "y": array(y), "loss": loss.item()})
    return {"kind": kind.__name__, "opset": opset, "model": exported, "batches": batches}


if __name__ == "__main__":
    torch.manual_seed(9)
    models = [curve(Pictures, opset, (2, 6, 7)) for opset in (9, 10, 11, 12, 13, 16)]
    models += [curve(Sequences, opset, (4, 3)) for opset in (9, 11, 14)]
    written = {"by": f"torch {torch.__version__}", "models": models}
    (HERE / "opsets.json").write_text(json.dumps(written, separators=(",", ":")) + "\n")
