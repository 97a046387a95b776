"""Hand on what steps found out, each report once."""

from django.utils import timezone

from processing_app.models import StepReport


def take(report: StepReport) -> bool:
    """Claim a report for the caller's transaction; False if somebody else has taken it in."""
    rows = StepReport.objects.filter(pk=report.pk, taken_in_at=None)
    return rows.update(taken_in_at=timezone.now()) == 1
