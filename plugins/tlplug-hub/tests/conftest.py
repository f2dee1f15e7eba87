"""Shared fixtures: small modules with the signatures of published ones, made on the spot, and a server for them."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from tlplug_hub import loading

from tlplug.registry import registry

IDS = ("input_mask", "input_type_ids", "input_word_ids")
VOCABULARY = ("good", "fine", "bad", "poor", "film")


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """No setting of the person who runs the tests, and a cache of the test's own."""
    for name in list(os.environ):
        if name.startswith(("TLPLUG_", "TFHUB_", "KAGGLE")) and name != "TLPLUG_TEST_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("TLPLUG_TRUST", "")  # what a command of the test sets in this process is taken back
    monkeypatch.setenv("TLPLUG_OFFLINE", "")
    monkeypatch.setenv("TLPLUG_CACHE_DIR", str(tmp_path / "cache"))
    registry.cache_clear()
    yield
    registry.cache_clear()
    loading._trusted.clear()


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """The folder with one folder for each module below. Not to be changed; see `copied`."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("modules")
    (folder / "vocabulary.txt").write_text("\n".join(VOCABULARY) + "\n")
    draw = np.random.default_rng(0)

    def values(*shape):
        return draw.normal(0, 0.3, shape).astype(np.float32)

    def save(module, name, **arguments):
        tf.saved_model.save(module, str(folder / name), **arguments)

    class Image(tf.Module):
        """A feature vector: convolution, batch statistics, and a regularisation loss, as Keras modules have them."""

        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(values(3, 3, 3, 6), name="kernel")
            self.mean = tf.Variable(tf.zeros(6), trainable=False, name="moving_mean")
            self.variables_listed = [self.kernel, self.mean]
            self.regularization_losses = [self.penalty]

        @tf.function(input_signature=[])
        def penalty(self):
            return 0.01 * tf.reduce_sum(tf.square(self.kernel))

        @tf.function
        def __call__(self, x, training=False):
            y = tf.nn.conv2d(x, self.kernel, 2, "SAME")
            if training:
                self.mean.assign(0.5 * self.mean + 0.5 * tf.reduce_mean(y, [0, 1, 2]))
            return tf.reduce_mean(tf.nn.relu(y - self.mean), [1, 2])

    image = Image()
    for training in (False, True):
        image.__call__.get_concrete_function(tf.TensorSpec([None, None, None, 3]), training=training)
    save(image, "image")

    class Maps(tf.Module):
        """Feature maps of a fixed size, in a dictionary under a signature alone."""

        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(values(3, 3, 3, 5))

        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], name="pixels")])
        def extract(self, pixels):
            y = tf.nn.conv2d(pixels, self.kernel, 4, "SAME")
            return {"maps": y, "shape": tf.shape(y)}

    maps = Maps()
    save(maps, "maps", signatures={"features": maps.extract})

    class Yamnet(tf.Module):
        """One waveform without a batch axis: scores, embeddings and spectrogram, its variables in a list."""

        def __init__(self):
            super().__init__()
            self.hidden = [tf.Variable(values(400, 8), name="hidden"), tf.Variable(values(8, 3), name="scores")]

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def __call__(self, waveform):
            frames = tf.signal.frame(waveform, 400, 200)
            embeddings = tf.nn.relu(frames @ self.hidden[0])
            return tf.nn.softmax(embeddings @ self.hidden[1]), embeddings, frames

    save(Yamnet(), "yamnet")

    class Vggish(tf.Module):
        """One waveform without a batch axis: embeddings of its frames."""

        def __init__(self):
            super().__init__()
            self.matrix = tf.Variable(values(400, 4))

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def __call__(self, waveform):
            return tf.tanh(tf.signal.frame(waveform, 400, 400) @ self.matrix)

    save(Vggish(), "vggish")

    class Clips(tf.Module):
        """Waveforms with a batch axis."""

        def __init__(self):
            super().__init__()
            self.matrix = tf.Variable(values(100, 4))

        @tf.function(input_signature=[tf.TensorSpec([None, 100])])
        def __call__(self, waveforms):
            return tf.tanh(waveforms @ self.matrix)

    save(Clips(), "clips")

    class Sentences(tf.Module):
        """Texts to embeddings: a vocabulary among the assets, and hash buckets for the rest."""

        def __init__(self):
            super().__init__()
            self.table = table(tf, folder)
            self.embeddings = tf.Variable(values(len(VOCABULARY) + 8, 6), name="embeddings")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            words = tf.strings.split(tf.strings.lower(texts))
            rows = tf.gather(self.embeddings, self.table.lookup(words.flat_values))
            return tf.math.unsorted_segment_mean(rows, words.value_rowids(), tf.size(texts))

    save(Sentences(), "use")

    class Preprocessor(tf.Module):
        """Texts to the three arrays of an encoder."""

        def __init__(self):
            super().__init__()
            self.table = table(tf, folder)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            words = tf.strings.split(tf.strings.lower(texts))
            numbers = tf.ragged.map_flat_values(self.table.lookup, words).to_tensor(shape=[None, 8])
            mask = tf.sequence_mask(tf.minimum(words.row_lengths(), 8), 8)
            word_ids = tf.cast(numbers, tf.int32)
            return {"input_word_ids": word_ids, "input_mask": tf.cast(mask, tf.int32), "input_type_ids": word_ids * 0}

    class Encoder(tf.Module):
        """The arrays of a preprocessor to two outputs by name."""

        def __init__(self):
            super().__init__()
            self.embeddings = tf.Variable(values(len(VOCABULARY) + 8, 6), name="embeddings")

        @tf.function
        def __call__(self, inputs, training=False, mask=None):
            rows = tf.gather(self.embeddings, inputs["input_word_ids"])
            rows *= tf.cast(inputs["input_mask"], tf.float32)[..., None]
            return {"pooled_output": tf.tanh(tf.reduce_sum(rows, 1)), "sequence_output": rows}

    encoder = Encoder()
    for training in (False, True):
        encoder.__call__.get_concrete_function({name: tf.TensorSpec([None, None], tf.int32) for name in IDS}, training)
    save(Preprocessor(), "pair/preprocessor")
    save(encoder, "pair/encoder")

    class Writer(Sentences):
        """A module that writes a file whenever it is called."""

        def __init__(self):
            super().__init__()
            self.path = str(folder / "written")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            tf.io.write_file(self.path, "by the module")
            return super().__call__(texts)

    save(Writer(), "writer")
    return folder


def table(tf, folder):
    """The vocabulary out of a file, and eight buckets."""
    lines = tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    initializer = tf.lookup.TextFileInitializer(str(folder / "vocabulary.txt"), tf.string, *lines)
    return tf.lookup.StaticVocabularyTable(initializer, 8)


@pytest.fixture
def copied(modules, tmp_path):
    """Copy a module to a place of the test's own."""
    return lambda name: Path(shutil.copytree(modules / name, tmp_path / "copied" / name))


@pytest.fixture
def pack(modules, tmp_path):
    """Make a ``.tar.gz`` of a module, its files at the root, and return its path."""

    def make(name, *, folder=None):
        path = tmp_path / f"{name}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder or modules / name, ".")
        return path

    return make


class Server:
    """Answers by path: one after the other, the last one from then on; and what was asked for."""

    def __init__(self):
        self.answers: dict[str, list[bytes]] = {}
        self.asked: list[str] = []
        self.url = ""

    def put(self, path, *bodies):
        self.answers[path] = list(bodies)
        return self.url + path


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append(self.path)
            bodies = site.answers.get(self.path.partition("?")[0])
            if bodies is None:
                self.send_error(404)
                return
            body = bodies.pop(0) if len(bodies) > 1 else bodies[0]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        site.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        yield site
        listener.shutdown()
        thread.join()


@pytest.fixture
def python():
    """Run a piece of source in a process of its own; return what it prints."""

    def run(source, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-c", source, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run
