"""A cohort scored by several machines: shards of cases through Ray Data, one model per worker.

Every worker opens the study and the model folder by the same path, so both lie where all machines
see them (a shared file system). Nothing but case ids goes out; scores, maps and reasons come back
as NPZ and JSON, in the order of the cases.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.predictions.cohort import predict_cohort
from audits.predictions.engines import one_pass_engine
from audits.predictions.forward import Forwarded, ForwardPass
from audits.predictions.result import CohortPredictions
from audits.types import Progress, Skipped, silent

LOCAL = "local"
SHARD = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Where a cohort is scored.

    Attributes:
        address: ``local`` for the cores of this machine, else the address of a Ray cluster
            (``auto`` or ``ray://HOST:PORT``).
        workers: Models held at once; None takes what the cluster has room for.
        shard: Cases a worker takes at a time.
    """

    address: str = LOCAL
    workers: int | None = None
    shard: int = SHARD


def predict_spread(  # noqa: PLR0913 - a cohort, a model, a cluster and where the result goes
    study_folder: Path,
    model_folder: Path,
    spread: Spread,
    *,
    cache: Path,
    device: str = "auto",
    with_maps: bool = True,
    progress: Progress = silent,
) -> CohortPredictions:
    """Score a study with Ray and keep the result where an audit finds it.

    The scores, and the maps of models that give them in the same pass, are those of
    :func:`audits.predictions.predict_cohort`; only who computes them differs.

    Args:
        study_folder: The study.
        model_folder: The model.
        spread: The cluster.
        cache: Folder of computed predictions; an audit with the same cache takes them from there.
        device: Where each worker's model runs.
        with_maps: Whether maps are wanted, as in an audit that explains cases.
        progress: Told how far it is.

    Raises:
        AuditError: Ray is not installed, or the cluster does not answer.
        PackageError: The study or the model cannot be used as it stands.
    """
    from audits.cohorts import open_study
    from model_adapters import load_adapter

    adapter = load_adapter(model_folder, device=device)
    engine = one_pass_engine(adapter) if with_maps else None
    worker = {
        "study": str(study_folder.absolute()),
        "model": str(model_folder.absolute()),
        "device": device,
        "with_maps": engine is not None,
    }
    return predict_cohort(
        open_study(study_folder),
        adapter,
        maps=engine,
        cache=cache,
        progress=progress,
        forward=lambda cases: _spread(cases, worker, spread, adapter.card.key, progress),
    )


class Scorer:
    """What runs on a worker: it opens study and model once, then takes shard after shard.

    Args:
        study: Study folder, as every machine sees it.
        model: Model folder, as every machine sees it.
        device: Where the model runs.
        with_maps: Whether maps come with the scores.
    """

    def __init__(self, *, study: str, model: str, device: str, with_maps: bool) -> None:
        from audits.cohorts import open_study
        from model_adapters import load_adapter

        adapter = load_adapter(model, device=device)
        self._passing = ForwardPass(
            study=open_study(study),
            adapter=adapter,
            maps=one_pass_engine(adapter) if with_maps else None,
            progress=silent,
            stop=lambda: None,
        )

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[bytes]]:
        """Score the shards of a batch of rows; ``cases`` is a JSON list of case ids each."""
        scored = [packed(self._passing.run(json.loads(text))) for text in rows["cases"]]
        return {"scored": scored}


def _spread(
    cases: Sequence[str], worker: Mapping[str, Any], spread: Spread, key: str, progress: Progress
) -> Forwarded:
    ray = _connected(spread.address)
    shards = [list(cases[at : at + spread.shard]) for at in range(0, len(cases), spread.shard)]
    merged, done = Forwarded(), 0
    if not shards:
        return merged
    for scored in _results(ray, shards, worker, spread):
        part = unpacked(scored)
        merged.case_ids += part.case_ids
        merged.scores += part.scores
        merged.maps += part.maps
        merged.skipped += part.skipped
        done += len(part.case_ids) + len(part.skipped)
        progress(done / len(cases), f"Predicting with {key}: {done:,} of {len(cases):,} cases")
    return merged


def _results(
    ray: Any, shards: list[list[str]], worker: Mapping[str, Any], spread: Spread
) -> Iterator[bytes]:
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    room = int(ray.cluster_resources().get("CPU", 1))
    rows = ray.data.from_items(
        [{"cases": json.dumps(shard)} for shard in shards], override_num_blocks=len(shards)
    )
    scored = rows.map_batches(
        Scorer,
        fn_constructor_kwargs=dict(worker),
        batch_size=1,
        batch_format="numpy",
        concurrency=max(1, min(len(shards), spread.workers or room)),
        num_gpus=1 if worker["device"] == "cuda" else 0,
    )
    for row in scored.iter_rows():
        yield row["scored"]


def _connected(address: str) -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise AuditError(
            "Ray is not installed; install it with `pip install 'auscult[ray]'`, or audit without "
            "--ray on this machine."
        ) from error
    if ray.is_initialized():
        return ray
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call an outside host
    try:
        ray.init(
            address=None if address == LOCAL else address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            include_dashboard=False if address == LOCAL else None,
            configure_logging=False,
        )
    except Exception as error:  # Ray raises bare exceptions, too
        raise AuditError(
            f"Ray cluster {address}: it does not answer; start it with `ray start --head`, name "
            "its address with --ray, or use --ray local."
        ) from error
    return ray


def packed(part: Forwarded) -> bytes:
    """Return what came back from a model as NPZ bytes."""
    told = json.dumps(
        {
            "cases": part.case_ids,
            "skipped": [[one.case, one.reason] for one in part.skipped],
            "maps": bool(part.maps),
        }
    )
    arrays: dict[str, npt.NDArray[Any]] = {"told": np.frombuffer(told.encode(), dtype=np.uint8)}
    if part.scores:
        arrays["scores"] = np.concatenate(part.scores)
    if part.maps:
        arrays["maps"] = np.concatenate(part.maps)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stubs read **kwds as allow_pickle
    return buffer.getvalue()


def unpacked(scored: bytes) -> Forwarded:
    """Return what :func:`packed` wrote; no pickle is read."""
    with np.load(io.BytesIO(scored), allow_pickle=False) as arrays:
        told = json.loads(arrays["told"].tobytes())
        return Forwarded(
            case_ids=list(told["cases"]),
            scores=[arrays["scores"]] if "scores" in arrays else [],
            maps=[arrays["maps"]] if told["maps"] else [],
            skipped=[Skipped(case=case, reason=reason) for case, reason in told["skipped"]],
        )
