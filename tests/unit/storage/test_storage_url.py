"""저장소 URL: 비밀번호의 날글자를 견디고, 어떤 글에도 비밀번호를 내지 않는다."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from optimize.errors import SettingsError
from optimize.storage.url import StorageUrl, parse_storage_url, sqlite_url

HARSH = "p@s/s%:#{b}?&한글"
_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), min_size=1, max_size=20)


@settings(deadline=None, max_examples=200)
@given(user=_TEXT, password=_TEXT.filter(lambda p: p != "***"), database=_TEXT)
def test_encoded_url_round_trips_here_and_in_sqlalchemy(
    user: str, password: str, database: str
) -> None:
    """내보낸 URL은 다시 읽어도, SQLAlchemy가 읽어도, RDBStorage의 .format()을 지나도 같은 값이다."""
    url = StorageUrl("postgresql", "psycopg2", user, password, "db.example", 5433, database, None)
    assert parse_storage_url(url.secret) == url
    theirs = make_url(url.secret.format())
    assert (theirs.username, theirs.password, theirs.database) == (user, password, database)
    assert parse_storage_url(url.masked) == url.with_password(None)


@settings(deadline=None, max_examples=200)
@given(password=_TEXT.filter(lambda p: "%" not in p and p != "***" and p.strip("'\"") == p))
def test_raw_password_is_read_whole(password: str) -> None:
    """percent-encoding하지 않은 비밀번호도(% 말고는) 글자 그대로 읽는다."""
    url = parse_storage_url(f"postgresql://me:{password}@h:5433/db?sslmode=require")
    assert (url.password, url.host, url.port, url.database) == (password, "h", 5433, "db")
    assert url.query == (("sslmode", "require"),)


def test_harsh_password_is_hidden_everywhere() -> None:
    """repr·str·masked·오류 글·f-string 어디에도 비밀번호가 없다."""
    url = parse_storage_url(f"postgresql://me:{HARSH}@h/db")
    assert url.password == HARSH
    for text in (repr(url), str(url), f"{url}", url.masked):
        assert "s/s" not in text
        assert "***" in text
    assert pickle.loads(pickle.dumps(url)) == url


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgres://h/d", "psycopg2"),
        ("postgresql://h/d", "psycopg2"),
        ("postgresql+psycopg2://h/d", "psycopg2"),
        ("PostgreSQL://h/d", "psycopg2"),
        ("postgresql+psycopg://h/d", "psycopg"),
        ("postgresql+psycopg3://h/d", "psycopg"),
    ],
)
def test_driver_is_always_explicit(text: str, driver: str) -> None:
    url = parse_storage_url(text)
    assert url.driver == driver
    assert url.masked.startswith("postgresql://" if driver == "psycopg2" else "postgresql+psycopg:")


def test_psycopg3_falls_to_psycopg2_where_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg 3을 골랐어도 없으면 psycopg2로 연다. 기록되는 URL은 고른 대로다."""
    url = parse_storage_url("postgresql+psycopg://h/d")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert url.secret.startswith("postgresql+psycopg2://")
    assert url.masked.startswith("postgresql+psycopg://")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert url.secret.startswith("postgresql+psycopg://")


def test_query_fields_override_and_password_key_is_masked() -> None:
    """`?password=`는 비밀번호 칸이 되고 `?sslpassword=`와 함께 가려진다."""
    url = parse_storage_url(
        "postgresql://a@h/d?user=b&password=s%40cret&port=6000&sslpassword=key9"
    )
    assert (url.username, url.password, url.port) == ("b", "s@cret", 6000)
    assert "s@cret" not in url.masked
    assert "key9" not in url.masked
    assert set(url.secrets) == {"s@cret", "key9"}
    assert "key9" in url.secret


def test_a_stray_slash_or_blank_is_not_part_of_the_database() -> None:
    """붙여 넣다 남은 빗금과 빈칸: 그런 이름의 데이터베이스를 만들라고 권하지 않는다."""
    for tail in ("/", " ", "/\n"):
        assert parse_storage_url(f"postgresql://u:p@h/db{tail}").database == "db"
    assert parse_storage_url("postgresql://u:p@h/db%2F").database == "db/"


def test_unix_socket_and_ipv6_hosts() -> None:
    socket = parse_storage_url("postgresql://u:p@/d?host=/run/pg&port=6001")
    assert (socket.host, socket.port) == ("/run/pg", 6001)
    assert parse_storage_url(socket.secret) == socket
    assert make_url(socket.secret).query["host"] == "/run/pg"
    six = parse_storage_url("postgresql://u:p@[::1]:6002/d")
    assert (six.host, six.port) == ("::1", 6002)
    assert parse_storage_url(six.secret) == six


def test_sqlite_relative_path_is_from_the_project_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """상대 경로는 지금 폴더가 아니라 프로젝트의 뿌리에서 잰다."""
    monkeypatch.setenv("BACKTEST_WIZARD_HOME", str(tmp_path))
    monkeypatch.chdir("/")
    assert parse_storage_url("sqlite:///studies/a.db").path == tmp_path / "studies/a.db"
    assert parse_storage_url("sqlite:////x/y.db").path == Path("/x/y.db")


def test_sqlite_path_with_odd_characters_round_trips() -> None:
    url = sqlite_url(Path("/tmp/이름 100%{a}?#.db"))
    assert parse_storage_url(url.secret) == url
    assert make_url(url.secret.format()).database == str(url.path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary77",
        "mysql://u:canary77@h/d",
        "postgresql://u:canary77@h:port/d",
        "postgresql://u:canary77@h:70000/d",
        "postgresql://u:canary77@h1,h2/d",
        "postgresql://u:canary77@ho st/d",
        "postgresql://u:canary77@[::1/d",
        "postgresql://u:canary77@h/d?schema=public",
        "postgresql://u:canary77@h/d?sslmode=require&pgbouncer=true",
        "postgresql://u:canary77@h/d?sslmode=strict",
        "postgresql:///?service=canary77",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
    ],
)
def test_refusals_name_the_cause_but_not_the_secret(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_storage_url(text)
    assert caught.value.cause
    assert "canary77" not in str(caught.value)
