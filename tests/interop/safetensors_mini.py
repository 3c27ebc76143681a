"""The part of the safetensors format that a site needs: float32 tensors, as Python lists in row order.

A file is: 8 bytes little-endian length of the header, the header (JSON: name -> dtype, shape, data_offsets, and
__metadata__: strings), then the data region.
"""

import json
import struct


def encode(tensors, metadata=None):
    """tensors: {name: (shape, [floats])} -> bytes of a file, header padded with spaces to a multiple of 8."""
    header = {}
    if metadata:
        header["__metadata__"] = metadata
    data = b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack("<%df" % len(values), *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def decode(file):
    """bytes of a file -> {name: (shape, [floats])} in header order; raises ValueError on what it cannot read."""
    (length,) = struct.unpack_from("<Q", file, 0)
    header = json.loads(file[8 : 8 + length])
    data = file[8 + length :]
    header.pop("__metadata__", None)
    tensors, end_of_all = {}, 0
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError("%s is %s, not F32" % (name, entry["dtype"]))
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["shape"], list(struct.unpack("<%df" % ((end - begin) // 4), data[begin:end])))
        end_of_all = max(end_of_all, end)
    if end_of_all != len(data):
        raise ValueError("%d bytes of data, header says %d" % (len(data), end_of_all))
    return tensors
