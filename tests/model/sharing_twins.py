"""Ways of sharing written the usual way, from their papers, for trunks of linear layers and tanh."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def trunk(inputs: int, widths: list[int]) -> nn.Sequential:
    """Stages of one linear layer and tanh."""
    return nn.Sequential(
        *(nn.Sequential(nn.Linear(i, o), nn.Tanh()) for i, o in zip([inputs, *widths], widths, strict=False))
    )


class MMoE(nn.Module):
    """y_t = h_t(sum_e softmax(W_t x)_e f_e(x)) (Ma et al. 2018)."""

    def __init__(self, inputs: int, widths: list[int], tasks: list[str], experts: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(trunk(inputs, widths) for _ in range(experts))
        self.gates = nn.ModuleDict({task: nn.Linear(inputs, experts) for task in tasks})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        answers = torch.stack([expert(x) for expert in self.experts])
        return {task: torch.einsum("be,ebh->bh", gate(x).softmax(1), answers) for task, gate in self.gates.items()}

    def place(self, name: str) -> str:
        """Where the stack's value of this name stands here."""
        _, level, kind, who, *rest = name.split(".")
        assert level == "0"
        if kind == "gate":
            return f"gates.{who}.{rest[-1]}"
        return f"experts.{who}.{_stage(rest[0])}.0.{rest[1]}"


class DSelectK(MMoE):
    """The same with gates sum_i softmax(w)_i r(z_i), r by smooth steps over an expert's bits (Hazimeh et al. 2021)."""

    def __init__(
        self, inputs: int, widths: list[int], tasks: list[str], experts: int, chosen: int, gamma: float
    ) -> None:
        super().__init__(inputs, widths, tasks, experts)
        self.count, self.bits, self.chosen, self.gamma = experts, experts.bit_length() - 1, chosen, gamma
        logits = chosen * (self.bits + 1)
        self.gates = nn.ParameterDict({task: nn.Parameter(torch.zeros(logits)) for task in tasks})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        answers = torch.stack([expert(x) for expert in self.experts])
        return {task: torch.einsum("e,ebh->bh", self.chance(logits), answers) for task, logits in self.gates.items()}

    def chance(self, logits: Tensor) -> Tensor:
        """The gates of all experts."""
        z, w = logits[: -self.chosen].view(self.chosen, self.bits), logits[-self.chosen :].softmax(0)
        inside = -2 / self.gamma**3 * z**3 + 3 / (2 * self.gamma) * z + 0.5
        step = torch.where(z <= -self.gamma / 2, 0.0, torch.where(z >= self.gamma / 2, 1.0, inside))
        gates = []
        for expert in range(self.count):
            of_choices = torch.ones(self.chosen)
            for bit in range(self.bits):
                of_choices = of_choices * (step[:, bit] if expert >> bit & 1 else 1 - step[:, bit])
            gates.append((w * of_choices).sum())
        return torch.stack(gates)

    def place(self, name: str) -> str:
        """See `MMoE`."""
        return f"gates.{name.split('.')[3]}" if ".gate." in name else super().place(name)


class PLE(nn.Module):
    """Levels of experts of each task's own and of all (Tang et al. 2020); with one level CGC."""

    def __init__(self, inputs: int, levels: list[list[int]], tasks: list[str], shared: int, own: int) -> None:
        super().__init__()
        self.tasks = tasks
        groups = {"all": shared} | dict.fromkeys(tasks, own)
        self.experts, self.gates = nn.ModuleList(), nn.ModuleList()
        for number, widths in enumerate(levels):
            last = number == len(levels) - 1
            self.experts.append(
                nn.ModuleDict({name: nn.ModuleList(trunk(inputs, widths) for _ in range(count))
                               for name, count in groups.items()})
            )  # fmt: skip
            every = shared + own * len(tasks)
            gates = {task: nn.Linear(inputs, shared + own) for task in tasks}
            self.gates.append(nn.ModuleDict(gates | ({} if last else {"all": nn.Linear(inputs, every)})))
            inputs = widths[-1]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        read = dict.fromkeys(["all", *self.tasks], x)
        for experts, gates in zip(self.experts, self.gates, strict=True):
            answers = {name: [expert(read[name]) for expert in group] for name, group in experts.items()}
            mixed = {}
            for name, gate in gates.items():
                own = [it for group in answers.values() for it in group]
                if name != "all":
                    own = [*answers["all"], *answers[name]]
                mixed[name] = sum(g.unsqueeze(1) * it for g, it in zip(gate(read[name]).softmax(1).T, own, strict=True))
            read = mixed
        return read  # type: ignore[return-value]

    def place(self, name: str) -> str:
        """See `MMoE`."""
        _, level, kind, who, *rest = name.split(".")
        if kind == "gate":
            return f"gates.{level}.{who}.{rest[-1]}"
        return f"experts.{level}.{who}.{rest[0]}.{_stage(rest[1])}.0.{rest[2]}"


class CrossStitch(nn.Module):
    """A trunk a task; after each stage x_t becomes sum_s a_ts x_s (Misra et al. 2016)."""

    def __init__(self, inputs: int, widths: list[int], tasks: list[str], own_share: float) -> None:
        super().__init__()
        self.tasks = tasks
        self.columns = nn.ModuleDict({task: trunk(inputs, widths) for task in tasks})
        count = len(tasks)
        unit = torch.full((count, count), (1 - own_share) / (count - 1)).fill_diagonal_(own_share)
        self.units = nn.ParameterList(nn.Parameter(unit.clone()) for _ in widths)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        read = torch.stack([x] * len(self.tasks))
        for stage, unit in enumerate(self.units):
            answers = torch.stack([self.columns[task][stage](it) for task, it in zip(self.tasks, read, strict=True)])
            read = torch.einsum("ts,sbh->tbh", unit, answers)
        return dict(zip(self.tasks, read, strict=True))

    def place(self, name: str) -> str | tuple[str, int]:
        """See `MMoE`; of a unit the row too."""
        _, level, kind, who, *rest = name.split(".")
        if kind == "gate":
            return f"units.{level}", self.tasks.index(who)
        return f"columns.{who}.{level}.0.{rest[1]}"


def _stage(layer: str) -> int:
    """Of layers [linear, activation, dropout] each."""
    return int(layer) // 3


def view(model: nn.Module, values: Mapping[str, Tensor], name: str) -> Tensor:
    """What stands in the model where the stack has this name."""
    place = model.place(name)
    return values[place[0]][place[1]] if isinstance(place, tuple) else values[place]
