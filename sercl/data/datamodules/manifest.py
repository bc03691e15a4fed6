from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.folds import FoldConfig
from sercl.corpora.manifest import read_manifest
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import CorpusDataModule, Labels


class Manifest(CorpusDataModule):
    """Any corpus, listed in a table: CSV, TSV, JSONL or Parquet; also the options of every corpus.

    Args:
        root: The table. Columns `path` and `emotion`; optional: id, corpus, language, speaker, gender, text,
            dialect, session, start, end, split, segments.
        name: Name of the corpus; by default its column `corpus`, else the stem of the table's name.
        language: ISO 639-1 code for rows that name none.
    """

    def __init__(
        self,
        root: Path | str,
        name: str | None = None,
        language: str = "und",
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment)
        self.corpus = name or self.root.stem
        self._name, self._language = name, language

    def read(self) -> Listing:
        """List the table's rows."""
        return read_manifest(self.root, corpus=self._name, language=self._language)
