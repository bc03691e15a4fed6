from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.errors import ResultsError
from sercl.listening.protocol import (
    ITEM,
    PRACTICE,
    PROTOCOL,
    Block,
    Item,
    Order,
    Protocol,
    content_hash,
    file_hash,
    read,
    text_file,
    verify,
    write,
)
from tests.listening.samples import SEGMENTS, item, protocol

texts = st.text(max_size=8)
names = st.one_of(st.none(), texts)
parts_of_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=8)
files = parts_of_names.map("audio/s{}".format)
seconds = st.integers(0, 10**7).map(lambda number: number / 1e6)
some_items = st.builds(
    Item,
    key=texts,
    file=files,
    digest=texts,
    utterance=texts,
    corpus=texts,
    language=texts,
    speaker=names,
    gender=names,
    dialect=names,
    truth=names,
    task=texts,
    seconds=seconds,
    kind=texts,
    block=texts,
    repeats=names,
    segments=st.sampled_from([None, (), SEGMENTS]),
    pieces=st.lists(texts, max_size=2).map(tuple),
)
some_protocols = st.builds(
    Protocol,
    title=names,
    languages=st.dictionaries(parts_of_names, texts, max_size=2),
    answers=st.lists(texts, max_size=3).map(tuple),
    confidence=st.booleans(),
    items=st.lists(some_items, max_size=3).map(tuple),
    blocks=st.lists(st.builds(Block, texts, texts, names), max_size=2).map(tuple),
    order=st.builds(Order, texts, st.integers(0, 9)),
    seed=st.integers(0, 9),
    preprocess=st.dictionaries(texts, st.one_of(st.none(), texts, st.integers(-99, 99)), max_size=2),
    source=st.dictionaries(texts, st.lists(texts, max_size=2), max_size=2),
)


@settings(max_examples=30)
@given(made=some_protocols)
def test_what_is_read_is_what_was_written(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("test")
    written = write(made, folder)
    assert read(folder) == written == made.sealed()


@settings(max_examples=30)
@given(some_protocols, some_protocols)
def test_the_hash_is_the_same_exactly_for_the_same_content(one, other):
    assert (content_hash(one) == content_hash(other)) == (one == other)
    assert one.sealed().sealed() == one.sealed()


@pytest.mark.parametrize("name", [each.name for each in fields(Item)])
def test_every_field_of_an_item_is_in_the_hash(name):
    made = protocol()
    other = {"seconds": 9.0, "segments": SEGMENTS, "pieces": ("x",)}.get(name, "other")
    changed = replace(made, items=(replace(made.items[0], **{name: other}), *made.items[1:]))
    assert content_hash(changed) != made.hash


def test_a_changed_protocol_is_refused(tmp_path):
    write(protocol(), tmp_path)
    path = tmp_path / PROTOCOL
    path.write_text(path.read_text().replace('"truth": "sad"', '"truth": "happy"', 1))
    with pytest.raises(ResultsError, match="was changed after it was written"):
        read(tmp_path)


def test_another_version_and_a_broken_file_are_refused(tmp_path):
    write(replace(protocol(), version=2), tmp_path)
    with pytest.raises(ResultsError, match="version 2; valid: 1"):
        read(tmp_path)
    (tmp_path / PROTOCOL).write_text('{"title": 3}')
    with pytest.raises(ResultsError, match="title: expected a text or null"):
        read(tmp_path)
    with pytest.raises(ResultsError, match=r"no such file\. Give the --out of a `sercl listen build`"):
        read(tmp_path / "none")


@pytest.mark.parametrize("name", ["../a.wav", "/etc/passwd", "audio/../../a.wav", "x" * 300 + "/../../a"])
def test_a_protocol_names_files_of_its_folder(name, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "a.wav").touch()
    (tmp_path / "out.yaml").touch()
    for made in (
        replace(protocol(), items=(replace(item("a", "block-1"), file=name),)),
        replace(protocol(), languages={"../../out": "x"}),
    ):
        write(made, tmp_path / "test")
        with pytest.raises(ResultsError, match="which is not in the test's folder"):
            read(tmp_path / "test")


@pytest.fixture
def folder(tmp_path):
    """A test of one item, with its files."""
    for path in (tmp_path / "audio" / "a.wav", text_file(tmp_path, "en")):
        path.parent.mkdir()
        path.write_text("content")
    digest = file_hash(tmp_path / "audio" / "a.wav")
    one = replace(item("a", "block-1"), digest=digest)
    write(replace(protocol(), items=(one,), languages={"en": digest}), tmp_path)
    return tmp_path


def test_a_test_as_it_was_built_is_verified(folder):
    assert verify(folder) == read(folder)


@pytest.mark.parametrize("name", ["audio/a.wav", "instructions/en.yaml"])
def test_changed_and_missing_files_are_found(folder, name):
    (folder / name).write_text("other")
    with pytest.raises(ResultsError, match="was changed after the test was built"):
        verify(folder)
    (folder / name).unlink()
    with pytest.raises(ResultsError, match="is missing"):
        verify(folder)


def test_items_are_found_by_kind_block_and_key():
    made = protocol(items=3, blocks=2, practice=1)
    assert len(made.of(ITEM)) == 6
    assert len(made.of(ITEM, "block-2")) == 3
    assert [each.key for each in made.of(PRACTICE)] == ["p0"]
    assert made.by_key["p0"].kind == PRACTICE
    assert made.tasks == {"choice"}
