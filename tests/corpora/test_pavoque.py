from collections import Counter
from pathlib import Path

import pytest
import soundfile
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sercl.corpora.pavoque import read, read_list
from sercl.errors import CorpusError
from sercl.testing.corpora import FakeSize, fake_pavoque

ENTRY = "- prompt: {prompt}\n  text: Ja.\n  style: {style}\n  start: {start}\n  end: {end}\n"


def write_list(folder: Path, style: str, *entries: str, flac: bool = True) -> Path:
    (folder / f"pavoque-{style}.yaml").write_text("".join(entries), encoding="utf-8")
    if flac:
        (folder / f"pavoque-{style}.flac").touch()
    return folder


def entry(prompt: str, style: str = "angry", start: object = 0.0, end: object = 1.0) -> str:
    return ENTRY.format(prompt=prompt, style=style, start=start, end=end)


def test_stretches_lie_in_the_flac_and_tell_their_text(tmp_path: Path) -> None:
    fake_pavoque(tmp_path, FakeSize(per_emotion=3, seconds=0.1))
    utterances = {item.id: item for item in read(tmp_path).utterances}
    first, last = utterances["spike0001-angry"], utterances["m0001-angry"]
    assert first.path == last.path == tmp_path / "pavoque-angry.flac"
    assert (first.start, first.end) == (0.0, 0.1)
    assert last.end == pytest.approx(soundfile.info(last.path).duration)
    assert first.text == "Haben wir uns schon einmal gesehen, spike0001?"
    assert first.extra == {"style": "angry", "series": "spike", "prompt": "spike0001"}
    assert (first.speaker, first.gender, first.language) == ("pavoque", "male", "de")


def test_cut_wavs_have_the_same_ids_and_emotions(tmp_path: Path) -> None:
    size = FakeSize(per_emotion=3, seconds=0.02)
    long = read(fake_pavoque(tmp_path / "long", size))
    cut = read(fake_pavoque(tmp_path / "cut", size, "cut"))
    assert cut.problems == ()
    assert [(item.id, item.emotion, item.extra) for item in cut.utterances] == [
        (item.id, item.emotion, item.extra) for item in long.utterances
    ]
    assert {(item.start, item.end) for item in cut.utterances} == {(None, None)}


def test_poker_is_an_emotion_of_its_own(tmp_path: Path) -> None:
    utterances = read(fake_pavoque(tmp_path, FakeSize(per_emotion=1, seconds=0.02))).utterances
    assert [item.id for item in utterances if item.emotion == "poker"] == ["poker_p0001-poker"]
    assert {item.extra["series"] for item in utterances if item.emotion == "poker"} == {"poker_p"}


def test_outtakes_come_only_when_asked_for_and_get_numbers(tmp_path: Path) -> None:
    fake_pavoque(tmp_path, FakeSize(per_emotion=1, seconds=0.02))
    assert not [item for item in read(tmp_path).utterances if item.extra["style"] == "outtakes"]
    extra = [item for item in read(tmp_path, outtakes=True).utterances if item.extra["style"] == "outtakes"]
    assert [item.id for item in extra] == ["spike0001-outtakes", "spike0001-outtakes-2"]
    assert {item.emotion for item in extra} == {"unknown"}
    assert extra[0].start != extra[1].start


def test_cut_outtakes_come_only_when_asked_for(tmp_path: Path) -> None:
    for name in ("m0001-angry", "m0001-outtakes"):
        (tmp_path / f"{name}.wav").touch()
    assert [item.id for item in read(tmp_path).utterances] == ["m0001-angry"]
    assert [item.emotion for item in read(tmp_path, outtakes=True).utterances] == ["angry", "unknown"]


def test_outtakes_that_name_a_style_are_not_taken_for_it(tmp_path: Path) -> None:
    write_list(tmp_path, "angry", entry("m0001"))
    write_list(tmp_path, "outtakes", entry("m0001"))
    utterances = read(tmp_path, outtakes=True).utterances
    assert [(item.id, item.emotion) for item in utterances] == [
        ("m0001-angry", "angry"),
        ("m0001-angry-2", "unknown"),
    ]


def test_lists_beside_cut_wavs_lend_their_text_and_report_gaps(tmp_path: Path) -> None:
    write_list(tmp_path, "angry", entry("m0001"), entry("m0002"), flac=False)
    for name in ("m0001-angry", "m0007-sad", "holiday"):
        (tmp_path / f"{name}.wav").touch()
    listing = read(tmp_path)
    assert [(item.id, item.text, item.start) for item in listing.utterances] == [
        ("m0001-angry", "Ja.", None),
        ("m0007-sad", None, None),
    ]
    assert [(item.kind, item.path.name) for item in listing.problems] == [
        ("missing", "m0002-angry.wav"),
        ("name", "holiday.wav"),
    ]


def test_a_missing_flac_is_one_problem_with_its_cost(tmp_path: Path) -> None:
    write_list(tmp_path, "angry", entry("m0001"), entry("m0002", start=1, end=2), flac=False)
    write_list(tmp_path, "sad", entry("m0001", "sad"))
    listing = read(tmp_path)
    assert [item.id for item in listing.utterances] == ["m0001-sad"]
    (problem,) = listing.problems
    assert (problem.kind, problem.path.name) == ("missing", "pavoque-angry.flac")
    assert "2 utterances" in problem.reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entry("m0002", start="soon"), "could not convert string to float: 'soon'"),
        (entry("m0002", start=2, end=2), "2.0 s to 2.0 s is not a valid time span"),
        (entry("m0002", end=".inf"), "could not convert"),
        ("- prompt: m0002\n  style: angry\n", "'start'"),
        ("- nonsense\n", "'prompt'"),
        ("- [prompt, m0002]\n", "'style'"),
        (entry("[m0002]"), "'prompt'"),
    ],
)
def test_a_bad_entry_names_its_line_and_costs_itself(tmp_path: Path, bad: str, reason: str) -> None:
    listing = read(write_list(tmp_path, "angry", entry("m0001"), bad, entry("m0003", start=3, end=4)))
    assert [item.id for item in listing.utterances] == ["m0001-angry", "m0003-angry"]
    (problem,) = listing.problems
    assert (problem.line, problem.kind) == (6, "label")
    assert reason in problem.reason


@pytest.mark.parametrize("content", ["- {prompt: [\n", "prompt: m0001\n", "\xff"])
def test_a_list_that_is_none_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "pavoque-angry.yaml").write_bytes(content.encode("latin-1"))
    with pytest.raises(CorpusError, match=r"pavoque-angry\.yaml: (not readable as YAML|expected a list)"):
        read(tmp_path)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.lists(
        st.fixed_dictionaries(
            {
                "prompt": st.from_regex(r"[a-z_]{1,5}\d{4}", fullmatch=True),
                "text": st.text(
                    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Zs")),
                    min_size=1,
                ),
                "style": st.sampled_from(["angry", "sad"]),
                "start": st.floats(0, 100),
                "end": st.floats(101, 200),
                "segments": st.just([{"lab": "?", "end": 0.5}]),
            }
        ),
        min_size=1,
        max_size=3,
    )
)
def test_lists_read_as_a_full_yaml_parser_reads_them(tmp_path: Path, entries: list[dict]) -> None:
    path = tmp_path / "pavoque-angry.yaml"
    path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
    found, problems = read_list(path)
    assert problems == []
    keys = ("prompt", "text", "style", "start", "end")
    assert [tuple(getattr(item, key) for key in keys) for item in found] == [
        tuple(item[key] for key in keys) for item in entries
    ]


@pytest.mark.shared
def test_the_real_lists(shared: Path, tmp_path: Path) -> None:
    for style in ("angry", "sad"):
        name = f"pavoque-{style}.yaml"
        (tmp_path / name).symlink_to(shared / "data" / "pavoque" / name)
        (tmp_path / f"pavoque-{style}.flac").touch()
    listing = read(tmp_path)
    assert listing.problems == ()
    assert Counter(item.emotion for item in listing.utterances) == {"angry": 601, "sad": 556}
    series = Counter((item.emotion, item.extra["series"]) for item in listing.utterances)
    assert series == {
        ("angry", "m"): 400,
        ("angry", "spike"): 151,
        ("angry", "poker_a"): 50,
        ("sad", "m"): 400,
        ("sad", "obadiah"): 124,
        ("sad", "poker_d"): 32,
    }
    second = next(item for item in listing.utterances if item.id == "spike0002-angry")
    assert (second.start, second.end, second.text) == (2.34, 5.94, "Haben wir uns schon einmal gesehen?")
