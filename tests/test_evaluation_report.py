"""The report page and the model card: self-contained, escaped, and no figure of their own."""

from __future__ import annotations

import ast
import html
import html.parser
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from tlplug.data import Dataset, Skipped
from tlplug.evaluation import (
    Evaluation,
    RateCurve,
    ReportInput,
    TrainingCurve,
    percent,
    render_card,
    render_report,
)
from tlplug.evaluation.rate_curve import BOTTOM, LEFT, RIGHT, TOP

EVIL = "<script>alert(1)</script>\"'>&{{ 7*7 }}<img src=x onerror=y>"
PIXEL = b"\x89PNG pixel"


def report(*, name="cat", source="photos/1.png", preview=None, skipped=(), facts=(("head", "linear"),), **metrics):
    classes = (name, "dog", "empty")
    data = Dataset(
        sources=[f"{i} {source}" for i in range(5)],
        labels=np.array([0, 0, 1, 1, 1]),
        classes=classes,
        digests=[bytes([i]) for i in range(5)],
        splits=np.array(["test"] * 5),
        modality="image",
    )
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.1, 0.83, 0.07], [0.2, 0.8, 0], [0.94, 0.06, 0], [0.3, 0.6, 0.1]], "float32"
    )
    evaluation = Evaluation.of(data, probabilities, {})
    return ReportInput(
        title=f"{name} run",
        lead=f"A head on {source}",
        run_name="runs/photos",
        metrics={"test": evaluation.metrics, **metrics},
        evaluation=evaluation,
        train_counts={name: 7, "dog": 11, "empty": 13},
        facts=facts,
        skipped=skipped,
        preview=preview,
    )


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        if not self.tags or self.tags[-1] != "style" or data.strip():
            self.texts.append(data)


def everything(name=EVIL):
    return report(
        name=name,
        source=name,
        skipped=[Skipped(name, name)],
        facts=[(name, name)],
        random_weights={"accuracy": 0.41},
        cross_validation={"accuracy": 0.77},
        preview=lambda source: ("image/png", PIXEL),
    )


def test_the_page_loads_nothing():
    text = render_report(everything("cat"))
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "base", "form", "embed"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "action", "data"):
            assert value.startswith("data:image/")
    policy = {name: value for tag, name, value in page.attributes if tag == "meta"}["content"]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "name", [EVIL, '" onmouseover="x', "</style><b>", "<!--", "]]>", "\u202eevil", "a&amp;b", "x" * 500]
)
def test_names_from_outside_are_text(name):
    plain, evil = Page(render_report(everything("cat"))), Page(render_report(everything(name)))
    assert evil.tags == plain.tags
    assert [(tag, key) for tag, key, _ in evil.attributes] == [(tag, key) for tag, key, _ in plain.attributes]
    assert sum(name in text for text in [*evil.texts, *(value for *_, value in evil.attributes)]) >= 10
    assert "49" not in "".join(evil.texts) or "49" in name


def test_the_card_has_no_html_from_outside():
    text = render_card(everything())
    assert not re.search(r"<(script|img)", text)
    assert html.escape(EVIL, quote=False).split("&lt;img")[0].count("&lt;script&gt;") == 1
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    "name", ["a\n\n# Not a heading", "x](javascript:alert(1))[y", "![p](http://example.org/p.png)"]
)
def test_the_card_has_no_markdown_from_outside(name):
    text = render_card(everything(name))
    assert not re.search(r"^# Not a heading", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)\]\((javascript|http)", text)


def shown_numbers(text):
    """The numbers in the text of a page, without those of its styles, counts of rows and names."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return set(re.findall(r"\d+\.\d+", " ".join(Page(body).texts)))


def rounded(value):
    """The forms in which a figure may be shown."""
    if isinstance(value, dict):
        return set().union(*(rounded(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(rounded(item) for item in value)) if value else set()
    return {f"{100 * value:.1f}", f"{value:.3f}"}


def test_every_figure_shown_is_one_of_metrics_json():
    whole = everything("cat")
    known = rounded(dict(whole.metrics))
    known |= {f"{100 * float(p):.1f}" for p in whole.evaluation.probabilities.ravel()}  # as in predictions.csv
    bought = 100 * (whole.metrics["test"]["accuracy"] - 0.41)
    known.add(f"{bought:.1f}")
    for text in (render_report(whole), render_card(whole)):
        numbers = shown_numbers(text) if text.startswith("<!doctype") else set(re.findall(r"\d+\.\d+", text))
        assert numbers - known == set()
        assert f"{100 * whole.metrics['test']['accuracy']:.1f}" in numbers


def test_figures_that_are_not_good_enough_are_said():
    """Three of five are answered rightly, as always answering with the largest class would."""
    for render in (render_report, render_card):
        assert "This is no better than always answering the largest class" in render(report())
        assert "Transfer bought nothing" not in render(report(random_weights={"accuracy": 0.4}))
        assert "Transfer bought nothing here" in render(report(random_weights={"accuracy": 0.6}))


def test_counts_are_those_of_the_parts():
    page = render_report(report())
    assert re.search(r"<td>cat</td><td>7</td><td>2</td>", page)
    assert re.search(r"<td>empty</td><td>13</td><td>0</td>\s*<td>–</td><td>–</td>", page)
    assert 'title="dog answered as cat: 1"' in page
    assert "without transfer" not in page
    assert "cross-validation" not in page


def test_the_worst_mistakes_come_first_with_their_pictures():
    seen = []

    def preview(source):
        seen.append(source)
        return "image/png", PIXEL

    page = render_report(report(preview=preview))
    assert seen == ["3 photos/1.png", "1 photos/1.png"]
    assert page.count('src="data:image/png;base64,') == 2
    assert page.index("94.0%, is dog") < page.index("83.0%, is cat")


def raising(source):
    raise RuntimeError("no picture")


@pytest.mark.parametrize(
    "preview", [raising, lambda source: None, lambda source: ("text/html", b"<b>"), lambda source: ("image/png", None)]
)
def test_a_preview_that_fails_costs_only_the_picture(preview):
    page = render_report(report(preview=preview))
    assert "<img" not in page
    assert page.count("no preview") == 2


@pytest.mark.parametrize("media", ['image/png" onerror="x', "image/svg+xml"])
def test_a_preview_cannot_leave_its_attribute(media):
    page = Page(render_report(report(preview=lambda source: (media, PIXEL))))
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_without_mistakes_the_page_says_so():
    whole = report()
    right = replace(whole.evaluation, probabilities=np.eye(3, dtype="float32")[whole.evaluation.data.labels])
    page = render_report(replace(whole, evaluation=right, metrics={"test": right.metrics}))
    assert "None: every held-out example was answered rightly." in page
    assert "Most frequent confusions" not in page


def test_the_most_frequent_confusions_are_a_table():
    page = render_report(report(name="<b>"))
    table = page[page.index("<h2>Most frequent confusions</h2>") : page.index("<h2>Confusion matrix</h2>")]
    assert "<tr><td>&lt;b&gt;</td><td>dog</td><td>1</td></tr>" in table
    assert "<tr><td>dog</td><td>&lt;b&gt;</td><td>1</td></tr>" in table
    assert table.count("<tr><td>") == 2


@pytest.mark.parametrize(("count", "shown"), [(50, True), (51, False)])
def test_a_matrix_that_nobody_could_read_is_left_to_metrics_json(count, shown):
    labels = np.arange(count)
    data = Dataset(
        sources=[str(label) for label in labels],
        labels=labels,
        classes=tuple(f"class {label:02}" for label in labels),
        digests=[bytes([label]) for label in labels],
        splits=np.array(["test"] * count),
        modality="image",
    )
    evaluation = Evaluation.of(data, np.eye(count, dtype="float32")[(labels + 1) % count], {})
    counts = dict.fromkeys(data.classes, 1)
    page = render_report(
        replace(report(), evaluation=evaluation, metrics={"test": evaluation.metrics}, train_counts=counts)
    )
    assert ("Confusion matrix" in page) is ('class="matrix"' in page) is shown
    assert len(evaluation.metrics["confusion_matrix"]) == count
    table = page[page.index("Most frequent confusions") : page.index("Worst mistakes")]
    assert table.count("<td>class ") == 2 * 10


def test_what_settings_were_chosen_on_is_called_what_it_was():
    pages = {part: render_report(report(**{part: {"accuracy": 0.66}})) for part in ("cross_validation", "validation")}
    assert "<b>66.0%</b>cross-validation" in pages["cross_validation"]
    assert "<b>66.0%</b>validation" in pages["validation"]
    assert "</b>validation" not in pages["cross_validation"]
    assert "cross-validation" not in pages["validation"]


def test_what_was_left_out_is_listed_and_long_lists_end():
    page = render_report(report(skipped=[Skipped(f"f{i}.png", "it is empty") for i in range(205)]))
    assert "205 of the files found are not in these figures" in page
    assert "<li>f199.png: it is empty</li>" in page
    assert "f200.png" not in page
    assert "and 5 more, all in run.json" in page
    assert "Left out" not in render_report(report())


def test_the_card_says_how_to_use_the_run():
    card = render_card(report())
    assert card.startswith("# cat run\n\nA head on photos/1.png\n")
    assert "    tlplug predict runs/photos FILE...\n" in card
    assert "model = tlplug.load('runs/photos')" in card
    assert "- head: linear\n" in card
    assert "Classes: cat, dog, empty\n" in card


@pytest.mark.parametrize(
    "name", ["my runs", "it's", '"quoted"', "$HOME/`id`", "back\\slash", "<b>&amp;", "a_b*c~d", "-x"]
)
def test_the_commands_of_the_card_name_the_run_as_it_is(name):
    card = render_card(replace(report(), run_name=name))
    (shell,) = re.findall(r"^    tlplug predict (.*) FILE\.\.\.$", card, re.MULTILINE)
    (literal,) = re.findall(r"^    model = tlplug\.load\((.*)\)$", card, re.MULTILINE)
    assert (shlex.split(shell), ast.literal_eval(literal)) == ([name], name)


def test_a_run_name_cannot_leave_its_block_of_code():
    card = render_card(replace(report(), run_name="run\n\n# Not a heading\r\x1b[31m\u2028<b>"))
    assert not re.search(r"^# Not a heading", card, re.MULTILINE)
    assert all(letter.isprintable() for letter in card.replace("\n", ""))
    assert not [line for line in card.splitlines() if "<b>" in line and not line.startswith("    ")]


def test_what_markdown_takes_for_emphasis_is_escaped_in_the_card():
    card = render_card(report(facts=[("back_bone", "net_v2 ~~gone~~")]))
    assert "- back\\_bone: net\\_v2 \\~\\~gone\\~\\~\n" in card


def test_a_share_is_written_with_one_decimal():
    assert [percent(value) for value in (0.891, 1.0, 0.0, 0.99951)] == ["89.1%", "100.0%", "0.0%", "100.0%"]


def curve(**fields):
    given = {"start": 0.3, "rates": (1e-6, 1e-5, 1e-4, 1e-3), "losses": (0.3, 0.2, 0.3, 2.1), "rises_at": 1e-4}
    return RateCurve(**{**given, "found": True, "chosen": 1.2e-5, **fields})


def test_the_learning_rate_is_shown_where_it_was_searched_for():
    assert "<svg" not in render_report(report())
    page = render_report(replace(report(), rate_curve=curve()))
    assert ">trained with 1.2e-05<" in page
    assert ">the loss rises from 1.0e-04<" in page
    assert set(Page(page).tags) >= {"svg", "polyline"}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    page = render_report(replace(report(), rate_curve=curve(rises_at=None, found=False, chosen=3e-4)))
    assert ">the default 3.0e-04<" in page
    assert "the loss rises from" not in page


@pytest.mark.parametrize("losses", [(0.3, 0.2, 0.3, 2.1), (0.3, 0.3, 0.3, 0.1), (0.3, 0.3, -0.1, 1e9), (9, 9, 9, 9)])
@pytest.mark.parametrize("start", [0.3, 1e-9, 0.0])
def test_the_curve_stays_in_its_picture(losses, start):
    made = curve(losses=losses, start=start)
    points = [tuple(map(float, point.split(","))) for point in made.path.split()]
    assert all(58 <= x <= 742 and 52 <= y <= 272 for x, y in points)
    assert [label for _, label in made.decades] == ["1e-06", "1e-05", "1e-04", "1e-03"]
    assert made.across(1e-6) == 58
    assert made.across(1e-3) == pytest.approx(742)
    assert 2 <= len(list(made.heights)) <= 8
    assert all(52 <= y <= 272 for y, _ in made.heights)


@pytest.mark.parametrize("losses", [[0.7, 0.4, 0.35], [0.7], [0.7, 1e9], [0.7, None], [None], [0.0, 0.0], [0.1] * 100])
def test_the_course_of_a_training_is_inside_its_picture(losses):
    accuracies = [None if loss is None else 0.5 for loss in losses]
    course = TrainingCurve("Choosing", losses, accuracies, chosen=1)
    for x, y in [*course.loss_points, *course.accuracy_points]:
        assert LEFT <= x <= RIGHT
        assert TOP <= y <= BOTTOM
    assert len(course.loss_points) == sum(loss is not None for loss in losses)
    assert 1 <= len(list(course.epochs)) <= 12
    assert len(list(course.heights)) >= 2
    page = render_report(replace(report(), training_curves=[course]))
    assert "Course of the training" in page
    assert "epoch 1 chosen" in page
    assert page.count("<circle") == len(course.loss_points) + len(course.accuracy_points)


def test_a_final_training_has_no_held_out_examples():
    page = render_report(replace(report(), training_curves=[TrainingCurve("Final training", [0.7, 0.4])]))
    assert "Final training: the mean loss of each epoch." in page
    assert "accuracy, 0 to 100%" not in page
    assert " chosen" not in page.partition("Course of the training")[2].partition("</svg>")[0].replace('"chosen"', "")
    assert "Course of the training" not in render_report(report())
