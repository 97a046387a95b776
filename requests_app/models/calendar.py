"""When samples may be handed in: a capacity per weekday, and days that differ."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class HandoffWeekday(models.Model):
    """How many samples the facility takes on such a day of the week."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    weekday = models.PositiveSmallIntegerField(choices=Weekday, unique=True)
    capacity = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Samples per day; 0 = closed, empty = no limit."
    )

    class Meta:
        ordering: ClassVar = ["weekday"]
        verbose_name = "hand-off weekday"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(weekday__lte=6), name="handoff_weekday_known"),
        ]

    def __str__(self) -> str:
        return self.get_weekday_display()


class HandoffDay(models.Model):
    """One date that differs from its weekday: a holiday, a day with more or fewer hands."""

    day = models.DateField(unique=True)
    capacity = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Samples on this day; 0 = closed, empty = no limit."
    )
    note = models.CharField(max_length=100, blank=True, help_text="Shown to researchers.")

    class Meta:
        ordering: ClassVar = ["day"]
        verbose_name = "hand-off day"

    def __str__(self) -> str:
        return f"{self.day}"
