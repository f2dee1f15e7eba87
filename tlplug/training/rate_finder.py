"""The learning rate of fine-tuning, found by a range test: from the frozen start it rises until the loss does.

Source: Smith: Cyclical learning rates for training neural networks, 2017, arXiv:1506.01186, section 3.3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlplug import progress
from tlplug.backbones import import_keras
from tlplug.training.batches import Batch, Batches
from tlplug.training.checkpoint import Checkpoint, Checkpoints
from tlplug.training.precision import computing_in, followers
from tlplug.training.settings import AUTO_RATE, Tuning, default_rate
from tlplug.training.trainer import Network, compile_network, memory_named, variables_of

LOWEST, HIGHEST = 1e-6, 1.0
"""Rates of the first and of the last step."""

STEPS = 100
"""Of a range test; where the training has fewer, as many as that has."""

LEAST = 12
"""Steps of a training below which there is no range test."""

SMOOTHING = 0.5
"""Decades of the rate over which the loss is averaged."""

TOLERANCE = 0.02
"""By how much the loss may lie above its start, as a share of the loss of a guess."""

DIVERGED = 4.0
"""How many times the loss at the start, or that of a guess where this is more, ends the test."""

BELOW = 8.0
"""By what the rate from which the loss rises is divided."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test has shown.

    Attributes:
        start: mean loss before the first step; None where it is no number.
        rates: of each step that was done, ascending.
        losses: smoothed loss at each of them.
        rises_at: last rate before the loss lay above its start; None where it never did, or did at once.
        halved_at: rate at which half of the loss was gone, before that; None where it never was.
    """

    start: float | None
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rises_at: float | None
    halved_at: float | None

    @property
    def rate(self) -> float | None:
        """The rate to train with; None where it cannot be told."""
        bounds = (None if self.rises_at is None else self.rises_at / BELOW, self.halved_at)
        rate = min((bound for bound in bounds if bound is not None), default=0.0)
        return float(f"{rate:.1e}") if rate >= LOWEST else None


def run_range_test(network: Network, batches: Batches, options: Mapping[str, Any], steps: int) -> RangeTest:
    """Train with a rate that rises from step to step; the network is afterwards as it was, bit for bit.

    The head starts from the solution of the frozen network. So the loss is low before the first step, differs more
    from batch to batch than a good rate changes it, and has no steepest descent. Therefore each batch, all of the first
    epoch, is compared with itself before the first step, with the same dropout. The rate is the lower of two: an eighth
    of the last one before the loss lay above its start, and the one at which half of the loss is gone. After that few
    examples are soon known by heart, their gradients are nothing, and the loss may not rise until any rate is far too
    high. For the same reason there are no more steps than the training has.

    Measured beside fixed rates by the log loss on a held-out fifth of the training examples. Five voices (YAMNet, 640
    steps, three splits): 1e-5 to 1e-4 helped in all of them, 3e-4 and 1e-3 in one, 1e-2 in none; found: 1.1e-5 to
    1.9e-5, on the careful side. OSULeaf (conv1d, 100 steps, three splits): 1e-3 to 3e-3 was best, 3e-2 worse than the
    frozen model in two; found: 1.1e-3 to 1.7e-3. BasicMotions (conv1d, 20 steps, two splits): 3e-4 to 1e-3 was best,
    1e-2 worse than the frozen model; found: 7e-4.

    Args:
        network: at its start.
        batches: of the examples to train on.
        options: see `tlplug.training.settings.OPTIONS`.
        steps: of all of the training.

    Raises:
        TrainingError: there is not enough memory.
    """
    import_keras()
    count = min(STEPS, steps)
    model = compile_network(network, options, 0.0)
    step = network.devices.step(model)
    variables = [*variables_of(model), *model.optimizer.variables]
    values = [np.asarray(variable.value).copy() for variable in variables]
    chance = [n for n, variable in enumerate(variables) if "seed_generator" in variable.path]
    seeds, drawn = [variables[n] for n in chance], [values[n] for n in chance]
    different = min(count, len(batches.plan(0)))
    guess = math.log(batches.targets.shape[1])

    def train(batch: Batch, rate: float) -> float:
        arrays, targets, weights = batch
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # or the loss would be the mean of all steps
        loss = float(step(list(arrays.values()), targets, weights)["loss"])
        advance(1, f"loss {loss:.3f}, rate {rate:.1e}")
        return loss

    try:
        with (
            memory_named(options),
            computing_in(network.precision, followers(network.top, network.head)),
            progress.task("Finding the learning rate", different + count, "steps") as advance,
        ):
            before = [train(batch, 0.0) for batch in itertools.islice(batches.epoch(0), different)]
            _assign(variables, values)
            course = _Course(before, guess, count)
            for number, rate in enumerate(map(float, np.geomspace(LOWEST, HIGHEST, count))):
                if number % different == 0:  # the same batches again, read anew as all of them may fill the memory
                    again = batches.epoch(0)
                    _assign(seeds, drawn)
                if course.add(rate, train(next(again), rate)):
                    break
    finally:
        _assign(variables, values)
    return course.judge()


class _Course:
    """The smoothed loss of a range test, step by step."""

    def __init__(self, before: Sequence[float], guess: float, steps: int) -> None:
        self.start = float(np.mean(before))
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._before = itertools.cycle(before)
        self._limit, self._end = self.start + TOLERANCE * guess, DIVERGED * max(self.start, guess)
        self._keep = max(0.0, 1 - math.log10(HIGHEST / LOWEST) / (SMOOTHING * steps))
        self._mean = self._weight = 0.0

    def add(self, rate: float, loss: float) -> bool:
        """Take the loss of a step; return whether it was the last."""
        if not math.isfinite(loss + self.start):
            return True
        self._mean = self._keep * self._mean + (1 - self._keep) * (loss - next(self._before))
        self._weight = self._keep * self._weight + (1 - self._keep)
        self.rates.append(rate)
        self.losses.append(self.start + self._mean / self._weight)
        return self.losses[-1] > self._end

    def judge(self) -> RangeTest:
        """Tell where the loss rises, and where half of it is gone before."""
        calm = list(itertools.takewhile(lambda step: step[1] <= self._limit, zip(self.rates, self.losses, strict=True)))
        rises_at = calm[-1][0] if calm and calm[-1][0] < HIGHEST else None
        told = self.start / 2 >= self._limit - self.start  # less than the tolerance may be noise
        halved_at = next((rate for rate, loss in calm if told and loss <= self.start / 2), None)
        start = self.start if self.rates else None
        return RangeTest(start, tuple(self.rates), tuple(self.losses), rises_at, halved_at)


def _assign(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class RateFinder:
    """The learning rate of a network that is to train: as it was given, or found once by a range test.

    Args:
        tuning: what trains, and how.
        seed: of everything random.
        folder: keeps what was found, so that a training that goes on has the same rate; None keeps nothing.
    """

    def __init__(self, tuning: Tuning, seed: int, folder: Path | None) -> None:
        self._default, self._options, self._seed = default_rate(tuning.strategy), tuning.options, seed
        self._kept = Checkpoints(folder, "rate")
        self.found: RangeTest | None = None

    def options_for(self, network: Network, batches: Batches, epochs: int) -> Mapping[str, Any]:
        """Return the options of a training with a rate that is a number.

        Args:
            network: at its start, where it is left.
            batches: of the examples to train on.
            epochs: of the training.
        """
        if self._options["learning_rate"] != AUTO_RATE:
            return self._options
        if self.found is None:
            self.found = self._find(network, batches, epochs)
            import_keras().utils.set_random_seed(self._seed)
        return {**self._options, "learning_rate": self.found.rate or self._default}

    def _find(self, network: Network, batches: Batches, epochs: int) -> RangeTest:
        steps = epochs * len(batches.plan(0))
        if (kept := self._kept.latest()) is not None:
            rates, losses = tuple(kept.values["rates"]), tuple(kept.values["losses"])
            found = RangeTest(**{**kept.values, "rates": rates, "losses": losses})
        elif steps < LEAST:
            found = RangeTest(None, (), (), None, None)
        else:
            found = run_range_test(network, batches, self._options, steps)
        self._kept.save(0, Checkpoint({}, asdict(found)))
        default = f"The default serves: {self._default:g}."
        if found.rate is not None:
            progress.note(f"Learning rate {found.rate:.1e}, found by a range test.")
        elif steps < LEAST:
            progress.note(f"{steps} steps are too few to find a learning rate by. {default}")
        elif not found.rates:
            progress.note(f"No learning rate was found: the loss is no number from the start. {default}")
        else:
            said = "does not rise up to" if found.rates[-1] == HIGHEST else "rises before"
            progress.note(f"No learning rate was found: the loss {said} a rate of {found.rates[-1]:.1e}. {default}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what run.json has of it beside the settings: nothing where the rate was given."""
        if self.found is None:
            return {}
        return {
            "learning_rate": self.found.rate or self._default,
            "range_test": {**asdict(self.found), "rate": self.found.rate},
        }
