"""Takes part in a Tributary site's jobs from Python: FLARE's FlareAgent, in one file that needs nothing but Python 3.9.

    agent = FlareAgent("unix:/run/tributary/agent.sock")
    agent.start()
    for task in agent.tasks():
        agent.submit_result(FLModel(params=train(task.params), meta={"NUM_STEPS_CURRENT_ROUND": 50}))

Tensors travel as safetensors. Where numpy is installed params are numpy arrays, writable and not copied; where it is not
they are `Tensor`s. PyTorch's tensors may be sent as they are. The protocol is docs/agents.md of the project.
"""

import http.client
import json
import logging
import math
import os
import socket
import struct
import threading
import time
import urllib.parse
import uuid

try:
    import numpy
except ImportError:  # the file works without
    numpy = None

log = logging.getLogger("tributary_agent")

__version__ = "0.1.0"
__all__ = ["AgentClosed", "CallStateError", "FLModel", "FlareAgent", "ResultRejected", "Task", "Tensor"]

PROTOCOL = 1
MAX_WAIT = 25
GRACE = 30
BYE = 1
LOG_WAITING = 10_000
JSON, SAFETENSORS = "application/json", "application/x-safetensors"
SUFFIXES = {".json": JSON, ".safetensors": SAFETENSORS}
HEAD = "agent"

# dtype -> bytes of an element, and its letter in `struct`; F16 and BF16 are read as their bits.
DTYPES = {
    "F64": (8, "d"), "F32": (4, "f"), "F16": (2, "H"), "BF16": (2, "H"),
    "I64": (8, "q"), "I32": (4, "i"), "I16": (2, "h"), "I8": (1, "b"),
    "U64": (8, "Q"), "U32": (4, "I"), "U16": (2, "H"), "U8": (1, "B"), "BOOL": (1, "?"),
}  # fmt: skip
NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


class AgentClosed(Exception):
    """The agent is over: its job has ended, another agent has taken its place, the site is gone, or stop() was called."""


class CallStateError(Exception):
    """A call at the wrong time: get_task() before the last task has its result, or submit_result() without a task."""


class ResultRejected(ValueError):
    """The site could not read a result. Its task is still open."""


class Tensor:
    """A dense, row-major array: `data` are the little-endian bytes of its elements. For where numpy is not."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, tuple(shape), memoryview(data).cast("B")
        size = DTYPES[dtype][0]
        for dimension in self.shape:
            size *= dimension
        if size != self.data.nbytes:
            raise ValueError("%s %r takes %d bytes, not %d" % (dtype, self.shape, size, self.data.nbytes))

    @classmethod
    def of(cls, values, shape, dtype="F32"):
        """From numbers in row order."""
        values = list(values)
        return cls(dtype, shape, struct.pack("<%d%s" % (len(values), DTYPES[dtype][1]), *values))

    def tolist(self):
        """Its numbers in row order; those of F16 and BF16 are their bits."""
        size, letter = DTYPES[self.dtype]
        return list(struct.unpack("<%d%s" % (self.data.nbytes // size, letter), self.data))


class FLModel:
    """FLARE's FLModel: what a task brings and a result takes back. A metric is a number or {"sum": s, "count": n}."""

    def __init__(self, params=None, params_type=None, metrics=None, meta=None, current_round=None, total_rounds=None):
        if params is None and params_type is not None:
            raise ValueError("params_type without params")
        if params_type not in (None, "FULL", "DIFF"):
            raise ValueError("params_type is FULL or DIFF, not %r" % (params_type,))
        self.params, self.metrics, self.meta = params, metrics, meta
        self.params_type = params_type or ("FULL" if params is not None else None)
        self.current_round, self.total_rounds = current_round, total_rounds

    def header(self):
        names = ("params_type", "metrics", "meta", "current_round", "total_rounds")
        said = {name: getattr(self, name) for name in names}
        return {name: value for name, value in said.items() if value is not None}


class Task:
    """A task as the site gave it. `params` are FULL, and yours to change; None where it brings none (submit_model)."""

    def __init__(self, head, params):
        self.head, self.params = head, params
        self.task_name, self.task_id, self.attempt = head["name"], head["task"], head["attempt"]
        self.job_id, self.site_name, self.workflow = head["job"], head["site"], head["workflow"]
        self.current_round, self.total_rounds = head["round"], head["totalRounds"]
        self.params_type, self.data, self.config = head["paramsType"], head["data"], head["config"]
        self.abort_signal = threading.Event()
        self.finished = threading.Event()

    @property
    def aborted(self):
        """True once the job or the task is over: stop soon, a result is not wanted any more."""
        return self.abort_signal.is_set()

    @property
    def model(self):
        kind = None if self.params is None else "FULL"
        return FLModel(self.params, kind, None, self.data, self.current_round, self.total_rounds)


def _tensor(value):
    """(dtype, shape, bytes) of a Tensor, of anything that numpy takes, or of a PyTorch tensor."""
    if isinstance(value, Tensor):
        return value.dtype, value.shape, value.data
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if numpy is None:
        raise TypeError("without numpy params are tributary_agent.Tensor, not %s" % type(value).__name__)
    array = numpy.asarray(value)
    little = array.dtype.newbyteorder("<")
    dtype = next((name for name, kind in NUMPY.items() if numpy.dtype(kind) == little), None)
    if dtype is None:
        raise TypeError("no safetensors dtype for %s" % array.dtype)
    flat = numpy.ascontiguousarray(array, dtype=little).reshape(-1)
    return dtype, array.shape, flat.view(numpy.uint8).data


def encode(head, params=None):
    """A message: its media type, and its bytes in pieces that are views of the params."""
    text = json.dumps(head, allow_nan=False)
    if params is None:
        return JSON, [text.encode()]
    header, parts, at = {"__metadata__": {HEAD: text}}, [], 0
    tensors = [(name, *_tensor(value)) for name, value in params.items()]
    # Larger elements first: each starts at a multiple of its size.
    for name, dtype, shape, data in sorted(tensors, key=lambda tensor: -DTYPES[tensor[1]][0]):
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + data.nbytes]}
        parts.append(data)
        at += data.nbytes
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return SAFETENSORS, [struct.pack("<Q", len(raw)) + raw, *parts]


def decode(media_type, data):
    """A message: its head, and its params (None where it has none). Raises ValueError on bytes that are none."""
    if media_type == JSON:
        return json.loads(bytes(data)), None
    if media_type != SAFETENSORS:
        raise ValueError("expected %s, got %s" % (SAFETENSORS, media_type))
    whole = memoryview(data)
    (length,) = struct.unpack_from("<Q", whole, 0)
    if length > len(whole) - 8:
        raise ValueError("the header is cut short")
    header, region, params = json.loads(bytes(whole[8 : 8 + length])), whole[8 + length :], {}
    head = json.loads(header.pop("__metadata__")[HEAD])
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= len(region):
            raise ValueError("%s lies outside of the file" % name)
        tensor = Tensor(entry["dtype"], entry["shape"], region[begin:end])
        kind = NUMPY.get(tensor.dtype)
        if numpy is not None and kind is not None:
            params[name] = numpy.frombuffer(tensor.data, kind).reshape(tensor.shape)
        else:
            params[name] = tensor
    return head, params


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class HttpPipe:
    """HTTP, on a Unix socket or a port of this machine."""

    def __init__(self, path=None, host=None, port=None, token=None):
        self.path, self.host, self.port, self.token = path, host, port, token

    def ask(self, head, params, patience, over):
        kind, parts = encode(head, params)
        if self.path is not None:
            connection = _UnixConnection(self.path, patience)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=patience)
        headers = {"content-type": kind, "content-length": str(sum(memoryview(part).nbytes for part in parts))}
        if self.token:
            headers["authorization"] = "Bearer " + self.token
        try:
            connection.request("POST", "/", body=iter(parts), headers=headers)
            answer = connection.getresponse()
            data = bytearray(int(answer.headers["content-length"]))
            view, at = memoryview(data), 0
            while at < len(data):
                count = answer.readinto(view[at:])
                if not count:
                    raise OSError("the answer was cut short")
                at += count
            return decode(answer.headers["content-type"], data)
        finally:
            connection.close()


class FolderPipe:
    """Files in a folder that the site sees too: `requests/NAME` is answered by `answers/NAME`."""

    def __init__(self, folder, read_interval=0.1):
        self.requests, self.answers = os.path.join(folder, "requests"), os.path.join(folder, "answers")
        self.read_interval, self.lock, self.ready = read_interval, threading.Lock(), False

    def _prepare(self):
        """What an earlier agent left goes: its session is over."""
        with self.lock:
            if self.ready:
                return
            for folder in (self.requests, self.answers):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                for name in os.listdir(folder):
                    self._drop(os.path.join(folder, name))
            self.ready = True

    @staticmethod
    def _drop(path):
        try:
            os.remove(path)
        except FileNotFoundError:
            pass

    def ask(self, head, params, patience, over):
        self._prepare()
        kind, parts = encode(head, params)
        name = str(uuid.uuid4())
        unfinished = os.path.join(self.requests, "." + name)
        with open(unfinished, "wb") as file:
            file.writelines(parts)
        suffix = next(each for each, media_type in SUFFIXES.items() if media_type == kind)
        os.rename(unfinished, os.path.join(self.requests, name + suffix))
        until = time.monotonic() + patience
        try:
            while not over.is_set() and time.monotonic() < until:
                for each, media_type in SUFFIXES.items():
                    path = os.path.join(self.answers, name + each)
                    if os.path.exists(path):
                        with open(path, "rb") as file:
                            return decode(media_type, bytearray(file.read()))
                over.wait(self.read_interval)
            raise OSError("the site does not answer")
        finally:
            for each in SUFFIXES:
                self._drop(os.path.join(self.requests, name + each))
                self._drop(os.path.join(self.answers, name + each))


def pipe_at(address, token=None):
    """The pipe at `unix:PATH`, `http://127.0.0.1:PORT` or `dir:PATH`. Raises ValueError on any other address."""
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        return HttpPipe(path=rest, token=token)
    if scheme == "dir" and rest:
        return FolderPipe(rest)
    url = urllib.parse.urlsplit(address)
    if url.scheme != "http" or url.port is None:
        raise ValueError("an agent's address is unix:PATH, http://127.0.0.1:PORT or dir:PATH, not %r" % address)
    return HttpPipe(host=url.hostname, port=url.port, token=token)


class FlareAgent:
    """FLARE's FlareAgent. `pipe` is an address or a pipe; TRIBUTARY_AGENT and TRIBUTARY_AGENT_TOKEN where not given.

    Seconds: `heartbeat_interval` between heartbeats; the site is held to be gone after `heartbeat_timeout` without word
    (`peer_gone`); `resend_interval` between tries; `submit_result_timeout` for which a result is offered to a site that
    does not know its task. `once`: leave when the job ends. `leave_when_gone`: leave when the site is gone; without it
    the agent waits for the site to come back.
    """

    def __init__(
        self, pipe=None, *, token=None, heartbeat_interval=5, heartbeat_timeout=60, resend_interval=1,
        submit_result_timeout=300, once=True, leave_when_gone=False,
    ):  # fmt: skip
        pipe = pipe if pipe is not None else os.environ.get("TRIBUTARY_AGENT")
        if pipe is None:
            raise ValueError("no pipe: give an address, or set TRIBUTARY_AGENT")
        token = token or os.environ.get("TRIBUTARY_AGENT_TOKEN")
        self.pipe = pipe_at(pipe, token) if isinstance(pipe, str) else pipe
        self.heartbeat_interval, self.heartbeat_timeout = heartbeat_interval, heartbeat_timeout
        self.resend_interval, self.submit_result_timeout = resend_interval, submit_result_timeout
        self.once, self.leave_when_gone = once, leave_when_gone
        self._who = {"protocol": PROTOCOL, "session": str(uuid.uuid4()), "started": int(time.time() * 1000)}
        self._task, self._closed, self._why = None, threading.Event(), ""
        self._silent = False
        self._heard, self._lock, self._log, self._seq = time.monotonic(), threading.Lock(), [], 0

    def start(self):
        """Begins to count the site's silence. The site may come later, or have been there before."""
        self._heard = time.monotonic()

    @property
    def peer_gone(self):
        return time.monotonic() - self._heard > self.heartbeat_timeout

    def get_task(self, timeout=None):
        """The next task; None where none has come in `timeout` seconds. Raises AgentClosed and CallStateError."""
        if self._task is not None:
            raise CallStateError("%s has no result yet" % self._task.task_id)
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self._check()
            left = MAX_WAIT if end is None else max(0, end - time.monotonic())
            answer = self._ask({"op": "task", "wait": min(MAX_WAIT, self.heartbeat_timeout / 3, left)})
            head, params = answer or ({}, None)
            if head.get("status") == "task":
                self._task = Task(head, params)
                threading.Thread(target=self._beat, args=(self._task,), daemon=True).start()
                return self._task
            if head.get("status") == "rejected" or (head.get("status") == "end" and self.once):
                self._end(head.get("reason", ""))
                continue
            if end is not None and time.monotonic() >= end:
                return None
            if answer is None or head.get("status") == "error":
                self._closed.wait(self.resend_interval)

    def tasks(self):
        """Tasks until the agent is over."""
        while True:
            try:
                task = self.get_task()
            except AgentClosed:
                return
            yield task

    def submit_result(self, result=None, rc="OK"):
        """Answers the task with an FLModel, and resends until the site has acknowledged it. -> True if the site has it,
        False if it had given the task up. A failure is submit_result(rc="EXECUTION_EXCEPTION"). Raises AgentClosed,
        CallStateError without a task, ResultRejected, and ValueError on what JSON can not hold (NaN)."""
        task = self._task
        if task is None:
            raise CallStateError("no task: call get_task() first")
        result = result if result is not None else FLModel()
        held = {"task": task.task_id, "attempt": task.attempt}
        fl_model = {**result.header(), "return_code": rc}
        head = {"op": "result", **held, "result": str(uuid.uuid4()), "fl_model": fl_model}
        # Converted once, and raises here, not where errors mean "again".
        params = None if result.params is None else {k: Tensor(*_tensor(v)) for k, v in result.params.items()}
        encode(head, params)
        self._flush(task)
        until = None
        while True:
            self._check()
            status, reason = self._said(self._ask(head, params))
            # A whole model again and again is much to send where nobody knows what it is for: ask first.
            while status == "unknown":
                until = until if until is not None else time.monotonic() + self.submit_result_timeout
                if time.monotonic() >= until:
                    return self._done(task, False)
                self._closed.wait(self.resend_interval)
                self._check()
                status, reason = self._said(self._ask({"op": "beat", **held, "wait": 0}))
            if status in ("accepted", "duplicate", "done"):
                return self._done(task, True)
            if status == "closed":
                return self._done(task, False)
            if status == "rejected":
                raise ResultRejected(reason)
            if status != "open":
                self._closed.wait(self.resend_interval)

    def log(self, key, value, type=None, step=None):
        """Adds a value to the job's metric log; it is sent at once, or with the next. -> True if the site has it"""
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)  # JSON has no NaN and no infinity
        entry = {"key": key, "value": value, "type": type, "step": step}
        with self._lock:
            self._log.append({"seq": self._seq, **{k: v for k, v in entry.items() if v is not None}})
            self._seq += 1
            del self._log[:-LOG_WAITING]
        return self._flush(self._task)

    def stop(self):
        """Leaves. A task without a result is on offer again."""
        if not self._closed.is_set():
            self._ask({"op": "bye"})
        self._end("the agent was stopped")

    @staticmethod
    def _said(answer):
        return (None, None) if answer is None else (answer[0].get("status"), answer[0].get("reason"))

    def _done(self, task, accepted):
        task.finished.set()
        self._task = None
        return accepted

    def _check(self):
        if self.leave_when_gone and self.peer_gone:
            self._end("the site is gone")
        if self._closed.is_set():
            raise AgentClosed(self._why)

    def _end(self, reason):
        with self._lock:
            if self._closed.is_set():
                return
            self._why = reason
            self._closed.set()
            task, self._task = self._task, None
        if task is not None:
            task.abort_signal.set()
            task.finished.set()

    def _flush(self, task):
        with self._lock:
            entries = list(self._log)
        if task is None or not entries:
            return not entries
        status, _ = self._said(self._ask({"op": "log", "task": task.task_id, "entries": entries}))
        if status not in ("accepted", "rejected"):
            return False
        with self._lock:
            self._log = [entry for entry in self._log if entry["seq"] > entries[-1]["seq"]]
        return status == "accepted"

    def _beat(self, task):
        """Holds the task, hears of its end, and lets the site hear of us."""
        held = {"op": "beat", "task": task.task_id, "attempt": task.attempt}
        while not task.finished.is_set():
            answer = self._ask({**held, "wait": min(self.heartbeat_interval, MAX_WAIT)}, over=task.finished)
            status, _ = self._said(answer)
            if status == "open":
                continue
            if status == "closed":
                task.abort_signal.set()
            task.finished.wait(self.resend_interval if answer is None else self.heartbeat_interval)

    def _ask(self, head, params=None, over=None):
        """The site's answer; None where there is none, and it is to be asked again."""
        try:
            patience = BYE if head["op"] == "bye" else head.get("wait", 0) + GRACE
            answer = self.pipe.ask({**self._who, **head}, params, patience, over or self._closed)
        except (OSError, ValueError, KeyError, struct.error, http.client.HTTPException) as error:
            if not self._silent:
                log.info("no answer, asking again: %r", error)
            self._silent = True
            return None
        self._silent = False
        self._heard = time.monotonic()
        if answer[0].get("status") == "superseded":
            self._end("another agent has taken over")
        return answer
