"""Animals of the colony in the staff console: kept by hand or imported as a table."""

import csv
import io
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from core_app.http import person
from requests_app.admin.asking import AskingAdmin
from requests_app.admin.correcting import CorrectingAdmin, seen_by
from requests_app.admin.outcomes import for_each
from requests_app.models import Subject
from requests_app.services import subjects
from requests_app.services.subjects import COLUMNS, RowResult

MOST_BYTES = 500_000
MOST_ROWS = 2000
__all__ = ["SubjectAdmin"]


class TableForm(forms.Form):
    """A table of animals: a file at first, then the text that was read from it."""

    file = forms.FileField(
        required=False, label="CSV file", widget=UnfoldAdminFileFieldWidget(),
        help_text="First row: name, and of lab, species, line, sex, born what you have. "
        "Comma, semicolon or tab between cells.",
    )  # fmt: skip
    text = forms.CharField(required=False, strip=False, widget=forms.HiddenInput())

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        text = _text_of(given.get("file")) if given.get("file") else str(given.get("text") or "")
        if not text.strip():
            raise forms.ValidationError("Choose a file with at least one animal.")
        given["text"], given["rows"] = text, rows_of(text)
        return given


def _text_of(file: Any) -> str:
    if file.size > MOST_BYTES:
        raise forms.ValidationError("The file is too large; at most 500 kB. Split it.")
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as wrong:
        raise forms.ValidationError(
            "The file is not UTF-8 text. Save it as “CSV UTF-8” and choose it again."
        ) from wrong


def rows_of(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return (line, cells by column) of a table; raises ValidationError if it is none."""
    if len(text) > MOST_BYTES or "\0" in text:
        raise forms.ValidationError("This is no table of animals, or it is too large.")
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter_of(text), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as wrong:
        raise forms.ValidationError(f"Line {reader.line_num} cannot be read: {wrong}.") from wrong
    header = [cell.strip().casefold() for cell in lines[0][1]]
    _require_header(header)
    rows = [
        (number, dict(zip(header, cells, strict=False)))
        for number, cells in lines[1:]
        if any(cell.strip() for cell in cells)
    ]
    if not rows or len(rows) > MOST_ROWS:
        raise forms.ValidationError(f"The table has {len(rows)} animals; give 1 to {MOST_ROWS}.")
    return rows


def _delimiter_of(text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=first.count)


def _require_header(header: list[str]) -> None:
    strange = [cell for cell in header if cell not in COLUMNS]
    if "name" not in header or strange or len(set(header)) != len(header):
        raise forms.ValidationError(
            f"The first row must name the columns: {', '.join(COLUMNS)}, each at most once. "
            + (f"Unknown: {', '.join(strange)}." if strange else "")
        )


@admin.register(Subject)
class SubjectAdmin(CorrectingAdmin, AskingAdmin):
    """Animals. One that samples name stays; it is no longer offered instead."""

    list_display = (
        "name", "lab", "species", "line", "sex", "born_on", "sample_count", "is_offered"
    )  # fmt: skip
    list_filter = ("is_offered", "lab", "species", "sex")
    list_select_related = ("lab", "species")
    search_fields = ("name", "line", "lab__name")
    autocomplete_fields = ("lab",)
    fields = ("name", "lab", "species", "line", "sex", "born_on", "is_offered")
    actions: ClassVar = ["offer", "do_not_offer"]
    actions_list = ("import_table",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subject]:
        rows: QuerySet[Subject] = super().get_queryset(request)
        return rows.annotate(_samples=Count("samples"))

    @admin.display(description="samples", ordering="_samples")
    def sample_count(self, obj: Any) -> int:
        return int(obj._samples)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("requests_app.add_subject"))

    def has_delete_permission(self, request: HttpRequest, obj: Subject | None = None) -> bool:
        """Only an animal that no sample names; in lists there is no deleting at all."""
        may = request.user.has_perm("requests_app.delete_subject")
        return bool(may and obj is not None and not obj.samples.exists())

    def get_readonly_fields(self, request: HttpRequest, obj: Subject | None = None) -> Any:
        return ("name",) if obj and obj.samples.exists() else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Subject,
        form: Any,
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        said = "; ".join(
            f"{name}: {form.initial.get(name) or 'nothing'} → {getattr(obj, name) or 'nothing'}"
            for name in form.changed_data
        )
        fields = form.changed_data if change else None
        subjects.write(obj, by=person(request), said=said, fields=fields, seen=seen_by(request))

    def delete_model(self, request: HttpRequest, obj: Subject) -> None:
        subjects.delete_unused(obj, by=person(request))

    @admin.action(description="Offer in new requests", permissions=["change"])
    def offer(self, request: HttpRequest, queryset: QuerySet[Subject]) -> None:
        by = person(request)
        for_each(
            request, queryset, lambda s: subjects.set_offered(s, offered=True, by=by), "offered"
        )

    @admin.action(description="Do not offer any more", permissions=["change"])
    def do_not_offer(self, request: HttpRequest, queryset: QuerySet[Subject]) -> None:
        by = person(request)
        for_each(
            request,
            queryset,
            lambda s: subjects.set_offered(s, offered=False, by=by),
            "not offered now",
        )

    @action(description="Import CSV", permissions=["add"], url_path="import")  # type: ignore[untyped-decorator]  # unfold has no type hints
    def import_table(self, request: HttpRequest) -> HttpResponse:
        """Show what a table would do; do it when that was looked at."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._import_page(request, TableForm(), [])
        form = TableForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._import_page(request, form, [])
        is_confirmed = "confirmed" in request.POST
        rows = form.cleaned_data["rows"]
        results = subjects.import_rows(rows, by=person(request), dry_run=not is_confirmed)
        if is_confirmed:
            messages.success(request, f"Imported: {summary_of(results)}.")
            form = TableForm()
        return self._import_page(request, form, results, confirmed=is_confirmed)

    def _import_page(
        self,
        request: HttpRequest,
        form: TableForm,
        results: list[RowResult],
        *,
        confirmed: bool = False,
    ) -> HttpResponse:
        headers = ["Line", "Name", "Outcome", "What"]
        cells = [[r.line, r.name or "–", r.outcome, r.said or "–"] for r in results]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": "Import animals",
            "form": form,
            "results": results,
            "table": {"headers": headers, "rows": cells},
            "summary": summary_of(results),
            "text": "" if confirmed or not results else form.cleaned_data["text"],
            "useful": sum(r.outcome in {"new", "changed"} for r in results),
            "confirmed": confirmed,
            "list_address": reverse("admin:requests_app_subject_changelist"),
        }
        return TemplateResponse(request, "admin/import_subjects.html", context)


def summary_of(results: list[RowResult]) -> str:
    """Return `3 new, 1 changed, 2 refused`."""
    words = ("new", "changed", "unchanged", "refused")
    counts = {word: sum(r.outcome == word for r in results) for word in words}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)
