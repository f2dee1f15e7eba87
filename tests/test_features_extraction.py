"""Embeddings of data sets: only what is new is computed, and whatever changes them has another fingerprint."""

from __future__ import annotations

import os
import shutil
import textwrap

import numpy as np
import pytest

import tlplug
from tlplug.backbones import RANDOM, import_keras, select_backbone
from tlplug.cache import clear_cache
from tlplug.data import content_digests, load_data
from tlplug.features import Extractor, FeatureStore, extractor_for
from tlplug.features.extraction import BLOCK
from tlplug.features.store import features_dir
from tlplug.registry import registry

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves variables


@pytest.fixture
def extractor(vectors, warm):
    """The extractor of the small network, as every run opens it."""

    def make(*, keep=True, **fields):
        return extractor_for(select_backbone("tanh", modality="vector", **{"weights": RANDOM, **fields}), keep=keep)

    return make


def arrays(count, seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, 8)).astype("float32"))


def test_features_are_kept_and_the_same_bits_again(extractor, vectors):
    sources = arrays(40)
    digests = content_digests(sources)
    first = extractor().all(sources, digests)
    vectors.CALLS.clear()
    again = extractor().all(sources, digests)
    assert (first.computed, again.computed, vectors.CALLS) == (40, 0, [])
    assert first.embeddings.tobytes() == again.embeddings.tobytes()
    assert first.failures == again.failures == {}


def test_features_equal_keras(extractor):
    sources = arrays(20)
    found = extractor().all(sources).embeddings
    from tlplug.backbones import build_backbone

    model = build_backbone(select_backbone("tanh", modality="vector", weights=RANDOM)).model
    assert np.allclose(found, np.asarray(model(np.stack(sources))), atol=1e-5)


def test_a_result_does_not_depend_on_its_neighbours(extractor):
    sources = arrays(37)
    together = extractor().all(sources).embeddings
    shuffled = np.random.default_rng(1).permutation(37)
    assert np.array_equal(extractor().all([sources[i] for i in shuffled]).embeddings, together[shuffled])
    for position in (0, 16, 36):
        assert np.array_equal(extractor().all([sources[position]]).embeddings[0], together[position])
    broken = [*sources[:5], np.zeros(3), *sources[5:]]
    assert np.array_equal(np.delete(extractor().all(broken).embeddings, 5, axis=0), together)


def test_only_what_is_new_is_computed(extractor, vectors):
    sources = arrays(30)
    extractor().all(sources[:10], content_digests(sources[:10]))
    mixed = [sources[i] for i in (25, 3, 26, 7, 3)]
    vectors.CALLS.clear()
    features = extractor().all(mixed, content_digests(mixed))
    assert features.computed == len(vectors.CALLS) == 2
    assert np.array_equal(features.embeddings, extractor().all(mixed).embeddings)


def test_renamed_moved_and_newly_split_data_costs_nothing(extractor, vectors, tmp_path):
    for name in ("a/1", "a/2", "a/3", "b/4", "b/5", "b/6"):
        path = tmp_path / "old" / f"{name}.vec"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, np.full(8, int(name[-1])))
    data = load_data(tmp_path / "old", seed=0)
    assert extractor().all(data.sources, data.digests).computed == 6
    new = tmp_path / "new"
    shutil.copytree(tmp_path / "old" / "a", new / "first" / "deep")
    (tmp_path / "old" / "b").rename(new / "second")
    (new / "second" / "6.vec").rename(new / "second" / "renamed.VEC")
    np.savetxt(new / "second" / "7.vec", np.full(8, 7))
    moved = load_data(new, seed=5, holdout=0.5)
    assert extractor().all(moved.sources, moved.digests).computed == 1


def test_an_example_that_cannot_be_read_is_a_row_of_nan_with_its_reason(extractor):
    sources = [*arrays(3), np.zeros(5), *arrays(20, 1), np.zeros((2, 2))]
    digests = content_digests(sources)
    features = extractor().all(sources, digests)
    assert features.failures == {3: "it has 5 numbers, not 8", 24: "it has 4 numbers, not 8"}
    assert np.flatnonzero(np.isnan(features.embeddings).all(axis=1)).tolist() == [3, 24]
    assert np.isfinite(np.delete(features.embeddings, [3, 24], axis=0)).all()
    again = extractor().all(sources, digests)
    assert (again.computed, again.failures) == (2, features.failures)


def test_nothing_that_can_be_read_is_all_nan(extractor):
    features = extractor().all([np.zeros(5)] * 3)
    assert (len(features.failures), np.isnan(features.embeddings).all()) == (3, True)


def test_no_sources_have_no_features(extractor):
    assert extractor().all([], []).embeddings.shape == (0, 4)


def test_blocks_come_in_order_and_are_kept_one_by_one(extractor, vectors):
    sources = arrays(1) * (BLOCK - 1) + [np.zeros(5), *arrays(10, 1)]
    digests = [i.to_bytes(32, "big") for i in range(len(sources))]
    blocks = extractor().blocks(sources, digests)
    first = next(blocks)
    assert (first.start, len(first.embeddings), first.failures) == (0, BLOCK, {BLOCK - 1: "it has 5 numbers, not 8"})
    blocks.close()
    assert len(extractor().store) == BLOCK - 1
    starts = [(block.start, block.computed) for block in extractor().blocks(sources, digests)]
    assert starts == [(0, 1), (BLOCK, 10)]


def test_without_digests_or_a_store_nothing_is_kept(extractor, cache):
    sources = arrays(3)
    extractor().all(sources)
    unkept = extractor(keep=False)
    unkept.all(sources, content_digests(sources))
    assert unkept.store is None
    assert not (cache / "features").exists()


def test_a_damaged_store_is_computed_anew(extractor, cache):
    sources = arrays(5)
    digests = content_digests(sources)
    first = extractor().all(sources, digests)
    (shard,) = (cache / "features").rglob("*.arrow")
    shard.write_bytes(shard.read_bytes()[:-100])
    again = extractor().all(sources, digests)
    assert again.computed == 5
    assert np.array_equal(again.embeddings, first.embeddings)
    assert extractor().all(sources, digests).computed == 0


def test_a_store_that_another_process_clears_meanwhile_is_computed_anew(extractor):
    sources = arrays(5)
    digests = content_digests(sources)
    first = extractor().all(sources, digests)
    opened = extractor()
    clear_cache(["features"])
    again = opened.all(sources, digests)
    assert np.array_equal(again.embeddings, first.embeddings)


def test_fingerprints_differ_by_all_that_an_embedding_depends_on(extractor):
    def fingerprint(**fields):
        return extractor(**fields).store.folder.name

    prints = [
        fingerprint(),
        fingerprint(seed=1),
        fingerprint(options={"units": 5}),
        fingerprint(preprocess_options={"factor": 2.0}),
    ]
    assert len(set(prints)) == 4
    assert fingerprint() == prints[0]
    chosen = select_backbone("tanh", modality="vector", weights=RANDOM)
    assert extractor_for(chosen, runtime="tensorflow").store.folder.name not in prints


def test_built_anew_in_one_process_the_fingerprint_is_the_same(extractor):
    assert extractor(weights=None).store.folder == extractor(weights=None).store.folder


@pytest.mark.parametrize("kind", ["distribution", "file"])
def test_fingerprints_differ_by_the_version_of_what_decodes(vectors, site, tmp_path, kind, monkeypatch):
    source = """
    import tlplug
    from tlplug import Preprocess, hookimpl

    def make(options, files):
        return lambda source: {"values": source}

    @hookimpl
    def preprocess():
        return [Preprocess(name="plain", modality="plain", make=make)]
    """
    prints = set()
    monkeypatch.setenv("TLPLUG_PLUGINS", "builtin,plain")
    for version in ("1.0", "1.1", "1.1"):
        registry.cache_clear()
        if kind == "distribution":
            shutil.rmtree(site.folder)
            site.folder.mkdir()
            site.install("plain", source, version=version)
        else:
            path = tmp_path / "plain.py"
            path.write_text(textwrap.dedent(source) + f"\nVERSION = {version}\n")
            registry().load_file(path)
        tlplug.register_backbone("sum", modality="plain", input_shape=(8,))(vectors.build)
        prints.add(extractor_for(select_backbone("sum", modality="plain", weights=RANDOM)).store.folder.name)
    assert len(prints) == 2


NOTEBOOK = """
import tlplug

@tlplug.register_preprocess("cell", modality="cell")
def make(options, files):
    return lambda source: {"values": source}
"""


def test_what_has_no_identity_is_not_kept(vectors):
    exec(NOTEBOOK, {"__name__": "nowhere"})  # noqa: S102 - as a notebook runs its cells
    tlplug.register_backbone("sum", modality="cell", input_shape=(8,))(vectors.build)
    extractor = extractor_for(select_backbone("sum", modality="cell", weights=RANDOM))
    assert extractor.store is None
    assert extractor.all(arrays(3), content_digests(arrays(3))).computed == 3


LAYER = """
import tlplug

@tlplug.register_backbone("layered", modality="vector", input_shape=(8,))
def build(weights=None):
    import keras

    class Scale(keras.layers.Layer):
        def call(self, inputs):
            return inputs * {factor}

    inputs = keras.Input((8,), name="values")
    return keras.Model(inputs, Scale(name="scale")(inputs))
"""


@pytest.mark.parametrize("weights", [None, RANDOM])
@pytest.mark.parametrize("kind", ["file", "notebook"])
def test_a_layer_whose_code_changes_gives_new_features(vectors, tmp_path, weights, kind):
    sources = [np.ones(8, "float32")]
    found = []
    for factor in (2.0, 3.0):
        if kind == "file":
            path = tmp_path / "layered.py"
            path.write_text(LAYER.format(factor=factor))
            os.utime(path, (factor, factor))  # Python takes its bytecode for that of a file of the same second and size
            registry().load_file(path)
        else:
            exec(LAYER.format(factor=factor), {"__name__": "nowhere"})  # noqa: S102 - as a notebook runs its cells
        extractor = extractor_for(select_backbone("layered", modality="vector", weights=weights))
        found.append(float(extractor.all(sources, content_digests(sources)).embeddings[0, 0]))
    assert found == [2.0, 3.0]


def test_a_store_of_ones_own_is_used(extractor, tmp_path):
    made = extractor(keep=False)
    store = FeatureStore("own", 4, folder=tmp_path)
    sources = arrays(3)
    Extractor(made.compiled, made.preprocess, store).all(sources, content_digests(sources))
    assert len(FeatureStore("own", 4, folder=tmp_path)) == 3
    assert import_keras().__name__ == "keras"


def test_evaluating_with_other_code_than_in_training_does_not_touch_the_features_of_that_code(vectors, tmp_path):
    from tlplug.predictor import Predictor

    rows = [np.full(8, number, np.float32) for number in range(12)]
    data = tlplug.load_data(rows, ["a", "b"] * 6, modality="vector")
    model = tlplug.train(data, backbone="tanh")
    model.save(tmp_path / "run")
    stores = {path.name: sorted(path.glob("*.arrow")) for path in features_dir().iterdir()}
    source = tmp_path / "vectors.py"
    source.write_text(source.read_text() + "\n# another state of the code\n")
    new = [np.full(8, number + 0.5, np.float32) for number in range(3)]
    Predictor.load(tmp_path / "run" / "model").probabilities(new, content_digests(new))
    assert {name: sorted((features_dir() / name).glob("*.arrow")) for name in stores} == stores
