"""What the sections of imaging in the staff console share."""

from django.http import HttpRequest


class LookOnly:
    """Written by the services alone: nothing is added, changed or deleted by hand."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class NeverDeleted:
    """Requests name it, so it is switched off rather than deleted."""

    can_delete = False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
