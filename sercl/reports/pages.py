"""What all HTML pages share: how templates are read, and the head of a page that is complete in itself."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_environment(package: str) -> Environment:
    """Return an environment for the templates of a package.

    Args:
        package: A package with a folder `templates`; what is not there is looked up in that of
            `sercl.reports`: `head.html` opens a page with `title` and the package's own `style.css`.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("sercl.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
