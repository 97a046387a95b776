"""What the launcher starts on a real engine: behind walls, labelled, and nobody else's."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core_app.errors import Misconfigured, Rejected, Unreachable
from launcher.backend_docker import DockerBackend
from launcher.catalogue import Entry
from launcher.errors import EngineRefused, ImageMissing
from launcher.ports import Condition as Seen
from launcher.ports import Container
from tests.support.docker import MARK
from tests.support.launchers import LAYER, an_order, new_token
from viewers_app.launcher.http import HttpLauncher
from viewers_app.launcher.ports import Condition, Kind

MIB = 2**20


@pytest.fixture
def site(docker_site):
    return docker_site


def inside(site, view, *argv):
    """Run a command in a container and return its exit code and output."""
    made = site.engine.client.exec_create(f"ls-view-{view}", list(argv))["Id"]
    said = site.engine.client.exec_start(made).decode()
    return site.engine.client.exec_inspect(made)["ExitCode"], said


def container_of(site, *, image="", network="", **given):
    """Return a container as the launcher's rules would order it of the engine."""
    order = an_order()
    own_image = site.engine.client.inspect_image("lightserv-volume:test")["Id"]
    entry = Entry("volume", image or own_image, network or site.network)
    document = {"ends_at": time.time() + 600, "idle_s": 600, "values": {"token": new_token()}}
    return Container(
        session=str(order.view), entry=entry, owner="researcher", ends_at=order.ends_at,
        digest="d", given=json.dumps({**document, **given}).encode(),
        mount=site.launched.data_root / LAYER,
    )  # fmt: skip


@pytest.fixture
def backend(site):
    backend = DockerBackend(site.engine.url, instance=site.instance)
    yield backend
    backend.close()


def test_a_container_has_no_rights_and_few_resources(site):
    order = an_order()
    site.launched.ready(order)

    found = site.container(order.view)

    host = found["HostConfig"]
    assert found["Config"]["User"] == "65534:65534"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["ReadonlyRootfs"], host["Privileged"], host["Init"]) == (True, False, True)
    assert (host["Memory"], host["MemorySwap"]) == (512 * MIB, 512 * MIB)
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 128)
    assert host["Tmpfs"] == {"/tmp": "size=64m,mode=1777,noexec,nosuid,nodev"}
    assert host["LogConfig"]["Config"] == {"max-file": "2", "max-size": "1m"}
    assert host["RestartPolicy"]["Name"] == "no"
    assert not host["PortBindings"]
    assert (host["PidMode"], host["IpcMode"]) == ("", "private")
    assert host["Binds"] is None


def test_the_walls_hold_from_inside(site):
    order = an_order()
    site.launched.ready(order)

    _, status = inside(site, order.view, "cat", "/proc/self/status")
    root, _ = inside(site, order.view, "touch", "/app/x")
    data, _ = inside(site, order.view, "touch", "/data/x")

    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["CapEff"].strip("0 ") == facts["CapBnd"].strip("0 ") == ""
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert facts["Uid"].split()[0] == "65534"
    assert root != 0
    assert data != 0
    assert not (site.launched.data_root / LAYER / "x").exists()


def test_its_temporary_folder_can_be_filled_without_harm(site):
    order = an_order()
    running = site.launched.ready(order)

    code, said = inside(site, order.view, "dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=80")

    assert (code, "No space left" in said) == (1, True)
    assert site.launched.fetch(running, f"/v/{order.values['token']}/info")[0] == 200


def test_it_reaches_only_its_one_network(site, backend):
    neighbor, order = an_order(), an_order()
    site.launched.ready(order)
    near = site.launched.place(site.launched.ready(neighbor))
    other_network = site.engine.internal_network(f"{site.network}-other")
    stranger = container_of(site, network=other_network)
    backend.start(stranger)
    far = site.engine.address_of(f"ls-view-{stranger.session}")
    probe = "import socket, sys; socket.create_connection((sys.argv[1], 8080), 3)"

    reaches_near, _ = inside(site, order.view, "python3", "-c", probe, near.split(":")[0])
    reaches_far, _ = inside(site, order.view, "python3", "-c", probe, far)

    assert (reaches_near, reaches_far) == (0, 1)
    assert list(site.container(order.view)["NetworkSettings"]["Networks"]) == [site.network]
    assert site.engine.client.inspect_network(site.network)["Internal"] is True


def test_it_sees_one_folder_read_only_and_a_python_viewer_none(site):
    volume, viewer = an_order(), an_order(Kind.PYTHON)
    site.launched.ready(volume)
    site.launched.ready(viewer)

    (mount,) = site.container(volume.view)["Mounts"]

    assert mount["Source"] == str((site.launched.data_root / LAYER).resolve())
    assert (mount["Type"], mount["Destination"], mount["RW"]) == ("bind", "/data", False)
    assert site.container(viewer.view)["Mounts"] == []


def test_its_labels_tell_all_that_the_launcher_needs_and_no_secret(site):
    order = an_order()
    site.launched.ready(order)

    found = site.container(order.view)

    labels = found["Config"]["Labels"]
    assert labels.pop("lightserv.digest") and labels.pop("lightserv.created")
    assert labels == {
        "lightserv.app": "lightserv-launcher",
        "lightserv.instance": site.instance,
        "lightserv.session": str(order.view),
        "lightserv.kind": "volume",
        "lightserv.owner": "researcher",
        "lightserv.port": "8080",
        "lightserv.ends": order.ends_at.isoformat(),
    }
    assert order.values["token"] not in json.dumps(found)


def test_a_restart_of_the_launcher_loses_nothing(site):
    order = an_order()
    first = site.launched.ready(order)

    site.service.stop()
    with pytest.raises(Unreachable):
        site.launched.launcher.running()
    site.service.start()

    assert site.launched.launcher.ensure(order) == first


def test_a_program_that_ends_at_once_is_told_with_its_words(site):
    order = an_order(Kind.PYTHON, values={"state": "no json", "token": new_token()})
    site.launched.launcher.ensure(order)

    gone = site.launched.wait_for(order.view, Condition.GONE)

    assert gone.detail.startswith("Exited (1)")
    assert "JSONDecodeError" in site.launched.launcher.logs(order.view)


def test_a_program_ends_itself_at_its_hard_end(site):
    order = an_order(ends_at=datetime.now(UTC) + timedelta(seconds=6))
    site.launched.ready(order)

    gone = site.launched.wait_for(order.view, Condition.GONE)

    assert gone.detail.startswith("Exited (0)")


def test_a_program_that_nobody_uses_ends_itself(site, backend):
    container = container_of(site, idle_s=2)
    backend.start(container)

    deadline = time.monotonic() + 30
    while backend.find(container.session).condition is not Seen.GONE:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    assert "nobody used it" in backend.logs(container.session, lines=10)


def test_a_container_of_somebody_else_keeps_its_name(site):
    order = an_order()
    name = f"ls-view-{order.view}"
    image = site.engine.client.inspect_image("lightserv-volume:test")["Id"]
    site.engine.client.create_container(image, name=name, labels={MARK: "another"})

    with pytest.raises(Rejected):
        site.launched.launcher.ensure(order)
    site.launched.launcher.remove(order.view)

    assert site.container(order.view)["Config"]["Labels"][MARK] == "another"
    assert list(site.launched.launcher.running()) == []


def test_another_instance_on_the_engine_is_left_alone(site, backend):
    order = an_order()
    site.launched.ready(order)
    another = DockerBackend(site.engine.url, instance="another")

    try:
        assert another.find(str(order.view)) is None
        another.remove(str(order.view))
        assert list(another.all()) == []
    finally:
        another.close()

    assert len(site.launched.launcher.running()) == 1


def test_an_image_that_is_not_there_is_named(site, backend):
    container = container_of(site, image=f"sha256:{'0' * 64}")

    with pytest.raises(ImageMissing, match="sha256:000"):
        backend.start(container)


def test_a_start_that_fails_leaves_nothing(site, backend):
    container = container_of(site, network="no-such-network")

    with pytest.raises(EngineRefused):
        backend.start(container)

    assert backend.find(container.session) is None


def test_a_folder_that_vanished_after_the_check_is_not_made(site, backend):
    container = replace(container_of(site), mount=site.launched.data_root / "vanished")

    with pytest.raises(EngineRefused):
        backend.start(container)

    assert not (site.launched.data_root / "vanished").exists()
    assert backend.find(container.session) is None


def test_sweeping_goes_on_where_one_was_removed_by_hand(site):
    orders = [
        an_order(owner=f"person{number}", ends_at=datetime.now(UTC) + timedelta(seconds=8))
        for number in range(3)
    ]
    for order in orders:
        site.launched.ready(order)
    site.engine.client.remove_container(f"ls-view-{orders[1].view}", force=True)
    time.sleep(max(0, (orders[2].ends_at - datetime.now(UTC)).total_seconds() + 1))

    answer = site.launched.launcher._ask("POST", "/v1/reap")

    assert set(answer["removed"]) == {str(orders[0].view), str(orders[2].view)}
    assert list(site.launched.launcher.running()) == []


def test_an_engine_that_is_away_is_said_to_be_and_found_again(site):
    order = an_order()
    site.engine.stop()

    try:
        with pytest.raises(Unreachable):
            site.launched.launcher.ensure(order)
        with pytest.raises(Unreachable):
            site.launched.launcher.running()
    finally:
        site.engine.start()

    assert site.launched.ready(order)


def test_wrong_keys_are_a_matter_for_operators(site):
    stranger = HttpLauncher(site.service.url, {"old": b"x" * 32})

    with pytest.raises(Misconfigured):
        stranger.running()


def test_its_socket_is_for_its_group_only(site):
    assert site.service.socket.stat().st_mode & 0o777 == 0o660


def test_a_name_that_is_taken_by_the_session_itself_is_its_container(site, backend):
    container = container_of(site)
    first = backend.start(container)

    second = backend.start(replace(container, owner="late"))

    assert (second.started_at, second.owner) == (first.started_at, "researcher")


def test_what_is_removed_by_hand_meanwhile_counts_as_removed(site, backend):
    container = container_of(site)
    backend.start(container)
    site.engine.client.remove_container(f"ls-view-{container.session}", force=True)

    backend.remove(container.session)
    backend.remove(str(uuid4()))

    assert backend.logs(container.session, lines=5) == ""


@pytest.mark.parametrize("image", ["lightserv-viewer:test", "lightserv-volume:test"])
def test_an_image_runs_as_nobody_and_keeps_nothing_of_its_making(site, image):
    found = site.engine.client.inspect_image(image)["Config"]

    assert found["User"] == "65534:65534"
    assert [item for item in found["Env"] if "PIP" in item] == []
