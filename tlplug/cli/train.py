"""``tlplug train``."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlplug.cli.options import (
    backbone_options,
    column_options,
    common,
    number_or_auto,
    parse_settings,
    reader_option,
    refuse_other_options,
)
from tlplug.cli.output import clean, print_json, print_table
from tlplug.errors import TlplugError, UsageError, counted

if TYPE_CHECKING:
    from tlplug.model import Model


@click.command(short_help="Train a classifier from labelled examples and measure it.")
@click.argument("data", required=False, metavar="DATA")
@click.option("--head", default="linear", show_default=True, metavar="NAME", help="What is trained on the embeddings.")
@click.option(
    "--strategy",
    default="features",
    show_default=True,
    metavar="NAME",
    help="What trains: features (the head alone), fine-tune, full, scratch, or auto.",
)
@click.option(
    "--stages",
    type=int,
    metavar="K",
    help="With fine-tune or auto: the topmost stages that train; 1 if left out, auto finds out.",
)
@click.option("--unfreeze", metavar="LAYER", help="With fine-tune or auto: the lowest layer that trains.")
@click.option("--augment", default="none", show_default=True, metavar="NAME", help="none, light or strong changes.")
@click.option("--test", metavar="DATA", help="Report on this data set; then all of DATA trains.")
@click.option("--holdout", type=float, default=0.2, show_default=True, help="Share held out if DATA has no test part.")
@click.option("--out", metavar="RUN", help="The folder to make; runs/DATA-DATE-TIME when left out.")
@click.option("--against", metavar="random", help="Measure the same head on random weights as well.")
@click.option("--refit", is_flag=True, help="Afterwards fit the head on everything; the figures stay as measured.")
@click.option("--epochs", type=int, help="Of whatever trains: tuning.epochs or head.epochs.")
@click.option(
    "--learning-rate", callback=number_or_auto, metavar="RATE", help="Likewise; where the backbone trains, or auto."
)
@click.option(
    "--max-unreadable", type=float, default=0.1, show_default=True, help="Stop when more than this share is unreadable."
)
@click.option("--tensorboard", metavar="FOLDER", help="Write the figures of each epoch there, for TensorBoard.")
@click.option("--no-examples", is_flag=True, help="Keep no copies of examples; the run cannot be exported then.")
@click.option("--resume", metavar="RUN", help="Go on with a run that was not finished, as it was asked for then.")
@reader_option
@column_options
@backbone_options
@common
def train(
    data: str | None,
    *,
    test: str | None,
    holdout: float,
    out: str | None,
    modality: str | None,
    reader: str | None,
    settings: tuple[str, ...],
    input_column: str | None,
    label_column: str | None,
    epochs: int | None,
    learning_rate: float | str | None,
    strategy: str,
    seed: int,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Train a classifier on DATA, and measure it on a held-out part.

    DATA is a folder with one subfolder per class, or a CSV, TSV or JSONL table with a column of texts or of paths and
    one of labels.

    \b
    Example:
      tlplug train photos/ --backbone efficientnet_lite0 --out runs/photos
      tlplug train reviews.csv --input review --label rating
    """
    if data is None:
        raise _missing_data(arguments["resume"])
    trained = "head" if strategy == "features" else "tuning"
    if trained == "head" and learning_rate == "auto":
        raise UsageError("--learning-rate auto is for a backbone that trains: add --strategy fine-tune.")
    options = parse_settings(
        settings,
        **{f"{trained}__epochs": epochs, f"{trained}__learning_rate": learning_rate},
        reader__input=input_column,
        reader__label=label_column,
    )
    if arguments["resume"] is not None:
        refuse_other_options("resume")
    model = train_run(
        data,
        out=out,
        data_options={"test": test, "holdout": holdout, "modality": modality, "reader": reader},
        options=options,
        strategy=strategy,
        seed=seed,
        **arguments,
    )
    if as_json:
        print_json(summary(model))
    else:
        print_summary(model)


def _missing_data(resume: str | None) -> Exception:
    """Return what is raised where DATA is left out; beside --resume it says which data the run began with."""
    context = click.get_current_context()
    if resume is None:
        return click.MissingParameter(ctx=context, param=context.command.params[0])
    from tlplug import run
    from tlplug.claim import partial_path

    partial = partial_path(_run_path(resume))
    began = run.read_request(partial).get("data") if (partial / run.REQUEST).exists() else None
    return UsageError(
        f"The data are typed first. Received: --resume {resume} alone. "
        f"Valid: tlplug train {shlex.quote(began) if began else 'DATA'} --resume {shlex.quote(resume)}."
    )


def _run_path(name: str) -> Path:
    """Return what a run that is not finished will be called; its folder of now serves as well."""
    from tlplug.claim import PARTIAL

    return Path(name.rstrip("/").removesuffix(PARTIAL))


def train_run(
    data: str,
    *,
    out: str | None,
    data_options: Mapping[str, Any],
    options: Mapping[str, Any],
    seed: int,
    folder: Path | None = None,
    no_examples: bool = False,
    resume: str | None = None,
    **arguments: Any,
) -> Model:
    """Train and write the run; the name is taken before the work begins, below `folder` when `out` is None.

    With `resume`, a run that was not finished: what was asked for then is asked for again.
    """
    from tlplug import model as models
    from tlplug import run
    from tlplug.backbones import split_options
    from tlplug.claim import discard
    from tlplug.data import load_data
    from tlplug.training import DivergedError, check_request, data_error, request_of

    with contextlib.ExitStack() as stack:
        keeping = stack.enter_context(run.saying_how_to_go_on(data))
        if resume is not None:
            path = _run_path(resume)
            partial = stack.enter_context(run.new_run(path, resume=True))
            asked = run.read_request(partial)
            data_options, options, seed = asked["data_options"], asked["options"], asked["seed"]
            arguments, no_examples = asked["arguments"], asked["no_examples"]
        elif out is None:
            source = Path(data).resolve()
            name = source.stem if source.is_file() else source.name
            path, partial = stack.enter_context(run.new_default_run(name, folder or run.RUNS))
        else:
            path = Path(out)
            partial = stack.enter_context(run.new_run(path))
        keeping.append(path)
        if path.resolve().is_relative_to(Path(data).resolve()):
            raise UsageError(
                f"The run {str(path)!r} would lie inside the data set {data!r} and become a part of it. "
                "Choose another place with --out."
            )
        try:
            dataset = load_data(data, seed=seed, options=split_options(options)["reader"], **data_options)
        except TlplugError as error:
            if resume is None:
                raise
            raise data_error(asked, data, error) from error
        if resume is not None:
            check_request(asked, dataset)
        else:
            values = {"data_options": data_options, "options": options, "seed": seed, "arguments": arguments}
            values["no_examples"] = no_examples
            asked = request_of(dataset, values)
        try:
            with run.requested(partial, asked):
                model = models.train(
                    dataset, options=options, seed=seed, checkpoints=partial / run.CHECKPOINTS, **arguments
                )
        except DivergedError:
            for name in run.UNFINISHED:  # it would come to the same again
                discard(partial / name)
            raise
        model.write(partial, path, examples=not no_examples)
    return model


def summary(model: Model) -> dict[str, Any]:
    """What ``--json`` prints."""
    info = model.info
    return {
        "run": str(model.path),
        "backbone": info["backbone"]["name"],
        "head": info["head"]["name"],
        "strategy": info["strategy"],
        "metrics": model.metrics,
        "seconds": info["seconds"],
    }


def print_summary(model: Model) -> None:
    """Say what was trained, how good it is, and what to type next."""
    from tlplug.evaluation import warnings_of
    from tlplug.training import TRIED, how_trained, tried_rows

    info = model.info
    counts = ", ".join(f"{count} {part}" for part, count in info["examples"].items() if count)
    total = counted(sum(info["examples"].values()), f"{info['modality']} example")
    click.echo(f"{total}, {len(info['classes'])} classes: {counts}")
    if info["skipped"]:
        first = info["skipped"][0]
        reason = clean(f"{first['source']}: {first['reason']}")
        click.echo(f"{len(info['skipped'])} left out, such as {reason}")
    for remark, count in info["remarks"].items():
        click.echo(clean(f"{counted(count, 'example')}: {remark}"))
    backbone = info["backbone"]
    weights = f" ({backbone['weights']})" if backbone["weights"] else ""
    chosen = ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in info["head"]["chosen"].items()
    )
    click.echo(
        f"{backbone['name']}{weights}, {how_trained(info)}, and the head {info['head']['name']}"
        f"{f' ({chosen})' if chosen else ''}, in {info['seconds']:.1f} s"
    )
    click.echo()
    print_figures(model.metrics)
    click.echo()
    if info["tuning"].get("tried"):
        click.echo(f"Chosen on {counted(info['tuning']['held_out'], 'held-out training example')}:")
        print_table(TRIED, tried_rows(info))
        click.echo()
    path = str(model.path)
    click.echo(f"Run     {clean(path)}")
    click.echo(f"Report  {clean(str(Path(path) / 'report.html'))}")
    click.echo(f"Next    tlplug predict {clean(shlex.quote(path))} FILE...")
    for warning in warnings_of(model.metrics):
        click.echo(warning)


def print_figures(metrics: Mapping[str, Any], what: str = "held-out example") -> None:
    """Print the figures of metrics.json that people look at first; `what` says what they were measured on."""
    from tlplug.evaluation import interval, percent

    test = metrics["test"]
    rows = [
        ["accuracy", percent(test["accuracy"]), interval(test["accuracy_interval"])],
        ["balanced accuracy", percent(test["balanced_accuracy"]), interval(test["balanced_accuracy_interval"])],
        ["macro F1", percent(test["macro_f1"]), interval(test["macro_f1_interval"])],
        ["largest class", percent(test["largest_class"]), "what always answering it would get"],
    ]
    if metrics.get("frozen", test) != test:
        rows.append(["before fine-tuning", percent(metrics["frozen"]["accuracy"]), "the frozen backbone"])
    if "default_backbone" in metrics:
        rows.append(["default backbone", percent(metrics["default_backbone"]["accuracy"]), "frozen"])
    if "random_weights" in metrics:
        rows.append(["random weights", percent(metrics["random_weights"]["accuracy"]), "without transfer"])
    if "cross_validation" in metrics:
        rows.append(["cross-validation", percent(metrics["cross_validation"]["accuracy"]), "on the training part"])
    if "validation" in metrics:
        rows.append(["validation", percent(metrics["validation"]["accuracy"]), "what settings were chosen on"])
    print_table([f"on {counted(test['examples'], what)}", "", "95% interval"], rows)
