import base64
import io

import pytest
import soundfile

from sercl.errors import UnknownNameError
from sercl.reports.diarization import page as module
from sercl.reports.diarization.page import playback
from tests.reports.diarization.samples import write_tone


def content(src):
    kind, _, data = src.partition(";base64,")
    return kind, base64.b64decode(data)


def test_a_small_file_is_embedded_as_it_is(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    found = playback(path, tmp_path)
    assert content(found.src) == ("data:audio/wav", path.read_bytes())
    assert (found.embedded, found.playable) == (True, True)


def test_what_browsers_do_not_play_is_embedded_as_flac(tmp_path):
    path = write_tone(tmp_path / "a.aiff")
    kind, data = content(playback(path, tmp_path).src)
    assert kind == "data:audio/flac"
    samples, rate = soundfile.read(io.BytesIO(data))
    assert (len(samples), rate) == (64_000, 16_000)


def test_a_large_file_is_named_from_where_the_page_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1000)
    (tmp_path / "pages").mkdir()
    path = write_tone(tmp_path / "a #1.wav")
    assert playback(path, tmp_path / "pages").src == "../a%20%231.wav"
    assert playback(path, tmp_path, "embed").embedded


def test_a_link_may_lead_to_what_no_browser_plays(tmp_path):
    found = playback(write_tone(tmp_path / "a.aiff"), tmp_path, "link")
    assert (found.src, found.embedded, found.playable) == ("a.aiff", False, False)


def test_other_modes_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="embed, link"):
        playback(tmp_path / "a.wav", tmp_path, "inline")
