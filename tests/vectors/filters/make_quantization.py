#!/usr/bin/env python3
"""Makes quantization.json with bitsandbytes 0.50.2 on PyTorch 2.6 (CPU), the library that NVFlare's ModelQuantizer calls.

  values     the table of each type, float32 (`quant_map` and `code` there)
  cases      source (float32, or the float32 values of a bfloat16 or float16 tensor), and per type the codes, absmax and
             the values that dequantisation gives, in the source's dtype

Arrays are base64, little-endian. The codes of blockwise8 are those of its plain PyTorch backend: they are the nearest, as on
CUDA, where FLARE runs; its native CPU kernel finds others near zero. That backend keeps 1e-38 of zeros: here it is 0, as
on CUDA. bitsandbytes' table of float4 has two zeros, 0 and 8; which of them a value near zero
gets differs between its backends: the codes here have 8 made 0.
"""
import base64
import json
import pathlib

import bitsandbytes.functional as bnb
import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
TYPES = {"float4": "fp4", "normfloat4": "nf4"}


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def one_zero(packed):
    high, low = packed >> 4, packed & 15
    high[high == 8], low[low == 8] = 0, 0
    return high << 4 | low


def largest(absmax):
    return text(np.where(absmax.float().numpy() <= np.float32(1e-38), np.float32(0), absmax.float().numpy()))


PLAIN = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)


def case(source):
    results = {}
    table = bnb.create_dynamic_map()
    codes, absmax = torch.ops.bitsandbytes.quantize_blockwise.default.redispatch(PLAIN, source, table, 4096)
    back = bnb.dequantize_blockwise(codes, absmax=absmax, code=table).to(source.dtype)
    results["blockwise8"] = {"codes": text(codes.numpy()), "absmax": largest(absmax), "back": text(back.float().numpy())}
    for name, kind in TYPES.items():
        packed, state = bnb.quantize_4bit(source, quant_type=kind)
        back = bnb.dequantize_4bit(packed, state, quant_type=kind).to(source.dtype)
        packed = packed.numpy().reshape(-1)
        codes = one_zero(packed) if kind == "fp4" else packed
        results[name] = {"codes": text(codes), "absmax": largest(state.absmax), "back": text(back.float().numpy().reshape(-1))}
    return {"dtype": {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[source.dtype], "source": text(source.float().numpy()), "types": results}


def edges():
    """A whole block of values that lie, over the largest, between two of blockwise8's table, and next to there."""
    table = bnb.create_dynamic_map()
    middles = (table[:-1] + table[1:]) / 2 * 0.7
    beside = [torch.nextafter(middles, torch.full_like(middles, x)) for x in (-1.0, 1.0)]
    block = torch.cat([torch.tensor([0.7]), middles, *beside])
    return torch.cat([block, torch.zeros(4096 - len(block))])


torch.manual_seed(3)
sources = {
    "normal": torch.randn(4096 + 131),
    "update": torch.randn(257) * 10 ** torch.empty(257).uniform_(-6, 1),
    "one": torch.tensor([-0.25]),
    "block": torch.linspace(-2, 3, 64),
    "ramp": torch.linspace(-1, 1, 129),
    "edges": edges(),
    "zeros": torch.zeros(70),
    "tiny": torch.randn(9) * 1e-30,
    "half": torch.randn(150).half(),
    "brain": torch.randn(150).bfloat16(),
}
values = {"blockwise8": text(bnb.create_dynamic_map().numpy())}
for name, kind in TYPES.items():
    values[name] = text(bnb.get_4bit_type(kind, device="cpu").numpy())
document = {"values": values, "cases": {name: case(source) for name, source in sources.items()}}
(HERE / "quantization.json").write_text(json.dumps(document, indent=1) + "\n")
