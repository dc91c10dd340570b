"""A plain training loop, as one writes it in a notebook: one task, one network, Adam at its usual rate, 400 epochs."""

import torch
from torch import nn

from pipeline.data.prepared import Prepared
from pipeline.data.test_split import open_test_split

RUNS, EPOCHS, BATCH, WIDTH = 5, 400, 64, 64


def looped(prepared: Prepared, task: str, runs: int, epochs: int = EPOCHS) -> list[float]:
    """Accuracy on test of each run, trained on the split's training rows.

    Args:
        prepared: Of `digits`.
        task: One of its tasks.
        runs: How many, with seeds from 0.
        epochs: Of a run.
    """
    about = prepared.tasks[task]
    (inputs, labels), (tested, truth) = (
        (
            torch.tensor(it.inputs[about.source]).flatten(1).float() / prepared.sources[about.source].scale,
            torch.tensor(it.labels[task]).long(),
        )
        for it in (prepared.split("train"), open_test_split(prepared).rows)
    )
    classes = len(about.classes)
    found = []
    for seed in range(runs):
        torch.manual_seed(seed)
        network = _trained(inputs, labels, classes, epochs)
        with torch.no_grad():
            found.append(round((network(tested).argmax(1) == truth).float().mean().item(), 5))
    return found


def _trained(inputs: torch.Tensor, labels: torch.Tensor, classes: int, epochs: int) -> nn.Module:
    network = nn.Sequential(nn.Linear(inputs.shape[1], WIDTH), nn.ReLU(), nn.Dropout(0.2), nn.Linear(WIDTH, classes))
    optimizer, loss = torch.optim.Adam(network.parameters()), nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            loss(network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    return network.eval()
