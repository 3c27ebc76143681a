"""Whole jobs against a live server.

    python3 scenarios.py SERVER ADMIN_TOKEN SCENARIO

prints what came of one as one JSON object on the last line.
"""

import json
import random
import sys

import safetensors_mini as safetensors
from device import Admin, Site, f32, mean_of
from wire import Problem


def fold(base, updates, params_type):
    """The weighted mean that the server promises, in float64, rounded once: what the server must give, bit for bit.

    updates: [(site, weight, tensors)]
    """
    updates = sorted(updates, key=lambda update: update[0])
    total = float(sum(weight for _, weight, _ in updates))
    out = {}
    for name, (shape, old) in base.items():
        values = []
        for i in range(len(old)):
            acc = 0.0
            for _, weight, tensors in updates:
                acc += weight * tensors[name][1][i]
            values.append(f32(acc / total) if params_type == "FULL" else f32(old[i] + acc / total))
        out[name] = (shape, values)
    return out


def run_job(server, admin_token, name, model, steps, params_type, step, rounds, workflows=()):
    """A whole job with one thread a site. -> what happened, and the final model"""
    admin = Admin(server, admin_token)
    enrolment = admin.enrolment(len(steps))
    sites = [Site(server, site, enrolment, count, params_type, step) for site, count in steps.items()]
    try:
        Site(server, name + "-late", enrolment, 1, params_type, step)
        raise AssertionError("a used-up enrolment still works")
    except Problem as problem:
        assert problem.status == 401, problem
    job = admin.submit(
        {
            "name": name,
            "minSites": len(steps),
            "deploy": list(steps),
            "model": admin.put(safetensors.encode(model)),
            "workflows": [
                {"id": "train", "use": "fed-avg", "args": {"rounds": rounds, "minResponses": len(steps), "selection": "none"}},
                *workflows,
            ],
            "executors": [{"tasks": ["*"], "use": "app"}],
        }
    )
    for site in sites:
        site.start()
    try:
        view = admin.watch(job)
    except TimeoutError as error:
        raise AssertionError("not finished: %s; sites: %s" % (error, [site.error for site in sites])) from None
    finally:
        for site in sites:
            site.stop = True
    for site in sites:
        site.join(30)
    errors = [site.error for site in sites if site.error]
    assert not errors, errors
    name_of, final = admin.model(job)
    assert view["models"]["global"]["digest"] == name_of
    events = admin.events(job)
    ids = [event[0] for event in events]
    assert ids == sorted(set(ids)), ids
    rest = admin.events(job, ids[1])
    assert [event[0] for event in rest] == ids[2:], "Last-Event-ID resumes"
    return {
        "status": view["status"],
        "results": view["results"],
        "digest": name_of,
        "model": {name: values for name, (_, values) in final.items()},
        "shapes": {name: shape for name, (shape, _) in final.items()},
        "tasks": {site.name: site.tasks for site in sites},
        "trained": {site.name: mean_of(site.trained) for site in sites},
        "events": sorted({event[1] for event in events}),
    }


def add_one(site, round, tensor, i):
    return 1.0


def noise(site, round, tensor, i):
    return random.Random("%s/%d/%s/%d" % (site, round, tensor, i)).uniform(-1, 1)


NUMPY = {"numpy_key": ([3, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])}
CROSS = {"id": "cross", "use": "cross-site-eval"}


def hello(params_type, workflows=()):
    """FLARE's hello-numpy."""
    def scenario(server, token):
        steps = {"hello-%s-%d-%d" % (params_type.lower(), len(workflows), i + 1): n for i, n in enumerate([2, 5])}
        return run_job(server, token, "hello-numpy", NUMPY, steps, params_type, add_one, 3, workflows)
    return scenario


def sevens(server, token):
    """Equal sites that change nothing: weights of float32 1/3 would make 7 into 7.0000005."""
    model = {"seven": ([1000], [7.0] * 1000)}
    steps = {"seven-a": 1, "seven-b": 1, "seven-c": 1}
    return run_job(server, token, "sevens", model, steps, "FULL", lambda *_: 0.0, 2)


def oracle(params_type):
    """Seeded noise, odd weights, two tensors, 4 rounds: compared with the same arithmetic done here."""
    def scenario(server, token):
        draw = random.Random(7)
        model = {
            "layer.weight": ([5, 7], [f32(draw.gauss(0, 1)) for _ in range(35)]),
            "layer.bias": ([7], [f32(draw.gauss(0, 1)) for _ in range(7)]),
        }
        steps = {"oracle-%s-%s" % (params_type.lower(), s): n for s, n in (("z", 3), ("a", 11), ("m", 7), ("b", 1))}
        want = model
        for round in range(4):
            updates = []
            for site, count in steps.items():
                new = {
                    name: (shape, [f32(v + noise(site, round, name, i)) for i, v in enumerate(values)])
                    for name, (shape, values) in want.items()
                }
                if params_type == "DIFF":
                    new = {
                        name: (shape, [f32(n - o) for n, o in zip(values, want[name][1])])
                        for name, (shape, values) in new.items()
                    }
                updates.append((site, count, new))
            want = fold(want, updates, params_type)
        got = run_job(server, token, "oracle", model, steps, params_type, noise, 4)
        got["expected"] = {name: values for name, (_, values) in want.items()}
        return got
    return scenario


SCENARIOS = {
    "hello-full": hello("FULL"),
    "hello-diff": hello("DIFF"),
    "cross": hello("FULL", (CROSS,)),
    "sevens": sevens,
    "oracle-full": oracle("FULL"),
    "oracle-diff": oracle("DIFF"),
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[3]](sys.argv[1], sys.argv[2])))
