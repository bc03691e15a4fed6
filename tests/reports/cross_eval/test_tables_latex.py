import re

from hypothesis import given
from hypothesis import strategies as st

from sercl.reports.cross_eval.tables import escaped, latex_report, latex_table
from sercl.reports.style import TextTable
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_tables_are_well_formed(wide: Analysis) -> None:
    text = latex_report(wide)
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") > 20
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule")
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels)) == text.count(r"\caption{")
    for block in re.findall(r"\\begin\{tabular\}\{(.*?)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        columns, body = block
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}


def test_a_table_by_hand() -> None:
    table = TextTable("x", "50 % of a_b", ("Name", "p"), (("a → b", "< 0.001"), ("c & d", "−0.4")))
    assert latex_table(table, "mine") == (
        "\\begin{table}[t]\n\\centering\n\\caption{50 \\% of a\\_b.}\n\\label{tab:mine}\n"
        "\\begin{tabular}{lr}\n\\toprule\nName & p \\\\\n\\midrule\n"
        "a $\\rightarrow$ b & $<$ 0.001 \\\\\nc \\& d & $-$0.4 \\\\\n\\bottomrule\n\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_a_note_goes_into_the_caption() -> None:
    table = TextTable("x", "scores", ("a",), (("1",),), note="All of 100 %.")
    assert r"\caption{scores. All of 100 \%.}" in latex_table(table, "w")


def test_wide_tables_are_scaled() -> None:
    wide = TextTable("x", "c", ("a" * 60, "b" * 60), (("1", "2"),))
    assert r"\resizebox{\linewidth}{!}{%" in latex_table(wide, "w")


@given(st.text())
def test_nothing_is_taken_for_a_command(text: str) -> None:
    bare = re.sub(r"\\textbackslash\{\}|\\textascii(tilde|circum)\{\}|\\[&%$#_{}]", "", escaped(text))
    bare = re.sub(r"\$(<|>|-|\\rightarrow|\\dagger)\$", "", bare)
    assert not set(bare) & set("\\&%$#_{}~^")


def test_nothing_done_is_still_a_file(unfinished: Analysis) -> None:
    assert latex_report(unfinished).startswith("% Cross-lingual study")
