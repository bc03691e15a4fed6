"""The options that say what the columns of a manifest are called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ManifestColumns:
    """What the columns of a manifest are called, where they are not called what they are.

    Args:
        path: Column of the audio file's path.
        emotion: Column of the emotion.
        id: Column of the utterance's id.
        corpus: Column of the corpus's name.
        language: Column of the language.
        speaker: Column of the speaker.
        gender: Column of the gender.
        text: Column of the transcript.
        dialect: Column of the dialect.
        session: Column of the recording session.
        start: Column of the begin in s.
        end: Column of the end in s.
        split: Column of the official split.
        segments: Column of the emotion events.
    """

    path: str | None = None
    emotion: str | None = None
    id: str | None = None
    corpus: str | None = None
    language: str | None = None
    speaker: str | None = None
    gender: str | None = None
    text: str | None = None
    dialect: str | None = None
    session: str | None = None
    start: str | None = None
    end: str | None = None
    split: str | None = None
    segments: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """Field -> column, for the columns that are named."""
        return {field: column for field, column in vars(self).items() if column}
