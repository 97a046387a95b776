"""Settings of the environment are refused by name where they cannot be right."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from lightserv_site import env


@pytest.mark.parametrize(
    ("value", "words"), [("0", "is below 1"), ("65536", "is above 65535"), ("x", "no")]
)
def test_a_number_out_of_its_bounds_is_refused(monkeypatch, value, words):
    monkeypatch.setenv("CLUSTER_PORT", value)

    with pytest.raises(ImproperlyConfigured, match=f"CLUSTER_PORT=.*{words}"):
        env.integer("CLUSTER_PORT", default=22, minimum=1, maximum=65535)
