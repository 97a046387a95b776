"""Models of processing: clusters, requests, runs with steps and attempts, products, atlases."""

from processing_app.models.clusters import (
    DEFAULT,
    Cluster,
    ClusterStatus,
    Deployment,
    Profile,
    StepResources,
)
from processing_app.models.corrections import ChannelCorrection
from processing_app.models.products import Artifact, Atlas, Product
from processing_app.models.quality import QualitySheet
from processing_app.models.requests import ProcessingRequest, ProcessingResolution
from processing_app.models.runs import Attempt, AttemptLog, Run, Step, StepReport
from processing_app.models.site import SitePipeline, SiteStep

__all__ = [
    "DEFAULT",
    "Artifact",
    "Atlas",
    "Attempt",
    "AttemptLog",
    "ChannelCorrection",
    "Cluster",
    "ClusterStatus",
    "Deployment",
    "ProcessingRequest",
    "ProcessingResolution",
    "Product",
    "Profile",
    "QualitySheet",
    "Run",
    "SitePipeline",
    "SiteStep",
    "Step",
    "StepReport",
    "StepResources",
]
