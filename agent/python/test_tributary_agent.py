"""python -m unittest, with numpy and without."""

import json
import struct
import sys
import unittest

if "--no-numpy" in sys.argv:
    sys.argv.remove("--no-numpy")
    sys.modules["numpy"] = None

import tributary_agent
from tributary_agent import AgentClosed, CallStateError, FlareAgent, FLModel, ResultRejected, Tensor, decode, encode, numpy


def sent(head, params=None):
    kind, parts = encode(head, params)
    return kind, bytearray(b"".join(bytes(part) for part in parts))


def values(value):
    return value.tolist() if isinstance(value, Tensor) else value.reshape(-1).tolist()


class Messages(unittest.TestCase):
    def test_json(self):
        kind, data = sent({"op": "task", "text": "größer"})
        self.assertEqual(kind, "application/json")
        self.assertEqual(decode(kind, data), ({"op": "task", "text": "größer"}, None))

    def test_every_dtype(self):
        for dtype in tributary_agent.DTYPES:
            numbers = [True, False, True] if dtype == "BOOL" else [1, 2, 3]
            kind, data = sent({}, {"t": Tensor.of(numbers, (1, 3), dtype)})
            _, params = decode(kind, data)
            self.assertEqual(tuple(params["t"].shape), (1, 3), dtype)
            again = Tensor.of(numbers, (3,), dtype)
            back = sent({}, params)[1]
            self.assertEqual(bytes(back[-again.data.nbytes :]), bytes(again.data), dtype)

    def test_alignment_and_odd_names(self):
        tensors = {"a": Tensor.of([1], (1,), "U8"), "__proto__": Tensor.of([2.0], (), "F64"), "z": Tensor.of([], (0, 2))}
        kind, data = sent({"x": 1}, tensors)
        (length,) = struct.unpack_from("<Q", data, 0)
        self.assertEqual(length % 8, 0)
        header = json.loads(bytes(data[8 : 8 + length]))
        self.assertEqual(header["__proto__"], {"dtype": "F64", "shape": [], "data_offsets": [0, 8]})
        head, params = decode(kind, data)
        self.assertEqual(head, {"x": 1})
        self.assertEqual({name: values(value) for name, value in params.items()}, {"a": [1], "__proto__": [2.0], "z": []})

    def test_no_tensors_is_not_none(self):
        self.assertEqual(decode(*sent({}, {})), ({}, {}))

    def test_bad_bytes(self):
        kind, good = sent({}, {"t": Tensor.of([1, 2], (2,))})
        for bad in (b"", good[:7], good[:20], good[:-1]):
            with self.assertRaises((ValueError, struct.error)):
                decode(kind, bytearray(bad))
        with self.assertRaises(ValueError):
            decode("text/plain", good)

    def test_nan_is_no_json(self):
        with self.assertRaises(ValueError):
            encode({"metric": float("nan")})

    @unittest.skipIf(numpy is None, "without numpy")
    def test_numpy(self):
        grid = numpy.arange(6, dtype=">f4").reshape(2, 3)
        _, params = decode(*sent({}, {"t": grid.T, "h": numpy.float16([1.5]), "s": numpy.int64(7)}))
        self.assertTrue(numpy.array_equal(params["t"], grid.T))
        self.assertEqual(params["t"].dtype, numpy.dtype("<f4"))
        params["t"] += 1  # writable
        self.assertEqual(params["h"].dtype, numpy.float16)
        self.assertEqual(params["s"].shape, ())
        with self.assertRaises(TypeError):
            encode({}, {"t": numpy.array(["a"])})

    @unittest.skipIf(numpy is not None, "with numpy")
    def test_without_numpy(self):
        with self.assertRaises(TypeError):
            encode({}, {"t": [1, 2]})

    def test_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("without torch")
        if numpy is None:
            self.skipTest("torch needs numpy to give its bytes")
        weights = torch.nn.Linear(3, 2).state_dict()
        _, params = decode(*sent({}, weights))
        self.assertTrue(torch.equal(torch.from_numpy(params["weight"]), weights["weight"]))


class Script:
    """A site that answers from a list; an answer that is None is none."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def ask(self, head, params, patience, over):
        if head["op"] in ("beat", "log", "bye") and head.get("wait") != 0:
            over.wait(0.01)
            return {"status": "open"}, None
        self.asked.append(head)
        answer = self.answers.pop(0)
        if answer is None:
            raise OSError("nobody is there")
        return answer, ({} if answer.get("status") == "task" else None)


TASK = {
    "status": "task", "task": "t", "attempt": 1, "name": "train", "job": "j", "site": "s", "workflow": "w", "round": 0,
    "totalRounds": 2, "paramsType": "ANY", "data": {}, "config": {},
}  # fmt: skip


def agent_of(*answers, **options):
    agent = FlareAgent(Script(*answers), resend_interval=0.001, **options)
    agent.start()
    return agent


class Agents(unittest.TestCase):
    def test_states(self):
        agent = agent_of(TASK, {"status": "accepted"})
        with self.assertRaises(CallStateError):
            agent.submit_result(FLModel())
        self.assertEqual(agent.get_task().task_id, "t")
        with self.assertRaises(CallStateError):
            agent.get_task()
        self.assertTrue(agent.submit_result(FLModel(metrics={"loss": 1.0})))
        with self.assertRaises(CallStateError):
            agent.submit_result(FLModel())

    def test_resends_under_one_id_until_acknowledged(self):
        agent = agent_of(None, TASK, None, {"status": "error"}, {"status": "accepted"})
        agent.get_task()
        self.assertTrue(agent.submit_result(FLModel(metrics={"loss": 1.0})))
        results = [head for head in agent.pipe.asked if head["op"] == "result"]
        self.assertEqual(len(results), 3)
        self.assertEqual(len({head["result"] for head in results}), 1)
        self.assertEqual({(head["task"], head["attempt"]) for head in results}, {("t", 1)})

    def test_a_site_that_was_restarted_is_asked_before_it_is_sent_a_model(self):
        agent = agent_of(TASK, {"status": "unknown"}, {"status": "unknown"}, {"status": "open"}, {"status": "accepted"})
        agent.get_task()
        self.assertTrue(agent.submit_result(FLModel({})))
        self.assertEqual([head["op"] for head in agent.pipe.asked], ["task", "result", "beat", "beat", "result"])

    def test_a_task_that_was_given_up(self):
        agent = agent_of(TASK, {"status": "closed", "reason": "aborted"}, TASK, {"status": "unknown"}, submit_result_timeout=0)
        for _ in range(2):
            agent.get_task()
            self.assertFalse(agent.submit_result(FLModel({})))

    def test_a_result_that_is_none_leaves_the_task_open(self):
        agent = agent_of(TASK, {"status": "rejected", "reason": "no"}, {"status": "duplicate"})
        agent.get_task()
        with self.assertRaises(ResultRejected):
            agent.submit_result(FLModel())
        with self.assertRaises(ValueError):
            agent.submit_result(FLModel(metrics={"loss": float("nan")}))
        self.assertTrue(agent.submit_result(FLModel(metrics={"loss": 0.0})))

    def test_the_end(self):
        for answer in ({"status": "end", "reason": "over"}, {"status": "superseded"}, {"status": "rejected", "reason": "401"}):
            with self.assertRaises(AgentClosed):
                agent_of(answer).get_task()
        self.assertEqual(list(agent_of({"status": "end", "reason": "over"}).tasks()), [])
        stays = agent_of({"status": "end", "reason": "over"}, TASK, once=False)
        self.assertEqual(stays.get_task().task_id, "t")

    def test_a_timeout_and_a_site_that_is_gone(self):
        self.assertIsNone(agent_of({"status": "none"}).get_task(0))
        gone = agent_of(leave_when_gone=True, heartbeat_timeout=-1)
        self.assertTrue(gone.peer_gone)
        with self.assertRaises(AgentClosed):
            gone.get_task()

    def test_addresses_and_models(self):
        for address in ("", "agent.sock", "https://x:1", "http://127.0.0.1", "unix:"):
            with self.assertRaises(ValueError):
                FlareAgent(address)
        with self.assertRaises(ValueError):
            FLModel(params_type="FULL")
        with self.assertRaises(ValueError):
            FLModel({}, "HALF")


if __name__ == "__main__":
    unittest.main()
