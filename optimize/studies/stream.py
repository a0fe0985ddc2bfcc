"""화면이 읽는 NDJSON: 목록(`list --lines`)과 한 스터디의 시행(`events 이름`).

시행은 실행의 사건 파일과 같은 꼴(`optimize.protocol`)이어서 화면은 지난 스터디도 실행과 똑같이 읽는다.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TextIO

from optimize.errors import StorageError
from optimize.protocol import DoneEvent, Event, StudyEvent, StudyResult, TrialEvent, encode
from optimize.report.front import goals_json
from optimize.runner.fingerprint import ATTRIBUTE
from optimize.search.pareto import Leaders
from optimize.storage.listing import StudyInfo
from optimize.storage.url import StorageUrl
from optimize.studies.front import study_goals
from optimize.studies.json_text import json_text
from optimize.trial import FinishedTrial


def write_listing(
    stream: Iterable[tuple[StorageUrl, list[StudyInfo] | StorageError]],
    notes: Iterable[str],
    out: TextIO,
) -> None:
    """스터디마다 `{"type":"study",…}`, 읽지 못한 저장소마다 `failure`, 읽지 못한 기록마다 `note`.

    읽는 대로 쓴다. 같은 저장소의 같은 이름이 다시 오면 뒤의 것이 맞다(state가 counting이던 것).
    """
    for url, found in stream:
        if isinstance(found, StorageError):
            body = {"title": found.title, "cause": found.cause, "fix": found.fix}
            _write(out, [{"type": "failure", "storage": url.masked, **body}])
        else:
            _write(out, [{"type": "study", **info.as_json()} for info in found])
    _write(out, [{"type": "note", "text": note} for note in notes])


def write_events(info: StudyInfo, pages: Iterable[list[FinishedTrial]], out: TextIO) -> None:
    """`study`, 번호 차례의 `trial`들, `done`. 쪽마다 내려 보내므로 읽는 쪽은 바로 보인다."""
    out.write(encode(_study_event(info)) + "\n")
    leaders = Leaders(info.directions)
    for page in pages:
        for event in _trial_events(info, page, leaders):
            out.write(encode(event) + "\n")
        out.flush()
    out.write(encode(_done(info, leaders)) + "\n")
    out.flush()


def _study_event(info: StudyInfo) -> Event:
    described = _described(info)
    data = described.get("data")
    source = f"{data.get('source')} {data.get('period')}" if isinstance(data, Mapping) else ""
    summary = info.summary
    symbol = str(described.get("symbol", ""))
    return StudyEvent(
        study=info.name,
        slug=info.name,
        cell=str(described.get("cell", "")),
        storage=info.url.masked,
        done=summary.n_complete + summary.n_pruned + summary.n_failed,
        target=summary.total,
        symbol=symbol,
        data=source,
        is_demo="합성 데모" in source,
        direction=info.directions[0].lower() if info.directions else "maximize",
        goals=[*goals_json(study_goals(info))],
    )


def _described(info: StudyInfo) -> Mapping[str, Any]:
    described = info.attrs.get(ATTRIBUTE)
    return described if isinstance(described, Mapping) else {}


def _trial_events(
    info: StudyInfo, trials: Iterable[FinishedTrial], leaders: Leaders
) -> Iterator[TrialEvent]:
    for trial in trials:
        value = trial.values[0] if trial.values else math.nan
        score = value if math.isfinite(value) else None
        known = bool(trial.values) and all(map(math.isfinite, trial.values))
        is_best = known and leaders.offer(trial)
        yield TrialEvent(
            study=info.name,
            number=trial.number or 0,
            state=trial.state,
            score=score,
            metrics=_finite(trial.metrics),
            params=_finite(trial.params),
            duration_ms=(trial.finished_at - trial.started_at) / timedelta(milliseconds=1),
            is_best=is_best,
            uid=trial.uid,
            started_at=trial.started_at.isoformat(timespec="milliseconds"),
            values=list(trial.values) if known else [],
            # 사건의 수는 유한하다: 무한히 어긴 제약도 어긴 것으로 남긴다.
            constraints=[item if math.isfinite(item) else 1.0 for item in trial.constraints],
            error=trial.error,
            fold=trial.fold,
            in_sample_score=_first_finite(trial.in_sample),
            out_of_sample_score=_first_finite(trial.out_of_sample),
        )


def _first_finite(values: Sequence[float]) -> float | None:
    """첫 목표의 값. 없거나 유한하지 않으면 None."""
    return values[0] if values and math.isfinite(values[0]) else None


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def _done(info: StudyInfo, leaders: Leaders) -> Event:
    summary = info.summary
    counts = (summary.n_complete, summary.n_pruned, summary.n_failed)
    best = leaders.best
    value, params = (None, None) if best is None else (best.values[0], _finite(best.params))
    size = len(leaders) if leaders.is_pareto else None
    return DoneEvent([StudyResult(info.name, info.name, *counts, value, params, size)], 0)


def _write(out: TextIO, bodies: Iterable[Mapping[str, Any]]) -> None:
    out.write("".join(json_text(body) + "\n" for body in bodies))
    out.flush()
