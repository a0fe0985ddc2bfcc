"""실행의 계획: 설정, 인자, 환경을 합쳐 무엇을 어디에 할지 정한 frozen 값.

무거운 것(Optuna, numba, SQLAlchemy)을 import하지 않는다: `--plan`과 화면이 바로 뜬다.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from optimize import paths
from optimize.data.symbols import Symbol
from optimize.data.timeframes import Cell, parse_grid
from optimize.masking import mask_secrets
from optimize.settings.arguments import RunArguments
from optimize.settings.dotenv_file import read_dotenv
from optimize.settings.load import load_params
from optimize.settings.model import Params
from optimize.settings.storage_part import storage_options
from optimize.settings.symbols import symbols_slug
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import Pointer, pointer_path, read_pointer
from optimize.storage.resolve import ResolvedStorage, resolve
from optimize.storage.url import StorageUrl, sqlite_url
from optimize.validation.splits import Rules, describe, make_scheme, scheme_json

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class CellPlan:
    """격자의 한 칸과 그 스터디가 놓일 저장소. resolved: 저장소를 정한 규칙."""

    cell: Cell
    slug: str
    study_name: str
    storage_url: StorageUrl
    resolved: ResolvedStorage


@dataclass(frozen=True, slots=True)
class Plan:
    """한 실행의 계획.

    symbols: 한 시행이 함께 보는 심볼들, 이름의 차례. data_file: 심볼이 하나일 때의 캔들 파일의 절대 경로
    또는 None. argv: 이 실행을 부른 인자.
    """

    params: Params
    symbols: tuple[Symbol, ...]
    cells: tuple[CellPlan, ...]
    storage_options: StorageOptions
    config: Path
    data_file: Path | None
    argv: tuple[str, ...] = ()

    @property
    def storage_rule(self) -> str:
        """어느 규칙이 저장소를 정했는지, 사람이 읽는 한 줄."""
        return self.cells[0].resolved.rule_ko

    @property
    def n_jobs(self) -> int:
        """작업 프로세스 수. -1은 이 프로세스가 쓸 수 있는 코어 수로 바뀐다."""
        jobs = self.params.search.n_jobs
        return len(os.sched_getaffinity(0)) if jobs == -1 else jobs

    @property
    def symbol(self) -> Symbol:
        """첫 심볼."""
        return self.symbols[0]

    @property
    def symbols_text(self) -> str:
        """심볼들을 쉼표로 이은 글."""
        return ", ".join(map(str, self.symbols))

    def command_line(self) -> str:
        """이 실행을 되풀이하는 명령. 비밀번호는 가린다."""
        return mask_secrets(shlex.join(("python", "-m", "optimize.run", *self.argv)), self.secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """이 계획이 아는 비밀번호들(가리는 데만 쓴다)."""
        return tuple({secret for cell in self.cells for secret in cell.storage_url.secrets})

    def masked(self) -> dict[str, Any]:
        """비밀번호를 가린 사전(JSON으로 쓸 수 있다): `--plan`, plan.json, `plan` 사건."""
        params = self.params.model_dump(mode="json")
        if params["search"]["storage_url"]:
            params["search"]["storage_url"] = mask_secrets(
                params["search"]["storage_url"], self.secrets
            )
        return {
            "symbol": self.symbols_text,
            "symbols": [str(symbol) for symbol in self.symbols],
            "cells": [
                {
                    "cell": str(item.cell),
                    "slug": item.slug,
                    "study": item.study_name,
                    "storage": item.storage_url.masked,
                }
                for item in self.cells
            ],
            "storage": {
                "backend": self.cells[0].resolved.backend,
                "rule": self.cells[0].resolved.rule,
                "rule_ko": self.storage_rule,
                "env": self.cells[0].resolved.env_name,
            },
            "n_jobs": self.n_jobs,
            "validation": self._validation(),
            "config": str(self.config),
            "home": str(paths.home()),
            "params": params,
        }

    def _validation(self) -> dict[str, Any]:
        """검증의 나눔. 기간의 시작과 끝을 정했으면 split마다의 날짜까지, 아니면 규칙만.

        캔들이 그 기간을 다 채우지 못하면 `study` 사건의 것이 맞다. 나눌 수 없는 기간이면 DataError.
        """
        data, rules = self.params.data, Rules(**self.params.validation.model_dump())
        if data.start and data.end:
            days = [
                date.fromisoformat(text).toordinal() - _EPOCH for text in (data.start, data.end)
            ]
            return scheme_json(make_scheme(rules, days[0], days[1]))
        body: dict[str, Any] = {"method": rules.method, "label": describe(rules), "splits": []}
        if rules.method != "none":
            body["note"] = "split의 날짜는 캔들의 기간을 읽은 뒤 정해집니다"
        return body


def make_plan(arguments: RunArguments, environ: Mapping[str, str] | None = None) -> Plan:
    """인자에서 계획을 세운다.

    environ: None이면 이 프로세스의 환경. SettingsError: 설정이 틀렸다.
    StorageError: 지난 저장소 기록이 깨졌거나 그 비밀번호를 찾을 수 없다.
    """
    params = load_params(arguments.config, arguments.overrides)
    symbols = tuple(entry.parsed for entry in params.chosen)
    cells = parse_grid(params.timeframe_grid)
    variables = os.environ if environ is None else environ
    file = params.chosen[0].file if len(symbols) == 1 else None
    return Plan(
        params=params,
        symbols=symbols,
        cells=_plan_cells(params, symbols, cells, arguments, variables),
        storage_options=storage_options(params.search),
        config=(arguments.config or paths.default_config()).absolute(),
        data_file=None if file is None else resolved_file(file),
        argv=arguments.argv,
    )


def resolved_file(file: str) -> Path:
    """설정의 파일 경로. 상대 경로는 뿌리 폴더에서 잰다."""
    return paths.home() / paths.expanded(file)


def study_names(name: str | None, slugs: tuple[str, ...], cells: tuple[Cell, ...]) -> list[str]:
    """칸마다의 스터디 이름: 정하지 않으면 slug, 정했고 칸이 여럿이면 뒤에 칸을 붙인다."""
    if name is None:
        return list(slugs)
    if len(cells) == 1:
        return [name]
    return [f"{name}_{cell.slug}" for cell in cells]


def _plan_cells(
    params: Params,
    symbols: tuple[Symbol, ...],
    cells: tuple[Cell, ...],
    arguments: RunArguments,
    environ: Mapping[str, str],
) -> tuple[CellPlan, ...]:
    head = symbols_slug(symbols)
    slugs = tuple(f"{head}_{cell.slug}" for cell in cells)
    names = study_names(params.search.study_name, slugs, cells)
    dotenv = read_dotenv()

    def choose(pointer: Pointer | None) -> ResolvedStorage:
        return resolve(
            arguments.storage_url,
            arguments.storage_url_env,
            params.search.storage_url_env,
            params.search.storage_url,
            pointer,
            environ,
            dotenv,
        )

    # 앞의 규칙이 정하면 기록은 읽지 않는다: 쓰이지 않을 깨진 기록이 막지 않게.
    wanted = choose(None).rule == "default"
    pointers = [read_pointer(pointer_path(slug)) if wanted else None for slug in slugs]
    # 아직 실행한 적이 없는 칸은 같은 격자의 다른 칸을 따른다.
    known = [(slug, item) for slug, item in zip(slugs, pointers, strict=True) if item is not None]
    planned = []
    for slug, name, cell, own in zip(slugs, names, cells, pointers, strict=True):
        owner, pointer = (slug, own) if own is not None else known[0] if known else (slug, None)
        resolved = choose(pointer)
        url = resolved.url
        if resolved.rule == "pointer" and _is_default_sqlite(owner, pointer):
            url = None
        if url is None:
            url = sqlite_url(paths.sqlite_path(slug, name))
        planned.append(CellPlan(cell, slug, name, url, resolved))
    return tuple(planned)


def _is_default_sqlite(slug: str, pointer: Pointer | None) -> bool:
    """기록이 가리키는 것이 스터디마다의 SQLite 기본 자리인가."""
    return (
        pointer is not None
        and pointer.backend == "sqlite"
        and pointer.url().path == paths.sqlite_path(slug, pointer.study_name).absolute()
    )
