"""The launcher's own settings and catalogue: what cannot be right stops it, with the remedy."""

import pytest

from launcher.settings import WrongSettings, read_settings

IMAGE = f"sha256:{'a' * 64}"
CATALOGUE = f'network = "viewers"\n[kinds.volume]\nimage = "{IMAGE}"\n'


@pytest.fixture
def environ(tmp_path):
    (tmp_path / "catalogue.toml").write_text(CATALOGUE)
    return {
        "LAUNCHER_KEYS": f"site:{'k' * 32}",
        "LAUNCHER_CATALOGUE": str(tmp_path / "catalogue.toml"),
        "LAUNCHER_DATA_ROOT": str(tmp_path),
    }


def test_little_has_to_be_set(environ):
    settings = read_settings(environ)

    assert settings.bind == "unix:/run/lightserv/launcher.sock"
    entry = settings.catalogue["volume"]
    assert (entry.memory_mb, entry.cpus, entry.pids, entry.tmpfs_mb) == (512, 1.0, 128, 64)
    assert (entry.network, entry.user) == ("viewers", "65534:65534")


def test_keys_may_stand_in_a_file(environ, tmp_path):
    (tmp_path / "keys").write_text(f"site:{'z' * 32}\n")
    del environ["LAUNCHER_KEYS"]

    assert read_settings({**environ, "LAUNCHER_KEYS_FILE": str(tmp_path / "keys")}).keys == {
        "site": b"z" * 32
    }


@pytest.mark.parametrize(
    ("name", "value", "trouble"),
    [
        ("LAUNCHER_KEYS", "", "Set LAUNCHER_KEYS"),
        ("LAUNCHER_KEYS", "site:short", "shorter than 32"),
        ("LAUNCHER_KEYS_FILE", "/no/such/file", "cannot be read"),
        ("LAUNCHER_CATALOGUE", "", "Set LAUNCHER_CATALOGUE"),
        ("LAUNCHER_CATALOGUE", "/no/such/file", "cannot be read"),
        ("LAUNCHER_DATA_ROOT", "/", "not /"),
        ("LAUNCHER_DATA_ROOT", "relative", "absolute"),
        ("LAUNCHER_DATA_ROOT", "/no/such/folder", "existing"),
        ("LAUNCHER_BIND", "0.0.0.0:5005", "internal network"),
        ("LAUNCHER_BIND", "5005", "unix:/path"),
        ("LAUNCHER_MAX_TOTAL", "0", "above 0"),
        ("LAUNCHER_MAX_PER_OWNER", "many", "above 0"),
    ],
)
def test_a_wrong_value_stops_it_and_is_named(environ, name, value, trouble):
    with pytest.raises(WrongSettings, match=trouble):
        read_settings({**environ, name: value})


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "no table"),
        ("[kinds", "cannot be read"),
        (CATALOGUE + "[more]\n", "unknown more"),
        (CATALOGUE.replace("kinds.volume", "kinds.shell"), "no kind 'shell'"),
        (CATALOGUE.replace(IMAGE, "viewer:latest"), "no fixed image"),
        (CATALOGUE.replace(IMAGE, f"viewer@{IMAGE[:20]}"), "no fixed image"),
        (CATALOGUE.replace('"viewers"', '"host"'), "one of its own"),
        (CATALOGUE.replace('network = "viewers"', ""), "one of its own"),
        (CATALOGUE + 'user = "0:0"', "neither of them 0"),
        (CATALOGUE + 'user = "root"', "uid:gid"),
        (CATALOGUE + "memory_mb = 0", "above 0"),
        (CATALOGUE + 'memory_mb = "1g"', "wrong type"),
        (CATALOGUE + "pids = true", "wrong type"),
        (CATALOGUE + "privileged = true", "unknown privileged"),
        (CATALOGUE + 'command = "sh"', "unknown command"),
        (CATALOGUE.replace(f'image = "{IMAGE}"', ""), "names no image"),
        ('network = "viewers"\nkinds = 3', "no table"),
        ('network = "viewers"\n[kinds]\nvolume = 3', "must be a table"),
    ],
)
def test_a_wrong_catalogue_stops_it_and_is_named(environ, tmp_path, text, trouble):
    (tmp_path / "catalogue.toml").write_text(text)

    with pytest.raises(WrongSettings, match=trouble):
        read_settings(environ)


def test_an_image_may_be_named_by_its_digest(environ, tmp_path):
    named = f"registry.example.org/lab/viewer@{IMAGE}"
    (tmp_path / "catalogue.toml").write_text(CATALOGUE.replace(IMAGE, named))

    assert read_settings(environ).catalogue["volume"].image == named
