"""Splits: nothing on both sides, every class where it can be, the same for a seed."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlplug.data.split import assign_folds, hold_out


@st.composite
def labelled(draw, most=60):
    """Labels, and contents each of which has one label."""
    contents = draw(st.lists(st.integers(0, 4), min_size=1, max_size=most))  # the label of each content
    picked = draw(st.lists(st.integers(0, len(contents) - 1), max_size=most))
    groups = [*range(len(contents)), *picked]
    order = draw(st.permutations(range(len(groups))))
    groups = [groups[i] for i in order]
    return np.array([contents[group] for group in groups], np.int64), groups


def contents_of(labels, groups):
    """The contents of each class."""
    contents = collections.defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        contents[int(label)].add(group)
    return contents


seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0.01, 0.99)


@given(labelled(), shares, seeds)
def test_a_content_is_never_on_both_sides(data, share, seed):
    labels, groups = data
    held = hold_out(labels, groups, share, seed)
    assert not {groups[i] for i in np.flatnonzero(held)} & {groups[i] for i in np.flatnonzero(~held)}


@given(labelled(), shares, seeds)
def test_a_class_of_two_contents_is_on_both_sides_and_a_sole_content_trains(data, share, seed):
    labels, groups = data
    held = hold_out(labels, groups, share, seed)
    for label, contents in contents_of(labels, groups).items():
        assert set(held[labels == label]) == ({True, False} if len(contents) > 1 else {False})


@given(labelled(), shares, seeds)
def test_the_share_is_that_of_each_class_to_half_a_content(data, share, seed):
    labels, groups = data
    held = hold_out(labels, groups, share, seed)
    for label, contents in contents_of(labels, groups).items():
        chosen = {groups[i] for i in np.flatnonzero(held & (labels == label))}
        lower, upper = min(1, len(contents) - 1), len(contents) - 1
        assert abs(len(chosen) - np.clip(share * len(contents), lower, upper)) <= 0.5


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=20), shares, seeds)
def test_a_content_under_several_labels_stays_together(by_content, share, seed):
    labels = np.array([label for labels in by_content for label in labels], np.int64)
    groups = [content for content, labels in enumerate(by_content) for _ in labels]
    for values in (hold_out(labels, groups, share, seed), assign_folds(labels, groups, 3, seed)):
        for content in set(groups):
            assert len({values[i] for i, group in enumerate(groups) if group == content}) == 1


@given(labelled(), shares, seeds)
def test_a_seed_gives_one_split_whatever_the_contents_are_called(data, share, seed):
    labels, groups = data
    renamed = [f"content {group}".encode() for group in groups]
    assert np.array_equal(hold_out(labels, groups, share, seed), hold_out(labels, renamed, share, seed))
    assert np.array_equal(assign_folds(labels, groups, 5, seed), assign_folds(labels, renamed, 5, seed))


def test_another_seed_gives_another_split():
    labels = np.repeat(np.arange(3), 50)
    splits = {hold_out(labels, range(150), 0.2, seed).tobytes() for seed in range(5)}
    folds = {assign_folds(labels, range(150), 5, seed).tobytes() for seed in range(5)}
    assert len(splits) == len(folds) == 5


def test_every_example_is_held_out_by_some_seed():
    labels = np.repeat(np.arange(3), 10)
    assert np.any([hold_out(labels, range(30), 0.2, seed) for seed in range(60)], axis=0).all()


@given(labelled(), st.integers(2, 10), seeds)
def test_folds_keep_a_content_together_and_spare_sole_contents(data, folds, seed):
    labels, groups = data
    assigned = assign_folds(labels, groups, folds, seed)
    of_content = collections.defaultdict(set)
    for group, fold in zip(groups, assigned, strict=True):
        of_content[group].add(int(fold))
    assert all(len(values) == 1 for values in of_content.values())
    for label, contents in contents_of(labels, groups).items():
        assert np.all((assigned[labels == label] == -1) == (len(contents) == 1))


@given(labelled(), st.integers(2, 10), seeds)
def test_folds_are_numbered_without_gaps_and_dealt_evenly(data, folds, seed):
    labels, groups = data
    assigned = assign_folds(labels, groups, folds, seed)
    used = sorted(set(assigned[assigned >= 0].tolist()))
    assert used == list(range(len(used)))
    assert len(used) <= folds
    fold_of = {group: int(fold) for group, fold in zip(groups, assigned, strict=True)}
    for contents in [set(fold_of), *contents_of(labels, groups).values()]:
        counts = collections.Counter(fold_of[content] for content in contents if fold_of[content] >= 0)
        sizes = [counts.get(fold, 0) for fold in used]
        assert not sizes or max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("function", [lambda *a: hold_out(*a, 0.2, 0), lambda *a: assign_folds(*a, 5, 0)])
def test_no_examples_have_an_empty_split(function):
    assert len(function(np.zeros(0, np.int64), [])) == 0
