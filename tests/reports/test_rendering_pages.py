import pytest
from jinja2 import UndefinedError

from sercl.reports.rendering import page_environment

PACKAGES = ("sercl.reports.cross_eval", "sercl.reports.diarization")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_begins_with_its_title_and_the_style_of_its_package(package: str) -> None:
    environment = page_environment(package)
    head = environment.get_template("head.html").render(title="a <b>")
    assert head.startswith("<!doctype html>")
    assert "<title>a &lt;b&gt;</title>" in head
    assert environment.get_template("style.css").render().strip() in head


def test_what_a_page_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page_environment(PACKAGES[0]).get_template("head.html").render()
