"""Makes operators.json: every operator of ai.onnx up to opset 24, with the opset it came with and, if it is gone, the last.

Run with any Python that has onnx 1.19 or newer (`pip install onnx`).
"""
import json
import pathlib

import onnx
from onnx import defs

LAST = 24
versions = {}
for schema in defs.get_all_schemas_with_history():
    if schema.domain == "" and schema.since_version <= LAST:
        versions.setdefault(schema.name, []).append((schema.since_version, schema.deprecated))
operators = {}
for name, history in sorted(versions.items()):
    ends = [since - 1 for since, deprecated in history if deprecated]
    # An operator that came back (GroupNormalization) is not gone.
    gone = ends and max(history)[1]
    operators[name] = [min(history)[0], ends[-1] if gone else LAST]
written = {"by": f"onnx {onnx.__version__}", "operators": operators}
path = pathlib.Path(__file__).parent / "operators.json"
path.write_text(json.dumps(written, separators=(",", ":")) + "\n")
