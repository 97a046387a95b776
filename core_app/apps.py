"""The shared kernel: people, history, transitions, roles."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "core_app"
    verbose_name = "People and history"

    def ready(self) -> None:
        from core_app.grants import grant_role_permissions

        # Permissions exist only after migrate made them; this is set-up, not flow.
        post_migrate.connect(grant_role_permissions, dispatch_uid="core_app.grants")
