"""Pages of the application origin: what is listed, chosen, opened, and for whom."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from core_app.models import User
from imaging_app.models import ImagingRequest
from imaging_app.services.channels import Acquisition, set_channels
from processing_app.models import ProcessingRequest, Product
from tests.app.viewers_app.conftest import a_product, channels_of, fetched, imaged, site_client
from viewers_app import chooser
from viewers_app.models import DataLayer, ViewerSession
from viewers_app.services import layers, sessions


@pytest.fixture
def site(researcher: User) -> Client:
    return site_client(researcher)


def pages_of(layer: DataLayer) -> list[str]:
    return [
        f"/viewers/samples/{layer.sample.pk}/",
        f"/viewers/layers/{layer.uuid}/",
        f"/viewers/thumbnails/{layer.uuid}.png",
    ]


def test_every_page_sends_anonymous_people_to_sign_in(layer: DataLayer) -> None:
    answers = [site_client().get(page) for page in ["/viewers/", *pages_of(layer)]]

    assert {answer.status_code for answer in answers} == {302}
    assert all(answer["Location"].startswith("/accounts/login/") for answer in answers)


def test_nobody_anonymous_opens_a_view(layer: DataLayer) -> None:
    answer = site_client().post("/viewers/open/", {"layer": [str(layer.uuid)]})

    assert answer["Location"].startswith("/accounts/login/")
    assert not ViewerSession.objects.exists()


def test_pages_of_a_volume_do_not_exist_for_a_stranger(layer: DataLayer, stranger: User) -> None:
    statuses = {site_client(stranger).get(page).status_code for page in pages_of(layer)}

    assert statuses == {404}


def test_a_stranger_cannot_open_the_volume(layer: DataLayer, stranger: User) -> None:
    answer = site_client(stranger).post("/viewers/open/", {"layer": [str(layer.uuid)]})

    assert answer.status_code == 404
    assert not ViewerSession.objects.exists()


def test_the_list_shows_own_samples_and_no_foreign_ones(
    site: Client, layer: DataLayer, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    foreign = layer_of(stranger)

    html = site.get("/viewers/").content.decode()

    assert str(layer.uuid) in html
    assert str(foreign.uuid) not in html


def test_an_empty_list_says_how_volumes_get_there(site: Client) -> None:
    assert "No volumes yet" in site.get("/viewers/").content.decode()


def test_open_leads_to_the_viewer_origin_with_the_ticked_volumes(
    site: Client, imaging_request: ImagingRequest
) -> None:
    for channel in channels_of(imaging_request):
        a_product(channel)
    layers.publish_new_products()
    ticked = [str(layer.uuid) for layer in DataLayer.objects.order_by("-pk")]

    answer = site.post("/viewers/open/", {"layer": ticked})

    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{settings.VIEWER_URL}/open?ticket=")
    session = ViewerSession.objects.get()
    assert session.layer_uuids == ticked
    assert session.title == "brain-001 · Raw"


def test_opening_nothing_says_what_to_do(site: Client) -> None:
    answer = site.post(
        "/viewers/open/", {}, follow=True, headers={"referer": f"{settings.SITE_URL}/viewers/"}
    )

    assert "Choose at least one volume" in answer.content.decode()


@pytest.mark.parametrize("forged", ["x", "1", "../x", "00000000-0000-4000-8000-000000000000"])
def test_a_forged_volume_is_not_there(site: Client, layer: DataLayer, forged: str) -> None:
    answer = site.post("/viewers/open/", {"layer": [str(layer.uuid), forged]})

    assert answer.status_code == 404
    assert not ViewerSession.objects.exists()


def test_a_get_opens_nothing(site: Client, layer: DataLayer) -> None:
    answer = site.get("/viewers/open/", {"layer": str(layer.uuid)})

    assert answer.status_code == 405
    assert not ViewerSession.objects.exists()


def test_looking_at_pages_changes_nothing(site: Client, layer: DataLayer) -> None:
    for page in ["/viewers/", *pages_of(layer)]:
        fetched(site, page)

    assert not ViewerSession.objects.exists()


def test_the_page_of_a_volume_states_its_facts(site: Client, layer: DataLayer) -> None:
    html = site.get(f"/viewers/layers/{layer.uuid}/").content.decode()

    assert "380 × 440 × 200" in " ".join(html.split())
    assert "30.0 µm × 30.0 µm × 40.0 µm" in " ".join(html.split())
    assert "121 to 1,389" in html


@pytest.mark.parametrize(("who", "sees"), [("researcher", True), ("operator", True), ("pi", False)])
def test_the_path_is_shown_to_owner_and_staff(
    request: pytest.FixtureRequest,
    layer: DataLayer,
    who: str,
    sees: bool,  # noqa: FBT001
) -> None:
    client = site_client(request.getfixturevalue(who))

    html = client.get(f"/viewers/layers/{layer.uuid}/").content.decode()

    assert (layer.product.path in html) is sees


# --- the matrix ---


def reasons(imaging_request: ImagingRequest, person: User) -> dict[tuple[str, str], str]:
    """Return {(channel, column): why it cannot be ticked, or "ready"}."""
    matrices = chooser.matrices_of(imaging_request.sample, to=person)
    return {
        (line.channel.wavelength.name, column.label): "ready" if cell.layer else cell.why
        for matrix in matrices
        for line in matrix.lines
        for column, cell in zip(matrix.columns, line.cells, strict=True)
    }


def test_a_sample_that_is_being_imaged_says_so(
    imaging_request: ImagingRequest, researcher: User
) -> None:
    assert set(reasons(imaging_request, researcher).values()) == {"Not imaged yet"}


def test_a_volume_can_be_ticked_and_its_neighbors_say_why_not(
    imaging_request: ImagingRequest, layer: DataLayer, researcher: User
) -> None:
    found = reasons(imaging_request, researcher)

    assert found["488", "Raw left"] == "ready"
    assert found["488", "Raw right"] == found["647", "Raw left"] == "Not imaged yet"


def test_a_sheet_that_was_not_used_says_so(
    imaging_request: ImagingRequest, researcher: User, imager: User
) -> None:
    channel = channels_of(imaging_request)[1]
    one_sheet = Acquisition("other", 200, 40.0, left_sheet=False)
    set_channels(imaging_request, {channel.pk: one_sheet}, by=imager)

    found = reasons(imaging_request, researcher)

    assert found["647", "Raw left"] == "Sheet not used"
    assert found["488", "Raw left"] == "Not imaged yet"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("planned", "Converting"),
        ("running", "Converting"),
        ("failed", "Failed"),
        ("cancelled", "Canceled"),
        ("succeeded", "Not made"),
    ],
)
def test_a_run_without_its_volume_says_what_became_of_it(
    imaging_request: ImagingRequest, layer: DataLayer, researcher: User, state: str, why: str
) -> None:
    run = layer.product.step.run
    layer.product.delete()
    type(run).objects.filter(pk=run.pk).update(state=state)

    assert reasons(imaging_request, researcher)["488", "Raw left"] == why


@pytest.mark.parametrize("kind", ["cells", "raw_atlas"])
def test_what_one_channel_gives_is_not_awaited_of_the_others(
    imaging_request: ImagingRequest, researcher: User, kind: str
) -> None:
    a_product(channels_of(imaging_request)[0], kind=kind, side="")
    layers.publish_new_products()
    label = Product.Kind(kind).label

    found = reasons(imaging_request, researcher)

    assert (found["488", label], found["647", label]) == ("ready", "Of another channel")


def test_a_failed_volume_of_one_channel_is_failed_there_and_awaited_nowhere_else(
    imaging_request: ImagingRequest, researcher: User
) -> None:
    run = a_product(channels_of(imaging_request)[0], kind="cells", side="").step.run
    Product.objects.all().delete()
    type(run).objects.filter(pk=run.pk).update(state="failed")
    label = Product.Kind.CELLS.label

    found = reasons(imaging_request, researcher)

    assert (found["488", label], found["647", label]) == ("Failed", "Of another channel")


def test_of_several_rounds_the_newest_is_shown_though_an_older_one_was_run_again(
    imaging_request: ImagingRequest, researcher: User
) -> None:
    channel = channels_of(imaging_request)[0]
    rounds = [
        ProcessingRequest.objects.get_or_create(imaging_request=imaging_request, number=number)[0]
        for number in (1, 2)
    ]
    newest, older = (a_product(channel, kind=kind, side="") for kind in ("blended", "registered"))
    for product, one in ((newest, rounds[1]), (older, rounds[0])):
        type(product.step.run).objects.filter(pk=product.step.run_id).update(processing_request=one)
    Product.objects.filter(pk=older.pk).update(kind="blended")
    layers.publish_new_products()

    (matrix, *_) = chooser.matrices_of(imaging_request.sample, to=researcher)

    column = [one.label for one in matrix.columns].index("Blended")
    shown = matrix.lines[0].cells[column].layer
    assert older.step.run_id > newest.step.run_id
    assert shown is not None
    assert shown.product == newest


def test_every_state_of_a_run_has_its_words() -> None:
    from processing_app.states import RunState

    assert set(chooser.WHY_NOT) == set(RunState)


def test_products_stand_in_the_order_of_the_work(
    imaging_request: ImagingRequest, researcher: User
) -> None:
    first = channels_of(imaging_request)[0]
    for kind, side in [("registered", ""), ("blended", ""), ("raw", "right")]:
        a_product(first, kind=kind, side=side)
    layers.publish_new_products()

    matrix = chooser.matrices_of(imaging_request.sample, to=researcher)[0]

    labels = [column.label for column in matrix.columns]
    assert labels == ["Raw left", "Raw right", "Blended", "Registered"]


def test_the_best_product_is_ticked(site: Client, imaging_request: ImagingRequest) -> None:
    first = channels_of(imaging_request)[0]
    a_product(first)
    blended = a_product(first, kind="blended", side="")
    layers.publish_new_products()

    page = site.get(f"/viewers/samples/{imaging_request.sample.pk}/")

    assert page.context["best"] == {blended.layer.pk}


def test_the_matrix_asks_the_database_the_same_for_many_volumes(
    imaging_request: ImagingRequest,
    researcher: User,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for channel in channels_of(imaging_request):
        for side in ("left", "right"):
            a_product(channel, side=side)
    layers.publish_new_products()

    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]  # a context manager
        reasons(imaging_request, researcher)


# --- opening again, the admin ---


def test_a_view_that_ended_is_offered_again_to_its_owner_only(
    site: Client, layer: DataLayer, researcher: User, manager: User
) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "brain-001 · Raw"), by=researcher)
    page = f"/viewers/again/{opened.session.uuid}/"

    assert str(layer.uuid) in site.get(page).content.decode()
    assert site_client(manager).get(page).status_code == 404
    assert ViewerSession.objects.count() == 1


def test_an_operator_stops_a_view_in_the_console(
    layer: DataLayer, researcher: User, operator: User
) -> None:
    opened = sessions.open_view(sessions.Wanted([layer], "x"), by=researcher)
    console = site_client(operator)

    answer = console.post(
        "/admin/viewers_app/viewersession/",
        {"action": "stop", "_selected_action": [opened.session.pk]},
        follow=True,
    )

    opened.session.refresh_from_db()
    assert opened.session.state == "stopped"
    assert "x: stopped" in answer.content.decode()


@pytest.mark.parametrize("who", ["researcher", "clearer"])
def test_nobody_else_reaches_the_list_of_views(
    request: pytest.FixtureRequest, layer: DataLayer, who: str
) -> None:
    client = site_client(request.getfixturevalue(who))

    assert client.get("/admin/viewers_app/viewersession/").status_code in {302, 403}


def test_two_views_of_different_products_get_different_layer_names(
    imaging_request: ImagingRequest, researcher: User, clearer: User, imager: User
) -> None:
    from viewers_app import selectors

    first = channels_of(imaging_request)[0]
    second = channels_of(imaged(researcher, clearer=clearer, imager=imager, name="second"))[0]
    for channel in (first, second):
        a_product(channel, kind="blended", side="")
        a_product(channel, kind="raw", side="")
    layers.publish_new_products()

    names = selectors.unique_names(list(selectors.layers()))

    assert len(set(names)) == Product.objects.count() == 4
