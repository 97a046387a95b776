"""The logging configuration: one line per event on standard error."""


def logging_of(*, debug: bool) -> dict[str, object]:
    """Return the dictionary for Django's LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            name: {"level": "INFO"}
            for name in ("core_app", "requests_app", "imaging_app", "processing_app", "viewers_app")
        }
        # The queue logs each enqueued task at INFO, in the web process as well.
        | {"django-q": {"level": "WARNING", "handlers": ["stderr"], "propagate": False}}
        | ({} if debug else {"django.security": {"level": "INFO"}}),
    }
