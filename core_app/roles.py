"""Who may do what to a request and to what hangs on it: the rights table as predicates."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from django.contrib.auth.models import AnonymousUser

from core_app.models.people import LabMembership, User


class Role(StrEnum):
    """Staff roles; each is a Django group of the same name."""

    CLEARER = "clearer"
    IMAGER = "imager"
    PROCESSOR = "processor"
    MANAGER = "manager"
    OPERATOR = "operator"


class Action(StrEnum):
    """What a person can want to do to a request, a batch of it, or its volumes."""

    READ = "read"
    EDIT_DRAFT = "edit draft"
    WITHDRAW = "withdraw"
    CLEAR = "clear"
    IMAGE = "image"
    IMAGE_AGAIN = "image again"
    PROCESS = "process"
    START_PROCESSING = "start processing"
    SEE_VOLUMES = "see volumes"
    SHARE = "share"


class RequestLike(Protocol):
    """What the predicates need to know of a request."""

    owner_id: int
    requested_by_id: int
    auditor_id: int | None
    lab_id: int | None
    self_clearing: bool
    self_imaging: bool

    @property
    def is_draft(self) -> bool: ...


READS = frozenset({Action.READ, Action.SEE_VOLUMES})
OF_OWNER = READS | {
    Action.EDIT_DRAFT, Action.WITHDRAW, Action.SHARE, Action.START_PROCESSING, Action.IMAGE_AGAIN
}  # fmt: skip
OF_PI = READS | {Action.WITHDRAW, Action.SHARE}
OF_ROLE: dict[Role, frozenset[Action]] = {
    Role.CLEARER: READS | {Action.CLEAR},
    Role.IMAGER: READS | {Action.IMAGE, Action.IMAGE_AGAIN},
    Role.PROCESSOR: READS | {Action.PROCESS, Action.START_PROCESSING},
    Role.MANAGER: frozenset(Action),
    Role.OPERATOR: READS,
}


def roles_of(user: User | AnonymousUser) -> frozenset[Role]:
    """Return the staff roles of this person. Superusers have them all; deactivated people none."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Role)
    if not hasattr(user, "_roles"):
        names = user.groups.filter(name__in=list(Role)).values_list("name", flat=True)
        user._roles = frozenset(Role(name) for name in names)  # type: ignore[attr-defined]  # per-object cache
    return user._roles  # type: ignore[attr-defined, no-any-return]  # set two lines above


def know_roles(people: Iterable[User]) -> None:
    """Read the roles of all these people at once; `roles_of` then asks nothing for them."""
    asked = {person.pk: person for person in people}
    found: dict[int, set[Role]] = {pk: set() for pk in asked}
    rows = User.groups.through.objects.filter(user__in=asked, group__name__in=list(Role))
    for pk, name in rows.values_list("user_id", "group__name"):
        found[pk].add(Role(name))
    for pk, person in asked.items():
        person._roles = frozenset(found[pk])  # type: ignore[attr-defined]  # as roles_of keeps them


def has_role(user: User | AnonymousUser, *wanted: Role) -> bool:
    """Return True if the person has one of these roles."""
    return bool(roles_of(user) & set(wanted))


def labs_led_by(user: User) -> frozenset[int]:
    """Return the ids of the labs whose PI this person is."""
    return _labs(user, [LabMembership.Role.PI])


def sharing_labs_of(user: User) -> frozenset[int]:
    """Return the ids of the person's labs that let members read each other's requests."""
    rows = user.memberships.filter(lab__shares_with_members=True)
    return frozenset(rows.values_list("lab_id", flat=True))


def _labs(user: User, roles: Iterable[str]) -> frozenset[int]:
    return frozenset(user.memberships.filter(role__in=list(roles)).values_list("lab_id", flat=True))


def actions_on(user: User | AnonymousUser, request: RequestLike) -> frozenset[Action]:
    """Return everything this person may do to this request, states aside."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    allowed: set[Action] = set()
    for role in roles_of(user):
        allowed |= OF_ROLE[role]
    if request.is_draft and Role.MANAGER not in roles_of(user):
        allowed.clear()  # a draft is the business of who writes it
    if user.pk in {request.owner_id, request.requested_by_id}:
        allowed |= _of_owner(user, request)
    elif not request.is_draft:
        allowed |= _of_others(user, request)
    return frozenset(allowed)


def can(user: User | AnonymousUser, action: Action, request: RequestLike) -> bool:
    """Return True if the person may do this to the request, states aside."""
    return action in actions_on(user, request)


def _of_owner(user: User, request: RequestLike) -> frozenset[Action]:
    own = set(OF_OWNER)
    if user.pk == request.owner_id and request.self_clearing:
        own.add(Action.CLEAR)
    if user.pk == request.owner_id and request.self_imaging:
        own.add(Action.IMAGE)
    return frozenset(own)


def _of_others(user: User, request: RequestLike) -> frozenset[Action]:
    base = READS if user.pk == request.auditor_id else frozenset()
    if request.lab_id is None:
        return base
    if request.lab_id in labs_led_by(user):
        return base | OF_PI
    if request.lab_id in sharing_labs_of(user):
        return base | READS
    return base
