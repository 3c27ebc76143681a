"""A Tributary admin and a site in plain Python: written from the HTTP contract alone, with no code of the project."""

import hashlib
import json
import struct
import threading
import time
import uuid

import safetensors_mini as safetensors
from wire import Wire

SAFETENSORS = "application/x-safetensors"


def f32(value):
    """The nearest float32, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def digest(data):
    return "sha256-" + hashlib.sha256(data).hexdigest()


class Admin:
    def __init__(self, server, token):
        self.wire = Wire(server, token)

    def enrolment(self, uses):
        status, made = self.wire.json(
            "POST", "/v1/enrolments", {"uses": uses, "expiresIn": 600}, {"idempotency-key": str(uuid.uuid4())}
        )
        assert status == 201, status
        return made["token"]

    def put(self, data):
        name = digest(data)
        for expected in ((201, 200), (200,)):  # new or known, then certainly known
            status, _, _ = self.wire.bytes(
                "PUT", "/v1/blobs/" + name, data, {"content-type": "application/octet-stream"}
            )
            assert status in expected, (status, expected)
        _, _, back = self.wire.bytes("GET", "/v1/blobs/" + name)
        assert back == data
        return name

    def submit(self, spec):
        """Submits twice under one key: the second answers the same job."""
        key = {"idempotency-key": str(uuid.uuid4())}
        status, job = self.wire.json("POST", "/v1/jobs", spec, key)
        assert status == 201, status
        _, again = self.wire.json("POST", "/v1/jobs", spec, key)
        assert again["id"] == job["id"], (job, again)
        return job["id"]

    def watch(self, job, seconds=90):
        """Long-polls until the job is finished. -> its last view"""
        view = {"version": 0, "status": ""}
        until = time.monotonic() + seconds
        versions = []
        while not view["status"].startswith("FINISHED:"):
            if time.monotonic() > until:
                raise TimeoutError(json.dumps(view))
            _, view = self.wire.json("GET", "/v1/jobs/%s?wait=5&since=%d" % (job, view["version"]))
            versions.append(view["version"])
        assert versions == sorted(versions), versions
        return view

    def model(self, job, name="global"):
        """-> digest, tensors"""
        _, headers, data = self.wire.bytes("GET", "/v1/jobs/%s/models/%s" % (job, name))
        assert headers["content-type"] == SAFETENSORS, headers["content-type"]
        assert digest(data) in headers["etag"], (digest(data), headers["etag"])
        return digest(data), safetensors.decode(data)

    def events(self, job, last=None, until="FINISHED:"):
        """Server-sent events up to the one whose data says the job is finished. -> [(id, event, data)]"""
        headers = {"accept": "text/event-stream"}
        if last is not None:
            headers["last-event-id"] = str(last)
        seen, fields = [], {}
        with self.wire.open("GET", "/v1/jobs/%s/events" % job, headers, timeout=30) as stream:
            for line in stream:
                line = line.decode().rstrip("\r\n")
                if line.startswith(":"):
                    continue
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = fields.get(name, "") + value.removeprefix(" ")
                    continue
                if "data" in fields:
                    seen.append((int(fields["id"]), fields["event"], fields["data"]))
                    if fields["event"] == "status" and until in fields["data"]:
                        return seen
                fields = {}
        return seen


class Site(threading.Thread):
    """One device: enrols, asks its inbox for jobs, and does every task of a job until the server says `end`."""

    def __init__(self, server, name, enrolment, steps, params_type, step):
        super().__init__(name=name, daemon=True)
        _, grant = Wire(server, enrolment).json(
            "POST", "/v1/sites", {"name": name, "capabilities": {"runtime": "python"}},
            {"idempotency-key": str(uuid.uuid4())},
        )
        assert grant["site"] == name, grant
        self.wire = Wire(server, grant["token"])
        self.steps, self.params_type, self.step = steps, params_type, step
        self.trained, self.error, self.tasks, self.stop = None, None, [], False

    def run(self):
        try:
            done = set()
            while not self.stop:
                _, inbox = self.wire.json("GET", "/v1/inbox")
                for job in inbox["jobs"]:
                    if job["id"] not in done:
                        self.serve(job["id"])
                        done.add(job["id"])
                time.sleep(min(inbox["retryAfter"], 0.2))
        except Exception as error:  # reported by the main thread
            self.error = "%s: %r" % (self.name, error)

    def serve(self, job):
        while not self.stop:
            status, answer = self.wire.json("GET", "/v1/jobs/%s/task?wait=5" % job)
            assert status == 200
            if answer["status"] == "end":
                return
            if answer["status"] == "try-again":
                time.sleep(min(answer["retryAfter"], 0.2))
                continue
            task = answer["task"]
            _, again = self.wire.json("GET", "/v1/jobs/%s/task?wait=0" % job)
            assert again["task"]["id"] == task["id"], "asking again must give the same task"
            _, lease = self.wire.json("POST", task["lease"]["url"])
            assert lease["status"] == "open", lease
            self.tasks.append([task["name"], task["round"]])
            kind, body = getattr(self, "do_" + task["name"])(task)
            for expected in ("accepted", "duplicate"):
                _, raw = self.wire.json_of("POST", task["resultUrl"], body, kind)
                assert raw["status"] == expected, (raw, expected)

    def received(self, task):
        _, headers, data = self.wire.bytes("GET", task["model"]["url"])
        assert len(data) == task["model"]["bytes"] and digest(data) == task["model"]["digest"]
        return safetensors.decode(data)

    def do_train(self, task):
        model = self.received(task)
        self.trained = {
            name: (shape, [f32(value + self.step(self.name, task["round"], name, i)) for i, value in enumerate(values)])
            for name, (shape, values) in model.items()
        }
        sent = self.trained
        if self.params_type == "DIFF":
            sent = {
                name: (shape, [f32(new - old) for new, old in zip(values, model[name][1])])
                for name, (shape, values) in self.trained.items()
            }
        head = {
            "params_type": self.params_type,
            "metrics": {"mean": mean_of(model)},
            "meta": {"NUM_STEPS_CURRENT_ROUND": self.steps},
        }
        return SAFETENSORS, safetensors.encode(sent, {"fl_model": json.dumps(head)})

    def do_submit_model(self, task):
        assert task["model"] is None and "name" in task["data"], task
        return SAFETENSORS, safetensors.encode(self.trained, {"fl_model": json.dumps({"params_type": "FULL"})})

    def do_validate(self, task):
        assert isinstance(task["data"]["owner"], str)
        head = {"metrics": {"mean": mean_of(self.received(task))}, "return_code": "OK"}
        return "application/json", json.dumps(head).encode()


def mean_of(model):
    values = [value for _, numbers in model.values() for value in numbers]
    return sum(values) / len(values)
