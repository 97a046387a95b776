"""Bookings in the staff console: who has which microscope when, and cancelling with a reason."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from core_app.admin import HistoryMixin
from core_app.http import person
from imaging_app.models import Booking
from imaging_app.selectors.bookings import slot_of, words_of
from imaging_app.services import bookings
from requests_app.admin.asking import AskingAdmin, Question, answers_of, chosen
from requests_app.admin.outcomes import for_each

MOST_REASON = 200


class CancelForm(forms.Form):
    """Why the time is given back."""

    reason = forms.CharField(
        label="Reason",
        max_length=MOST_REASON,
        help_text="Each person reads it on the page of the booking.",
        widget=UnfoldAdminTextInputWidget,
    )


class StandsFilter(admin.SimpleListFilter):
    """Coming, over, cancelled."""

    title = "state"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("coming", "Coming"), ("over", "Over"), ("cancelled", "Cancelled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        now, stands = timezone.now(), queryset.filter(cancelled_at=None)
        found = {
            "coming": stands.filter(ends_at__gt=now),
            "over": stands.filter(ends_at__lte=now),
            "cancelled": queryset.exclude(cancelled_at=None),
        }
        return found.get(self.value() or "", queryset)


@admin.register(Booking)
class BookingAdmin(HistoryMixin, AskingAdmin):
    """The slots of all microscopes. They are made and moved in the calendar, which checks them."""

    list_display = ("when", "microscope", "person", "purpose", "batch", "state", "booked_by")
    list_filter = (StandsFilter, "microscope", "starts_at")
    list_select_related = (
        "microscope", "person", "booked_by", "batch__clearing_batch__request__owner",
    )  # fmt: skip
    search_fields = (
        "purpose", "person__username", "person__first_name", "person__last_name",
        "microscope__name", "microscope__label", "batch__clearing_batch__request__name",
    )  # fmt: skip
    ordering = ("-starts_at", "-id")
    fields = (
        "microscope", "when", "person", "purpose", "batch", "booked_by", "created_at",
        "cancelled_at", "revision",
    )  # fmt: skip
    readonly_fields = fields
    actions: ClassVar = ["cancel_bookings"]

    @admin.display(description="when", ordering="starts_at")
    def when(self, booking: Booking) -> str:
        return words_of(slot_of(booking))

    @admin.display(description="state")
    def state(self, booking: Booking) -> str:
        if booking.cancelled_at:
            return "cancelled"
        return "over" if booking.ends_at <= timezone.now() else "stands"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Booking | None = None) -> bool:
        return False

    @admin.action(description="Cancel with a reason", permissions=["change"])
    def cancel_bookings(
        self, request: HttpRequest, queryset: QuerySet[Booking]
    ) -> HttpResponse | None:
        found = chosen(queryset, "microscope", "person")
        form = CancelForm(answers_of(request))
        question = Question("Cancel these bookings", "Cancel the bookings", form)
        page = self.ask(request, found, question)
        if page:
            return page
        reason = form.cleaned_data["reason"]
        for_each(
            request,
            found,
            lambda b: bookings.cancel(b, seen=b.revision, by=person(request), reason=reason),
            "cancelled",
        )
        return None
