"""The pipeline: bounded, batches of one shape, windows of a source together, and one bad source costs no other."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tlplug.errors import PluginError
from tlplug.features import pipeline
from tlplug.features.compiled import BATCH, WORKERS
from tlplug.features.pipeline import AHEAD, Decoded, run_pipeline


def decode(source):
    if isinstance(source, Exception):
        raise source
    return Decoded([{"x": np.full(3, source, "float32"), "y": np.float32(source)}])


def embed(arrays):
    return (arrays["x"].sum(axis=1) + arrays["y"])[:, None]


def collect(sources):
    """Embeddings and failures by position, and the positions in the order they came."""
    found, failures, order = {}, {}, []
    for example in run_pipeline(enumerate(sources), decode, embed):
        if example.rows is None:
            failures[example.position] = example.failure
        else:
            found[example.position] = np.stack(example.rows).item()
            order.append(example.position)
    return found, failures, order


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tlplug")]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 10 * BATCH + 3])
def test_every_source_comes_once_and_in_order(count):
    found, failures, order = collect([float(i) for i in range(count)])
    assert order == list(range(count))
    assert found == {i: 4.0 * i for i in range(count)}
    assert failures == {}


def test_order_is_kept_whatever_decoding_takes():
    later = threading.Event()

    def slow_at_8(source):  # by then several are decoded ahead
        if source == 8:
            assert later.wait(20)
        elif source == 9:
            later.set()
        return decode(source)

    examples = list(run_pipeline(enumerate(range(20)), slow_at_8, embed))
    assert [(example.position, example.failure) for example in examples] == [(number, "") for number in range(20)]


def test_positions_are_those_given():
    examples = list(run_pipeline([(7, 1.0), (3, 2.0)], decode, embed))
    assert [(example.position, np.stack(example.rows).item()) for example in examples] == [(7, 4.0), (3, 8.0)]


def test_batches_hold_at_most_so_many_and_are_full_but_for_the_last():
    sizes = []

    def count(arrays):
        sizes.append(len(arrays["y"]))
        return embed(arrays)

    assert len(list(run_pipeline(enumerate(range(3 * BATCH + 1)), decode, count))) == 3 * BATCH + 1
    assert sizes == [BATCH] * 3 + [1]


def test_a_failure_is_its_examples_alone_and_one_line():
    sources = [float(i) for i in range(3 * BATCH)]
    errors = {
        0: ValueError("it is empty"),
        1: ValueError("two\nlines"),
        5: ValueError(),
        BATCH: OSError(2, "No such file"),
        BATCH + 1: KeyError("x"),
        3 * BATCH - 1: RuntimeError("  padded  \nmore"),
    }
    for position, error in errors.items():
        sources[position] = error
    found, failures, order = collect(sources)
    assert failures == {
        0: "it is empty",
        1: "two",
        5: "ValueError",
        BATCH: "FileNotFoundError: [Errno 2] No such file",
        BATCH + 1: "KeyError: 'x'",
        3 * BATCH - 1: "RuntimeError: padded",
    }
    assert order == [i for i in range(3 * BATCH) if i not in errors]
    assert all(found[i] == 4.0 * i for i in order)


@pytest.mark.parametrize("count", [1, BATCH, AHEAD, 3 * AHEAD + 1])
def test_nothing_but_failures_is_no_error(count):
    found, failures, _ = collect([ValueError("bad")] * count)
    assert (found, failures) == ({}, dict.fromkeys(range(count), "bad"))


def test_an_error_of_the_plugin_goes_through():
    with pytest.raises(PluginError, match="wrong shape"):
        collect([1.0, PluginError("wrong shape"), 2.0])
    assert not decoders()


def test_an_error_of_the_network_goes_through():
    def broken(arrays):
        raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        list(run_pipeline(enumerate(range(100)), decode, broken))
    assert not decoders()


def test_an_error_of_the_sources_goes_through():
    def sources():
        yield 0, 1.0
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(run_pipeline(sources(), decode, embed))
    assert not decoders()


def test_little_is_decoded_ahead():
    drawn, done = [], []

    def sources():
        for i in range(100 * BATCH):
            drawn.append(i)
            yield i, float(i)

    def count(source):
        done.append(source)
        return decode(source)

    consumed, most = 0, 0
    for _ in run_pipeline(sources(), count, embed):
        consumed += 1
        most = max(most, len(drawn) - consumed, len(done) - consumed)
    assert consumed == 100 * BATCH
    assert most <= AHEAD + (WORKERS + 2) * BATCH


def test_of_large_sources_fewer_are_decoded_ahead(monkeypatch):
    monkeypatch.setattr(pipeline, "MEMORY", 64_000)
    drawn = []

    def sources():
        for i in range(200):
            drawn.append(i)
            yield i, i

    def large(source):
        return Decoded([{"x": np.full(2000, source, "float32")}])  # 8,000 bytes: eight of them fill the memory

    waiting = []
    for consumed, example in enumerate(run_pipeline(sources(), large, lambda arrays: arrays["x"][:, :1]), 1):
        assert np.stack(example.rows).item() == example.position
        waiting.append(len(drawn) - consumed)
    assert max(waiting) <= 8 + (WORKERS + 2) * BATCH


def test_a_consumer_that_raises_ends_it_without_hanging():
    done = []

    def count(source):
        done.append(source)
        return decode(source)

    batches = run_pipeline(enumerate(range(1000 * BATCH)), count, embed)

    def consume():
        for _ in batches:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        consume()
    batches.close()
    assert not decoders()
    assert len(done) <= AHEAD + (WORKERS + 2) * BATCH


def test_decoding_goes_on_while_the_network_runs():
    decoded = threading.Event()

    def watch(source):
        if source == BATCH + 3:
            decoded.set()
        return decode(source)

    def wait(arrays):
        assert decoded.wait(20)
        return embed(arrays)

    assert len(list(run_pipeline(enumerate(range(2 * BATCH)), watch, wait))) == 2 * BATCH


def sums(arrays):
    return arrays["x"].sum(axis=1, keepdims=True)


def test_sources_of_different_lengths_are_embedded_as_if_alone():
    lengths = [2, 3, 2, 5, 3, 3]
    examples = list(run_pipeline(enumerate(lengths), lambda n: Decoded([{"x": np.ones(n, "float32")}]), sums))
    assert {example.position: np.stack(example.rows).item() for example in examples} == dict(enumerate(lengths))


def test_windows_of_one_shape_share_batches_whichever_source_they_are_of():
    sizes = []

    def count(arrays):
        sizes.append(arrays["x"].shape)
        return sums(arrays)

    def windows(number):  # of two shapes, in turn
        return Decoded(
            [{"x": np.full(2 + i % 2, number, "float32")} for i in range(number)], "odd" if number % 2 else ""
        )

    examples = {example.position: example for example in run_pipeline(enumerate(range(1, 30)), windows, count)}
    assert sorted(examples) == list(range(29))
    for position, example in examples.items():
        number = position + 1
        assert np.stack(example.rows).ravel().tolist() == [number * (2 + i % 2) for i in range(number)]
        assert example.remark == ("odd" if number % 2 else "")
    total = sum(range(1, 30))
    assert sum(shape[0] for shape in sizes) == total
    assert len(sizes) <= total // BATCH + 2


def test_more_windows_than_memory_takes_are_embedded_before_their_batch_is_full(monkeypatch):
    monkeypatch.setattr(pipeline, "MEMORY", 1000)

    def lonely(length):
        return Decoded([{"x": np.ones(length, "uint8")}])

    drawn, waiting = [], []
    lengths = range(100, 160)  # no two of one shape

    def sources():
        for pair in enumerate(lengths):
            drawn.append(pair)
            yield pair

    for done, example in enumerate(run_pipeline(sources(), lonely, lambda arrays: sums(arrays).astype("float32")), 1):
        waiting.append(len(drawn) - done)
        assert np.stack(example.rows).item() == lengths[example.position]
    assert len(waiting) == 60
    assert max(waiting) <= 2 * (1000 // 100)  # as many wait to be decoded, and for their batch


def test_a_source_without_windows_is_a_failure():
    (example,) = run_pipeline([(0, None)], lambda _: Decoded([]), embed)
    assert (example.rows, example.failure) == (None, "there is nothing in it")


def test_a_shape_that_the_network_does_not_take_costs_its_sources_alone():
    def choosy(arrays):
        if arrays["x"].shape[1] < 2:
            raise RuntimeError("too short\nindeed")
        return sums(arrays)

    def windows(lengths):
        return Decoded([{"x": np.ones(length, "float32")} for length in lengths])

    lengths = [(3,), (1,), (3, 1), (3, 3), (1, 1)]
    examples = {e.position: e for e in run_pipeline(enumerate(lengths), windows, choosy)}
    assert sorted(examples) == [0, 1, 2, 3, 4]
    refused = [position for position, example in examples.items() if example.rows is None]
    assert sorted(refused) == [1, 2, 4]
    assert {examples[p].failure for p in refused} == {"the network does not take it: RuntimeError: too short"}
