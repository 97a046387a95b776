"""What of a plan may be meant but looks odd, or may take longer; nothing of it is refused."""

from collections.abc import Sequence

from requests_app.plans import RequestPlan, ResolutionPlan, Rules


def warnings_of(plan: RequestPlan, rules: Rules) -> list[str]:
    """Return what may be meant but looks odd; nothing of it stops a submission."""
    blind = [
        sample.name
        for sample in plan.samples
        if any(not r.atlas and _is_registered(r) for r in sample.resolutions)
    ]
    found = (
        [f"{_named(blind)} is registered without an atlas; choose one in the imaging dialog."]
        if blind and rules.atlases
        else []
    )
    odd = [
        sample.name
        for sample in plan.samples
        if (sample.antibody1.strip() or sample.antibody2.strip())
        and sample.protocol not in rules.protocols_needing_antibody
    ]
    if odd:
        found.append(
            f"Antibodies are named for {_named(odd)}, but the protocol does not stain. "
            "Choose a staining protocol, or leave the antibodies out."
        )
    return [*found, *_instrument_warnings(plan, rules)]


def _instrument_warnings(plan: RequestPlan, rules: Rules) -> list[str]:
    """Say what is the matter with microscopes, each once with the objectives it concerns."""
    wanted = {r.objective: None for sample in plan.samples for r in sample.resolutions}
    concerned: dict[str, list[str]] = {}
    for objective in wanted:
        if text := rules.objectives_limited.get(objective, ""):
            concerned.setdefault(text, []).append(objective)
    return [
        f"{text} ({', '.join(objectives)}). You can order it; imaging may take longer."
        for text, objectives in concerned.items()
    ]


def _is_registered(wanted: ResolutionPlan) -> bool:
    return any("registration" in channel.purposes for channel in wanted.channels)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
