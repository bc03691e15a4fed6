import shlex
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Utterance
from sercl.corpora.labels import EMOTIONS, LabelScheme, label_scheme, labels_option
from sercl.errors import ManifestError, UnknownNameError, UsageError


def utterances(*emotions: str) -> list[Utterance]:
    return [Utterance(str(i), Path(f"/{i}.wav"), emotion, "Toy") for i, emotion in enumerate(emotions)]


@pytest.mark.parametrize(
    ("size", "classes"),
    [
        ("4", ("angry", "happy", "neutral", "sad")),
        ("6", ("angry", "happy", "neutral", "sad", "fearful", "disgusted")),
        ("7", ("angry", "happy", "neutral", "sad", "fearful", "disgusted", "surprised")),
    ],
)
def test_standard_schemes_keep_one_order(size: str, classes: tuple[str, ...]) -> None:
    scheme = label_scheme(size)
    assert (scheme.name, scheme.classes) == (size, classes)
    assert [scheme.index(name) for name in classes] == list(range(len(classes)))
    assert scheme.index("excited") == classes.index("happy")
    assert (scheme.class_of("excited"), scheme.class_of("calm")) == ("happy", None)
    assert {scheme.index(name) for name in ("calm", "bored", "unknown", "other", "frustrated")} == {None}


def test_a_split_keeps_the_order_and_counts_what_is_dropped() -> None:
    found = utterances("sad", "bored", "excited", "bored", "calm", "angry")
    kept, dropped = label_scheme("4").split(found)
    assert [utterance.id for utterance in kept] == ["0", "2", "5"]
    assert dropped == {"bored": 2, "calm": 1}


def test_a_map_gives_its_own_classes_in_its_own_order() -> None:
    scheme = label_scheme({"low": ["sad", "bored"], "high": "angry"})
    assert (scheme.name, scheme.classes) == ("custom", ("low", "high"))
    assert (scheme.index("bored"), scheme.index("angry"), scheme.index("excited")) == (0, 1, None)
    assert scheme.to_dict() == {"low": ["sad", "bored"], "high": ["angry"]}


@pytest.mark.parametrize("size", ["4", "6", "7"])
def test_plain_data_of_a_scheme_is_a_map_for_the_same(size: str) -> None:
    scheme = label_scheme(size)
    again = label_scheme(scheme.to_dict())
    assert (again.classes, again.members) == (scheme.classes, scheme.members)


@pytest.mark.parametrize("spec", ["4", "7", {"high": ["angry", "happy"], "it's low": ["sad", "calm"]}])
def test_the_option_gives_the_same_classes(spec: str | dict[str, list[str]]) -> None:
    scheme = label_scheme(spec)
    (word,) = shlex.split(labels_option(scheme.to_dict()))
    assert word == spec or isinstance(spec, dict)
    assert label_scheme(yaml.safe_load(word)).to_dict() == scheme.to_dict()


def test_a_scheme_is_taken_as_it_is() -> None:
    scheme = label_scheme("6")
    assert label_scheme(scheme) is scheme


def test_a_yaml_file_holds_a_map(tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("negative: [angry, sad]\npositive: happy\n")
    assert label_scheme(path).classes == label_scheme(str(path)).classes == ("negative", "positive")


@pytest.mark.parametrize(
    ("content", "said"),
    [("- angry\n", "expected a map"), ("{", "2: is not valid YAML"), ("", "expected a map")],
)
def test_a_yaml_file_that_holds_none_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "labels.yml"
    path.write_text(content)
    with pytest.raises(ManifestError, match=rf"labels\.yml: ?{said}"):
        label_scheme(path)
    with pytest.raises(UsageError, match=r"absent\.yaml: no such label file"):
        label_scheme(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("5", UnknownNameError, r"label scheme '5'\..*Valid: 4, 6, 7\. Or give a YAML file"),
        ({"a": ["angri"], "b": ["sad"]}, UnknownNameError, "emotion 'angri'. Did you mean 'angry'"),
        ({"a": ["sad", "angry"], "b": ["sad"]}, UsageError, "sad is in two classes"),
        ({"a": ["sad"]}, UsageError, r"1 class; at least two"),
        ({}, UsageError, r"0 classes; at least two"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(spec: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        label_scheme(spec)  # type: ignore[arg-type]


schemes = st.dictionaries(
    st.text(min_size=1, max_size=5), st.sets(st.sampled_from(EMOTIONS), min_size=1), min_size=2, max_size=4
)


@given(schemes, st.lists(st.sampled_from(EMOTIONS), max_size=20))
def test_every_utterance_is_kept_once_or_counted(spec: dict[str, set[str]], emotions: list[str]) -> None:
    owners = Counter(emotion for members in spec.values() for emotion in members)
    plain = {name: sorted(members) for name, members in spec.items()}
    if max(owners.values()) > 1:
        with pytest.raises(UsageError, match="two classes"):
            label_scheme(plain)
        return
    scheme: LabelScheme = label_scheme(plain)
    kept, dropped = scheme.split(utterances(*emotions))
    assert len(kept) + dropped.total() == len(emotions)
    for utterance in kept:
        index = scheme.index(utterance.emotion)
        assert index is not None
        assert utterance.emotion in spec[scheme.classes[index]]
