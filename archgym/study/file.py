"""Study files: TOML in, `Study` out; unknown keys are refused with the nearest known one."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archgym.agents import agent_class
from archgym.errors import ConfigError, UnknownNameError
from archgym.study.definition import Agents, Draw, Problems, Study, whole


def read_study(path: Path | str, scale: str | None = None) -> Study:
    """A study from a TOML file.

    Args:
        scale: the name of one of the file's ``[scale.NAME]`` tables, which shrink it.

    Raises:
        ConfigError: if the file cannot be read or a value is not allowed.
        UnknownNameError: for unknown keys, agents, problems, hyperparameters or scales, with the nearest name.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"study file {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"study file {path}: not TOML ({error})") from error
    return parse_study(content, scale)


_STUDY_KEYS = ("name", "question", "budget", "seeds", "log", "scale", "problems", "agents")
_PROBLEM_KEYS = tuple(f.name for f in dataclasses.fields(Problems))
_AGENT_KEYS = tuple(f.name for f in dataclasses.fields(Agents))
_SCALE_KEYS = ("budget", "seeds", "settings", "workloads", "objectives")


def parse_study(content: Mapping[str, Any], scale: str | None = None) -> Study:
    """A study from the content of a TOML file, or from `Study.to_json`."""
    _check_keys("study", content, _STUDY_KEYS)
    for name in ("name", "budget"):
        if name not in content:
            raise ConfigError(f"a study needs {name!r}")
    scales = content.get("scale", {})
    shrink: Mapping[str, Any] = {}
    if scale:
        if not isinstance(scales, Mapping) or scale not in scales:
            raise UnknownNameError("scale", scale, scales if isinstance(scales, Mapping) else ())
        shrink = scales[scale]
        _check_keys(f"scale.{scale}", shrink, _SCALE_KEYS)
    return Study(
        name=content["name"],
        problems=tuple(_problems(entry, shrink) for entry in _tables("problems", content)),
        agents=tuple(_agents(entry, shrink) for entry in _tables("agents", content)),
        budget=shrink.get("budget", content["budget"]),
        seeds=_seeds(shrink.get("seeds", content.get("seeds", 1))),
        question=content.get("question", ""),
        log=content.get("log", "compact"),
        scale=scale or (scales if isinstance(scales, str) else ""),
    )


def _tables(name: str, content: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ConfigError(f"{name} must be a list of tables, written [[{name}]]")
    return entries


def _check_keys(where: str, table: Any, allowed: Sequence[str]) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, not {table!r}")
    for key in table:
        if key not in allowed:
            raise UnknownNameError(f"key of {where}", key, allowed)


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    whole("seeds", value, 1)
    return tuple(range(value))


def _names(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise ConfigError(f"{where}: {value!r} is not a list of names")
    return tuple(value)


def _problems(entry: Mapping[str, Any], shrink: Mapping[str, Any]) -> Problems:
    _check_keys("[[problems]]", entry, _PROBLEM_KEYS)
    if "id" not in entry:
        raise ConfigError("[[problems]] needs 'id'")
    lists = {
        name: _names(f"{name} of {entry['id']}", entry.get(name, []))[: shrink.get(name)]
        for name in ("workloads", "objectives")
    }
    return Problems(**{**entry, **lists})


def _agents(entry: Mapping[str, Any], shrink: Mapping[str, Any]) -> Agents:
    _check_keys("[[agents]]", entry, _AGENT_KEYS)
    if "agent" not in entry:
        raise ConfigError("[[agents]] needs 'agent'")
    values = dict(entry)
    for name in ("fixed", "grid", "draw"):
        if not isinstance(values.get(name, {}), Mapping):
            raise ConfigError(f"agent {entry['agent']!r}: {name!r} must be a table, not {values[name]!r}")
    values["grid"] = {name: _grid(entry["agent"], name, v) for name, v in entry.get("grid", {}).items()}
    values["draw"] = {name: _draw(entry["agent"], name, v) for name, v in entry.get("draw", {}).items()}
    for name in ("workloads", "objectives"):
        values[name] = _names(f"{name} of agent {entry['agent']!r}", entry.get(name, []))[: shrink.get(name)]
    for name in ("count", "draw_seed", "settings", "budget", "batch_size"):
        whole(f"{name} of agent {entry['agent']!r}", values.get(name, 0), 0)
    values["seeds"] = _seeds(entry["seeds"]) if entry.get("seeds") else ()
    if "settings" in shrink:
        values["settings"] = min(shrink["settings"], values.get("settings") or shrink["settings"])
    if "budget" in shrink and values.get("budget"):
        values["budget"] = min(values["budget"], shrink["budget"])
    if "seeds" in shrink and values["seeds"]:
        values["seeds"] = values["seeds"][: len(_seeds(shrink["seeds"]))]
    return Agents(**values)


def _grid(agent: str, name: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise ConfigError(f"agent {agent!r}: the grid of {name!r} must be a list of values, not {values!r}")
    return tuple(values)


def _draw(agent: str, name: str, value: Any) -> Draw:
    _check_keys(f"draw.{name} of agent {agent!r}", value, tuple(f.name for f in dataclasses.fields(Draw)))
    draw = dict(value)
    if not draw.get("choices"):
        field = {f.name: f for f in dataclasses.fields(agent_class(agent).Hyperparameters)}.get(name)
        meta: Mapping[str, Any] = field.metadata if field else {}
        draw = {
            "low": meta.get("low"),
            "high": meta.get("high"),
            "choices": meta.get("choices", ()),
            **{key: entry for key, entry in draw.items() if entry is not None},
        }
        if value.get("low") is not None or value.get("high") is not None:
            draw["choices"] = ()
    return Draw(**{**draw, "choices": tuple(draw.get("choices") or ())})
