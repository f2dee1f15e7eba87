"""The pipeline: in order, bounded, and one bad example never costs the others."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tlplug.errors import PluginError
from tlplug.features.compiled import BATCH
from tlplug.features.pipeline import AHEAD, run_pipeline


def decode(source):
    if isinstance(source, Exception):
        raise source
    return {"x": np.full(3, source, "float32"), "y": np.float32(source)}


def embed(arrays):
    return (arrays["x"].sum(axis=1) + arrays["y"])[:, None]


def collect(sources):
    """Embeddings and failures by position, and the positions in the order they came."""
    found, failures, order = {}, {}, []
    for batch in run_pipeline(enumerate(sources), decode, embed):
        found.update(zip(batch.positions, batch.embeddings[:, 0].tolist() if batch.positions else [], strict=True))
        failures.update(batch.failures)
        order += batch.positions
    return found, failures, order


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 10 * BATCH + 3])
def test_every_source_comes_once_and_in_order(count):
    found, failures, order = collect([float(i) for i in range(count)])
    assert order == list(range(count))
    assert found == {i: 4.0 * i for i in range(count)}
    assert failures == {}


def test_order_is_kept_whatever_decoding_takes():
    last = threading.Event()

    def slow_first(source):
        if source == 0:
            assert last.wait(20)
        elif source == 5:
            last.set()
        return decode(source)

    batches = list(run_pipeline(enumerate(range(2 * BATCH)), slow_first, embed))
    assert [position for batch in batches for position in batch.positions] == list(range(2 * BATCH))


def test_positions_are_those_given():
    batches = list(run_pipeline([(7, 1.0), (3, 2.0)], decode, embed))
    assert [batch.positions for batch in batches] == [[7, 3]]


def test_batches_hold_at_most_so_many_and_are_full_but_for_the_last():
    batches = list(run_pipeline(enumerate(range(3 * BATCH + 1)), decode, embed))
    assert [len(batch.positions) for batch in batches] == [BATCH] * 3 + [1]


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


@pytest.mark.parametrize("count", [1, BATCH, AHEAD * BATCH, 3 * AHEAD * BATCH + 1])
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
    for batch in run_pipeline(sources(), count, embed):
        consumed += len(batch.positions)
        most = max(most, len(drawn) - consumed, len(done) - consumed)
    assert consumed == 100 * BATCH
    assert most <= AHEAD * BATCH


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
    assert len(done) <= (AHEAD + 1) * BATCH


def test_decoding_goes_on_while_the_network_runs():
    decoded = threading.Event()

    def watch(source):
        if source == BATCH + 3:
            decoded.set()
        return decode(source)

    def wait(arrays):
        assert decoded.wait(20)
        return embed(arrays)

    assert sum(len(batch.positions) for batch in run_pipeline(enumerate(range(2 * BATCH)), watch, wait)) == 2 * BATCH


def test_examples_of_different_lengths_are_embedded_as_if_alone():
    def ones(length):
        return {"x": np.ones(length, "float32")}

    lengths = [2, 3, 2, 5, 3, 3]
    batches = list(run_pipeline(enumerate(lengths), ones, lambda arrays: arrays["x"].sum(axis=1, keepdims=True)))
    sums = {
        position: float(row[0])
        for batch in batches
        for position, row in zip(batch.positions, batch.embeddings, strict=True)
    }
    assert sums == dict(enumerate(lengths))
