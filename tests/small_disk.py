"""채우기 쉬운 작은 디스크(tmpfs). 찬 디스크의 고장을 진짜로 일으킨다."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(
    folder: Path, kilobytes: int, *options: str, owner: int | None = None
) -> Iterator[Path]:
    """folder에 얹은 작은 tmpfs. owner: 주인의 uid. 얹을 수 없으면 까닭을 말하고 건너뛴다."""
    if os.geteuid() != 0:
        pytest.skip("찬 디스크를 만들려면 tmpfs를 얹을 root여야 합니다")
    folder.mkdir(parents=True, exist_ok=True)
    settings = ",".join((f"size={kilobytes}k", "mode=0711", *options))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", settings, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"이 컴퓨터는 tmpfs를 얹게 하지 않습니다: {done.stderr.strip()}")
    try:
        if owner is not None:
            os.chown(folder, owner, -1)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """디스크를 마지막 바이트까지 채운다. 나오면 비운다."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()
