"""The rights table of the staff console: every model, and who may do what to its rows there.

v: look at it, a: add one, c: change one, d: delete one. `EVERY_ROLE` is what each role may do;
the roles named after it may do more. Nobody outside the staff comes in at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.world import Person as P

ROLES = (P.CLEARER, P.IMAGER, P.PROCESSOR, P.MANAGER, P.OPERATOR, P.SUPERUSER)


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what to the rows of one model, and which actions of the list they have."""

    every_role: str
    more: Mapping[P, str] = field(default_factory=dict)
    actions: Mapping[str, frozenset[P]] = field(default_factory=dict)

    def of(self, person: P) -> str:
        return self.more.get(person, self.every_role) if person in ROLES else ""

    def actions_of(self, person: P) -> set[str]:
        return {name for name, roles in self.actions.items() if person in roles}


def _rights(every_role: str, *more: tuple[set[P], str], **actions: set[P]) -> Rights:
    named = {person: letters for group, letters in more for person in group}
    return Rights(every_role, named, {name: frozenset(group) for name, group in actions.items()})


S = {P.SUPERUSER}
STAFF = set(ROLES)
MANAGING = S | {P.MANAGER}
CLEARING = S | {P.CLEARER, P.MANAGER}
IMAGING = S | {P.IMAGER, P.MANAGER}
PROCESSING = S | {P.PROCESSOR, P.MANAGER}
OPERATING = S | {P.OPERATOR}
MAILS = S | {P.MANAGER, P.OPERATOR}

# fmt: off
CONSOLE: Mapping[str, Rights] = {
    "requests_app.request":          _rights("v", (MANAGING, "vc"), withdraw=MANAGING,
                                             make_lab=MANAGING, export_requests=STAFF),
    "requests_app.sample":           _rights("v", (CLEARING, "vc"), receive=CLEARING,
                                             print_labels=set(ROLES)),
    "requests_app.subject":          _rights("", (CLEARING, "vacd"), offer=CLEARING,
                                             do_not_offer=CLEARING),
    "requests_app.species":          _rights("v", (S, "vac")),
    "requests_app.clearingprotocol": _rights("v", (S | {P.CLEARER}, "vac"),
                                             copy_versions=S | {P.CLEARER},
                                             offer_versions=S | {P.CLEARER},
                                             withdraw_offers=S | {P.CLEARER}),
    "requests_app.antibodytrial":    _rights("v", (CLEARING, "vc"), recommend=CLEARING,
                                             do_not_recommend=CLEARING, rate_good=CLEARING,
                                             rate_partly=CLEARING, rate_none=CLEARING),
    "requests_app.clearingbatch":    _rights("v", (CLEARING, "vc"), start_batches=CLEARING,
                                             assign_to_me=CLEARING, assign_to=CLEARING,
                                             complete_batches=CLEARING, put_back_batches=CLEARING,
                                             reopen_batches=CLEARING),
    "requests_app.handoffweekday":   _rights("", (CLEARING, "vc")),
    "requests_app.handoffday":       _rights("", (CLEARING, "vacd"), delete_selected=CLEARING),
    "imaging_app.microscope":        _rights("v", (IMAGING, "vac"), set_status=IMAGING),
    "imaging_app.objective":         _rights("v", (IMAGING, "vac")),
    "imaging_app.component":         _rights("v", (IMAGING, "vac"), retire_components=IMAGING),
    "imaging_app.componentinstallation": _rights("v", (IMAGING, "vac"), remove_today=IMAGING),
    "imaging_app.maintenanceentry":  _rights("v", (IMAGING, "vac")),
    "imaging_app.objectiveswap":     _rights("v", (IMAGING, "vac")),
    "imaging_app.calibration":       _rights("v", (IMAGING, "vac")),
    "imaging_app.outage":            _rights("v", (IMAGING, "vac"), end_outages=IMAGING),
    "imaging_app.booking":          _rights("", (IMAGING, "vc"), cancel_bookings=IMAGING),
    "imaging_app.imagingbatch":      _rights("v", (IMAGING, "vc"), start_batches=IMAGING,
                                             assign_to_me=IMAGING, assign_to=IMAGING,
                                             release_batches=IMAGING),
    "imaging_app.imagingrequest":    _rights("v", (IMAGING, "vc"), make_raw_folders=IMAGING,
                                             skip_samples=IMAGING, reopen_samples=IMAGING),
    "imaging_app.imagingresolution": _rights("v"),
    "imaging_app.imagingchannel":    _rights("v"),
    "imaging_app.deliverywaiver":    _rights("v"),
    "imaging_app.rawdelivery":       _rights("v"),
    "processing_app.run":            _rights("v", (PROCESSING, "vc"), cancel_runs=PROCESSING,
                                             retry_runs=PROCESSING),
    "processing_app.attempt":        _rights("v", (S, "vc")),
    "processing_app.product":        _rights("v", (S, "vc")),
    "processing_app.processingrequest": _rights("v", (S | {P.PROCESSOR}, "vc")),
    "processing_app.channelcorrection": _rights("v", (S, "vc")),
    "processing_app.qualitysheet":   _rights("v", (S, "vc")),
    "processing_app.artifact":       _rights("v", (S, "vc")),
    "processing_app.atlas":          _rights("v", (S | {P.PROCESSOR}, "vac")),
    "processing_app.cluster":        _rights("", ({P.PROCESSOR}, "v"), (OPERATING, "vac"),
                                             freeze=OPERATING, unfreeze=OPERATING,
                                             resume=OPERATING),
    "processing_app.sitepipeline":   _rights("", ({P.PROCESSOR}, "v"), (OPERATING, "vac")),
    "viewers_app.datalayer":         _rights("v"),
    "viewers_app.viewersession":     _rights("", (OPERATING, "vc"), stop=OPERATING,
                                             extend=OPERATING),
    "viewers_app.layeraccess":       _rights("", (OPERATING, "v")),
    "viewers_app.sharelink":         _rights("", (S | {P.OPERATOR, P.MANAGER}, "vc"),
                                             revoke=S | {P.OPERATOR, P.MANAGER}),
    "core_app.user":                 _rights("", ({P.MANAGER}, "vac"), (S, "vacd"),
                                             delete_selected=S),
    "core_app.lab":                  _rights("v", ({P.MANAGER}, "vac"), (S, "vacd"),
                                             delete_selected=S, merge=MANAGING),
    "core_app.event":                _rights("v"),
    "core_app.mail":                 _rights("", (MAILS, "v"), send_again=MAILS, give_up=MAILS),
}
# fmt: on

# Models of libraries: superusers alone, and what they may do there is the library's affair.
OF_LIBRARIES = {
    "account.emailaddress",
    "auth.group",
    "django_q.failure",
    "django_q.ormq",
    "django_q.schedule",
    "django_q.success",
    "mfa.authenticator",
    "usersessions.usersession",
}
# Rows of these hang on no history, so a superuser may delete one that nothing names.
WITHOUT_HISTORY = {"requests_app.subject", "requests_app.handoffday"}
