"""A Python viewer with an ontology in a real browser: the keys change what is shown."""

import json

import numpy as np
import pytest
from playwright.sync_api import Route

from tests.support.launchers import an_order, make_layer, new_token, processes
from viewers_app.launcher.ports import Kind

pytestmark = pytest.mark.django_db(transaction=True)  # the browser keeps the seeds of all tests

DATA = "http://data.example"
SIZE = 64
LEFT, RIGHT, PARENT = 3, 4, 2
INFO = {
    "@type": "neuroglancer_multiscale_volume",
    "type": "segmentation",
    "data_type": "uint32",
    "num_channels": 1,
    "scales": [
        {
            "key": "1_1_1",
            "size": [SIZE] * 3,
            "chunk_sizes": [[SIZE] * 3],
            "resolution": [1000] * 3,
            "voxel_offset": [0, 0, 0],
            "encoding": "raw",
        }
    ],
}
STATE = {
    "dimensions": {axis: [1e-6, "m"] for axis in "xyz"},
    "position": [32, 32, 32],
    "crossSectionScale": 0.1,
    "layout": "xy",
    "layers": [{"type": "segmentation", "name": "regions", "source": f"precomputed://{DATA}"}],
}


def halves():
    """Return a raw chunk whose left half (small x) is one structure and its right half another."""
    labels = np.full((SIZE, SIZE, SIZE), LEFT, np.uint32)  # z, y, x
    labels[:, :, SIZE // 2 :] = RIGHT
    return labels.tobytes()


def give_data(route: Route) -> None:
    is_info = route.request.url.endswith("/info")
    body = json.dumps(INFO).encode() if is_info else halves()
    is_there = is_info or route.request.url.endswith("0-64_0-64_0-64")
    headers = {"Access-Control-Allow-Origin": "*"}
    route.fulfill(status=200 if is_there else 404, body=body if is_there else b"", headers=headers)


def point_at_the_left(page):
    page.wait_for_function("viewer.isReady()")
    page.mouse.move(420, 380)
    page.mouse.move(400, 380)
    page.wait_for_function("viewer.mouseState.active")


@pytest.fixture
def opened(chromium, tmp_path):
    """The page of a viewer with two structures below one parent, the pointer on the left one."""
    make_layer(tmp_path / "data")
    tree = {PARENT: [None, "both"], LEFT: [PARENT, "left"], RIGHT: [PARENT, "right"]}
    ontology = json.dumps(tree)
    values = {"state": json.dumps(STATE), "token": new_token(), "ontology": ontology}
    with processes(tmp_path / "data", tmp_path / "processes") as launched:
        running = launched.ready(an_order(Kind.PYTHON, values=values))
        page = chromium.new_page(viewport={"width": 1000, "height": 700})
        page.route(f"{DATA}/**", give_data)
        page.goto(f"http://{running.address}/v/{values['token']}/")
        page.get_by_text("p shows the one above it").wait_for()
        point_at_the_left(page)
        yield page
        page.close()


MERGED = "(viewer.state.toJSON().layers[0].equivalences || []).flat()"


def merged(page):
    """Return all ids that the client has in groups; it keeps a group as pairs."""
    return {int(structure) for structure in page.evaluate(MERGED)}


def test_p_shows_the_parent_and_c_goes_back(opened):
    opened.keyboard.press("p")
    opened.get_by_text("Contracting").wait_for()
    opened.wait_for_function(f"{MERGED}.length > 0")
    assert merged(opened) == {PARENT, LEFT, RIGHT}

    point_at_the_left(opened)  # the client forgets the pointer when it is given another state
    opened.keyboard.press("c")
    opened.get_by_text("Expanding").wait_for()
    opened.wait_for_function(f"{MERGED}.length == 0")
