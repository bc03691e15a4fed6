import codecs

import pytest
from hypothesis import HealthCheck, given, settings
from praatio import textgrid as praatio

from sercl.diarization.formats import textgrid
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError
from tests.diarization.formats.samples import alike, annotations
from tests.timing import growth

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
3.5
<exists>
2
"IntervalTier"
"Emotion"
0
3.5
3
0
1
""
1
2.25
"anger"
2.25
3.5
"neutral" ! what follows an exclamation mark is a comment: 7 "x"
"TextTier"
"clicks"
0
3.5
1
0.5
"click"
"""


@SHARED_FOLDER
@given(annotations("talk"))
def test_everything_comes_back(tmp_path, item):
    textgrid.write(item, tmp_path / "talk.TextGrid")
    (found,) = textgrid.read(tmp_path / "talk.TextGrid")
    assert alike(found, item)
    assert found.duration == pytest.approx(item.duration, abs=1e-6)


@SHARED_FOLDER
@given(annotations("talk", whole=False))
def test_praatio_reads_what_is_written(tmp_path, item):
    textgrid.write(item, tmp_path / "talk.TextGrid")
    grid = praatio.openTextgrid(str(tmp_path / "talk.TextGrid"), includeEmptyIntervals=False)
    entries = grid.getTier("emotion").entries
    assert [(e.start, e.end, e.label) for e in entries] == [
        (pytest.approx(s.start, abs=1e-6), pytest.approx(s.end, abs=1e-6), s.emotion) for s in item.segments
    ]
    assert grid.maxTimestamp == pytest.approx(item.duration, abs=1e-6)


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
def test_what_praatio_writes_is_read(tmp_path, form):
    grid = praatio.Textgrid()
    grid.addTier(praatio.IntervalTier("feelings", [(0.5, 1.25, "sad"), (2, 3, "joy")], 0, 4))
    grid.save(str(tmp_path / "a.TextGrid"), format=form, includeBlankSpaces=True)
    (found,) = textgrid.read(tmp_path / "a.TextGrid")
    assert found == Annotation("a", (ScoredSegment(0.5, 1.25, "sad"), ScoredSegment(2, 3, "happy")), 4.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_short_form_comments_and_encodings(tmp_path, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT.replace("anger", "生气"), encoding=encoding)
    assert path.read_bytes().startswith(codecs.BOM_UTF16) == (encoding == "utf-16")
    expected = (ScoredSegment(1, 2.25, "angry"), ScoredSegment(2.25, 3.5, "neutral"))
    assert textgrid.read(path) == [Annotation("a", expected, 3.5)]


def test_a_grid_without_tiers_has_nothing_to_read(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text('"ooTextFile"\n"TextGrid"\n0\n3\n<absent>\n')
    with pytest.raises(SegmentError, match=r"no single interval tier to read \(found: none"):
        textgrid.read(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"ooTextFile"', '"other"', "1: is not a TextGrid"),
        ("\n2.25\n3.5\n", "\n2.0\n3.5\n", "19: neutral from 2 s to 3.5 s overlaps angry"),
        ("\n1\n2.25\n", "\n2.25\n1\n", "16: angry from 2.25 s to 1 s"),
        ("\n1\n2.25\n", "\n-1\n2.25\n", "16: angry from -1 s"),
        ("2.25\n3.5\n", "2.25\n4.5\n", "19: neutral from 2.25 s to 4.5 s overruns"),
        ('"anger"', '"angre"', "16: unknown emotion 'angre'"),
        ('"anger"', "anger", "19: expected a text but found number '2.25'"),
        ('"click"\n', "", "expected a text but found end of the file"),
        ("<exists>\n2", '<exists>\n"two"', "7: expected a number but found text 'two'"),
    ],
)
def test_bad_grids_are_named(tmp_path, old, new, said):
    path = tmp_path / "a.TextGrid"
    assert old in SHORT
    path.write_text(SHORT.replace(old, new, 1))
    with pytest.raises(SegmentError, match=said):
        textgrid.read(path)


def test_two_tiers_need_a_name(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(
        SHORT.replace("TextTier", "IntervalTier").replace("0.5\n", "0\n3.5\n").replace("Emotion", "A")
    )
    with pytest.raises(SegmentError, match=r"found: 'A', 'clicks'.*'emotion'"):
        textgrid.read(path)


def test_nothing_makes_no_grid(tmp_path):
    with pytest.raises(SegmentError, match="cannot be a TextGrid"):
        textgrid.write(Annotation("a", ()), tmp_path / "a.TextGrid")


@pytest.mark.parametrize(("filler", "end"), [("9", "x"), ("<", ""), ('"', '"'), ('"x', '"x')])
def test_the_time_to_read_is_proportional_to_the_text(tmp_path, filler, end):
    def read(size):
        text = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n{filler * (size // len(filler))}{end}'
        (tmp_path / "a.TextGrid").write_text(text)
        with pytest.raises(SegmentError, match="expected a number"):
            textgrid.read(tmp_path / "a.TextGrid")

    assert growth(read, 20_000) < 40  # of ten times the text; 100 if it were its square
