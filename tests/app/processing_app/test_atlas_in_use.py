"""An atlas that runs read stays as it is, and a run never mixes two versions of one."""

import numpy as np
import pytest
import tifffile
from django.conf import settings

from core_app.errors import NotReady
from processing_app.cluster.scheduler_memory import memory_cluster
from processing_app.models import Atlas, ChannelCorrection, ProcessingRequest, Run, Step
from processing_app.selectors.corrections import channels_to_correct
from processing_app.services import atlases, runs
from tests.support import clusters, processed
from tests.support.atlases import refused, run, small_volumes, write_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def files(tmp_path):
    found = write_files(tmp_path)
    run(**found)
    return found


@pytest.fixture
def small(files):
    return Atlas.objects.get(name="small")


def other_files(files):
    tifffile.imwrite(files["template"], small_volumes()[0] + 1, photometric="minisblack")
    return files


def installed_template():
    return tifffile.imread(settings.DATA_ROOT / "atlases/small/template.tif")


def test_an_atlas_is_not_replaced_while_a_run_is_planned_with_it(ready, files, small, processor):
    (reader,) = processed.started(ready, by=processor, atlas=small)

    said = refused(**other_files(files), replace=True)

    assert f"is read by what is planned or at work: {reader}. Import these files when" in said
    assert np.array_equal(installed_template(), small_volumes()[0])
    assert Atlas.objects.get(name="small").checksum == small.checksum


def test_an_atlas_is_not_replaced_while_a_run_works_with_it(ready, files, small, processor):
    (reader,) = processed.started(ready, by=processor, atlas=small)
    clusters.tick(memory_cluster(clusters.goes_on))

    assert str(reader) in refused(**other_files(files), replace=True)


def test_a_run_that_began_while_the_files_were_written_keeps_the_old_ones(
    ready, files, small, processor, monkeypatch
):
    """The first look finds nothing; the second one, with the row held, does."""
    look = atlases._require_unread

    def begin_after_the_look(row):
        monkeypatch.setattr(atlases, "_require_unread", look)
        look(row)
        processed.started(ready, by=processor, atlas=small)

    monkeypatch.setattr(atlases, "_require_unread", begin_after_the_look)

    assert "is read by what is planned" in refused(**other_files(files), replace=True)
    assert np.array_equal(installed_template(), small_volumes()[0])
    assert [path.name for path in (settings.DATA_ROOT / "atlases").glob("[!.]*")] == ["small"]


def test_the_same_files_are_put_back_while_a_run_reads_them(ready, files, small, processor):
    processed.started(ready, by=processor, atlas=small)
    (settings.DATA_ROOT / small.template_path).unlink()

    run(**files)

    assert np.array_equal(installed_template(), small_volumes()[0])


def test_a_run_that_is_over_holds_no_atlas(ready, files, small, processor):
    processed.processed(ready, by=processor, atlas=small)

    run(**other_files(files), replace=True)

    assert Atlas.objects.get(name="small").checksum != small.checksum


@pytest.fixture
def failed(ready, small, processor):
    one = processed.processed(
        ready, by=processor, atlas=small, work=clusters.fail_with("BAD_INPUT")
    )
    return Run.objects.get(processing_request=one)


def test_a_failed_run_is_not_retried_with_another_version(failed, files, processor):
    run(**other_files(files), replace=True)

    with pytest.raises(NotReady, match=r"The atlas \(small\) was replaced.*Start the processing"):
        runs.retry_run(failed, by=processor)


def test_a_failed_run_is_retried_with_the_same_version(failed, processor):
    runs.retry_run(failed, by=processor)

    assert Run.objects.get(pk=failed.pk).state == "running"


def test_other_corrections_are_named_where_a_run_is_not_retried(
    researcher, clearer, imager, processor
):
    sample = processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)
    one = ProcessingRequest.objects.get(imaging_request=sample)
    processed.processed(one, by=processor, work=clusters.fail_with("BAD_INPUT"))
    channel = channels_to_correct(sample)[0]
    ChannelCorrection.objects.create(channel=channel, sigma_foreground=64, set_by=processor)

    with pytest.raises(NotReady, match=r"How its channels are corrected has changed.*Start the"):
        runs.retry_run(Run.objects.get(processing_request=one), by=processor)


def test_planes_that_lay_elsewhere_are_no_other_correction(researcher, clearer, imager, processor):
    sample = processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)
    one = ProcessingRequest.objects.get(imaging_request=sample)
    processed.processed(one, by=processor, work=clusters.fail_with("BAD_INPUT"))
    Step.objects.filter(name="correct").update(outputs={"planes": "where/it/was"})

    with pytest.raises(NotReady, match=r"What holds for this sample has changed.*Start the"):
        runs.retry_run(Run.objects.get(processing_request=one), by=processor)
