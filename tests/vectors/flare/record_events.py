"""Records the events that NVFlare's own client fires, and what its learner is asked, with the site's answers.

    pip install "nvflare==2.6.*" && python record_events.py events.json

A real job in NVFlare's simulator: one client, a learner run by ModelLearnerExecutor, two rounds of training. A component
of the client, and one of the server, write down every event that they hear; the learner its own calls.
"""

import json
import os
import sys
import tempfile

import nvflare
from nvflare.apis.fl_component import FLComponent
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.abstract.model_learner import ModelLearner
from nvflare.app_common.executors.model_learner_executor import ModelLearnerExecutor
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob

LOG = os.environ.setdefault("EVENTS_LOG", os.path.join(tempfile.mkdtemp(), "events.jsonl"))


def write(kind, name):
    with open(LOG, "a") as f:
        f.write(json.dumps([kind, name]) + "\n")


class Recorder(FLComponent):
    def handle_event(self, event_type, fl_ctx):
        # The simulator's own events come before there is a job.
        if fl_ctx.get_job_id():
            write("event" if fl_ctx.get_identity_name() == "site-1" else "server", event_type)


class Learner(ModelLearner):
    def initialize(self):
        write("learner", "initialize")

    def train(self, model):
        write("learner", "train")
        return FLModel(params_type="FULL", params=model.params, meta={"NUM_STEPS_CURRENT_ROUND": 1})

    def validate(self, model):
        write("learner", "validate")
        return FLModel(metrics={"accuracy": 0.5})

    def finalize(self):
        write("learner", "finalize")


if __name__ == "__main__":
    work = tempfile.mkdtemp()
    job = FedJob(name="events", min_clients=1)
    job.to_server(FedAvg(num_clients=1, num_rounds=2), id="controller")
    job.to_server(NPModelPersistor(), id="persistor")
    job.to_server(Recorder(), id="recorder")
    job.to_clients(Recorder(), id="recorder")
    job.to_clients(Learner(), id="learner")
    job.to_clients(ModelLearnerExecutor(learner_id="learner"), tasks=["train"])
    job.simulator_run(os.path.join(work, "run"), n_clients=1)
    with open(LOG) as f:
        # The simulator swaps clients in and out of its threads: no client elsewhere does.
        lines = [json.loads(line) for line in f if "_swap_" not in line]
    heard = [line for line in lines if line[0] != "server"]
    server = [event for kind, event in lines if kind == "server"]
    with open(sys.argv[1], "w") as f:
        json.dump({"nvflare": nvflare.__version__, "heard": heard, "server": server}, f)
        f.write("\n")
