"""EMAIL_URL: one address for the whole way that mails take."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from lightserv_site.settings import _mail

BACKENDS = "django.core.mail.backends"


def test_a_mail_server_is_named_with_account_and_port():
    backend, values = _mail("smtp://desk%40example.org:p%3Aw@mail.example.org:587?tls=1")

    assert backend == f"{BACKENDS}.smtp.EmailBackend"
    assert (values["EMAIL_HOST"], values["EMAIL_PORT"]) == ("mail.example.org", 587)
    assert (values["EMAIL_HOST_USER"], values["EMAIL_HOST_PASSWORD"]) == ("desk@example.org", "p:w")
    assert (values["EMAIL_USE_TLS"], values["EMAIL_USE_SSL"]) == (True, False)


def test_a_silent_server_has_a_limit():
    assert _mail("smtps://mail.example.org")[1]["EMAIL_TIMEOUT"] == 10


def test_mails_can_be_written_to_a_folder():
    backend, values = _mail("file:///var/my%20mails")

    assert backend == f"{BACKENDS}.filebased.EmailBackend"
    assert values == {"EMAIL_FILE_PATH": "/var/my mails"}


@pytest.mark.parametrize("url", ["file://", "file:///", "file://var/mails", "mail.example.org", ""])
def test_what_is_no_way_for_mails_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="must look like"):
        _mail(url)


def test_a_refusal_does_not_tell_the_password():
    with pytest.raises(ImproperlyConfigured) as refusal:
        _mail("imap://desk:secret@mail.example.org")

    assert "secret" not in str(refusal.value)
