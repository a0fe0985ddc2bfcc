"""복사의 진행과 결과를 사람에게, 또는 JSON 줄로 알린다. 결과는 stdout, 진행은 stderr다."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from optimize.masking import printable
from optimize.storage.copy_rows import Transform
from optimize.storage.copy_source import Source, SourceStudy
from optimize.storage.copy_study import CopyResult
from optimize.storage.url import StorageUrl

_STAGES = {"copy": "옮기기", "verify": "확인"}
_INTERVAL_S = 0.2


class CopyReport:
    """복사 명령의 알림. json_lines: 모두 stdout에 JSON으로."""

    def __init__(self, out: TextIO, err: TextIO, *, json_lines: bool) -> None:
        self._out, self._err = out, err
        self._json = json_lines

    def begin(
        self,
        source: Source,
        target: StorageUrl,
        transform: Transform,
        studies: Sequence[SourceStudy],
    ) -> None:
        zone = str(transform.zone) if transform.zone else None
        if self._json:
            self._line(
                type="begin",
                source=source.url.masked,
                target=target.masked,
                library=source.library,
                revision=source.revision,
                upgraded_copy=source.upgraded,
                source_timezone=zone,
                studies=len(studies),
                trials=sum(study.total for study in studies),
            )
            return
        print(
            f"원본  {source.url.masked} (Optuna {source.library or '알 수 없음'})", file=self._err
        )
        print(f"대상  {target.masked}", file=self._err)
        if source.upgraded:
            print("      옛 스키마라 사본을 올려서 읽습니다. 원본은 그대로입니다", file=self._err)
        if zone:
            print(f"      시각을 {zone}에서 UTC로 옮깁니다", file=self._err)

    def planned(self, study: SourceStudy, name: str, *, clash: bool) -> None:
        if self._json:
            self._line(type="study", study=study.name, name=name, states=study.states, exists=clash)
            return
        states = " · ".join(f"{state} {count:,}" for state, count in sorted(study.states.items()))
        running = " (RUNNING은 FAIL로)" if study.states.get("RUNNING") else ""
        note = " — 대상에 이미 있어 복사할 수 없습니다" if clash else ""
        print(
            f"{printable(study.name)} → {printable(name)}: {states or '시행 없음'}{running}{note}",
            file=self._out,
        )

    def progress(self, study: SourceStudy) -> Callable[[str, int, int], None]:
        """`copy_study`에 줄 진행 함수. 0.2초에 한 번까지만 알린다."""
        began = time.monotonic()
        last = 0.0

        def show(stage: str, done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < _INTERVAL_S and done < total:
                return
            last = now
            # 옮기기와 확인이 일의 반씩이다.
            share = (done + (total if stage == "verify" else 0)) / (2 * total)
            eta = (now - began) / share - (now - began) if share else 0.0
            if self._json:
                self._line(
                    type="progress",
                    study=study.name,
                    stage=stage,
                    done=done,
                    total=total,
                    eta_s=round(eta, 1),
                )
                return
            end = "\r" if self._err.isatty() else "\n"
            text = f"{printable(study.name)}  {_STAGES[stage]} {done:,}/{total:,} ({share:.0%})  남은 시간 {eta:.0f}초 "
            print(text, end=end, file=self._err, flush=True)

        return show

    def already(self, study: SourceStudy) -> None:
        if self._json:
            self._line(type="same", study=study.name, trials=study.total)
        else:
            print(
                f"{printable(study.name)}: 이미 같은 것이 있습니다(시행 {study.total:,}개 확인)",
                file=self._out,
            )

    def copied(self, result: CopyResult, seconds: float) -> None:
        if self._json:
            self._line(
                type="copied",
                study=result.study,
                trials=result.trials,
                resumed=result.resumed,
                failed_running=result.failed_running,
                sha256=result.digest,
                seconds=round(seconds, 3),
            )
            return
        if self._err.isatty():
            print(file=self._err)
        notes = [f"{seconds:.1f}초", f"지문 {result.digest[:12]} 일치"]
        if result.resumed:
            notes.append(f"앞선 복사에서 {result.resumed:,}개를 이어받음")
        if result.failed_running:
            notes.append(f"RUNNING {result.failed_running:,}개를 FAIL로")
        print(
            f"{printable(result.study)}: 시행 {result.trials:,}개를 복사했습니다 ({', '.join(notes)})",
            file=self._out,
        )

    def end(self, done: int, same: int, failed: int) -> None:
        if self._json:
            self._line(type="result", ok=failed == 0, copied=done, same=same, failed=failed)
        elif done + same + failed > 1:
            print(f"복사 {done} · 이미 같음 {same} · 하지 못함 {failed}", file=self._out)

    def _line(self, **body: object) -> None:
        self._out.write(json.dumps(body, ensure_ascii=False) + "\n")
        self._out.flush()
