"""The records: what they check when they are made, and how options turn text into values."""

from __future__ import annotations

import dataclasses
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlplug import errors
from tlplug.errors import OptionError, PluginError
from tlplug.specs import (
    Augmentation,
    Backbone,
    BackboneFamily,
    Exporter,
    Head,
    Option,
    Preprocess,
    Reader,
    Runtime,
    Source,
    Weights,
    accepted_options,
    load_reference,
    parse_options,
)
from tlplug.storage import CacheWarning

GOOD = {
    Backbone: {"name": "a", "modality": "image", "build": "m:f"},
    BackboneFamily: {"prefix": "a", "resolve": "m:f"},
    Preprocess: {"name": "a", "modality": "image", "make": "m:f"},
    Head: {"name": "a", "build": "m:f"},
    Runtime: {"name": "a", "priority": 1, "available": "m:f", "compile": "m:f", "open": "m:f"},
    Exporter: {"name": "a", "suffix": ".x", "export": "m:f", "loader": "m"},
    Reader: {"name": "a", "sniff": "m:f", "read": "m:f"},
    Augmentation: {"name": "a", "modality": "image", "apply": "m:f", "light": 0.1},
    Option: {"name": "a", "type": int},
    Source: {"kind": "url", "location": "https://example.org/x"},
    Weights: {"sources": (Source(kind="file", location="/x"),)},
}
REFERENCES = [
    (record, field) for record, fields in GOOD.items() for field, value in fields.items() if value == "m:f"
] + [(Preprocess, "preview"), (Preprocess, "demo"), (Head, "build")]
NAMES = [(record, field) for record, fields in GOOD.items() for field in ("name", "prefix") if field in fields]
NAMES += [(record, "modality") for record in (Backbone, Preprocess, Augmentation)]


def made(record, **fields):
    return record(**{**GOOD[record], **fields})


@pytest.mark.parametrize("record", GOOD)
def test_records_are_frozen_and_take_keywords_only(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made(record), next(iter(GOOD[record])), "other")
    with pytest.raises(TypeError, match="positional"):
        record("a")


@pytest.mark.parametrize(("record", "field"), NAMES)
@pytest.mark.parametrize("name", ["A", "a b", "", "-a", "a/b", "ä", "a\n", None, 3, b"a"])
def test_a_name_that_cannot_be_typed_is_refused(record, field, name):
    with pytest.raises(ValueError, match="name has lower-case letters, digits") as error:
        made(record, **{field: name})
    assert str(error.value).startswith(f"A {record.__name__} name")
    assert str(error.value).endswith(f"Received: {name!r}.")


@pytest.mark.parametrize("name", ["a", "mobilenet_v2", "bert-tiny", "0.5", "v1.0_x-y"])
def test_a_name_that_can_be_typed_is_taken(name):
    assert made(Head, name=name).name == name


def test_only_a_backbone_out_of_a_family_has_a_colon_in_its_name():
    assert made(Backbone, name="hub:https://Example.org/A b").name == "hub:https://Example.org/A b"
    with pytest.raises(ValueError, match="A Head name"):
        made(Head, name="hub:x")


@pytest.mark.parametrize(("record", "field"), REFERENCES)
@pytest.mark.parametrize("value", ["", "module", "module:", ":f", "a b:f", "m:f\n", 3, b"m:f", ("m", "f")])
def test_what_is_no_reference_is_refused(record, field, value):
    with pytest.raises(TypeError) as error:
        made(record, **{field: value})
    assert str(error.value) == (f"{record.__name__}.{field} is a callable or 'module:function'. Received: {value!r}.")


@pytest.mark.parametrize("value", [len, int, "m:f", "package.module:Class.method", "_m:_f"])
def test_a_callable_or_its_address_is_a_reference(value):
    assert made(Reader, sniff=value).sniff == value


def test_collections_become_immutable_copies():
    shape, sets, wanted = [8, 8, 3], {"default": made(Weights)}, {"aspect": "pad"}
    record = made(Backbone, input_shape=shape, weights=sets, preprocess_options=wanted, options=[made(Option)])
    shape.append(1), sets.clear(), wanted.clear()
    assert (record.input_shape, list(record.weights), dict(record.preprocess_options)) == (
        (8, 8, 3),
        ["default"],
        {"aspect": "pad"},
    )
    assert record.options == (made(Option),)
    with pytest.raises(TypeError):
        record.weights["other"] = made(Weights)


@pytest.mark.parametrize("sets", [{"default": "net.h5"}, {"default": None}])
def test_weights_of_a_backbone_are_records(sets):
    with pytest.raises(TypeError, match=r"^Backbone 'a': weights map names to Weights\. Received: "):
        made(Backbone, weights=sets)


def test_a_family_is_listed_by_its_pattern():
    assert made(BackboneFamily, prefix="hub", pattern="<handle>").name == "hub:<handle>"


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"fit": "m:f"},
        {"fit": "m:f", "apply": "m:f"},
        {"build": "m:f", "fit": "m:f", "apply": "m:f", "to_keras": "m:f"},
        {"build": "m:f", "apply": "m:f"},
    ],
)
def test_a_head_is_either_built_or_fitted(parts):
    with pytest.raises(TypeError, match=r"^Head 'a' has either build, or fit with apply and to_keras\.$"):
        Head(name="a", **parts)


def test_a_head_may_be_fitted():
    assert Head(name="a", fit="m:f", apply="m:f", to_keras="m:f").build is None


@pytest.mark.parametrize("amount", ["0.1", float("nan"), float("inf"), True, [1]])
@pytest.mark.parametrize("strength", ["light", "strong"])
def test_an_amount_is_a_finite_number(strength, amount):
    with pytest.raises(TypeError) as error:
        made(Augmentation, **{strength: amount})
    assert str(error.value) == f"Augmentation 'a': {strength} is a number or None. Received: {amount!r}."


def test_an_augmentation_is_a_part_of_some_strength():
    with pytest.raises(ValueError, match=r"^Augmentation 'a' has an amount as light, as strong, or both\.$"):
        made(Augmentation, light=None)
    assert made(Augmentation, light=0, arrays=["a", "b"]).arrays == ("a", "b")


@pytest.mark.parametrize("suffix", ["png", ".PNG", ""])
def test_a_suffix_has_a_dot_and_lower_case(suffix):
    with pytest.raises(ValueError, match=r"^Preprocess 'a': a suffix looks like '\.png'\. Received: '"):
        made(Preprocess, suffixes=[suffix])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "ftp"}, "A Source kind is one of wheel, keras, hf, url, file. Received: 'ftp'."),
        ({"kind": "Shelf", "fetch": "a.b:c"}, "A Source name has lower-case letters"),
        ({"kind": "url", "fetch": "a.b:c"}, "A Source that brings its fetch has a kind of its own. Received: 'url'."),
        ({"kind": "url", "check": "a.b:c"}, "A Source with a check brings its fetch, too. Received: 'url' without"),
        ({"kind": "wheel", "location": "x"}, "A wheel source needs 'name==version' and a member. Received: 'x'."),
        ({"kind": "wheel", "location": "x>=1", "member": "f"}, "A wheel source needs 'name==version' and a member."),
        ({"kind": "wheel", "location": "x==1"}, "A wheel source needs 'name==version' and a member. Received: 'x==1'."),
        ({"checksum": "abc"}, "A checksum starts with 'md5:' or 'sha256:'. Received: 'abc'."),
    ],
)
def test_a_source_that_cannot_work_is_refused(fields, message):
    with pytest.raises(ValueError, match=r"^A ") as error:
        made(Source, **fields)
    assert message in str(error.value)


@pytest.mark.parametrize("sources", [[], ["net.h5"]])
def test_weights_have_a_source(sources):
    with pytest.raises(TypeError, match=r"^Weights need at least one Source\. Received: "):
        Weights(sources=sources)


@pytest.mark.parametrize("type_", [list, bytes, None, "int"])
def test_an_option_has_one_of_four_types(type_):
    with pytest.raises(TypeError, match=r"^Option 'a': type is int, float, str or bool\. Received: "):
        Option(name="a", type=type_)


def test_a_reference_is_imported_at_first_use():
    assert load_reference("os.path:join")("a", "b") == "a/b"
    assert load_reference(len) is len


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_module:f", "Cannot load 'no_such_module:f': ModuleNotFoundError: No module named 'no_such_module'."),
        ("math:no_such", "Cannot load 'math:no_such': AttributeError: module 'math' has no attribute 'no_such'."),
        ("math:pi", "'math:pi' is not callable. Received: float."),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(reference, reason):
    with pytest.raises(PluginError) as error:
        load_reference(reference)
    assert str(error.value) == reason


@pytest.mark.parametrize("source", ["1 / 0", "raise SystemExit(3)", "def f(:"])
def test_a_referenced_module_that_fails_is_an_error_of_the_plugin(site, source):
    site.install("failing", source)
    with pytest.raises(PluginError, match="Cannot load 'failing:f'"):
        load_reference("failing:f")
    assert "failing" not in sys.modules


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_survive_being_written(value):
    option = Option(name="a", type=int)
    assert option.parse(str(value)) == option.parse(value) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_being_written(value):
    option = Option(name="a", type=float)
    assert option.parse(repr(value)) == option.parse(value) == value


@given(st.text())
def test_texts_stay_as_they_are(value):
    assert Option(name="a", type=str).parse(value) == value


@given(st.booleans(), st.sampled_from([str, lambda value: str(value).upper(), lambda value: value, int]))
def test_switches_survive_being_written(value, form):
    assert Option(name="a", type=bool).parse(form(value)) is value


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("On", True), ("1", True), ("NO", False), ("off", False)])
def test_switches_take_the_usual_words(word, value):
    assert Option(name="a", type=bool).parse(word) is value


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@given(st.sampled_from([int, float, str, bool]), anything)
def test_a_value_has_the_options_type_or_is_an_option_error(type_, value):
    option = Option(name="a", type=type_)
    try:
        parsed = option.parse(value)
    except OptionError:
        return
    assert type(parsed) is type_
    if type_ is not bool:
        assert option.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (int, "1.5", "Option 'a' takes a whole number. Received: '1.5'."),
        (int, 1.5, "Option 'a' takes a whole number. Received: 1.5."),
        (int, True, "Option 'a' takes a whole number. Received: True."),
        (int, float("inf"), "Option 'a' takes a whole number. Received: inf."),
        (int, Decimal("1.5"), "Option 'a' takes a whole number. Received: Decimal('1.5')."),
        (int, Fraction(3, 2), "Option 'a' takes a whole number. Received: Fraction(3, 2)."),
        (int, b"12", "Option 'a' takes a whole number. Received: b'12'."),
        (int, None, "Option 'a' takes a whole number. Received: None."),
        (float, "nan", "Option 'a' takes a number. Received: 'nan'."),
        (float, "1e999", "Option 'a' takes a number. Received: '1e999'."),
        (float, b"1.5", "Option 'a' takes a number. Received: b'1.5'."),
        (float, "fast", "Option 'a' takes a number. Received: 'fast'."),
        (str, 3, "Option 'a' takes a text. Received: 3."),
        (bool, "maybe", "Option 'a' takes true or false. Received: 'maybe'."),
        (bool, None, "Option 'a' takes true or false. Received: None."),
    ],
)
def test_a_value_that_does_not_fit_is_refused(type_, value, message):
    with pytest.raises(OptionError) as error:
        Option(name="a", type=type_).parse(value)
    assert str(error.value) == message


def test_a_number_too_long_to_show_is_an_option_error():
    with pytest.raises(OptionError):
        Option(name="a", type=float).parse(10**5000)


def test_choices_are_the_only_values():
    option = Option(name="a", type=str, choices=["none", "balanced"])
    assert option.parse("balanced") == "balanced"
    with pytest.raises(OptionError, match=r"^Option 'a' cannot be 'other'\. Valid: none, balanced\.$"):
        option.parse("other")


def test_options_not_given_have_their_defaults():
    options = (Option(name="rate", type=float, default=0.1), Option(name="size", type=int))
    assert parse_options("head", options, {"rate": "0.5"}) == {"rate": 0.5, "size": None}
    assert parse_options("head", options, {"size": 3}) == {"rate": 0.1, "size": 3}


def test_an_option_that_does_not_exist_is_named_with_those_that_do():
    options = (Option(name="rate", type=float), Option(name="size", type=int))
    with pytest.raises(OptionError, match=r"^Unknown option 'head\.rat'\. Valid: head\.rate, head\.size\.$"):
        parse_options("head", options, {"rat": "1"})
    with pytest.raises(OptionError, match=r"^Unknown option 'head\.rat'\. Valid: none, it has no options\.$"):
        parse_options("head", (), {"rat": "1"})


def test_mistakes_of_the_user_leave_with_2_and_other_failures_with_1():
    tree = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    tree.remove(errors.TlplugWarning)
    assert all(issubclass(error, errors.TlplugError) for error in tree)
    failures = {error.__name__ for error in tree if error.exit_code == 1}
    assert failures == {
        "TlplugError",
        "DataError",
        "DownloadError",
        "ExportError",
        "PluginError",
        "TrainingError",
        "WeightsError",
        "DamagedRunError",
    }
    mistakes = [error for error in tree if error.exit_code == 2]
    assert len(mistakes) == len(tree) - len(failures)
    assert all(issubclass(error, errors.UsageError) for error in mistakes)


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("a\nb"), "ValueError: a"), (KeyError("a"), "KeyError: 'a'"), (ValueError("  \n"), "ValueError")],
)
def test_an_exception_is_said_in_one_line(error, line):
    assert errors.first_line(error) == line


def test_a_warning_is_one_that_people_see():
    assert issubclass(errors.TlplugWarning, UserWarning)
    assert issubclass(CacheWarning, errors.TlplugWarning)


def test_the_nearest_name_is_asked_for_and_none_that_is_far():
    names = {"linear": 1, "mlp": 2}
    assert errors.did_you_mean("liner", names) == " Did you mean 'linear'?"
    assert errors.did_you_mean("prototype", names) == errors.did_you_mean("", []) == ""


def test_a_number_of_things_is_said_as_people_do():
    assert [errors.counted(count, "held-out example") for count in (0, 1, 1234)] == [
        "0 held-out examples",
        "1 held-out example",
        "1,234 held-out examples",
    ]


def test_a_builder_gets_the_options_that_it_names():
    options = {"units": 3, "rate": 0.1}
    assert accepted_options(lambda weights=None, *, rate, units: None, options) == options
    assert accepted_options(lambda weights=None, **given: None, options) == options
    assert accepted_options(lambda weights=None, units=1: None, {}) == {}


def test_a_declared_option_that_a_builder_does_not_take_is_an_error_of_the_plugin():
    def build(weights=None, size=1):
        pass

    with pytest.raises(PluginError) as error:
        accepted_options(build, {"units": 3, "rate": 0.1, "size": 2})
    name = "test_a_declared_option_that_a_builder_does_not_take_is_an_error_of_the_plugin.<locals>.build"
    assert str(error.value) == (
        f"{name!r} takes no rate, units, which its record declares as an option. Received: (weights=None, size=1). "
        "Valid: arguments of that name, or **options."
    )


def test_what_is_not_only_for_the_builder_it_need_not_take():
    options = {"units": 3, "epochs": 9}
    assert accepted_options(lambda units: None, options, spare=["epochs", "rate"]) == {"units": 3}
    assert accepted_options(lambda units, epochs: None, options, spare=["epochs"]) == options
    with pytest.raises(PluginError, match="takes no units, which its record declares"):
        accepted_options(lambda epochs: None, options, spare=["epochs"])
