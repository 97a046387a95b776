"""Which model permissions each staff role gets through its group."""

from typing import Any

from django.apps import AppConfig

from core_app.roles import Role

VIEW = ("view",)
WORK = ("view", "change")
KEEP = ("view", "add", "change")

_EVERYTHING_READABLE = {
    "requests_app": ["request", "sample", "clearingbatch", "clearingsteplog", "clearingprotocol",
                     "species", "antibodytrial"],
    "imaging_app": ["imagingrequest", "imagingbatch", "imagingresolution", "imagingchannel",
                    "rawdelivery", "deliverywaiver", "microscope", "objective", "wavelength",
                    "component", "componentinstallation", "maintenanceentry", "objectiveswap",
                    "calibration", "outage"],
    "processing_app": ["processingrequest", "processingresolution", "channelcorrection",
                       "qualitysheet", "run", "step", "attempt", "product", "artifact", "atlas"],
    "viewers_app": ["datalayer"],
    "core_app": ["event", "lab"],
}  # fmt: skip

_INSTRUMENTS = {
    f"imaging_app.{model}": KEEP
    for model in (
        "microscope", "objective", "wavelength", "component", "componentinstallation",
        "maintenanceentry", "objectiveswap", "calibration", "outage",
    )
}  # fmt: skip

# What goes with a cluster or a pipeline is deleted on its page.
_CLUSTERS = {
    "processing_app.cluster": (*KEEP, "delete"),
    "processing_app.profile": (*KEEP, "delete"),
    "processing_app.stepresources": (*KEEP, "delete"),
    "processing_app.deployment": VIEW,
    "processing_app.sitepipeline": KEEP,
    "processing_app.sitestep": (*KEEP, "delete"),
}

_OF_ROLE: dict[Role, dict[str, tuple[str, ...]]] = {
    Role.CLEARER: {
        "requests_app.clearingbatch": WORK,
        "requests_app.clearingprotocol": KEEP,
        "requests_app.protocolstep": (*KEEP, "delete"),
        "requests_app.sample": WORK,
        "requests_app.subject": (*KEEP, "delete"),
        "requests_app.handoffweekday": WORK,
        "requests_app.handoffday": (*KEEP, "delete"),
        "requests_app.antibodytrial": WORK,
    },
    Role.IMAGER: {
        "imaging_app.booking": WORK,
        "imaging_app.imagingbatch": WORK,
        "imaging_app.imagingrequest": WORK,
        **_INSTRUMENTS,
    },
    Role.PROCESSOR: {
        **dict.fromkeys(_CLUSTERS, VIEW),
        "processing_app.run": WORK,
        "processing_app.processingrequest": WORK,
        "processing_app.atlas": KEEP,
    },
    Role.MANAGER: {
        "requests_app.request": WORK,
        "requests_app.clearingbatch": WORK,
        "requests_app.sample": WORK,
        "requests_app.subject": (*KEEP, "delete"),
        "requests_app.handoffweekday": WORK,
        "requests_app.handoffday": (*KEEP, "delete"),
        "requests_app.antibodytrial": WORK,
        "imaging_app.booking": WORK,
        "imaging_app.imagingbatch": WORK,
        **_INSTRUMENTS,
        "imaging_app.imagingrequest": WORK,
        "processing_app.run": WORK,
        "viewers_app.sharelink": WORK,
        "core_app.mail": VIEW,
        "core_app.user": KEEP,
        "core_app.lab": KEEP,
        "core_app.labmembership": (*KEEP, "delete"),
    },
    Role.OPERATOR: {
        "core_app.mail": VIEW,
        "processing_app.run": VIEW,
        **_CLUSTERS,
        "viewers_app.viewersession": WORK,
        "viewers_app.layeraccess": VIEW,
        "viewers_app.sharelink": WORK,
    },
}


def wanted_codenames(role: Role, app: str) -> set[str]:
    """Return the permission codenames of `role` in one app, such as `change_clearingbatch`."""
    names = {f"view_{model}" for model in _EVERYTHING_READABLE.get(app, [])}
    for label, verbs in _OF_ROLE[role].items():
        if label.split(".")[0] == app:
            names |= {f"{verb}_{label.split('.')[1]}" for verb in verbs}
    return names


def grant_role_permissions(sender: AppConfig, **kwargs: Any) -> None:
    """Make the groups and give them their permissions in the app that was just migrated."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    if not sender.label.endswith("_app"):
        return
    create_permissions(sender, verbosity=0)
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role.value)
        wanted = Permission.objects.filter(
            content_type__app_label=sender.label, codename__in=wanted_codenames(role, sender.label)
        )
        group.permissions.add(*wanted)
