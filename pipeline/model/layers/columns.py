"""The windows of a batch of images as the columns of matrices, some rows of windows at a time.

Legend of shapes beside those of `images`:
    S slots whose images differ; k side of a window; R = C * k * k values of a window
    h rows of windows at a time, n = h * Q * B windows
"""

import math
from itertools import pairwise

import torch
from torch import Tensor


class Columns:
    """The windows of padded images [S, C, H, W, B] that always lie in the same memory.

    Args:
        padded: The images.
        window: k.
        stride: Between windows.
        most: Values of columns to make at a time, unless one row of windows has more.
        joined: One call makes those of all slots.
    """

    def __init__(self, padded: Tensor, window: int, stride: int, most: int, joined: bool) -> None:
        slots, channels, height, width, rows = padded.shape
        down, right = ((size - window) // stride + 1 for size in (height, width))
        own, of_channel, of_row, of_column, of_image = padded.stride()
        windows = padded.as_strided(
            (slots, channels, window, window, down, right, rows),
            (own, of_channel, of_row, of_column, stride * of_row, stride * of_column, of_image),
        )
        lanes = [windows] if joined else list(windows.unbind())
        self.edges = edges(down, windows[..., :1, :, :].numel() // (1 if joined else slots), most)
        self._windows = [[it[..., start:stop, :, :] for start, stop in pairwise(self.edges)] for it in lanes]
        largest = max(self._windows[0], key=Tensor.numel)
        memory = padded.new_empty(largest.numel())
        self._copies = [memory[: it.numel()].view(it.shape) for it in self._windows[0]]
        self._matrices = [it.flatten(-6, -4).flatten(-3) for it in self._copies]
        self._at: tuple[int, int] | None = None

    def begin(self) -> None:
        """The images have changed."""
        self._at = None

    def __call__(self, lane: int, block: int) -> Tensor:
        """The columns [R, n] of a slot or [S, R, n] of all, between two edges; valid until others are asked for."""
        lane = min(lane, len(self._windows) - 1)  # all slots may share their images
        if self._at != (lane, block):
            self._copies[block].copy_(self._windows[lane][block])
            self._at = (lane, block)
        return self._matrices[block]


def edges(down: int, row: int, most: int) -> list[int]:
    """Where to cut rows of windows that have `row` values of columns each."""
    step = max(1, min(down, most // max(row, 1)))
    return [*range(0, down, step), down]


def added(window: int, stride: int, padding: int, size: int, start: int, stop: int, offset: int) -> tuple[slice, slice]:
    """Along one side, which windows from `start` to `stop` have their value at `offset` inside the image, and where.

    Returns:
        Those windows, counted from `start`, and their values' places in an image of this size.
    """
    first = max(start, math.ceil((padding - offset) / stride))
    last = min(stop, (size - 1 + padding - offset) // stride + 1)
    place = first * stride + offset - padding
    return slice(first - start, max(last, first) - start), slice(place, place + max(last - first, 0) * stride, stride)


def spread(columns: Tensor, images: Tensor, stride: int, padding: int, start: int) -> None:
    """Add columns [..., C, k, k, h, Q, B] of the windows' rows from `start` to the images [..., C, H, W, B]."""
    window, down, right = columns.size(-4), columns.size(-3), columns.size(-2)
    for i in range(window):
        rows, at_rows = added(window, stride, padding, images.size(-3), start, start + down, i)
        for j in range(window):
            places, at_places = added(window, stride, padding, images.size(-2), 0, right, j)
            part = images[..., at_rows, at_places, :]
            torch.add(part, columns[..., i, j, rows, places, :], out=part)
