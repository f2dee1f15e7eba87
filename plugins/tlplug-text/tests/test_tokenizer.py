"""Token numbers: those of the reference, whatever a text holds and however long it is."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlplug_text import tokenizer
from tlplug_text.tokenizer import load, pieces

TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t\n\r aé́‍東京[]_-'")), max_size=200)


@pytest.fixture(scope="module")
def minilm_tokenizer(files):
    return load(files)


def test_numbers_equal_those_of_the_reference(minilm_tokenizer, golden):
    for item in golden:
        ids = [minilm_tokenizer.first, *minilm_tokenizer.ids(item["text"])[:126], minilm_tokenizer.last]
        assert ids == item["token_ids"], item["text"]


@pytest.fixture(scope="module")
def by_vocabulary(minilm):
    settings = {tokenizer.SETTINGS: minilm / "tokenizer_config.json"}
    return load({tokenizer.VOCABULARY: minilm / "vocab.txt", **settings})


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_a_vocabulary_gives_the_same_as_a_tokenizer_file(minilm_tokenizer, by_vocabulary, text):
    assert by_vocabulary.ids(text) == minilm_tokenizer.ids(text)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, size=st.integers(1, 30))
def test_a_text_in_pieces_has_the_same_tokens_as_the_whole(minilm_tokenizer, text, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "_PIECE", size)
        assert "".join(pieces(text)) == text
        whole = minilm_tokenizer.tokenizer.encode(text, add_special_tokens=False).ids
        assert minilm_tokenizer.ids(text) == whole


def test_a_limit_reads_no_further_than_it_must(minilm_tokenizer):
    text = "word " * 1_000_000
    ids = minilm_tokenizer.ids(text, limit=100)
    assert 100 <= len(ids) < 2000


def test_a_text_without_white_space_is_cut_all_the_same(minilm_tokenizer):
    assert max(map(len, pieces("東" * 200_000))) == 1 << 16
    assert len(minilm_tokenizer.ids("東" * 200_000)) == 200_000


def test_half_a_surrogate_pair_is_no_failure(minilm_tokenizer):
    assert minilm_tokenizer.ids("half \ud83d a pair") == minilm_tokenizer.ids("half ? a pair")


def test_threads_get_what_one_alone_gets(minilm_tokenizer, golden):
    expected = {item["text"]: minilm_tokenizer.ids(item["text"]) for item in golden}
    wrong = []

    def work():
        wrong.extend(text for _ in range(20) for text, ids in expected.items() if minilm_tokenizer.ids(text) != ids)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ({"do_lower_case": True}, ["cat", "[UNK]"]),  # without its accent it is "cafe", which the vocabulary lacks
        ({"do_lower_case": False}, ["Cat", "[UNK]"]),  # nor has it "C"
        ({"do_lower_case": True, "strip_accents": False}, ["cat", "caf", "##é"]),
    ],
)
@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json"])
def test_case_and_accents_are_as_the_checkpoint_says(checkpoint, said, tokens, form):
    folder = checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    load({tokenizer.VOCABULARY: folder / "vocab.txt"}).tokenizer.save(str(folder / "tokenizer.json"))
    name = tokenizer.TOKENIZER if form == "tokenizer.json" else tokenizer.VOCABULARY
    made = load({name: folder / form, tokenizer.SETTINGS: folder / "tokenizer_config.json"})
    assert [made.tokenizer.id_to_token(number) for number in made.ids("Cat Café")] == tokens


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b'{"version": "9"}', b"\xff"])
def test_a_damaged_tokenizer_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^The checkpoint's tokenizer cannot be used: ") as caught:
        load({tokenizer.TOKENIZER: path})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"a\nb\n", b"\xff\xfe"])
def test_a_damaged_vocabulary_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^The checkpoint's tokenizer cannot be used: ") as caught:
        load({tokenizer.VOCABULARY: path})
    assert "\n" not in str(caught.value)


def test_without_files_it_says_what_is_needed():
    with pytest.raises(ValueError, match="there is neither 'tokenizer' nor 'vocabulary' among the files"):
        load({})
