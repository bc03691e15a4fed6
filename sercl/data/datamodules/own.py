"""Users' own corpora: a manifest, or a Hugging Face dataset."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.emotion_names import EmotionWords
from sercl.corpora.folds import FoldConfig
from sercl.corpora.hub import HubColumns, read_hub
from sercl.corpora.languages import to_language
from sercl.corpora.manifest import ManifestColumns, read_manifest
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import Conditions, CorpusDataModule, Labels

LABEL_ADVICE = (
    "Map or drop labels with the option emotions: --data.emotions '{Furius: angry, unclear: drop}'."
)


class Manifest(CorpusDataModule):
    """Any corpus, listed in a table: CSV, TSV, JSONL or Parquet; also the options of every corpus.

    Args:
        root: The table. Columns `path` and `emotion`; optional: id, corpus, language, speaker, gender, text,
            dialect, session, start, end, split, segments.
        columns: Names of its columns, if they differ from the standard names.
        emotions: Map from the table's labels to emotion names, for labels that sercl does not know; or to
            `drop`, which skips and counts their rows.
        name: Name of the corpus; by default its column `corpus`, else the stem of the table's name.
        language: Language of rows without one: a code, tag or name.

    Raises:
        UsageError: As for every corpus, or for an invalid emotion or language.
    """

    label_advice = LABEL_ADVICE

    def __init__(
        self,
        root: Path | str,
        columns: ManifestColumns = ManifestColumns(),
        emotions: dict[str, str] | None = None,
        name: str | None = None,
        language: str = "und",
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
        where: Conditions = None,
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment, where)
        self.corpus = name or self.root.stem
        self._unnamed = None if name else self.corpus
        self._read = partial(
            read_manifest,
            self.root,
            corpus=name,
            language=to_language(language),
            columns=columns,
            emotions=EmotionWords(emotions or {}).words,
        )

    def read(self) -> Listing:
        """List the table's rows."""
        return _called(self._read(), self._unnamed, self.corpus)


CACHE = Path("~/.cache/sercl/hub")


class HuggingFace(CorpusDataModule):
    """A corpus from Hugging Face `datasets`, which must be installed; also the options of every corpus.

    Args:
        root: Id of a dataset on the hub, a folder written by `save_to_disk`, a folder of audio with
            `metadata.csv`, or one of Parquet files.
        split: The only split to read; by default all.
        columns: Names of its columns.
        emotions: Map from the dataset's labels to emotion names, for labels that sercl does not know; or to
            `drop`, which skips and counts their rows.
        name: Name of the corpus; by default its column of the corpus, else the last part of `root`.
        language: Language of rows without one: a code, tag or name.
        cache: Folder for audio whose bytes or samples are stored in the dataset.
    """

    label_advice = LABEL_ADVICE

    def __init__(
        self,
        root: Path | str,
        split: str | None = None,
        columns: HubColumns = HubColumns(),
        emotions: dict[str, str] | None = None,
        name: str | None = None,
        language: str = "und",
        cache: Path | str = CACHE,
        labels: Labels = "4",
        on_error: str = "raise",
        folds: FoldConfig = FoldConfig(),
        loader: LoaderConfig = LoaderConfig(),
        augment: AugmentConfig = AugmentConfig(),
        where: Conditions = None,
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment, where)
        self.corpus = name or self.root.name
        self._unnamed = None if name else self.corpus
        self._read = partial(
            read_hub,
            str(root),
            cache=Path(cache).expanduser(),
            split=split,
            columns=columns,
            emotions=EmotionWords(emotions or {}).words,
            corpus=name,
            language=to_language(language),
        )

    def read(self) -> Listing:
        """List the dataset's rows."""
        return _called(self._read(), self._unnamed, self.corpus)


def _called(listing: Listing, default: str | None, name: str) -> Listing:
    """Return a listing with the name that a map of corpora gives in place of that of the table."""
    if default in (None, name):
        return listing
    items = (replace(item, corpus=name) if item.corpus == default else item for item in listing.utterances)
    return replace(listing, utterances=tuple(items))
