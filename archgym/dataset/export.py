"""Writing a dataset in other forms: CSV, NumPy, Minari, Hugging Face. Rows stream; none is held but one block."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from archgym.dataset.card import card
from archgym.dataset.schema import arrow, make_schema
from archgym.dataset.store import Dataset
from archgym.errors import ConfigError, DatasetError, UnknownNameError


def export_dataset(dataset: Dataset, format: str, out: Path | str) -> list[Path]:
    """Write ``dataset`` as ``format`` to ``out``; returns what was made.

    Args:
        format: ``csv`` (one file), ``npz`` (one file), ``huggingface`` (a directory), ``minari`` (a directory that
            holds one Minari dataset for each problem, workload and objective).

    Raises:
        UnknownNameError: for another format.
        ConfigError: if ``out`` exists.
        DatasetError: if a part is damaged, or (Minari) the problem is not to be had here.
        MissingExtraError: if a format's package is not installed.
    """
    if format not in FORMATS:
        raise UnknownNameError("export format", format, FORMATS)
    out = Path(out)
    if out.exists():
        raise ConfigError(f"{out} exists already; choose another name or remove it")
    dataset.check()
    out.parent.mkdir(parents=True, exist_ok=True)
    return FORMATS[format](dataset, out)


def _csv(dataset: Dataset, out: Path) -> list[Path]:
    """A header and one row an evaluation; floats in their shortest exact form, empty where there is no value."""
    pa = arrow()
    draft = out.with_name(out.name + ".partial")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in make_schema(dataset.space, dataset.manifest.metric_table)])
        for part in dataset.manifest.parts:
            path = dataset.directory / part["file"]
            try:
                with pa.parquet.ParquetFile(path) as parquet:
                    for batch in parquet.iter_batches(batch_size=16_384):
                        columns = [_texts(column.to_pylist()) for column in batch.columns]
                        writer.writerows(zip(*columns, strict=True))
            except pa.ArrowException as error:
                raise DatasetError(f"{path}: damaged or truncated ({error})") from error
    os.replace(draft, out)
    return [out]


def _texts(values: list[Any]) -> list[Any]:
    if values and isinstance(values[0], bool):
        return ["true" if value else "false" for value in values]
    return ["" if value is None else value for value in values]


def _npz(dataset: Dataset, out: Path) -> list[Path]:
    """Arrays ``designs`` (N, D), ``reward``, ``feasible``, ``run``, ``step``, ``metric.NAME`` (N,), and ``manifest``
    (the manifest's JSON as bytes); no Python objects."""
    rows, levels = len(dataset), dataset.space.sizes.max()
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "designs": ((rows, len(dataset.space)), np.min_scalar_type(int(levels) - 1)),
        "reward": ((rows,), np.float64),
        "feasible": ((rows,), np.bool_),
        "run": ((rows,), np.int32),
        "step": ((rows,), np.int32),
        **{f"metric.{name}": ((rows,), np.float64) for name in dataset.manifest.metric_names},
    }
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=out.name) as folder:
        files = {name: Path(folder) / f"{name}.npy" for name in shapes}
        arrays = {
            name: open_memmap(files[name], "w+", dtype=kind, shape=shape) for name, (shape, kind) in shapes.items()
        }
        start = 0
        for block in dataset.blocks(reasons=False):
            stop = start + len(block)
            fixed = {
                "designs": block.designs,
                "reward": block.reward,
                "feasible": block.metrics.feasible,
                "run": block.run,
                "step": block.step,
            }
            for name, values in {**fixed, **{f"metric.{n}": v for n, v in block.metrics.columns.items()}}.items():
                arrays[name][start:stop] = values
            start = stop
        for array in arrays.values():
            array.flush()
        arrays.clear()
        files["manifest"] = Path(folder) / "manifest.npy"
        np.save(files["manifest"], np.frombuffer(json.dumps(dataset.manifest.to_json()).encode(), dtype=np.uint8))
        draft = Path(folder) / "all.npz"
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, path in files.items():
                info = zipfile.ZipInfo(f"{name}.npy")  # without the time of day: equal data give equal files
                info.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        os.replace(draft, out)
    return [out]


def _huggingface(dataset: Dataset, out: Path) -> list[Path]:
    """The layout that ``datasets.load_dataset(DIRECTORY)`` reads: ``data/train-*.parquet`` and a card with a YAML head."""
    parts = dataset.manifest.parts
    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "data").mkdir(parents=True)
    for number, part in enumerate(parts):
        target = draft / "data" / f"train-{number:05d}-of-{len(parts):05d}.parquet"
        shutil.copyfile(dataset.directory / part["file"], target)
    front = _yaml_head(dataset)
    (draft / "README.md").write_text(card(dataset.manifest, front), encoding="utf-8", newline="\n")
    dataset.manifest.save(draft)
    os.replace(draft, out)
    return [out]


def _yaml_head(dataset: Dataset) -> str:
    manifest = dataset.manifest
    size = sum(part["bytes"] for part in manifest.parts)
    bins = (
        (1e3, "n<1K"),
        (1e4, "1K<n<10K"),
        (1e5, "10K<n<100K"),
        (1e6, "100K<n<1M"),
        (1e7, "1M<n<10M"),
        (1e8, "10M<n<100M"),
    )
    category = next((text for limit, text in bins if manifest.rows < limit), "n>100M")
    lines = [
        "---",
        f"license: {_licence(manifest.licence)}",
        f"pretty_name: {json.dumps(manifest.name)}",
        "tags:",
        "- computer-architecture",
        "- design-space-exploration",
        "size_categories:",
        f"- {category}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/train-*",
        "dataset_info:",
        "  features:",
    ]
    for field in make_schema(dataset.space, manifest.metric_table):
        kind = field.type.value_type if arrow().types.is_dictionary(field.type) else field.type
        name = {"double": "float64"}.get(str(kind), str(kind))
        lines += [f"  - name: {json.dumps(field.name)}", f"    dtype: {name}"]
    held = sum(_uncompressed(dataset.directory / part["file"]) for part in manifest.parts)
    lines += ["  splits:", "  - name: train", f"    num_bytes: {held}", f"    num_examples: {manifest.rows}"]
    lines += [f"  download_size: {size}", f"  dataset_size: {held}", "---"]
    return "\n".join(lines)


def _uncompressed(path: Path) -> int:
    """Bytes of a Parquet file's columns before compression."""
    found = arrow().parquet.read_metadata(path)
    return sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))


def _licence(text: str) -> str:
    """Hugging Face's spelling of common licences; anything else is ``other``."""
    known = {"apache-2.0", "mit", "cc-by-4.0", "cc0-1.0", "cc-by-sa-4.0", "bsd-3-clause", "odc-by"}
    return text.lower() if text.lower() in known else "other"


def _minari(dataset: Dataset, out: Path) -> list[Path]:
    from archgym.dataset.minari_export import export_minari

    return export_minari(dataset, out)


FORMATS: dict[str, Callable[[Dataset, Path], list[Path]]] = {
    "csv": _csv,
    "npz": _npz,
    "huggingface": _huggingface,
    "minari": _minari,
}
