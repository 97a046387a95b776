"""What a plan may not ask of days: too early, over, too far ahead, closed or full. Pure."""

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the plans are checked with this module
    from collections.abc import Sequence

    from requests_app.plans import Problems, Rules, SamplePlan

EARLIEST_DAY = date(2000, 1, 1)
FARTHEST = timedelta(days=5 * 366)


def check_dates(sample: "SamplePlan", at: str, rules: "Rules", found: "Problems") -> None:
    """Note which dates of a sample cannot be."""
    perfused, handed_in = sample.perfusion_date, sample.expected_handoff_date
    if perfused and perfused < EARLIEST_DAY:
        _add(found, f"{at}.perfusion_date", "This date lies too far back; check the year.")
    if perfused and handed_in and perfused > handed_in:
        _add(
            found,
            f"{at}.perfusion_date",
            "The perfusion lies after the hand-off; correct one of the dates.",
        )
    if handed_in and handed_in > rules.today + FARTHEST:
        _add(found, f"{at}.expected_handoff_date", "This day lies too far ahead; check the year.")
    if handed_in and handed_in < rules.today:
        _add(
            found,
            f"{at}.expected_handoff_date",
            "This day is over; give the day on which you will hand the sample in.",
        )


def check_capacity(samples: "Sequence[SamplePlan]", rules: "Rules", found: "Problems") -> None:
    """Mark the samples of a day that are more than it takes, in the order of the form."""
    taken: Counter[date] = Counter()
    for index, sample in enumerate(samples):
        day = sample.expected_handoff_date
        left = rules.handoff_left.get(day) if day else None
        if day is None or left is None or day < rules.today:
            continue
        taken[day] += 1
        if taken[day] > left:
            _add(found, f"samples.{index}.expected_handoff_date", _full_or_closed(day, left, rules))


def _full_or_closed(day: date, left: int, rules: "Rules") -> str:
    note = rules.handoff_notes.get(day, "")
    why = f" ({note})" if note else ""
    state = "closed" if day in rules.closed_days else "full"
    takes = f"{day} takes {left} more" if left else f"{day} is {state}{why}"
    days = ", ".join(str(other) for other in rules.next_open_days[:3] if other != day)
    return f"{takes}; choose another day, such as {days}." if days else f"{takes}; choose another."


def _add(found: "Problems", address: str, message: str) -> None:
    found.setdefault(address, []).append(message)
