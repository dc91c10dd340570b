"""Whether two machines compute the same bits: fixed products and a few steps of a tiny network, as a hash."""

import hashlib

import torch
from torch import nn

from pipeline.training.numerics import settle

_SHAPES = ((64, 784, 128), (256, 128, 10), (16, 33, 7))  # of products [N, F] x [F, C], with and without remainders
_STEPS = 3


def bits(device: str) -> str:
    """Hash of what this process computes, 16 hexadecimal digits: equal where instruction sets and kernels are.

    Args:
        device: `cpu` or `cuda`.
    """
    settle()
    content = hashlib.sha256()
    for rows, features, outputs in _SHAPES:
        left, right = _made(device, 8, rows, features), _made(device, 8, features, outputs)
        for answer in (left[0] @ right[0], left @ right, left.flatten().exp().sum(), left.softmax(-1), left.tanh()):
            content.update(answer.cpu().numpy().tobytes())
    for values in _trained(device):
        content.update(values.cpu().numpy().tobytes())
    return content.hexdigest()[:16]


def _trained(device: str) -> list[torch.Tensor]:
    """The parameters of a tiny network after some steps."""
    layers = nn.Linear(784, 128, device=device), nn.Linear(128, 10, device=device)
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(_made(device, *layer.weight.shape) / layer.in_features**0.5)
            layer.bias.zero_()
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    inputs, classes = _made(device, 64, 784), torch.arange(64, device=device) % 10
    for _ in range(_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), classes).backward()
        optimizer.step()
    return [it.detach() for it in network.parameters()]


def _made(device: str, *shape: int) -> torch.Tensor:
    """Numbers between -1 and 1 that are the same bits everywhere: whole numbers, divided by a power of two."""
    size = torch.Size(shape).numel()
    return ((torch.arange(size, device=device) * 7919 % 65537 - 32768) / 32768.0).reshape(shape)
