from pathlib import Path
from typing import Any

import pytest

from sercl.errors import UnknownNameError, UsageError
from sercl.studies.cross_eval.plan.options import Exclude, Override, as_list
from tests.studies.cross_eval.samples import options


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapters": ["lora+gatin"]}, "'gating'"),
        ({"settings": ["few-shots"]}, "'few-shot'"),
        ({"adaptation": ["speakers"]}, "'speaker'"),
        ({"select_on": ["targets"]}, "'target'"),
        ({"train": ["C"]}, "study.train 'C'"),
        ({"test": ["C"]}, "study.test 'C'"),
        ({"seeds": {"lora": [1], "*": [2]}}, "'lora'"),
        ({"overrides": [Override({"stting": "few-shot"})]}, r"overrides\[0\].when 'stting'.*'setting'"),
        ({"overrides": [Override({"encoder": ["an encoder", "none"]})]}, r"overrides\[0\].when 'none'"),
        ({"exclude": [Exclude({"shots": 3})]}, r"exclude\[0\].when 3.*Valid: 1, 4, 16, 64"),
        ({"sources": ["all-but-me"]}, "study.sources 'all-but-me'.*all-but-target"),
        ({"weights": "by-size"}, "study.weights 'by-size'.*by-corpus"),
        ({"exclude": [Exclude({"source": "A + B"})]}, r"source in study.exclude\[0\].when 'A \+ B'"),
        (
            {"sources": ["all-but-target"], "exclude": [Exclude({"source": "A + C"})]},
            r"source in study.exclude\[0\].when 'A \+ C'",
        ),
    ],
)
def test_a_name_that_the_study_does_not_have_is_answered(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        options(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": []}, "study.settings is empty"),
        ({"corpora": ()}, "study.corpora is empty"),
        ({"draws": 0}, "study.draws of 'none' is 0"),
        ({"shots": [1, -4]}, "study.shots has -4"),
        ({"switch_epoch": 0}, "study.switch_epoch is 0"),
        ({"folds": "first"}, "study.folds is 'first'; valid: all, or a list"),
        ({"seeds": []}, "study.seeds"),
        ({"seeds": [1, -1]}, "study.seeds of 'none'"),
        ({"seeds": [3, 3]}, "3 twice"),
        ({"seeds": {"none": []}}, "study.seeds of 'none'"),
        ({"adapters": ["none", "lora"], "seeds": {"none": [1]}}, "nothing for the adapter 'lora'"),
        ({"adapters": ["none", "lora"], "draws": {"*": 2, "lora": 0}}, "study.draws of 'lora' is 0"),
        ({"encoders": ["a", "a"]}, "'a' twice"),
        ({"shots": [4, 4]}, "4 twice"),
        ({"sources": []}, "study.sources is empty"),
        ({"sources": ["single", "single"]}, "'single' twice"),
        ({"weights": "by-corpus"}, "study.weights by-corpus is for unions of corpora.*Add all-but-target"),
        (
            {"sources": ["all-but-target"], "corpora": ["A", "B + C"]},
            "'B \\+ C' would be mistaken for a union",
        ),
        ({"sources": ["single", "subsets"], "corpora": "ABCD"}, "add single and all-but-target"),
        (
            {"sources": ["single", "all-but-target", "subsets"], "corpora": "ABC"},
            "at least 3 corpora besides",
        ),
        ({"subset_limit": 0}, "study.subset_limit is 0"),
        ({"subset_limit": 5}, "study.subset_limit is for subsets"),
    ],
)
def test_a_study_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options(**changes)


def test_an_encoder_is_a_name_or_a_name_of_ones_own_with_options() -> None:
    assert options(encoders=["w"]).encoder_options == {"w": {"encoder": "w"}}
    own = options(
        encoders={"small": "whisper-base", "whisper-small": {"last_block": 3}, "x": {"encoder": "y"}}
    )
    assert own.encoder_options == {
        "small": {"encoder": "whisper-base"},
        "whisper-small": {"encoder": "whisper-small", "last_block": 3},
        "x": {"encoder": "y"},
    }


def test_seeds_are_those_of_the_adapter_or_of_all_others() -> None:
    own = options(adapters=["none", "lora", "gating"], seeds={"none": [1, 2], "*": [7]})
    assert [own.seeds_of(adapter) for adapter in own.adapters] == [[1, 2], [7], [7]]
    assert options(seeds=[4]).seeds_of("none") == [4]


def test_a_value_is_a_list_of_one() -> None:
    assert as_list("coral") == ["coral"]
    assert as_list(("a", "b")) == ["a", "b"]
    assert as_list(None) == [None]


def test_encoders_in_folders_are_called_by_their_last_component(tmp_path: Path) -> None:
    near, far = tmp_path / "a" / "large", tmp_path / "b" / "large"
    near.mkdir(parents=True)
    names = ["whisper-base", "openai/whisper-base", "/models/tiny/", "~/own", str(near)]
    own = options(encoders=names)
    assert list(own.encoder_options) == ["whisper-base", "openai/whisper-base", "tiny", "own", "large"]
    assert own.encoder_options["large"] == {"encoder": str(near)}
    assert own.named_alike({"encoder": str(near), "shots": 1}) == {"encoder": ["large"], "shots": 1}
    assert own.named_alike({"encoder": ["large"]}) == {"encoder": ["large"]}
    alike = options(encoders=[str(near), str(far)])
    assert list(alike.encoder_options) == [str(near), str(far)], "no two are called alike"
    assert list(options(encoders={str(near): {"layer": 1}}).encoder_options) == ["large"]


def test_a_union_is_named_with_its_corpora_in_any_order() -> None:
    own = options("ABC", sources=["all-but-target"])
    assert own.named_alike({"source": ["C + A", "B"]}) == {"source": ["A + C", "B"]}
    assert options("ABC").named_alike({"source": "C"}) == {"source": ["C"]}
