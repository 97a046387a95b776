"""Several visitors of one link at the same instant."""

import pytest

from core_app.models import User
from tests.support.races import at_once, refusals
from tests.support.saved import a_saved_view, share
from viewers_app.models import DataLayer, ShareLink, ViewerSession
from viewers_app.services import sharing


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_visitors_with_one_use_left_one_gets_in(researcher: User, layer: DataLayer) -> None:
    made = share(a_saved_view(researcher, layer), most_uses=1)

    def visit() -> object:
        return sharing.open_link(sharing.find_link(made.token), None, sign_in="")

    found = at_once(visit, visit)

    assert len(refusals(found)) == 1
    assert ShareLink.objects.get().uses == 1
    assert ViewerSession.objects.filter(share=made.link).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_savers_at_once_make_two_versions(researcher: User, layer: DataLayer) -> None:
    from tests.support.saved import add_version

    view = a_saved_view(researcher, layer)

    refusals(at_once(lambda: add_version(view, layer), lambda: add_version(view, layer)))

    assert [version.number for version in view.versions.all()] == [3, 2, 1]
