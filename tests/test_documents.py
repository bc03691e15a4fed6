import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.documents import MAX_DEPTH, parse_json, parse_yaml, read_json, read_text, read_yaml
from sercl.errors import DocumentError
from tests.timing import within

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
HOSTILE_YAML = {
    LAUGHS: "aliases expand to more than",
    "a: &a [1, *a]": "contains itself",
    "a: &a {b: {c: *a}}": "contains itself",
    "[" * 100_000: "nest",
    "".join(" " * n + "a:\n" for n in range(300)): "levels deep",
    "a: 1\nb: 2\na: 3": "'a' appears twice",
    "a: {b: 1, b: 1}": "'b' appears twice",
    f"a: {'9' * 5000}": "too large a number",
    f"a: 0x{'f' * 5000}": "too large a number",
    f"a: {':59' * 900}".replace(" :", " 1:"): "too large a number",
    "a: !!python/object/apply:os.system [echo]": "tag",
    "a: !!binary aGFsbG8=": "tag",
    "a: !!set {b}": "tag",
    "a: !!timestamp 2024-13-45": "tag",
    "a: !!int x": "is not",
    "a: !!float x": "is not a number",
    "? [a, b]\n: c": "is not valid YAML",
    "a: b: c": "is not valid YAML",
    "study:\n\tencoders: [a]": "indent with spaces, not tabs",
    "a: \x00": "is not valid YAML",
    "a: *nowhere": "is not valid YAML",
    "<<: 3": "is not valid YAML",
    "--- a\n--- b": "is not valid YAML",
}
HOSTILE_JSON = {
    "[" * 100_000: "levels deep",
    '{"a":' * 5000 + "1" + "}" * 5000: "levels deep",
    "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1): "levels deep",
    '{"a": 1, "a": 2}': "'a' appears twice",
    f"[{'9' * 5000}]": "too large a number",
    f"[-{'9' * 5000}]": "too large a number",
    "[18446744073709551616]": "too large a number",
    "{": "is not valid JSON",
    "": "is not valid JSON",
}


@pytest.mark.parametrize(("text", "message"), HOSTILE_YAML.items(), ids=lambda text: text[:20])
def test_hostile_yaml_is_one_message_at_once(text: str, message: str) -> None:
    with within(1.0), pytest.raises(DocumentError, match=message.replace("[", r"\[")):
        parse_yaml(text)


@pytest.mark.parametrize(("text", "message"), HOSTILE_JSON.items(), ids=lambda text: text[:20])
def test_hostile_json_is_one_message_at_once(text: str, message: str) -> None:
    with within(1.0), pytest.raises(DocumentError, match=message):
        parse_json(text)


def test_errors_name_the_line() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml("a: 1\nb: 2\na: 3\n")
    assert caught.value.line == 3
    with pytest.raises(DocumentError) as caught:
        parse_json('{\n"a": 1,\n')
    assert caught.value.line == 3


def test_plain_data_is_read_as_ever() -> None:
    text = "a: &a {x: 1e-5, y: 2024-01-02}\nb: {<<: *a, y: null}\nc: [*a, .5, 0x10, true, '1', -3, .inf]\n"
    x = {"x": 1e-5, "y": "2024-01-02"}
    assert parse_yaml(text) == {
        "a": x,
        "b": {"x": 1e-5, "y": None},
        "c": [x, 0.5, 16, True, "1", -3, float("inf")],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(content=JSON)
def test_json_comes_back(content: object) -> None:
    assert parse_json(json.dumps(content)) == content


@given(text=st.text(alphabet="ab:{}[]&*!<-?|>'\"#,% \n0.e_~", max_size=60))
@settings(max_examples=300)
def test_any_text_is_plain_data_or_a_document_error(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        with suppress(DocumentError):
            parse(text)


@given(content=st.binary(max_size=80))
def test_any_bytes_are_plain_data_or_a_document_error(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_yaml, read_json):
        with suppress(DocumentError):
            read(path)


def test_only_regular_files_of_some_size_are_read(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="is not a regular file"):
        read_text("/dev/zero")
    large = tmp_path / "large.yaml"
    large.write_text("a: 1\n" * 10)
    with pytest.raises(DocumentError, match=r"at most 1[.]91e-05 are read"):
        read_text(large, most_bytes=20)
    large.write_text("[" + "1," * 2**17 + "1]")
    with pytest.raises(DocumentError, match=r"at most 0[.]25 are read"):
        read_yaml(large)
    large.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(DocumentError, match="line 2: is not UTF-8"):
        read_yaml(large)


def test_the_loader_is_safe_wherever_yaml_is_loaded_with_it() -> None:
    from sercl.documents import SafeLoader

    with pytest.raises(yaml.YAMLError):
        yaml.load(LAUGHS, Loader=SafeLoader)
