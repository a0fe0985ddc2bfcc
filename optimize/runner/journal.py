"""죽은 실행의 기록에서 저장되지 못한 시행을 되살린다.

실행마다 `wal.json`이 어느 스터디의 시행을 적는지와, 모두 저장되었는지(settled)를 말한다. 그래서
시작할 때 사건 기록을 다 읽지 않는다: 같은 스터디를 쓰고 아직 settled가 아닌 실행만 읽는다.
살아 있는 실행은 `lock`을 쥐고 있다(flock은 프로세스가 죽으면 커널이 푼다).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from optimize import paths
from optimize.errors import RunError, SettingsError, os_reason
from optimize.protocol import StoredEvent, TrialEvent, decode, encode
from optimize.runner.events import EVENTS_FILE, LineFile
from optimize.trial import FinishedTrial

WAL_FILE = "wal.json"
LOCK_FILE = "lock"
_VERSION = 1
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class JournalStudy:
    """한 실행이 시행을 적는 스터디 하나.

    storage: 저장소의 이름(`portable_storage`, 내장 서버면 `embedded`). fingerprint: 스터디의 지문. target: 그 실행의
    목표 총수.
    settled: 적은 시행이 모두 저장되었다.
    """

    study: str
    storage: str
    fingerprint: str
    target: int
    settled: bool = False

    def same_study(self, other: JournalStudy) -> bool:
        """같은 저장소의, 견줄 수 있는 같은 스터디인가."""
        return (self.study, self.storage, self.fingerprint) == (
            other.study,
            other.storage,
            other.fingerprint,
        )


def portable_storage(masked: str) -> str:
    """가린 URL을, 프로젝트 안의 SQLite 파일이면 뿌리에서의 상대 경로로: 옮기거나 복사한 폴더에서도 같은 이름이다."""
    inside = f"{_SQLITE}{paths.home().as_posix().rstrip('/')}/"
    return f"{_SQLITE}{masked.removeprefix(inside)}" if masked.startswith(inside) else masked


@dataclass(frozen=True, slots=True)
class Journal:
    """한 실행의 `wal.json`. owner: 그 실행이 자리를 맡은 이름."""

    run_dir: Path
    owner: str
    studies: tuple[JournalStudy, ...]

    def write(self) -> None:
        """원자적으로 쓴다(0600). 쓰지 못하면 RunError."""
        body = {
            "version": _VERSION,
            "owner": self.owner,
            "studies": [asdict(item) for item in self.studies],
        }
        write_private(self.run_dir / WAL_FILE, json.dumps(body, ensure_ascii=False, indent=1))

    def settle(self, study: JournalStudy) -> Journal:
        """그 스터디를 settled로 적은 새 기록을 쓰고 준다."""
        settled = tuple(
            replace(item, settled=True) if item.same_study(study) else item for item in self.studies
        )
        journal = replace(self, studies=settled)
        journal.write()
        return journal


def write_private(path: Path, text: str) -> None:
    """0600 파일을 원자적으로 쓴다. 쓰지 못하면 RunError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(
            "실행 기록을 쓰지 못했습니다",
            f"{path}: {os_reason(error)}",
            "디스크의 빈 자리(df -h)와 studies/ 폴더의 권한(ls -ld studies)을 보세요",
        ) from error


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """이 실행이 살아 있는 동안 쥐는 잠금. 같은 이름의 실행이 돌고 있으면 SettingsError."""
    lock = FileLock(run_dir / LOCK_FILE, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SettingsError(
            "같은 이름의 실행이 이미 돌고 있습니다",
            f"run-id {run_dir.name}",
            "--run-id 를 빼거나 다른 이름을 주세요",
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_running(run_dir: Path) -> bool:
    """그 실행의 coordinator가 살아 있는가."""
    lock = FileLock(run_dir / LOCK_FILE, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def dead_journals(study: JournalStudy, own: Path) -> Iterator[Journal]:
    """study에 시행을 적다가 settled 없이 죽은 실행들, 이름순.

    own: 지금 실행의 폴더. 제 기록을 쓰기 전에 부르면, 거기 있는 것은 같은 이름(`--run-id`)으로 앞서 죽은 실행의 것이다.
    """
    for path in sorted(paths.studies_dir().glob(f"*/runs/*/{WAL_FILE}")):
        journal = read_journal(path)
        if journal is None or _is_linked(path):
            continue
        wanted = any(item.same_study(study) and not item.settled for item in journal.studies)
        if wanted and (path.parent == own or not is_running(path.parent)):
            yield journal


def begin_journal(run_dir: Path, owner: str, studies: Sequence[JournalStudy]) -> Journal:
    """지금 실행의 기록을 쓴다. 같은 이름으로 앞서 죽은 실행이 다른 스터디에 남긴 것은 지우지 않는다."""
    before = read_journal(run_dir / WAL_FILE)
    left = [
        item
        for item in (() if before is None else before.studies)
        if not item.settled and not any(item.same_study(mine) for mine in studies)
    ]
    journal = Journal(run_dir, owner, (*studies, *left))
    journal.write()
    return journal


def _is_linked(path: Path) -> bool:
    """밖을 가리키는 링크로 들어온 실행인가: 되살리며 거기에 적지 않는다."""
    try:
        paths.refuse_links(path)
    except OSError:
        return True
    return False


def read_journal(path: Path) -> Journal | None:
    """`wal.json`을 읽는다. 깨졌거나 모르는 판이면 None(사건 기록은 그대로 남는다)."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["version"] != _VERSION:
            return None
        studies = tuple(
            JournalStudy(**{**item, "storage": portable_storage(item["storage"])})
            for item in body["studies"]
        )
        return Journal(path.parent, str(body["owner"]), studies)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def unstored_trials(run_dir: Path, study: str) -> list[FinishedTrial]:
    """사건 기록에서 `stored`가 따르지 않은 그 스터디의 시행들, 적힌 차례로."""
    found: dict[str, FinishedTrial] = {}
    for item in _entries(run_dir, study):
        if isinstance(item, FinishedTrial):
            found[item.uid] = item
        else:
            for uid in item.uids:
                found.pop(uid, None)
    return list(found.values())


def written_trials(run_dir: Path, study: str, start: int) -> list[FinishedTrial]:
    """사건 기록의 start번째 바이트부터(`EventWriter.start`) 적힌 그 스터디의 모든 시행, 적힌 차례로."""
    return [item for item in _entries(run_dir, study, start) if isinstance(item, FinishedTrial)]


def _entries(run_dir: Path, study: str, start: int = 0) -> Iterator[FinishedTrial | StoredEvent]:
    """사건 기록의 그 스터디의 시행과 `stored`들. 반 줄과, 칸의 값이 틀린(깨졌거나 판이 다른) 줄은 건너뛴다."""
    try:
        with (run_dir / EVENTS_FILE).open("rb") as lines:
            lines.seek(start)
            for raw in lines:
                line = raw.decode("utf-8", "replace")
                # 거의 모든 줄이 시행이다. 다른 사건은 풀지 않고 지나간다.
                if '"type":"trial"' not in line and '"type":"stored"' not in line:
                    continue
                event = decode(line)
                with suppress(ValueError, TypeError, AttributeError, OverflowError):
                    if isinstance(event, TrialEvent) and event.study == study and event.uid:
                        yield finished_trial(event)
                    elif isinstance(event, StoredEvent) and event.study == study:
                        yield event
    except FileNotFoundError:
        return


def note_stored(run_dir: Path, study: str, numbers: Mapping[str, int]) -> None:
    """되살려 저장했음을 죽은 실행의 기록에 적는다. numbers: uid → 번호."""
    file = LineFile(run_dir / EVENTS_FILE)
    try:
        file.write([encode(StoredEvent(study, list(numbers), list(numbers.values())))])
    finally:
        file.close()


def finished_trial(event: TrialEvent) -> FinishedTrial:
    """기록된 `trial` 사건을 끝난 시행으로. 칸의 값이 틀렸으면 ValueError나 TypeError."""
    if event.state not in ("COMPLETE", "PRUNED", "FAIL"):
        raise ValueError(f"모르는 상태: {event.state}")
    started = datetime.fromisoformat(event.started_at).astimezone(UTC)
    return FinishedTrial(
        uid=event.uid,
        state=event.state,  # type: ignore[arg-type]  # 우리가 적은 세 상태뿐이다
        params=dict(event.params),
        values=tuple(event.values),
        started_at=started,
        finished_at=started + timedelta(milliseconds=event.duration_ms),
        metrics=dict(event.metrics),
        constraints=tuple(event.constraints),
        intermediate={int(step): value for step, value in event.intermediate.items()},
        error=event.error,
        fold=event.fold,
        in_sample=tuple(event.in_sample),
        in_sample_constraints=tuple(event.in_sample_constraints),
        out_of_sample=tuple(event.out_of_sample),
        out_of_sample_metrics=dict(event.out_of_sample_metrics),
        blocks=event.blocks,
        by_symbol=dict(event.by_symbol),
    )
