from sercl.reports.cross_eval.summary import ANY_SOURCE, DIAGONAL, UNADAPTED, Matrix, matrix_groups
from sercl.studies.cross_eval.analysis.analysis import Analysis

CORPORA = ("ESD", "EmoDB", "RAVDESS")


def by_title(analysis: Analysis, encoder: str) -> dict[tuple[str, ...], Matrix]:
    group = next(item for item in matrix_groups(analysis) if item.encoder == encoder)
    return {(matrix.title, *matrix.tags): matrix for matrix in group.matrices}


def test_a_group_per_encoder_and_adapter(wide: Analysis) -> None:
    groups = matrix_groups(wide)
    assert [(item.encoder, item.adapter) for item in groups] == [
        (encoder, adapter)
        for encoder in ("whisper-base", "wav2vec2-zh")
        for adapter in ("none", "lora+bottleneck+gating")
    ]
    titles = [(matrix.title, *matrix.tags) for matrix in groups[0].matrices]
    assert titles == [("zero-shot",), ("zero-shot", "coral"), ("transfer",), ("two-stage",)]


def test_cells_stand_where_their_corpora_say(wide: Analysis) -> None:
    matrix = by_title(wide, "whisper-base")["zero-shot",]
    assert matrix.rows == matrix.columns == CORPORA
    for row, cells in zip(matrix.rows, matrix.cells, strict=True):
        for column, own in zip(matrix.columns, cells, strict=True):
            assert own is not None
            assert (own.condition.source, own.condition.target) == (row, column)
            assert own.condition.setting == ("monolingual" if row == column else "zero-shot")
            assert own.condition.adaptation == "none"


def test_the_diagonal_of_two_stage_is_empty(wide: Analysis) -> None:
    cells = by_title(wide, "whisper-base")["two-stage",].cells
    assert [[own is None for own in row] for row in cells] == [
        [row == column for column in range(3)] for row in range(3)
    ]


def test_an_adapted_matrix_says_that_its_diagonal_is_not(wide: Analysis) -> None:
    matrices = by_title(wide, "whisper-base")
    adapted = matrices["zero-shot", "coral"]
    own = adapted.cells[0][0]
    assert own is not None
    assert (own.condition.setting, own.condition.adaptation) == ("monolingual", "none")
    assert adapted.note == UNADAPTED
    assert matrices["zero-shot",].note == DIAGONAL


def test_transfer_that_does_not_see_the_source_is_one_row(wide: Analysis) -> None:
    matrix = by_title(wide, "whisper-base")["transfer",]
    assert matrix.rows == (ANY_SOURCE,)
    assert [own.condition.target for own in matrix.cells[0] if own] == list(CORPORA)
    assert "The source corpus is not used" in matrix.note


def test_monolingual_alone_has_its_matrix(bare: Analysis, unfinished: Analysis) -> None:
    ((matrix,),) = (group.matrices for group in matrix_groups(bare))
    assert (matrix.title, matrix.rows, matrix.columns) == ("monolingual", ("EmoDB",), ("EmoDB",))
    assert matrix_groups(unfinished) == []
