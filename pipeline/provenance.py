"""What a product is made of and by: the digest that names it, and the record that lies with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.contract import PIPELINE_VERSION
from pipeline.products import digest_of
from pipeline.raw.sources import listed

if TYPE_CHECKING:
    from pipeline.contract import Json, JsonDict, StepSpec
    from pipeline.raw.sources import Identities


def input_digest(spec: StepSpec, files: Identities, **further: Json) -> str:
    """Return what tells this input from others: its names, sizes and times of change."""
    return digest_of({"inputs": spec.inputs, "files": listed(files), **further})


def identity(
    spec: StepSpec,
    algorithm: int,
    input_digest: str,
    *,
    parameters: JsonDict | None = None,
    **further: Json,
) -> str:
    """Return the name of what comes of this input with these parameters by this algorithm.

    `parameters` are those on which the result depends, if they are not all that were given.
    """
    return digest_of(
        {
            "step": spec.step,
            "algorithm": algorithm,
            "input": input_digest,
            "parameters": spec.parameters if parameters is None else parameters,
            **further,
        }
    )


def record(
    spec: StepSpec, input_digest: str, outputs: JsonDict, *, parameters: JsonDict | None = None
) -> JsonDict:
    """Return what is written down beside a product; `parameters` as for `identity`."""
    return {
        "step": spec.step,
        "pipeline": PIPELINE_VERSION,
        "input_digest": input_digest,
        "inputs": spec.inputs,
        "parameters": spec.parameters if parameters is None else parameters,
        "outputs": outputs,
    }
