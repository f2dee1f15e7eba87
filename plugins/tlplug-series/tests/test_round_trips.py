"""The same series written in every format is read as the same examples."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tlplug_series import npz, plugin, table, ucr
from tlplug_series.series import make

FLOATS = st.floats(-(2.0**120), 2.0**120, width=32)
LABELS = st.sampled_from(["up", "down", "größer", "1", "-1", "a b"])


@dataclass
class Data:
    """Series float32 ``[steps, channels]``, not equally long, and a label for each."""

    series: list
    labels: list


@st.composite
def data_sets(draw, most_channels=3):
    channels, count = draw(st.integers(1, most_channels)), draw(st.integers(1, 5))
    series = []
    for _ in range(count):
        values = draw(hnp.arrays(np.float32, (draw(st.integers(2, 8)), channels), elements=FLOATS))
        # A gap, but not everything and not the last step, which some formats cannot tell from no step.
        gap = draw(st.integers(0, len(values) - 2))
        if draw(st.booleans()):
            values[gap, draw(st.integers(0, channels - 1))] = np.nan
        series.append(values)
    return Data(series, [draw(LABELS) for _ in range(count)])


def text(value, missing):
    return missing if np.isnan(value) else repr(float(value))


def check(examples, data):
    examples = list(examples)
    assert [one.problem for one in examples] == [""] * len(data.series)
    assert [one.label for one in examples] == data.labels
    for one, expected in zip(examples, data.series, strict=True):
        assert one.source.dtype == np.float32
        np.testing.assert_array_equal(one.source, expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("round")


@settings(max_examples=60, deadline=None)
@given(data_sets())
def test_ts(folder, data):
    lines = [
        ":".join(",".join(text(value, "?") for value in channel) for channel in series.T) + f":{label}"
        for series, label in zip(data.series, data.labels, strict=True)
    ]
    header = "@univariate false\n@equalLength false\n@classLabel true\n@data\n"
    (folder / "a.ts").write_text(header + "\n".join(lines), encoding="utf-8")
    check(ucr.read(folder / "a.ts", {}), data)


@settings(max_examples=60, deadline=None)
@given(data_sets())
def test_relational_arff(folder, data):
    longest = max(map(len, data.series))
    lines = []
    for series, label in zip(data.series, data.labels, strict=True):
        padded = np.pad(series, ((0, longest - len(series)), (0, 0)), constant_values=np.nan)
        channels = "\\n".join(",".join(text(value, "?") for value in channel) for channel in padded.T)
        lines.append(f"'{channels}','{label}'")
    steps = "".join(f"@attribute t{number} numeric\n" for number in range(longest))
    header = f"@relation r\n@attribute all relational\n{steps}@end all\n@attribute class string\n@data\n"
    (folder / "a.arff").write_text(header + "\n".join(lines), encoding="utf-8")
    check(ucr.read(folder / "a.arff", {}), data)


@settings(max_examples=60, deadline=None)
@given(data_sets(most_channels=1))
def test_tsv_plain_arff_and_wide_csv(folder, data):
    longest = max(map(len, data.series))
    padded = [np.pad(one[:, 0], (0, longest - len(one)), constant_values=np.nan) for one in data.series]
    rows = list(zip(data.labels, padded, strict=True))
    tsv = "".join("\t".join([label, *(text(value, "NaN") for value in values)]) + "\n" for label, values in rows)
    (folder / "a.tsv").write_text(tsv, encoding="utf-8")
    check(ucr.read(folder / "a.tsv", {}), data)
    steps = "".join(f"@attribute t{number} numeric\n" for number in range(longest))
    lines = "".join(",".join([*(text(value, "?") for value in values), f'"{label}"']) + "\n" for label, values in rows)
    header = f"@relation r\n{steps}@attribute target string\n@data\n"
    (folder / "b.arff").write_text(header + lines, encoding="utf-8")
    check(ucr.read(folder / "b.arff", {}), data)
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *range(longest)])
        writer.writerows([label, *(text(value, "") for value in values)] for label, values in rows)
    check(table.read(folder / "a.csv", {}), data)


@settings(max_examples=60, deadline=None)
@given(data_sets(), st.randoms(use_true_random=False))
def test_long_csv(folder, data, random):
    rows = [
        [f"s{number}", step, label, *(text(value, "") for value in values)]
        for number, (series, label) in enumerate(zip(data.series, data.labels, strict=True))
        for step, values in enumerate(series)
    ]
    starts = [row for row in rows if row[1] == 0]  # series come in the order of their first rows
    others = [row for row in rows if row[1]]
    random.shuffle(others)
    with (folder / "b.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["id", "time", "label", *(f"c{number}" for number in range(data.series[0].shape[1]))])
        writer.writerows(starts + others)
    check(table.read(folder / "b.csv", {}), data)


@settings(max_examples=60, deadline=None)
@given(data_sets())
def test_npz(folder, data):
    longest = max(map(len, data.series))
    x = [np.pad(one, ((0, longest - len(one)), (0, 0)), constant_values=np.nan) for one in data.series]
    np.savez(folder / "a.npz", X=np.stack(x), y=np.array(data.labels))
    check(npz.read(folder / "a.npz", {}), data)


@settings(max_examples=60, deadline=None)
@given(data_sets())
def test_one_series_in_a_file(folder, data):
    (record,) = plugin.preprocess()
    options = {option.name: option.default for option in record.options}
    series = data.series[0]
    preprocess = make({**options, "input_shape": (None, series.shape[1])}, {})
    expected = preprocess(series)["series"]
    np.save(folder / "one.npy", series)
    with (folder / "one.csv").open("w", newline="") as file:
        csv.writer(file).writerows([text(value, "nan") for value in values] for values in series)
    for source in (folder / "one.npy", folder / "one.csv", (folder / "one.csv").read_bytes(), series.tolist()):
        np.testing.assert_array_equal(preprocess(source)["series"], expected)
