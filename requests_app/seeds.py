"""Write the seed species and protocols; repeatable. A migration calls it with its old models."""

from typing import Any

from requests_app import protocols


def seed(species_model: Any, protocol_model: Any, step_model: Any) -> None:
    """Add what is missing; rows that staff changed since are left alone."""
    species = {
        name: species_model.objects.get_or_create(
            name=name,
            defaults={"label": label, "position": i, "only_generic_imaging": name != "mouse"},
        )[0]
        for i, (name, label) in enumerate(protocols.SPECIES)
    }
    for position, seeded in enumerate(protocols.SEED_PROTOCOLS):
        _add_protocol(seeded, position, species, protocol_model, step_model)


def _add_protocol(
    seeded: protocols.SeedProtocol,
    position: int,
    species: dict[str, Any],
    model: Any,
    step_model: Any,
) -> None:
    row, is_new = model.objects.get_or_create(
        name=seeded.name,
        version=1,
        defaults={
            "title": seeded.title,
            "position": position,
            "needs_antibody": seeded.needs_antibody,
            "needs_link": seeded.needs_link,
        },
    )
    if is_new:
        row.species.set([species[name] for name in seeded.species])
        step_model.objects.bulk_create(_steps(seeded, row, step_model))


def _steps(seeded: protocols.SeedProtocol, row: Any, step_model: Any) -> list[Any]:
    first_of_phase = {step.phase: i for i, step in reversed(list(enumerate(seeded.steps)))}
    return [
        step_model(
            protocol=row,
            position=i + 1,
            phase=step.phase,
            phase_title=protocols.PHASE_TITLES[step.phase],
            slug=step.slug,
            label=step.label,
            note_max=step.note_max,
            usual_minutes=step.minutes,
            asks_lot=step.slug in protocols.LOT_STEPS,
            plans_date=step.phase in seeded.dated_phases and first_of_phase[step.phase] == i,
        )
        for i, step in enumerate(seeded.steps)
    ]
