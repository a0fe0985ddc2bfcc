"""한 저장소의 지난 목록: 그대로면 다시 읽지 않고, 바뀌었으면 세었던 것을 자취와 함께 준다."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from optimize.storage.census import Counted, Mark, Summary
from optimize.storage.dbapi import Rows
from optimize.storage.listing_cache import ListingCache, file_stamp
from optimize.storage.overview import Found, server_place
from optimize.storage.url import StorageUrl

_SUMMARY_FIELDS = tuple(field.name for field in fields(Summary))


@dataclass(frozen=True, slots=True)
class _Entry:
    stamp: str
    place: str
    studies: list[Found]
    counts: dict[int, Counted]


class Memory:
    """한 저장소를 읽기 전에 만들고, 다 읽은 뒤 `keep`으로 적는다. cache가 None이면 늘 빈 기억이다.

    표식이 그대로면(`unchanged`) 지난 목록이 맞다: SQLite는 파일을 열기 전에, PostgreSQL은 연결한 뒤
    (`look`)에 안다. 아니면 세었던 것(`counts`) 가운데 바뀐 스터디만 다시 센다.
    """

    def __init__(self, url: StorageUrl, cache: ListingCache | None) -> None:
        self._cache = cache
        self._path = url.path
        self._key = str(url.path) if url.path else " ".join(map(str, url.login))
        self._file = file_stamp(url.path) if url.path and cache else None
        self._stamp = self._file.text if self._file else ""
        self._place = ""
        self._entry = _decode(cache.get(self._key)) if cache else None

    def look(self, db: Rows) -> None:
        """연결한 데이터베이스의 표식을 읽는다(PostgreSQL)."""
        if self._cache and db.backend == "postgresql":
            self._place, moment = server_place(db)
            self._stamp = f"{self._place} {moment}" if moment else ""

    def unchanged(self) -> list[Found] | None:
        """표식이 그대로면 지난 목록, 아니면 None."""
        if self._entry and self._stamp and self._entry.stamp == self._stamp:
            return self._entry.studies
        return None

    def counts(self) -> dict[int, Counted]:
        """지난번에 센 것들. 맞는지는 자취로 본다(`census.check_marks`)."""
        if self._entry and self._entry.place == self._place:
            return self._entry.counts
        return {}

    def is_settled(self) -> bool:
        """처음 본 때에 한동안 바뀌지 않은 파일이었는가."""
        return self._file is not None and self._file.settled

    def is_untouched(self) -> bool:
        """파일의 표식이 처음 본 그대로인가."""
        after = file_stamp(self._path) if self._path else None
        return after is not None and after == self._file

    def keep(self, studies: Sequence[Found], counts: Mapping[int, Counted]) -> None:
        """읽은 것을 적는다. 읽는 동안 바뀌었거나 방금 바뀐 파일은 표식 없이."""
        if self._cache is None:
            return
        stamp = self._stamp
        if self._path is not None:
            stamp = stamp if self.is_settled() and self.is_untouched() else ""
        body = {
            "place": self._place,
            "studies": [_study_json(study) for study in studies] if stamp else [],
            "counts": {
                key: [
                    _summary_json(item.summary),
                    (item.mark.count, item.mark.last_id, item.mark.rows),
                ]
                for key, item in counts.items()
                if item.mark
            },
        }
        # ASCII로 적는다: attribute에는 UTF-8로 적을 수 없는 글(글자가 깨진 파일 이름)도 있다.
        self._cache.put(self._key, stamp, json.dumps(body))


def _decode(stored: tuple[str, str] | None) -> _Entry | None:
    if stored is None:
        return None
    stamp, text = stored
    # 다른 판이 쓴 것이면 없는 것으로 본다.
    with suppress(ValueError, TypeError, KeyError, IndexError):
        body = json.loads(text)
        return _Entry(
            stamp,
            body["place"],
            [
                Found(study_id, name, tuple(directions), until, _summary(summary), attrs)
                for study_id, name, directions, until, summary, attrs in body["studies"]
            ],
            {
                int(key): Counted(_summary(summary), Mark(count, last, tuple(map(tuple, rows))))
                for key, (summary, (count, last, rows)) in body["counts"].items()
            },
        )
    return None


def _study_json(study: Found) -> list[Any]:
    summary = _summary_json(study.summary or Summary())
    return [
        study.study_id,
        study.name,
        study.directions,
        study.claimed_until,
        summary,
        study.attrs,
    ]


def _summary_json(found: Summary) -> list[Any]:
    # dataclasses.astuple은 모두를 깊이 베껴 천 개에 50 ms가 든다.
    *numbers, moment = (getattr(found, name) for name in _SUMMARY_FIELDS)
    return [*numbers, moment.isoformat() if moment else None]


def _summary(values: Sequence[Any]) -> Summary:
    *numbers, moment = values
    summary = Summary(*numbers)
    return replace(summary, last_activity=datetime.fromisoformat(moment)) if moment else summary
