"""The settings of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlplug.backbones import cut_below, cut_for
from tlplug.errors import OptionError, UsageError
from tlplug.features import check_strength
from tlplug.specs import Option, parse_options
from tlplug.training.precision import PRECISIONS
from tlplug.training.strategy import AUTO, FEATURES, check_strategy

if TYPE_CHECKING:
    import keras

    from tlplug.registry import Entry

AUTO_RATE = "auto"
"""The learning rate that is found by a range test."""

OPTIONS = (
    Option(
        name="epochs",
        type=int,
        minimum=1,
        help="at most this many; 20, from random weights 100; auto trains all of them, 10",
    ),
    Option(name="learning_rate", type=float, minimum=1e-8, help="the highest, or auto; 3e-4, from random weights 1e-3"),
    Option(name="batch_size", type=int, default=32, minimum=1, help="windows of examples per step"),
    Option(
        name="patience",
        type=int,
        minimum=0,
        help="epochs without a better validation after which no more are tried; 5, from random weights 20; "
        "0 trains all of them on everything, as auto does",
    ),
    Option(name="warmup", type=float, default=0.1, minimum=0, maximum=0.9, help="share of the steps before that rate"),
    Option(
        name="rate_decay",
        type=float,
        default=0.5,
        minimum=0.01,
        maximum=1,
        help="the rate of a stage, relative to that of the stage above it",
    ),
    Option(name="weight_decay", type=float, default=1e-4, minimum=0, help="of AdamW; biases and norms have none"),
    Option(name="clip", type=float, default=1.0, minimum=0, help="largest norm of the gradient; 0 clips nothing"),
    Option(name="label_smoothing", type=float, default=0.0, minimum=0, maximum=0.9, help="share given to all classes"),
    Option(
        name="mixup",
        type=float,
        default=0.0,
        minimum=0,
        help="A of the Beta(A, A) that says how much of another window of its batch is mixed into each; 0 mixes none",
    ),
    Option(name="views", type=int, default=4, minimum=1, help="augmented views of each example, with --augment"),
    Option(name="windows", type=int, default=8, minimum=1, help="of an example that an epoch draws at most"),
    Option(
        name="lora",
        type=int,
        minimum=1,
        help="rank of updates of attention's queries and values, which train instead of all weights and are added to "
        "them in the end (LoRA)",
    ),
    Option(
        name="precision",
        type=str,
        choices=PRECISIONS,
        help="that what trains computes in, its weights stay float32; mixed_float16 where all GPUs are of compute "
        "capability 7.0 or more, else float32",
    ),
    Option(name="devices", type=int, minimum=1, help="GPUs that share each batch, at most; all that there are"),
)
"""What ``--set tuning.NAME=VALUE`` takes."""

_PARTIAL = ("fine-tune", AUTO)
"""Strategies that train the topmost stages."""


@dataclass(frozen=True)
class Tuning:
    """How a network is fine-tuned; see `OPTIONS`.

    Attributes:
        strategy: ``fine-tune``, ``full``, ``scratch`` or ``auto``.
        stages: how many are trained, from the top; None with `unfreeze`, for all, and where ``auto`` is to find out.
        unfreeze: name of the lowest layer that is trained.
        augment: strength of augmentation.
        options: as parsed.
    """

    strategy: str
    stages: int | None
    unfreeze: str | None
    augment: str
    options: Mapping[str, Any]

    @classmethod
    def of(
        cls, strategy: str, given: Mapping[str, Any], *, stages: int | None, unfreeze: str | None, augment: str
    ) -> Tuning:
        """Parse what was given, and fill in what depends on the strategy."""
        automatic = given.get("learning_rate") == AUTO_RATE
        options = _parsed({name: value for name, value in given.items() if name != "learning_rate" or not automatic})
        scratch = strategy == "scratch"
        options["epochs"] = options["epochs"] or (100 if scratch else 10 if strategy == AUTO else 20)
        options["learning_rate"] = AUTO_RATE if automatic else options["learning_rate"] or default_rate(strategy)
        if strategy == AUTO:
            options["patience"] = 0
        elif options["patience"] is None:
            options["patience"] = 20 if scratch else 5
        if scratch:
            options["rate_decay"] = 1.0  # no layer knows more than another
        if strategy == "fine-tune" and unfreeze is None and stages is None:
            stages = 1
        return cls(strategy, stages, unfreeze, augment, options)

    def cut(self, model: keras.Model, backbone: Entry) -> str | None:
        """Return the name of the layer under what trains; None where all of it does.

        Args:
            model: the network.
            backbone: what it is.

        Raises:
            UsageError: there is no such stage or layer.
        """
        try:
            if self.unfreeze is not None:
                return cut_below(model, self.unfreeze)
            return None if self.stages is None else cut_for(model, self.stages, backbone.record.stages)
        except UsageError as error:
            raise UsageError(f"{error} Type: tlplug backbones {backbone.name} --stages") from None

    def to_json(self) -> dict[str, Any]:
        """The form that run.json has."""
        return {
            "strategy": self.strategy,
            "stages": self.stages,
            "unfreeze": self.unfreeze,
            "augment": self.augment,
            **self.options,
        }


def default_rate(strategy: str) -> float:
    """Return the learning rate where none is given."""
    return 1e-3 if strategy == "scratch" else 3e-4


def _parsed(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return parse_options("tuning", OPTIONS, given)
    except OptionError as error:
        said = str(error).replace("Option '", "Option 'tuning.", 1)
        name = said.partition("'tuning.")[2].partition("'")[0]
        if name == "learning_rate":
            said += " Valid: a number such as 3e-4, or auto."
        elif "Valid: " not in said and " or more. " not in said:
            said += f" Valid: {_range(next(option for option in OPTIONS if option.name == name))}."
        raise OptionError(said) from None


def _range(option: Option) -> str:
    """Say what an option takes."""
    if option.minimum is None:
        return ", ".join(map(str, option.choices))
    return f"{option.minimum:g} {'or more' if option.maximum is None else f'to {option.maximum:g}'}"


def check_tuning(
    strategy: str,
    given: Mapping[str, Any],
    *,
    stages: int | None,
    unfreeze: str | None,
    augment: str,
    refit: bool = False,
    tensorboard: Any = None,
) -> Tuning | None:
    """Return how the backbone is to be tuned; None for the strategy ``features``.

    Raises:
        UnknownNameError: there is no such strategy.
        UsageError: settings that do not go with it.
        OptionError: an option that does not fit.
    """
    if stages is not None and type(stages) is not int:  # a bool is an int
        raise UsageError(f"The number of stages is a whole number. Received: {stages!r:.80}. Valid: stages=1.")
    if unfreeze is not None and not isinstance(unfreeze, str):
        raise UsageError(f"What is unfrozen is a layer's name. Received: {unfreeze!r:.80}. Valid: unfreeze='conv5'.")
    check_strength(augment)
    if check_strategy(strategy) == FEATURES:
        stated = {"stages": stages, "unfreeze": unfreeze, "augment": augment if augment != "none" else None}
        stated["tensorboard"] = tensorboard
        stated |= {f"set tuning.{name}": value for name, value in given.items()}
        for name, value in stated.items():
            if value is not None:
                raise UsageError(f"--{name} is for a backbone that trains: add --strategy fine-tune.")
        return None
    if refit:
        raise UsageError("--refit is for the strategy features alone: fine-tuning would need examples to stop on.")
    if strategy == AUTO and "patience" in given:
        raise UsageError("The strategy 'auto' trains all epochs and has no patience. Valid: --epochs 10.")
    if strategy not in _PARTIAL and (stages is not None or unfreeze is not None):
        raise UsageError(f"The strategy {strategy!r} trains all stages. Valid: --strategy fine-tune with --stages.")
    if "views" in given and augment == "none":
        raise UsageError("tuning.views counts augmented views: add --augment light, or strong.")
    if strategy == "scratch" and "lora" in given:
        raise UsageError("LoRA changes pretrained weights, scratch has none. Valid: --strategy full.")
    if stages is not None and stages < 1:
        raise UsageError(f"At least one stage trains. Received: --stages {stages}. Valid: 1 or more.")
    if stages is not None and unfreeze is not None:
        raise UsageError("Either --stages or --unfreeze says what trains. Received: both.")
    return Tuning.of(strategy, given, stages=stages, unfreeze=unfreeze, augment=augment)
