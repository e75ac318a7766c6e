"""What other libraries read of a dataset: its Croissant description, and the exports; the libraries judge if installed."""

import hashlib
import json
import math
from pathlib import Path

import pytest

from archgym import make_problem
from archgym.dataset import build_dataset, export_dataset, open_dataset
from archgym.errors import ConfigError
from archgym.rollout import run_search
from tests.dataset.toy import register_toy

pq = pytest.importorskip("pyarrow.parquet")
register_toy()
SHIPPED = Path(__file__).parents[2] / "datasets"
NAMES = ("dnn", "soc", "dram-diverse")


@pytest.fixture(params=NAMES)
def shipped(request):
    return SHIPPED / request.param


def test_croissant_describes_the_files_that_are_there(shipped):
    description = json.loads((shipped / "croissant.json").read_text())
    files = [entry for entry in description["distribution"] if entry["@type"] == "cr:FileObject"]
    assert {entry["contentUrl"] for entry in files} == {f"data/{file.name}" for file in shipped.glob("data/*.parquet")}
    for entry in files:
        content = (shipped / entry["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert entry["contentSize"] == f"{len(content)} B"


def test_croissant_has_a_field_for_every_parquet_column(shipped):
    description = json.loads((shipped / "croissant.json").read_text())
    (records,) = description["recordSet"]
    ids = {entry["@id"] for entry in description["distribution"]}
    assert {field["source"]["fileSet"]["@id"] for field in records["field"]} <= ids
    schema = pq.read_schema(next(shipped.glob("data/*.parquet")))
    assert [field["source"]["extract"]["column"] for field in records["field"]] == schema.names


def test_mlcroissant_accepts_the_description_and_reads_the_first_row(shipped):
    mlcroissant = pytest.importorskip("mlcroissant")
    loaded = mlcroissant.Dataset(str(shipped / "croissant.json"))
    assert not loaded.metadata.issues.errors
    assert not loaded.metadata.issues.warnings
    first = next(iter(loaded.records("evaluations")))
    reward = first["evaluations/reward"]
    expected = pq.read_table(next(shipped.glob("data/*.parquet")), columns=["reward"])["reward"][0].as_py()
    assert reward == expected or (math.isnan(reward) and expected is None)


def test_hugging_face_datasets_loads_the_export(tmp_path):
    datasets = pytest.importorskip("datasets")
    if not hasattr(datasets, "load_dataset"):
        pytest.skip("Hugging Face datasets is not installed")  # the folder of this name was found instead
    data = open_dataset(SHIPPED / "dnn")
    export_dataset(data, "huggingface", tmp_path / "hf")
    loaded = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))["train"]
    rows = data.read()
    assert loaded.num_rows == len(rows)
    assert loaded["reward"][:] == rows.reward.tolist()


def test_the_description_says_how_to_cite_and_when_it_was_published(tmp_path):
    logs = tmp_path / "logs"
    run_search(make_problem("ToyMemoryEnv-v0"), "random", 20, directory=logs)
    dated, undated = (
        build_dataset([logs], tmp_path / f"made{date}", name="toy", licence=licence, published=date)
        for date, licence in (("2020-02-29", "MIT"), ("", "ask me first"))
    )
    told = [json.loads((made.directory / "croissant.json").read_text()) for made in (dated, undated)]
    assert (told[0]["datePublished"], told[0]["license"]) == ("2020-02-29", "https://spdx.org/licenses/MIT.html")
    assert "datePublished" not in told[1]
    assert told[1]["license"] == "ask me first"
    assert "@misc{toy, " in told[0]["citeAs"]
    assert "year = {2020}" in told[0]["citeAs"]
    assert dated.manifest.content[:16] in told[0]["citeAs"]
    with pytest.raises(ConfigError, match=r"published: '29\.2\.2020' is not a date"):
        build_dataset([logs], tmp_path / "no", published="29.2.2020")
