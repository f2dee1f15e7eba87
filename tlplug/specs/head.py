"""The records of heads and of what their fitting gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tlplug.specs.option import Option
from tlplug.specs.reference import Reference, check_name, check_reference, freeze


@dataclass(frozen=True, kw_only=True)
class HeadFit:
    """What a head's `fit` returns.

    Args:
        arrays: everything that `apply` needs, by name.
        cross_validation: figures on the folds, such as ``{"accuracy": 0.9}``; empty when it made none.
        chosen: settings that were chosen by the data, such as the penalty.
    """

    arrays: Mapping[str, Any]
    cross_validation: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What turns an embedding into a prediction. Either `build`, or `fit` with `apply` and `to_keras`.

    Args:
        name: how people choose it.
        build: ``build(embedding_size: int, outputs: int, **options) -> keras.Model``, ending in class probabilities
            ``[batch, outputs]``; tlplug trains it on standardised embeddings.
        fit: ``fit(features, labels, *, outputs, folds, sample_weight, seed, **options) -> HeadFit`` with features
            float32 ``[n, size]``, labels int64 ``[n]``, folds int64 ``[n]`` (the number of the fold in which an
            example is held out, -1 for never) and sample_weight float64 ``[n]``.
        apply: ``apply(arrays, features) -> probabilities`` float32 ``[n, outputs]``, with NumPy alone.
        to_keras: ``to_keras(arrays) -> keras.Model`` that equals `apply`.
        from_keras: ``from_keras(model) -> arrays``, the other way round, for a head that was tuned together with its
            backbone; without it the tuned model itself is kept.
        tasks: what it can be trained for.
        options: its settings.
        summary: one sentence.
        reference: the paper or page that describes it.
    """

    name: str
    build: Reference | None = None
    fit: Reference | None = None
    apply: Reference | None = None
    to_keras: Reference | None = None
    from_keras: Reference | None = None
    tasks: tuple[str, ...] = ("classification",)
    options: tuple[Option, ...] = ()
    summary: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        check_name(self, self.name)
        fitted = (self.fit, self.apply, self.to_keras)
        if (self.build is None) == all(part is None for part in fitted) or (
            self.build is None and any(part is None for part in fitted)
        ):
            raise TypeError(f"Head {self.name!r} has either build, or fit with apply and to_keras.")
        for what in ("build", "fit", "apply", "to_keras", "from_keras"):
            check_reference(self, what, getattr(self, what), optional=True)
        freeze(self, tasks=tuple(self.tasks), options=tuple(self.options))
