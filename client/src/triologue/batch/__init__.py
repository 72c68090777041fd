"""Archives: thousands of recordings named in a manifest, each with its results in a place, once.

    manifest = Manifest("s3://calls/march.parquet")
    plan = Plan(place="s3://transcripts/march")
    rows = on_ray(manifest.entries(), plan, partial(Client, "grpc://asr:8001"), jobs=32)
    rows.write_parquet("s3://transcripts/march-rows")

`triologue batch` is the same as a command. The extra `batch` brings what it needs, the extra `ray` also Ray.
"""

from triologue.batch.errors import BatchError, EngineError, ManifestError
from triologue.batch.local import on_threads
from triologue.batch.manifest import Entry, Manifest
from triologue.batch.on_ray import on_ray
from triologue.batch.row import Row
from triologue.batch.worker import Plan, Worker

__all__ = [
    "BatchError",
    "EngineError",
    "Entry",
    "Manifest",
    "ManifestError",
    "Plan",
    "Row",
    "Worker",
    "on_ray",
    "on_threads",
]
