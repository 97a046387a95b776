"""System checks: what must be right before the site may start."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection, models

from processing_app.shell_lines import trouble_in


@register(Tags.security)
def two_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Viewers run code that needs eval, so they must not share the application's host."""
    if settings.SITE_HOST != settings.VIEWER_HOST:
        return []
    hint = (
        "Give VIEWER_URL another host name than SITE_URL; another port is not enough for cookies."
    )
    return [Error("Application and viewers share one host.", hint=hint, id="lightserv.E001")]


@register(Tags.security, deploy=True)
def https_in_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Both origins are served by TLS in production."""
    plain = [url for url in (settings.SITE_URL, settings.VIEWER_URL) if url.startswith("http://")]
    return [
        Error(f"{url} is not https.", hint="Set SITE_URL and VIEWER_URL.", id="lightserv.E002")
        for url in plain
    ]


@register(Tags.database)
def no_conditional_unique(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """MariaDB ignores conditional unique constraints without a word, so our own models use none."""
    from django.apps import apps

    own = [model for model in apps.get_models() if model.__module__.split(".")[0].endswith("_app")]
    bad = [
        (model, constraint)
        for model in own
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint) and constraint.condition is not None
    ]
    hint = "Use a nullable unique column instead."
    return [
        Error(
            f"{c.name} is a conditional unique constraint.", hint=hint, obj=m, id="lightserv.E003"
        )
        for m, c in bad
    ]


@register(Tags.database)
def database_version(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Native UUID columns and SKIP LOCKED need MariaDB 10.7 or newer."""
    if not databases or connection.vendor != "mysql":
        return []
    version = connection.mysql_version  # type: ignore[attr-defined]  # only the MySQL backend has it
    if version >= (10, 7):
        return []
    return [
        Error(f"MariaDB {version} is too old.", hint="Install 10.7 or newer.", id="lightserv.E004")
    ]


@register()
def data_root_readable(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """The data root exists once the facility has one; a fresh checkout is only told."""
    if settings.DATA_ROOT.is_dir() or settings.DEBUG:
        return []
    hint = f"Create {settings.DATA_ROOT} or set DATA_ROOT to the mounted storage."
    return [Warning("The data root does not exist.", hint=hint, id="lightserv.W001")]


@register()
def queue_times(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A task is presented again after `retry`; that must be later than its own time limit."""
    queue: dict[str, Any] = settings.Q_CLUSTER
    if queue["retry"] > queue["timeout"]:
        return []
    return [Error("Q_CLUSTER retry must be above timeout.", id="lightserv.E005")]


@register()
def working_hours(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Steps are planned between two full hours of one day."""
    if settings.WORKDAY_START < settings.WORKDAY_END <= 24:
        return []
    hint = "Set WORKDAY_START to an earlier hour than WORKDAY_END, which is 24 at most."
    return [Error("The working day ends before it begins.", hint=hint, id="lightserv.E006")]


@register()
def readable_prelude(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Lines that no shell can read would let every job fail; the cluster's shell is not asked."""
    trouble = trouble_in(settings.CLUSTER_PRELUDE)
    if not trouble:
        return []
    hint = "Correct the lines; `sh -n` reads them without carrying them out."
    message = f"CLUSTER_PRELUDE cannot be read by a shell: {trouble}"
    return [Warning(message, hint=hint, id="lightserv.W002")]
