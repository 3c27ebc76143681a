"""An agent that adds one, in Python: address of the pipe, ledger. It notes what it begins, and what the site has taken."""

import os
import random
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "agent", "python"))

from tributary_agent import FlareAgent, FLModel, Tensor


def add_one(value):
    return Tensor.of([x + 1 for x in value.tolist()], value.shape) if isinstance(value, Tensor) else value + 1


def note(*words):
    with open(sys.argv[2], "a") as ledger:
        ledger.write(" ".join(words) + "\n")


agent = FlareAgent(sys.argv[1], resend_interval=0.05, heartbeat_interval=0.2)
agent.start()
for task in agent.tasks():
    nonce = str(uuid.uuid4())
    note("begun", task.task_id, nonce)
    params = {name: add_one(value) for name, value in task.params.items()}
    time.sleep(0.06 * random.random())
    if agent.submit_result(FLModel(params, meta={"nonce": nonce})):
        note("taken", task.task_id, nonce)
