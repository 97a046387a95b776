"""A launcher's application over the memory engine, and an order that it takes."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.launcher_requests import a_caller
from tests.support.launchers import LAYER, make_layer, new_token


@pytest.fixture
def data_root(tmp_path):
    root = tmp_path / "storage"
    make_layer(root)
    return root


@pytest.fixture
def caller(data_root):
    return a_caller(data_root)


@pytest.fixture
def order():
    return {
        "kind": "volume",
        "owner": "researcher",
        "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "values": {"layer": LAYER, "token": new_token()},
    }
