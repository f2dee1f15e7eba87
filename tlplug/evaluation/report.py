"""The report page and the model card of a run. Everything from outside is escaped; the page loads nothing."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlplug.data import Skipped
from tlplug.evaluation import rate_curve
from tlplug.evaluation.evaluation import Evaluation
from tlplug.evaluation.metrics import warnings_of
from tlplug.evaluation.rate_curve import RateCurve
from tlplug.evaluation.training_curve import TrainingCurve

MOST_IN_MATRIX = 50
"""Classes up to which the page has the whole confusion matrix; metrics.json always has it."""

PREVIEW = 400
"""Characters that are shown of a text."""

Preview = Callable[[Any], tuple[str, bytes]]


@dataclass(frozen=True)
class ReportInput:
    """What a report is made from.

    Attributes:
        title: of the page.
        lead: one sentence that says what was trained on what.
        run_name: how to type the run.
        metrics: as in metrics.json.
        evaluation: the answers on the test part.
        train_counts: examples of each class in the training part.
        facts: pairs of a term and a text.
        tried: a table of what was compared to choose the backbone and what of it trains, its first row the header.
        tried_on: how many training examples were held out for that.
        skipped: what was left out.
        preview: makes a small picture or text of a source; None where the modality has none.
        rate_curve: how the learning rate was found; None where it was not searched for.
        training_curves: how what trains of the backbone did, epoch by epoch.
    """

    title: str
    lead: str
    run_name: str
    metrics: Mapping[str, Any]
    evaluation: Evaluation
    train_counts: Mapping[str, int]
    facts: Sequence[tuple[str, str]]
    tried: Sequence[Sequence[str]] = ()
    tried_on: int = 0
    skipped: Sequence[Skipped] = field(default=())
    preview: Preview | None = None
    rate_curve: RateCurve | None = None
    training_curves: Sequence[TrainingCurve] = ()


def render_report(report: ReportInput) -> str:
    """Return the page as HTML."""
    evaluation = report.evaluation
    mistakes = []
    for position in evaluation.worst_mistakes():
        answer = int(evaluation.predictions[position])
        mistakes.append(
            {
                "source": evaluation.data.name(position),
                "label": evaluation.data.classes[evaluation.data.labels[position]],
                "prediction": evaluation.data.classes[answer],
                "probability": float(evaluation.probabilities[position, answer]),
                **_preview(report.preview, evaluation.data.sources[position]),
            }
        )
    return _render(
        "report.html.j2",
        report,
        mistakes=mistakes,
        skipped=list(report.skipped),
        confusions=evaluation.confusions(),
        most_in_matrix=MOST_IN_MATRIX,
        curve=report.rate_curve,
        training=report.training_curves,
        **{name.lower(): getattr(rate_curve, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")},
    )


def render_card(report: ReportInput, *, keeps_examples: bool = True) -> str:
    """Return the model card as Markdown.

    Args:
        report: what is known of the run.
        keeps_examples: whether it keeps copies of some, without which it cannot be exported.
    """
    import markupsafe

    name = "".join(letter if letter.isprintable() else " " for letter in report.run_name)
    # Inside a block of code nothing is HTML, so nothing is escaped there.
    commands = {
        "run_in_shell": markupsafe.Markup(shlex.quote(name)),  # noqa: S704
        "run_in_python": markupsafe.Markup(repr(name)),  # noqa: S704
        "export_in_python": markupsafe.Markup(repr(f"{name}-savedmodel")),  # noqa: S704
    }
    return _render("card.md.j2", report, keeps_examples=keeps_examples, **commands)


def percent(value: float) -> str:
    """Write a share: ``0.891`` is ``89.1%``."""
    return f"{100 * value:.1f}%"


def interval(ends: Sequence[float]) -> str:
    """Write the ends of an interval of shares."""
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}%"


def in_markdown(text: object) -> str:
    """Write a text so that Markdown shows it as it is, on one line; HTML is escaped by the template."""
    return re.sub(r"([\\`*_~\[\]|])", r"\\\1", " ".join(str(text).split()))


def _render(template: str, report: ReportInput, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tlplug.evaluation", "."),
        autoescape=True,  # the card as well: Markdown lets HTML through
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval, md=in_markdown)
    return environment.get_template(template).render(
        title=report.title,
        lead=report.lead,
        warnings=warnings_of(report.metrics),
        test=report.metrics["test"],
        frozen=report.metrics.get("frozen"),
        random=report.metrics.get("random_weights"),
        cross_validation=report.metrics.get("cross_validation", {}),
        validation=report.metrics.get("validation", {}),
        classes=report.evaluation.data.classes,
        train_counts=report.train_counts,
        facts=report.facts,
        tried=report.tried,
        tried_on=report.tried_on,
        default_backbone=report.metrics.get("default_backbone"),
        **values,
    )


def _preview(preview: Preview | None, source: Any) -> dict[str, str | None]:
    """Return a picture as a data address, or the beginning of a text; one that fails leaves a report without it."""
    shown: dict[str, str | None] = {"picture": None, "text": None}
    if preview is None:
        return shown
    try:
        media, data = preview(source)
        if media.startswith("image/"):
            shown["picture"] = f"data:{media};base64,{base64.b64encode(data).decode()}"
        elif media == "text/plain":
            shown["text"] = data.decode("utf-8", "replace")[:PREVIEW]
    except Exception:  # noqa: BLE001 - a plugin's preview never costs the report
        return shown
    return shown
