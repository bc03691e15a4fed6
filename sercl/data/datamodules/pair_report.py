from collections.abc import Mapping

from sercl.data.datamodules.settings import Plan
from sercl.data.report import DataReport, SplitReport
from sercl.data.split import Split


def report_pair(
    setting: str,
    plans: Mapping[str, Plan],
    reports: Mapping[str, DataReport],
    unlabelled: Split | None = None,
    going_on: tuple[str, bool] = ("best", False),
) -> DataReport:
    """Merge the reports of two corpora into the one of their pair.

    Args:
        setting: Its setting.
        plans: Training stage -> which role gives which part.
        reports: Role -> report, of the corpora in use.
        unlabelled: Utterances of the target that training hears without their labels.
        going_on: The weights from which the second of two stages goes on, and whether they share epochs.
    """
    names = _names(reports)
    chosen = list(plans.values())[-1].validation
    named = {names[role]: report for role, report in reports.items()}
    notes = [f"{name}: {note}" for name, report in named.items() for note in report.notes]
    return DataReport(
        name=" -> ".join(named),
        classes=next(iter(reports.values())).classes,
        splits=_splits(plans, reports),
        dropped={name: counts for name, report in named.items() for counts in report.dropped.values()},
        folds={name: fold for name, report in named.items() for fold in report.folds.values()},
        unlisted={name: line for name, report in named.items() for line in report.unlisted.values()},
        problems={name: found for name, report in named.items() for found in report.problems.values()},
        notes=(
            f"selected on {chosen}: the validation part of {names[chosen]}",
            *_first_stage(plans, names, going_on),
            *([] if unlabelled is None else [_heard(unlabelled, names["target"])]),
            *notes,
        ),
        setting=setting,
        select_on=chosen,
    )


def _first_stage(
    plans: Mapping[str, Plan], names: Mapping[str, str], going_on: tuple[str, bool]
) -> list[str]:
    """Return what must be known of the first of two stages: it too was selected on something."""
    if len(plans) == 1:
        return []
    role = next(iter(plans.values())).validation
    weights, shared = going_on
    epochs = "both share one budget of epochs" if shared else "each has a budget of epochs of its own"
    return [
        f"the first stage was selected on {role}, too: the validation part of {names[role]}"
        if role == "target"
        else f"the first stage was selected on {role}: the validation part of {names[role]}",
        f"the second stage went on from the {weights} weights of the first; {epochs}",
    ]


def _heard(unlabelled: Split, name: str) -> str:
    count = len(unlabelled.utterances)
    return f"target audio without labels was used: {count} utterances of the train part of {name}"


def _names(reports: Mapping[str, DataReport]) -> dict[str, str]:
    """Return role -> name; two corpora of the same name are told apart by their role."""
    names = {role: report.name for role, report in reports.items()}
    if len(set(names.values())) < len(names):
        return {role: f"{name} ({role})" for role, name in names.items()}
    return names


def _splits(plans: Mapping[str, Plan], reports: Mapping[str, DataReport]) -> dict[str, SplitReport]:
    splits = {}
    for stage, plan in plans.items():
        for part, role in plan._asdict().items():
            name = part if len(plans) == 1 or part == "test" else f"{stage} {part}"
            splits[name] = reports[role].splits[part]
    # The test part stands last, as in a single stage.
    splits["test"] = splits.pop("test")
    return splits
