import json
from pathlib import Path

import pytest

from sercl.errors import RatingsError, UnknownNameError, UsageError
from sercl.listening.items import Items, read_items, stem_of

PROTOCOL = {
    "hash": "abc",
    "answers": ["angry", "sad"],
    "items": [
        {"key": "k1", "utterance": "03a01Fa", "corpus": "EmoDB", "truth": "happy", "kind": "item",
         "block": "b1", "language": "de", "task": "choice"},
        {"key": "k2", "utterance": "03a01Fa", "truth": "happy", "kind": "repeat", "repeats": "k1"},
        {"key": "k3", "utterance": "03a02Wb", "truth": "angry", "kind": "practice"},
    ],
}  # fmt: skip


def test_a_protocol_names_items_by_their_key(tmp_path: Path) -> None:
    (tmp_path / "protocol.json").write_text(json.dumps(PROTOCOL))
    items = read_items(tmp_path / "protocol.json")
    assert items.protocol == "abc"
    assert items.find("audio/k1.wav").facts["item"] == "03a01Fa"
    assert items.find("k2").facts["kind"] == "repeat"
    assert items.find("03a01Fa").facts["kind"] == "item"
    assert items.find("03a02Wb").facts["kind"] == "practice"


def test_a_table_names_items_by_utterance_and_file(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("utterance,path,emotion,language\nu1,wav/x1.wav,Wut,German\nu2,wav/x2.wav,,\n")
    items = read_items(path)
    for name in ("u1", "U1.wav", "x1.wav", r"C:\audio\x1.wav"):
        assert items.find(name).facts == {"item": "u1", "truth": "angry", "language": "de"}
    assert "truth" not in items.find("u2").facts
    with pytest.raises(UsageError, match=r"item 'u3' is not in items.csv"):
        items.find("u3")


def test_a_name_of_two_items_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("utterance,path\na,one/x.wav\nb,two/x.wav\n")
    items = read_items(tmp_path / "items.csv")
    assert items.find("one/x.wav").facts == {"item": "a"}
    with pytest.raises(UsageError, match="several items"):
        items.find("x.wav")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("utterance,emotion\na,sad\nb,purple\n")
    with pytest.raises(RatingsError, match=r"items.csv:3: .*purple"):
        read_items(tmp_path / "items.csv")
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(RatingsError, match="not a protocol"):
        read_items(tmp_path / "p.json")
    with pytest.raises(RatingsError, match="no such file"):
        read_items(tmp_path / "none.json")
    with pytest.raises(UnknownNameError, match="format of items"):
        read_items(tmp_path / "items.doc")


def test_without_items_the_name_is_the_item() -> None:
    assert Items().find("audio/u1.wav").facts == {"item": "u1"}
    assert stem_of("a.b") == "a.b", "not the suffix of an audio file"
