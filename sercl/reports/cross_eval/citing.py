"""How to cite sercl and the study that it reproduces."""

from sercl import __version__

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
