"""Saving and loading proxies as plain numbers: a directory of ``proxy.json`` and ``arrays.npz``.

Loading runs no code from the file: objects are refused, the checksum must hold, and every array is checked
before a kernel may walk it.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.rows import file_digest
from archgym.errors import ConfigError, ModelFileError
from archgym.metrics import Metric
from archgym.proxy.features import FeatureMap
from archgym.proxy.gaussian import GaussianModel
from archgym.proxy.linear import LinearModel, StackedModel
from archgym.proxy.networks import NetworkModel
from archgym.proxy.reach import Reach
from archgym.proxy.simulator import Part, Proxy
from archgym.proxy.target import Model, TargetModel
from archgym.proxy.train import digest
from archgym.proxy.trees import TreeModel
from archgym.space import Space

FORMAT = 1
DESCRIPTION, ARRAYS = "proxy.json", "arrays.npz"


def save_proxy(proxy: Proxy, directory: Path | str) -> Path:
    """Write a proxy to a new directory.

    Raises:
        ConfigError: if the directory exists.
    """
    directory = Path(directory)
    if directory.exists():
        raise ConfigError(f"{directory} exists already; choose another name or remove it")
    draft = directory.with_name(directory.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    arrays: dict[str, Any] = {"reach": proxy.reach.packed()}
    for number, part in enumerate(proxy.parts):
        arrays |= {f"{number}.{name}": array for name, array in part.model.arrays().items()}
    np.savez_compressed(draft / ARRAYS, **arrays)
    description = {
        "archgym_proxy": FORMAT,
        "name": proxy.name,
        "version": proxy.version,
        "space_fingerprint": proxy.space.fingerprint,
        "space": proxy.space.to_json(),
        "metrics": [vars(metric) for metric in proxy.metrics],
        "parts": [{"quantity": p.quantity, "workload": p.workload, **p.model.to_json()} for p in proxy.parts],
        "workloads": dict(proxy.workloads),
        "general": proxy.general,
        "data": dict(proxy.data),
        "arrays_sha256": file_digest(draft / ARRAYS),
    }
    text = json.dumps(description, indent=1, allow_nan=False)
    (draft / DESCRIPTION).write_text(text + "\n", encoding="utf-8", newline="\n")
    os.replace(draft, directory)
    return directory


def load_proxy(directory: Path | str) -> Proxy:
    """The proxy in ``directory``.

    Raises:
        ModelFileError: if it is not one, is damaged, or holds anything but plain numbers.
    """
    directory = Path(directory)
    if directory.is_file():
        raise ModelFileError(
            f"{directory}: not a proxy; a proxy is a directory of {DESCRIPTION} and {ARRAYS}, and files that hold "
            "pickled objects (.pkl, .joblib, .pt) are never loaded, as they can run code"
        )
    try:
        entry = json.loads((directory / DESCRIPTION).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{directory}: not a proxy, {DESCRIPTION} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelFileError(f"{directory / DESCRIPTION}: damaged, not valid JSON ({error})") from error
    if not isinstance(entry, dict) or entry.get("archgym_proxy") != FORMAT:
        raise ModelFileError(f"{directory / DESCRIPTION}: not an archgym proxy of format {FORMAT}")
    arrays = read_arrays(directory / ARRAYS)
    if file_digest(directory / ARRAYS) != entry.get("arrays_sha256"):
        raise ModelFileError(f"{directory / ARRAYS}: its checksum differs from the one in {DESCRIPTION}")
    try:
        return _assemble(entry, arrays)
    except ModelFileError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelFileError(
            f"{directory / DESCRIPTION}: a field is missing or of the wrong kind ({error!r})"
        ) from error


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file, of numbers only.

    Raises:
        ModelFileError: if it is damaged, holds Python objects, or anything that is not an array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            strange = [name for name in archive.namelist() if not name.endswith(".npy")]
        if strange:
            raise ModelFileError(f"{path}: holds {strange[0]!r}, which is not an array; refused")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ModelFileError(f"{path}: damaged or not an npz file ({error})") from error
    except ModelFileError:
        raise
    except ValueError as error:  # NumPy's word for an array of pickled objects
        raise ModelFileError(f"{path}: holds pickled Python objects, which can run code; refused ({error})") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ModelFileError(f"{path}: array {name!r} is of type {array.dtype}, not of numbers; refused")
    return arrays


def _assemble(entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Proxy:
    space = Space.from_json(entry["space"])
    if space.fingerprint != entry["space_fingerprint"]:
        raise ModelFileError(f"the space does not have the fingerprint {entry['space_fingerprint']} that it claims")
    if "reach" not in arrays:
        raise ModelFileError("the table of pairs of levels seen in training is missing")
    parts = []
    for number, part in enumerate(entry["parts"]):
        mine = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{number}.")}
        features = FeatureMap(space, *(tuple(part["features"][key]) for key in ("workload_names", "centre", "spread")))
        model = TargetModel.from_parts(part, _model(part["kind"], mine, features), features, mine)
        parts.append(Part(str(part["quantity"]), str(part["workload"]), model))
    proxy = Proxy(
        str(entry["name"]),
        int(entry["version"]),
        space,
        tuple(Metric(**metric) for metric in entry["metrics"]),
        tuple(parts),
        Reach.from_array(space, arrays["reach"]),
        entry["workloads"],
        bool(entry["general"]),
        entry["data"],
    )
    proxy.check()
    if not proxy.name.endswith(digest(proxy)):
        raise ModelFileError(f"the models are not those of {proxy.name}: their digest is {digest(proxy)}")
    return proxy


def _model(kind: str, arrays: dict[str, NDArray[Any]], features: FeatureMap) -> Model:
    workload_columns = len(features.workload_names)
    if kind == "trees":
        return TreeModel.from_arrays(arrays, features.width + workload_columns)
    if kind == "linear":
        return LinearModel.from_arrays(arrays, features.space, workload_columns)
    if kind == "stacked":
        return StackedModel.from_arrays(arrays, features.space, features.width, workload_columns)
    if kind == "networks":
        return NetworkModel.from_arrays(arrays, features.width, workload_columns)
    if kind == "gaussian":
        return GaussianModel.from_arrays(arrays, features.space, workload_columns)
    raise ModelFileError(f"a model is of kind {kind!r}; allowed: trees, linear, stacked, gaussian, networks")
