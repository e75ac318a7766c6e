"""A Croissant description of a dataset: JSON-LD that dataset search engines and loaders read.

Source of the vocabulary: MLCommons Croissant format 1.0.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from archgym.dataset.manifest import Manifest
from archgym.dataset.schema import arrow, make_schema

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "examples": {"@id": "cr:examples", "@type": "@json"},
}


def write_croissant(manifest: Manifest, directory: Path) -> None:
    text = json.dumps(croissant(manifest), indent=1)
    (directory / "croissant.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def croissant(manifest: Manifest) -> dict[str, Any]:
    """The description as JSON-LD."""
    parts = [
        {
            "@type": "cr:FileObject",
            "@id": part["file"],
            "name": part["file"],
            "contentUrl": part["file"],
            "encodingFormat": "application/x-parquet",
            "contentSize": f"{part['bytes']} B",
            "sha256": part["sha256"],
        }
        for part in manifest.parts
    ]
    every = {
        "@type": "cr:FileSet",
        "@id": "parts",
        "name": "parts",
        "encodingFormat": "application/x-parquet",
        "includes": "data/*.parquet",
    }
    schema = make_schema(manifest.design_space, manifest.metric_table)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"evaluations/{field.name}",
            "name": field.name,
            "description": _note(field),
            "dataType": _data_type(field.type),
            "source": {"fileSet": {"@id": "parts"}, "extract": {"column": field.name}},
        }
        for field in schema
    ]
    whole: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": manifest.name,
        "description": manifest.description or f"Evaluations by simulator {manifest.simulator['name']}.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": _licence(manifest.licence),
        "citeAs": citation(manifest),
        "version": f"{manifest.simulator['version']}.0.0",
        "distribution": [*parts, every],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "evaluations",
                "name": "evaluations",
                "description": "one row an evaluation",
                "field": fields,
            }
        ],
    }
    return whole | ({"datePublished": manifest.published} if manifest.published else {})


def citation(manifest: Manifest) -> str:
    """How to cite the dataset, in BibTeX; its content hash says which data are meant."""
    entries = [
        ("title", f"{{{manifest.name}: evaluations by simulator {manifest.simulator['name']}}}"),
        *([("year", manifest.published[:4])] if manifest.published else []),
        ("note", f"{manifest.rows} rows made with archgym, simulator version {manifest.simulator['version']}, "
                 f"content SHA-256 {manifest.content[:16]}"),
    ]  # fmt: skip
    return f"@misc{{{manifest.name}, {', '.join(f'{key} = {{{value}}}' for key, value in entries)}}}"


def _licence(text: str) -> str:
    """The address of a licence that has an SPDX name, else its text."""
    return f"https://spdx.org/licenses/{text}.html" if re.fullmatch(r"[A-Za-z0-9.+-]+", text) else text


def _note(field: Any) -> str:
    note = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    unit = f" [{note['unit']}]" if note.get("unit") not in (None, "1") else ""
    return f"{note.get('help', field.name)}{unit}"


def _data_type(kind: Any) -> str:
    types = arrow().types
    if types.is_boolean(kind):
        return "sc:Boolean"
    if types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if types.is_floating(kind) else "sc:Text"
