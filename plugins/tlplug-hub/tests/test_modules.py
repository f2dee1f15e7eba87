"""SavedModels in folders: found, described, and told damaged from whole, without running them."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tlplug_hub.modules import Tensor, check, describe, digest, locate, read_program, tensors
from tlplug_hub.signatures import embedding_of, kind_of, modality_of


@pytest.mark.parametrize(
    ("name", "takes", "gives", "modality"),
    [
        ("image", "float32 [?, ?, ?, 3]", {"": "float32 [?, 6]"}, "image"),
        ("maps", "float32 [?, 16, 16, 3]", {"maps": "float32 [?, 4, 4, 5]", "shape": "int32 [4]"}, "image"),
        ("yamnet", "float32 [?]", {"0": "float32 [?, 3]", "1": "float32 [?, 8]", "2": "float32 [?, 400]"}, "audio"),
        ("vggish", "float32 [?]", {"": "float32 [?, 4]"}, "audio"),
        ("clips", "float32 [?, 100]", {"": "float32 [?, 4]"}, "audio"),
        ("use", "string [?]", {"": "float32 [?, 6]"}, "text"),
    ],
)
def test_what_a_module_takes_and_gives(modules, name, takes, gives, modality):
    call = describe(read_program(modules / name))
    assert str(call.takes) == takes
    assert {key: str(tensor) for key, tensor in tensors(call.gives)} == gives
    assert kind_of(call) == modality_of(modules / name) == modality


def test_a_pair_takes_texts_and_an_encoder_alone_does_not_say(modules):
    assert list(locate(modules / "pair")) == ["preprocessor", "encoder"]
    assert modality_of(modules / "pair") == "text"
    assert modality_of(modules / "pair" / "encoder") is None
    encoder = describe(read_program(modules / "pair" / "encoder"))
    assert (kind_of(encoder), sorted(encoder.takes)) == ("encoder", ["input_mask", "input_type_ids", "input_word_ids"])
    assert embedding_of(encoder, None) == "pooled_output"
    assert embedding_of(encoder, "sequence_output") == "sequence_output"


def test_training_is_what_the_module_was_saved_with(modules):
    call = describe(read_program(modules / "image"))
    assert (call.signature, call.inference, call.training) == ("", ([False], {}), ([True], {}))
    call = describe(read_program(modules / "maps"))
    assert (call.signature, call.argument, call.inference) == (
        "features",
        "pixels",
        ([], {}),
    ) or call.argument == "pixels"


def test_the_embedding_is_found_or_asked_for(modules):
    described = {name: describe(read_program(modules / name)) for name in ("image", "yamnet", "maps")}
    assert [embedding_of(call, None) for call in described.values()] == [None, "1", "maps"]
    assert embedding_of(described["yamnet"], "0") == "0"
    with pytest.raises(
        ValueError, match=r"^Which output .* 'shape', the module has maps: float32 \[\?, 4, 4, 5\], shape"
    ):
        embedding_of(described["maps"], "shape")


def test_a_module_may_lie_one_level_down(copied, tmp_path):
    folder = copied("image")
    assert locate(folder.parent) == {"": folder}
    copied("use")
    with pytest.raises(ValueError, match=r"^'copied' has 2 saved_model\.pb\. Valid: the folder of one SavedModel"):
        locate(folder.parent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"^'empty' has no saved_model\.pb"):
        locate(tmp_path / "empty")


@pytest.mark.parametrize("name", ["image", "use", "pair/preprocessor"])
def test_a_whole_module_passes(modules, name):
    check(modules / name)


def test_one_flipped_byte_in_the_variables_is_found(copied):
    folder = copied("image")
    path = folder / "variables" / "variables.data-00000-of-00001"
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    before = digest(folder)
    path.write_bytes(body)
    assert digest(folder) != before
    with pytest.raises(ValueError, match=r"^The variables of 'image' are damaged or missing: [^\n]*$"):
        check(folder)


@pytest.mark.parametrize("lost", ["variables/variables.index", "variables/variables.data-00000-of-00001"])
def test_missing_variables_are_found(copied, lost):
    folder = copied("image")
    (folder / lost).unlink()
    with pytest.raises(ValueError, match=r"^The variables of 'image' are damaged or missing: [^\n]*$"):
        check(folder)


def test_a_missing_asset_is_found(copied):
    folder = copied("use")
    (folder / "assets" / "vocabulary.txt").unlink()
    with pytest.raises(ValueError, match=r"^'use' lacks its asset 'vocabulary.txt'\.$"):
        check(folder)


def test_older_and_odd_modules_are_named(copied):
    folder = copied("image")
    program = read_program(folder)
    program.meta_graphs[0].ClearField("object_graph_def")
    (folder / "saved_model.pb").write_bytes(program.SerializeToString())
    with pytest.raises(ValueError, match=r"^'image' is no SavedModel of TensorFlow 2\. "):
        read_program(folder)
    (folder / "saved_model.cpb").touch()
    with pytest.raises(ValueError, match="is a SavedModel in pieces"):
        read_program(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_any_damage_to_the_program_is_one_line(modules, tmp_path, data):
    body = (modules / "image" / "saved_model.pb").read_bytes()
    place = data.draw(st.integers(0, len(body) - 1))
    damaged = data.draw(st.sampled_from([body[:place], body[:place] + b"\xff" + body[place + 1 :], body[place:]]))
    (tmp_path / "saved_model.pb").write_bytes(damaged)
    said = ""
    try:
        describe(read_program(tmp_path))
    except ValueError as error:
        said = str(error)
    assert "\n" not in said


def test_shapes_are_shown_as_people_write_them():
    assert str(Tensor("float32", (None, 3))) == "float32 [?, 3]"
    assert str(Tensor("string", None)) == "string [...]"
    assert re.fullmatch(r"[0-9a-f]{64}", "0" * 64)
