"""A PyTorch script that takes part in a federated job through an agent.

    python train.py --agent unix:/run/tributary/agent.sock

Softmax regression, one pass over the site's own examples a round. Everything that is federated is in `main`; the rest is
what the script was before.
"""

import argparse

import torch
from torch.nn.functional import cross_entropy

from tributary_agent import FlareAgent, FLModel

torch.set_num_threads(1)


def data_of(site):
    """120 examples of three kinds, the same ones for the same name. Stands for what you read from a disk."""
    seed = 7
    for letter in site:
        seed = seed * 31 + ord(letter)
    values = []
    for i in range(480):
        seed = (seed * 1664525 + 1013904223) % 2**32
        values.append(seed / 2**32 - 0.5 + (1 if i // 4 % 3 == i % 4 else 0))
    return torch.tensor(values).reshape(120, 4), torch.arange(120) % 3


class Softmax(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3, 4))
        self.b = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x @ self.w.T + self.b


def train(model, x, y, lr, batch_size, aborted=lambda: False):
    """One pass in order. -> the number of steps"""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for at in range(0, len(y), batch_size):
        if aborted():
            break
        optimizer.zero_grad()
        cross_entropy(model(x[at : at + batch_size]), y[at : at + batch_size]).backward()
        optimizer.step()
    return -(-len(y) // batch_size)


@torch.no_grad()
def evaluate(model, x, y):
    """Sums and counts: they add up over sites."""
    right = (model(x).argmax(1) == y).sum().item()
    return {"accuracy": {"sum": right, "count": len(y)}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", help="the site's pipe (or TRIBUTARY_AGENT)")
    agent = FlareAgent(parser.parse_args().agent)
    agent.start()
    model, own = Softmax(), None
    for task in agent.tasks():
        if task.task_name == "submit_model":
            agent.submit_result(FLModel(own) if own else None, "OK" if own else "EMPTY_RESULT")
            continue
        x, y = data_of(task.site_name)
        model.load_state_dict({name: torch.from_numpy(value) for name, value in task.params.items()})
        metrics = evaluate(model, x, y)  # of the model received
        if task.task_name == "validate":
            agent.submit_result(FLModel(metrics=metrics))
            continue
        config = {"lr": 0.1, "batchSize": 3, **task.config}
        steps = train(model, x, y, config["lr"], config["batchSize"], lambda: task.aborted)
        agent.log("accuracy_after", evaluate(model, x, y)["accuracy"]["sum"] / len(y), step=task.current_round)
        own = {name: value.clone() for name, value in model.state_dict().items()}
        agent.submit_result(FLModel(own, metrics=metrics, meta={"NUM_STEPS_CURRENT_ROUND": steps}))


if __name__ == "__main__":
    main()
