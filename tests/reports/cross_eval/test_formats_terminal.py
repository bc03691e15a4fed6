import io

from rich.console import Console

from sercl.reports.cross_eval.formats import terminal_report
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_the_overview_fits_a_terminal(wide: Analysis, unfinished: Analysis) -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=120).print(terminal_report(wide))
    lines = buffer.getvalue().splitlines()
    assert max(map(len, lines)) <= 120
    row = next(line for line in lines if line.strip().startswith("Two-stage"))
    assert len(row.split()) == 1 + 2 + 4  # name, what the mean is of, columns
    assert any(line.startswith("Warning: 1 of ") for line in lines)
    (title,) = (index for index, line in enumerate(lines) if line.startswith("Forgetting:"))
    assert "UAR (%) on the source's test part before and after training on the target" in lines[title]
    assert not any("4 shots" in line for line in lines[title:])
    assert any("The source corpus is not used" in line for line in lines), "the note of transfer"
    Console(file=buffer, width=120).print(terminal_report(unfinished))
    assert "have not been run" in buffer.getvalue()
