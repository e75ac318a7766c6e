"""Datasets: search logs as typed Parquet tables that describe and verify themselves.

A dataset is a directory: ``manifest.json`` (what it holds and how it was made), ``data/part-*.parquet`` (one row
an evaluation), ``README.md`` (the card) and ``croissant.json``.
"""

from archgym.dataset.build import build_dataset, merge_datasets
from archgym.dataset.export import export_dataset
from archgym.dataset.importing import import_csv
from archgym.dataset.logs import Filter
from archgym.dataset.manifest import Manifest
from archgym.dataset.rows import Rows
from archgym.dataset.store import Dataset, DatasetWriter, open_dataset
from archgym.dataset.verify import Verification, verify_dataset

__all__ = [
    "Dataset",
    "DatasetWriter",
    "Filter",
    "Manifest",
    "Rows",
    "Verification",
    "build_dataset",
    "export_dataset",
    "import_csv",
    "merge_datasets",
    "open_dataset",
    "verify_dataset",
]
