from functools import partial
from pathlib import Path

from sercl.audio.augment import AugmentConfig
from sercl.corpora.base import Listing
from sercl.corpora.folds import FoldConfig
from sercl.corpora.hub import HubColumns, read_hub
from sercl.data.config import LoaderConfig
from sercl.data.datamodules.corpus import CorpusDataModule, Labels

CACHE = Path("~/.cache/sercl/hub")


class HuggingFace(CorpusDataModule):
    """A corpus from Hugging Face `datasets`, which must be installed; also the options of every corpus.

    Args:
        root: Id of a dataset on the hub, or a folder written by `save_to_disk`.
        split: The only split to read; by default all.
        columns: What its columns are called.
        emotions: Map from the dataset's labels to emotion names, for labels that are no common word for one.
        name: Name of the corpus; by default the last part of `root`.
        language: ISO 639-1 code for rows that name none.
        cache: Folder for audio whose bytes are stored in the dataset.
    """

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
    ) -> None:
        super().__init__(root, labels, on_error, folds, loader, augment)
        self.corpus = name or self.root.name
        self._read = partial(
            read_hub,
            str(root),
            cache=Path(cache).expanduser(),
            split=split,
            columns=columns,
            emotions=emotions,
            corpus=self.corpus,
            language=language,
        )

    def read(self) -> Listing:
        """List the dataset's rows."""
        return self._read()
