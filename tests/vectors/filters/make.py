#!/usr/bin/env python3
"""Makes filters.json with NVFlare 2.9.0's own filters (percentile, statistics, convert), numpy 2.4 and mpmath 1.3.

  chacha       uniform numbers of ChaCha20 streams, by the `cryptography` package
  noise        normal and Laplace numbers of such a stream, by numpy
  percentile   PercentilePrivacy; `percentiles` are numpy.percentile's
  svt          the sparse vector technique on whole arrays, written for this file, on the same streams
  svt_moments  SVTPrivacy itself, over many seeds: how many values are released, and what they come to
  convert      ConvertWeights
  statistics   StatisticsPrivacyFilter's three cleansers in FedStatsRecipe's order; `uniforms` are the draws
  sigma, erfc  the analytic Gaussian mechanism and e^(x^2) erfc(x), with 60 digits

float32 arrays are written as the float64 of each value.
"""
import copy
import json
import pathlib
import random
import struct

import mpmath
import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.statistics_spec import Bin, Histogram, HistogramType
from nvflare.app_common.filters.convert_weights import ConvertWeights
from nvflare.app_common.filters.percentile_privacy import PercentilePrivacy
from nvflare.app_common.filters.svt_privacy import SVTPrivacy
from nvflare.app_common.statistics.histogram_bins_cleanser import HistogramBinsCleanser
from nvflare.app_common.statistics.min_count_cleanser import MinCountCleanser
from nvflare.app_common.statistics.min_max_cleanser import AddNoiseToMinMax

HERE = pathlib.Path(__file__).parent
KEY = bytes(range(32))
mpmath.mp.dps = 60


class Stream:
    """Uniform numbers of one ChaCha20 stream."""

    def __init__(self, stream, substream):
        nonce = struct.pack("<4I", 0, stream, substream, 0)
        self.cipher = Cipher(algorithms.ChaCha20(KEY, nonce), mode=None).encryptor()

    def uniform(self, n):
        return np.frombuffer(self.cipher.update(bytes(4 * n)), "<u4") / 2**32

    def between(self, n):
        pairs = self.uniform(2 * n).reshape(n, 2)
        return (np.floor(pairs[:, 0] * 2**26) * 2**26 + np.floor(pairs[:, 1] * 2**26) + 0.5) / 2**52

    def laplace(self, scale, n):
        p = self.between(n)
        return np.where(p < 0.5, scale * np.log(2 * p), -scale * np.log(2 * (1 - p)))

    def normal(self, n):
        u = self.uniform(3 * n).reshape(n, 3)
        p = (np.floor(u[:, 0] * 2**26) * 2**26 + np.floor(u[:, 1] * 2**26) + 0.5) / 2**52
        return np.sqrt(-2 * np.log(p)) * np.cos(2 * np.pi * u[:, 2])


def listed(arrays):
    return {name: {"dtype": {"f4": "F32", "f8": "F64", "f2": "F16"}[a.dtype.str[1:]], "shape": list(a.shape), "data": a.astype("f8").reshape(-1).tolist()} for name, a in arrays.items()}


def filtered(a_filter, arrays, meta, kind=DataKind.WEIGHT_DIFF, context=None):
    dxo = DXO(kind, data={name: a.copy() for name, a in arrays.items()}, meta=meta)
    out = a_filter.process_dxo(dxo, Shareable(), context or FLContext())
    return out


def percentile():
    rng = np.random.default_rng(1)
    cases = []
    for dtype, p, gamma, steps, size in [
        ("f4", 10, 0.01, 1, 500), ("f4", 90, 0.02, 7, 333), ("f8", 37.5, 0.01, 3, 400), ("f4", 50, 0.05, 2, 1),
        ("f8", 0, 1.0, 5, 64), ("f8", 100, 0.5, 1, 64), ("f2", 75, 0.01, 4, 100),
    ]:
        arrays = {"b": rng.normal(0, 0.03, (size,)).astype(dtype), "a": rng.normal(0, 0.01, (3, 5)).astype(dtype), "s": np.array(0.5, dtype)}
        out = filtered(PercentilePrivacy(p, gamma), arrays, {"NUM_STEPS_CURRENT_ROUND": steps})
        out = {name: np.asarray(a, dtype) for name, a in out.data.items()}
        cases.append({"percentile": p, "gamma": gamma, "steps": steps, "in": listed(arrays), "out": listed(out)})
    return cases


def percentiles():
    rng = np.random.default_rng(2)
    cases = []
    for dtype, size, p in [("f8", 1, 50), ("f8", 2, 25), ("f8", 1001, 12.5), ("f4", 1000, 99), ("f4", 7, 33), ("f8", 50, 100), ("f4", 64, 0)]:
        values = np.abs(rng.normal(size=size) * 10.0 ** rng.integers(-12, 3, size)).astype(dtype)
        if size == 50:
            values[10:40] = 0.25  # ties
        cases.append({"wide": dtype == "f8", "percent": p, "values": values.astype("f8").tolist(), "result": float(np.percentile(values.astype("f8"), p))})
    return cases


def svt_split(n_upload, epsilon, noise_var):
    ratio = (2 * n_upload) ** (2 / 3)
    threshold = epsilon / (1 + ratio)
    return threshold, epsilon - threshold, n_upload * noise_var


def svt(arrays, steps, fraction, epsilon, noise_var, gamma, tau, replace):
    flat = np.concatenate([a.astype("f8").reshape(-1) for a in arrays.values()]) / steps
    n_upload = min(int(np.ceil(len(flat) * fraction)), len(flat))
    eps_threshold, eps_query, eps_release = svt_split(n_upload, epsilon, noise_var)
    scans = Stream(0, 0)
    threshold = tau + scans.laplace(gamma / eps_threshold, 1)[0]
    clipped = np.clip(flat, -gamma, gamma)
    accepted = np.zeros(len(flat), bool)
    while accepted.sum() < n_upload:
        open_ = np.flatnonzero(~accepted)
        noisy = np.abs(clipped[open_]) + scans.laplace(2 * gamma * n_upload / eps_query, len(open_))
        accepted[open_[noisy >= threshold]] = True
    above = np.flatnonzero(accepted)
    if replace:
        chosen = above[np.floor(scans.uniform(n_upload) * len(above)).astype(int)]
    else:
        chosen, wanted = [], n_upload
        for left, at in zip(range(len(above), 0, -1), above):
            if wanted and scans.uniform(1)[0] * left < wanted:
                chosen.append(at)
                wanted -= 1
    released = np.zeros(len(flat), bool)
    released[chosen] = True
    out, at = {}, 0
    for index, (name, a) in enumerate(arrays.items()):
        here = released[at : at + a.size]
        values = np.zeros(a.size)
        noise = Stream(1, index).laplace(2 * gamma * n_upload / eps_release, int(here.sum()))
        values[here] = (clipped[at : at + a.size][here] + noise) * steps
        out[name] = values.reshape(a.shape).astype(a.dtype)
        at += a.size
    return out


def svt_cases():
    rng = np.random.default_rng(4)
    cases = []
    for args, steps in [
        (dict(fraction=0.1, epsilon=0.1, noise_var=0.1, gamma=1e-5, tau=1e-6, replace=True), 1),
        (dict(fraction=0.3, epsilon=50.0, noise_var=2.0, gamma=0.01, tau=0.008, replace=False), 3),
        (dict(fraction=0.25, epsilon=400.0, noise_var=8.0, gamma=0.02, tau=0.03, replace=True), 2),
        (dict(fraction=1.0, epsilon=1.0, noise_var=1.0, gamma=0.02, tau=0.0, replace=False), 1),
    ]:
        arrays = {"w": rng.normal(0, 0.02, (12, 11)).astype("f4"), "b": rng.normal(0, 0.01, 9), "s": np.array(0.1, "f4")}
        cases.append({"args": args, "steps": steps, "in": listed(arrays), "out": listed(svt(arrays, steps, **args))})
    return cases


def svt_moments():
    """No noise to speak of in the release, so that it shows which values are released and how often."""
    args = dict(fraction=0.2, epsilon=2000.0, noise_var=1000.0, gamma=1.0, tau=0.5)
    values = np.linspace(-1, 1, 200)
    results = []
    for replace in (True, False):
        np.random.seed(5)
        runs = np.array([filtered(SVTPrivacy(**args, replace=replace), {"w": values}, {}).data["w"] for _ in range(600)])
        rate = (runs != 0).mean(axis=0)
        results.append({"replace": replace, "runs": len(runs), "args": args, "values": values.tolist(), "rates": rate.reshape(20, 10).mean(axis=1).tolist(), "released": [float((runs != 0).sum(axis=1).mean()), float((runs != 0).sum(axis=1).std())]})
    return results


def convert():
    rng = np.random.default_rng(6)
    base = {"w": rng.normal(size=(2, 3)).astype("f4"), "b": rng.normal(size=4)}
    new = {name: (a + rng.normal(size=a.shape) * 0.1).astype(a.dtype) for name, a in base.items()}
    context = FLContext()
    context.set_prop(FLContextKey.TASK_DATA, DXO(DataKind.WEIGHTS, data=base).to_shareable())
    diff = filtered(ConvertWeights("weights_to_diff"), new, {}, DataKind.WEIGHTS, context).data
    back = filtered(ConvertWeights("diff_to_weights"), diff, {}, DataKind.WEIGHT_DIFF, context).data
    return {"base": listed(base), "new": listed(new), "diff": listed(diff), "back": listed(back)}


def statistics():
    def bins(n):
        return [Bin(i, i + 1, 5) for i in range(n)]

    features = ["age", "few", "dose", "zero", "missing"]
    given = {
        "count": {"train": dict(zip(features, [100, 12, 55, 40, 30])), "test": {"age": 9}},
        "failure_count": {"train": dict(zip(features, [0, 3, 5, 0, 25])), "test": {"age": 0}},
        "mean": {"train": dict(zip(features, [41.5, 2, -3, 0, 7])), "test": {"age": 30}},
        "min": {"train": dict(zip(features, [18, 1, -12.5, 0, 7])), "test": {"age": 20}},
        "max": {"train": dict(zip(features, [93, 4, -0.5, 0, 7])), "test": {"age": 40}},
        "histogram": {"train": {name: Histogram(HistogramType.STANDARD, bins(n)) for name, n in zip(features, [9, 1, 5, 3, 1])}, "test": {"age": Histogram(HistogramType.STANDARD, bins(2))}},
    }

    def plain(statistics):
        out = copy.deepcopy(statistics)
        for sets in out.get("histogram", {}).values():
            for name, histogram in sets.items():
                sets[name] = {"hist_type": int(histogram.hist_type), "bins": [list(b) for b in histogram.bins]}
        return out

    uniforms = []
    draws = random.Random(8)

    def uniform(a, b):
        uniforms.append(draws.random())
        return a + (b - a) * uniforms[-1]

    random.uniform = uniform
    before, left = plain(given), given
    for cleanser in (MinCountCleanser(10), AddNoiseToMinMax(0.1, 0.3), HistogramBinsCleanser(10)):
        left, _ = cleanser.apply(left, "site-1")
    return {"in": before, "out": plain(left), "uniforms": uniforms}


def sigma():
    def delta_of(s, epsilon):
        phi = mpmath.ncdf
        return phi(1 / (2 * s) - epsilon * s) - mpmath.exp(epsilon) * phi(-1 / (2 * s) - epsilon * s)

    cases = []
    for epsilon in (0.01, 0.1, 0.5, 1, 2, 8, 50, 1000):
        for delta in (1e-12, 1e-5, 1e-3, 0.1):
            low, high = mpmath.mpf("1e-4"), mpmath.mpf("1e5")
            for _ in range(140):
                middle = mpmath.sqrt(low * high)
                low, high = (middle, high) if delta_of(middle, mpmath.mpf(epsilon)) > mpmath.mpf(delta) else (low, middle)
            cases.append({"epsilon": epsilon, "delta": delta, "sigma": float(high)})
    return cases


def erfc():
    return [[x, float(mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(mpmath.mpf(x)))] for x in (0, 1e-9, 0.1, 0.5, 1, 1.5, 1.999, 2, 2.5, 3, 5, 10, 30, 1e3, 1e8)]


noise = Stream(3, 4)
document = {
    "chacha": [{"stream": s, "substream": t, "uniforms": Stream(s, t).uniform(40).tolist()} for s, t in [(0, 0), (1, 7), (5, 2**32 - 1)]],
    "noise": {"normal": noise.normal(20).tolist(), "laplace": noise.laplace(0.75, 20).tolist()},
    "percentile": percentile(),
    "percentiles": percentiles(),
    "svt": svt_cases(),
    "svt_moments": svt_moments(),
    "convert": convert(),
    "statistics": statistics(),
    "sigma": sigma(),
    "erfc": erfc(),
}
(HERE / "filters.json").write_text(json.dumps(document) + "\n")
