"""The demonstration data: recorded voices where they are installed, else synthesised sounds that can be learned."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from tlplug_audio import synthesis, voices
from tlplug_audio.spectrogram import fourier_matrices, mel_matrix
from tlplug_audio.waveform import read


@pytest.fixture(scope="module")
def synthesised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    assert synthesis.write(folder) == "150 synthesised sounds of 5 kinds (bells, birds, engines, rain, sirens)"
    return folder


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.wav")
    }


def test_it_is_the_same_each_time_and_no_clip_twice(synthesised, tmp_path):
    synthesis.write(tmp_path)
    assert digests(tmp_path) == digests(synthesised)
    assert len(set(digests(synthesised).values())) == 150


def test_every_clip_is_a_sound(synthesised):
    for path in synthesised.rglob("*.wav"):
        found = read(path)
        assert found.remarks == ()
        assert 16_000 <= len(found.samples) <= 48_000
        assert 0.05 < np.abs(found.samples).max() < 0.95


def test_the_kinds_can_be_learned(synthesised):
    cosines, sines = fourier_matrices()

    def features(path):
        frames = np.lib.stride_tricks.sliding_window_view(read(path).samples, 400)[::160]
        bands = np.log(np.hypot(frames @ cosines, frames @ sines) @ mel_matrix() + 0.001)
        return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])

    paths = sorted(synthesised.rglob("*.wav"))
    rows, labels = np.stack([features(path) for path in paths]), [path.parent.name for path in paths]
    model = LogisticRegression(C=0.01, max_iter=2000).fit(rows[::2], labels[::2])
    assert model.score(rows[1::2], labels[1::2]) > 0.85  # measured: 0.893; a fifth by chance


def install(sounds, language, clips):
    folder = sounds / f"{language}_XX_f_Somebody"
    folder.mkdir(parents=True)
    for number in range(clips):
        seconds = 0.5 if number % 10 == 9 else 1.5
        samples = np.random.default_rng([ord(language[0]), number]).normal(0, 0.1, int(seconds * 8000))
        soundfile.write(folder / f"{number}.wav", samples, 8000)


def test_installed_voices_are_copied(tmp_path, monkeypatch):
    for language in ("it", "en"):
        install(tmp_path / "sounds", language, 70)
    (tmp_path / "sounds" / "de_DE_m_Empty").mkdir()
    monkeypatch.setattr(voices, "SOUNDS", tmp_path / "sounds")
    sentence = voices.write(tmp_path / "a")
    assert sentence.startswith("120 telephone announcements in 2 languages")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["en", "it"]
    assert len(list((tmp_path / "a" / "it").iterdir())) == 60
    assert all(len(read(path).samples) > 16_000 for path in (tmp_path / "a" / "en").iterdir())
    voices.write(tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_without_voices_it_says_that_they_are_synthesised(tmp_path, monkeypatch):
    install(tmp_path / "sounds", "fr", 5)  # a single class is nothing to learn
    monkeypatch.setattr(voices, "SOUNDS", tmp_path / "sounds")
    sentence = voices.write(tmp_path / "a")
    assert "synthesised" in sentence
    assert "apt install asterisk-core-sounds-{en,es,fr,it,ru}-wav" in sentence
    assert "\n" not in sentence
    assert len(list((tmp_path / "a").rglob("*.wav"))) == 150
