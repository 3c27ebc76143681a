#!/usr/bin/env python3
"""convert.py OPSET FOLDER: the models of models/ in another opset, as ONNX's own version converter writes them."""
import pathlib
import sys

import onnx
from onnx import version_converter

opset, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for path in sorted((pathlib.Path(__file__).parent / "models").glob("*.old.onnx")):
    onnx.save(version_converter.convert_version(onnx.load(path), opset), folder / path.name)
