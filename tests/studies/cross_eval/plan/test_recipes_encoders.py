import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.studies.cross_eval.plan import recipes
from sercl.studies.cross_eval.plan.recipes import Encoders, EncoderSpec
from sercl.testing.encoders import tiny_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("encoder")))


def spec(folder: str, **changes: object) -> EncoderSpec:
    given = {
        "encoder": folder,
        "revision": None,
        "whisper_form": "short",
        "last_block": None,
        "head": "paper",
    }
    return EncoderSpec.of({**given, **changes})


def test_facts_follow_what_decides_them(folder: str) -> None:
    known = Encoders()
    whole, cut = known.facts(spec(folder)), known.facts(spec(folder, last_block=1))
    assert (whole.family, whole.states) == ("whisper", 4)
    assert cut.states == 3
    assert whole.preprocessing != known.facts(spec(folder, whisper_form="padded")).preprocessing
    assert Encoders().facts(spec(folder)) == whole


def test_spaces_follow_pooling_and_precision(folder: str) -> None:
    own = spec(folder)
    spaces = [
        Encoders().space(own, "mean"),
        Encoders().space(own, "mean+std"),
        Encoders("bf16").space(own, "mean"),
        Encoders().space(spec(folder, whisper_form="padded"), "mean"),
    ]
    assert len({space.name for space in spaces}) == 4
    assert Encoders().space(own, "mean").name == spaces[0].name


def test_one_encoder_is_kept_at_a_time(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[EncoderSpec] = []
    load = EncoderSpec.load
    monkeypatch.setattr(EncoderSpec, "load", lambda self: (loads.append(self), load(self))[1])
    known, one, other = Encoders(), spec(folder), spec(folder, last_block=1)
    for wanted in (one, one, other, one):
        known.facts(wanted)
        known.load(wanted)
    assert loads == [one, other, one]
    known.facts(other)
    assert loads == [one, other, one], "facts stay when the weights go"
    known.release()
    known.load(one)
    assert loads[-1] == one
    assert len(loads) == 4


def test_what_the_study_says_of_an_encoder(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Encoders()
    described = known.described(spec(folder))
    assert (described.source, described.family, described.language) == (folder, "whisper", None)
    assert described.fingerprint == known.facts(spec(folder)).fingerprint
    monkeypatch.setitem(recipes.ENCODER_LANGUAGES, folder, "zh")  # type: ignore[misc]
    assert known.described(spec(folder)).language == "zh"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"encoder": "whisper-bse"}, UnknownNameError),
        ({"last_block": 9}, UsageError),
        ({"whisper_form": "long"}, UsageError),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    folder: str, changes: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Encoders().facts(spec(folder, **changes))
