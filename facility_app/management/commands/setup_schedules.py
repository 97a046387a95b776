"""Write every schedule of the site; the only place that makes one."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django_q.models import Schedule

from facility_app.reminders import DAILY

SCHEDULES = {
    "drive runs": ("processing_app.tasks.drive_runs", 1),
    "close finished requests": ("requests_app.tasks.close_finished", 10),
    "publish layers": ("viewers_app.tasks.publish_layers", 5),
    "count data access": ("viewers_app.tasks.count_accesses", 1),
    "expire viewer sessions": ("viewers_app.tasks.expire_sessions", 5),
    "tend views": ("viewers_app.tasks.tend_views", 1),
    "send mails": ("core_app.tasks.send_mails", 1),
    "tidy job folders": ("processing_app.tasks.tidy_job_folders", DAILY),
    "send reminders": ("facility_app.tasks.send_reminders", DAILY),
}


class Command(BaseCommand):
    """Upsert the schedules by name and remove unknown ones."""

    help = "Write every schedule of the site: name, task, minutes. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            unknown = Schedule.objects.exclude(name__in=SCHEDULES)
            removed = unknown.count()
            unknown.delete()
            for name, (task, minutes) in SCHEDULES.items():
                values = {
                    "func": task,
                    "schedule_type": Schedule.MINUTES,
                    "minutes": minutes,
                    "repeats": -1,
                }
                Schedule.objects.update_or_create(name=name, defaults=values)
        self.stdout.write(f"{len(SCHEDULES)} schedules in place, {removed} unknown ones removed.")
