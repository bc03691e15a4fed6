"""Facts about a study: its title, its size, and the versions that it ran with."""

from sercl.reports.corpus import clock
from sercl.reports.cross_eval.wording import listed
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.cells import Study
from sercl.version import __version__


def title(study: Study) -> str:
    """Return the heading of a study's report."""
    return f"Cross-lingual study: {listed(list(study.corpora))}"


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """Return when a study ran, how large it is, and how it was repeated, as (name, value)."""
    study = analysis.study
    cells = [record.cell for record in study.records]
    done = sum(record.status == "done" for record in study.records)
    rows = [
        ("Run", study.created.replace("T", " ")[:16]),
        ("Runtime", clock(study.seconds)),
        ("Cells", f"{done:,} of {len(cells):,} done"),
        ("Conditions", f"{len(study.conditions):,}"),
        ("Classes", ", ".join(study.classes)),
        ("Folds", str(len({cell.fold for cell in cells}))),
        ("Seeds", ", ".join(map(str, sorted({cell.seed for cell in cells})))),
        ("Few-shot draws", str(len({cell.draw for cell in cells})) if analysis.curves else ""),
        ("sercl", str(study.environment.get("sercl", ""))),
    ]
    return [(name, value) for name, value in rows if value]


def versions(study: Study) -> list[tuple[str, str]]:
    """Return the versions that a study ran with, as (name, version)."""
    environment = study.environment
    named = [
        (name, str(environment[name])) for name in ("sercl", "python", "platform") if name in environment
    ]
    return [*named, *((name, str(own)) for name, own in dict(environment.get("packages", {})).items())]


_STUDY = """@misc{han2024crosslingual,
  title         = {Cross-Lingual Speech Emotion Recognition: Humans vs. Self-Supervised Models},
  author        = {Han, Zhichen and Geng, Tianqi and Feng, Hui and Yuan, Jiahong and Richmond, Korin
                   and Li, Yuanchao},
  year          = {2024},
  eprint        = {2409.16920},
  archivePrefix = {arXiv},
  primaryClass  = {eess.AS}
}"""


def bibtex(version: str = __version__) -> str:
    """Return the BibTeX entries of the study and of sercl.

    Args:
        version: The version of sercl that made the results.
    """
    own = f"""@software{{sercl,
  title   = {{sercl: cross-lingual speech emotion recognition}},
  version = {{{version}}}
}}"""
    return f"{_STUDY}\n\n{own}\n"
