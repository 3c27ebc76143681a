#!/usr/bin/env python3
"""Makes the vectors of NumPy's file formats with NumPy itself (2.4.6): run from anywhere.

  dtypes.npz               an array [2, 3] of each dtype that a site may hold, under the dtype's name
  shapes.npz               float32 of shapes (), (0,), (4,) and (2, 0, 3), counting from 0
  versions.npz             one int16 array with headers of format 1, 2 and 3
  refused.npz              what is no C-ordered array of a plain, little-endian dtype
  examples.npz             x uint8 [3, 1, 2, 2] and y int64 [3] by savez
  examples-compressed.npz  the same by savez_compressed
"""
import io
import pathlib
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
VALUES = [[0, 1, 2], [3, 100, 127]]
DTYPES = ["u1", "i1", "<u2", "<i2", "<i4", "<i8", "<f4", "<f8"]

dtypes = {name.lstrip("<"): np.array(VALUES, name) for name in DTYPES}
np.savez(HERE / "dtypes.npz", b1=np.array(VALUES) > 1, **dtypes)

shapes = {"scalar": (), "none": (0,), "row": (4,), "hollow": (2, 0, 3)}
np.savez(
    HERE / "shapes.npz",
    **{name: np.arange(np.prod(shape, dtype=int), dtype="<f4").reshape(shape) for name, shape in shapes.items()},
)

with zipfile.ZipFile(HERE / "versions.npz", "w") as archive:
    for version in (1, 2, 3):
        file = io.BytesIO()
        np.lib.format.write_array(file, np.array([[1, -2, 3]], "<i2"), version=(version, 0))
        archive.writestr(zipfile.ZipInfo(f"v{version}.npy"), file.getvalue())

np.savez(
    HERE / "refused.npz",
    big=np.array(VALUES, ">f4"),
    complex=np.array(VALUES, "<c8"),
    half=np.array(VALUES, "<f2"),
    text=np.array(["a", "bc"]),
    objects=np.array([None, {}], dtype=object),
    record=np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]),
    fortran=np.asfortranarray(np.array(VALUES, "<f4")),
)

examples = {"x": np.arange(12, dtype="u1").reshape(3, 1, 2, 2), "y": np.array([7, 0, 2])}
np.savez(HERE / "examples.npz", **examples)
np.savez_compressed(HERE / "examples-compressed.npz", **examples)
