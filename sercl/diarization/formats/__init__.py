"""Segment files: reading and writing by format."""

from sercl.diarization.formats.files import FORMATS, Format, read_segments, write_segments

__all__ = ["FORMATS", "Format", "read_segments", "write_segments"]
