from sercl.reports.cross_eval.summary import STUDY, bibtex, facts, title, versions
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_a_study_says_what_it_is(wide: Analysis, bare: Analysis) -> None:
    assert title(wide.study) == "Cross-lingual study: ESD, EmoDB and RAVDESS"
    found = dict(facts(wide))
    cells = len(wide.study.records)
    assert found["Cells"] == f"{cells - 1:,} of {cells:,} done"
    assert (found["Run"], found["Runtime"]) == ("2026-03-14 15:09", "1 h 23 min")
    assert (found["Folds"], found["Seeds"], found["Few-shot draws"]) == ("5", "1, 2, 3", "2")
    assert "Few-shot draws" not in dict(facts(bare))


def test_versions_and_citation(wide: Analysis) -> None:
    assert versions(wide.study) == [
        ("sercl", "0.0"), ("python", "3.12.1"), ("platform", "Linux"), ("torch", "2.11.0"),
        ("transformers", "5.17.0"),
    ]  # fmt: skip
    text = bibtex("1.2")
    assert text.count("{") == text.count("}")
    assert STUDY in text
    assert "version = {1.2}" in text
