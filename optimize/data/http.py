"""거래소에 묻는 HTTP. 다시 묻기, 쉬라는 응답, 멈춤, 한국어 오류를 한 자리에서 다룬다.

여러 thread가 한 `HttpSource`를 함께 쓴다. 쉬라는 응답(429·418)과 사용량(X-MBX-USED-WEIGHT-1M)은
모두에게 함께 걸린다. `cancel`이 서면 기다림과 내려받기가 곧 `Cancelled`로 끝난다.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from optimize.data.reasons import connection_reason
from optimize.errors import DataError

_RETRY_STATUS = frozenset({500, 502, 503, 504})
_SLOW_DOWN = frozenset({418, 429})


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """기다림은 초. attempts: 한 요청을 보내는 횟수. longest_rest_s: 이보다 길게 쉬라면 오류로 알린다.

    largest_bytes: 응답 하나의 (풀린) 크기의 한도. longest_response_s: 조금씩 흘리는 응답을 끊고 다시 묻는 때.
    """

    connect_timeout: float = 6.0
    read_timeout: float = 20.0
    attempts: int = 4
    backoff_s: float = 0.5
    longest_rest_s: float = 300.0
    largest_bytes: int = 256 * 2**20
    longest_response_s: float = 180.0


class Cancelled(Exception):  # noqa: N818 — 오류가 아니라 멈추라는 뜻이다
    """사용자가 멈췄다."""


class NotThere(Exception):  # noqa: N818
    """404: 그 파일이 (아직) 없다."""


class UnreachableError(DataError):
    """거래소에 닿지 못했다(연결, 시간 초과, 지역 제한). 다른 길로 갈 수 있다."""


class HttpSource:
    """한 거래소의 HTTP. fix: 닿지 못할 때 보일 다른 길들."""

    def __init__(
        self, exchange: str, fix: str, options: HttpOptions, cancel: threading.Event
    ) -> None:
        self.exchange = exchange
        self.fix = fix
        self.options = options
        self.cancel = cancel
        self._rest_until = 0.0
        self._lock = threading.Lock()
        self._active = 0
        self._closing = False
        self._client = httpx.Client(
            timeout=httpx.Timeout(options.read_timeout, connect=options.connect_timeout),
            follow_redirects=True,
            headers={"User-Agent": "backtest-wizard"},
            event_hooks={"response": [_refuse_downgrade]},
        )

    def close(self) -> None:
        """연결을 닫는다. 묻고 있는 thread가 있으면 그 마지막이 닫는다."""
        with self._lock:
            self._closing = True
            idle = self._active == 0
        if idle:
            self._client.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._lock:
            if self._closing:
                raise Cancelled
            self._active += 1
        try:
            yield
        finally:
            self._done_asking()

    def _done_asking(self) -> None:
        with self._lock:
            self._active -= 1
            last = self._closing and self._active == 0
        if last:
            self._client.close()

    def get_json(self, url: str, params: dict[str, Any] | None = None) -> tuple[Any, httpx.Headers]:
        """JSON과 응답 머리. 404는 NotThere, 나머지 실패는 DataError."""
        body, headers = self.get_bytes(url, params)
        try:
            return httpx.Response(200, content=body).json(), headers
        except ValueError as error:
            raise DataError(
                f"{self.exchange}가 JSON이 아닌 응답을 보냈습니다",
                f"{url}: {body[:80].decode(errors='replace')!r}",
                "회사나 학교의 프록시가 응답을 바꾸는지 확인하세요",
            ) from error

    def get_bytes(
        self, url: str, params: dict[str, Any] | None = None
    ) -> tuple[bytes, httpx.Headers]:
        """내용과 응답 머리. 잠깐의 실패는 다시 묻는다. 404는 NotThere, 나머지 실패는 DataError."""
        last: Exception | None = None
        busy = ""
        for attempt in range(self.options.attempts):
            if attempt:
                self._wait(self.options.backoff_s * 2 ** (attempt - 1))
            self._rest()
            busy = ""
            try:
                status, body, headers = self._once(url, params)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                last = error
                # 이름을 못 찾거나 길이 없는 것은 거듭 물어도 그대로다: 한 번만 더 묻는다.
                if attempt:
                    break
                continue
            except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
                last = error
                continue
            except (httpx.TooManyRedirects, httpx.InvalidURL) as error:
                last = error
                break
            if status == httpx.codes.OK:
                return body, headers
            if status in _SLOW_DOWN:
                self._slow_down(status, headers)
                busy = f"{self.exchange}가 요청을 줄이라고 합니다 (HTTP {status})"
                continue
            if status in _RETRY_STATUS:
                busy = f"{self.exchange}의 서버가 고장을 알립니다 (HTTP {status})"
                continue
            raise self._refused(status, url, body)
        host = httpx.URL(url).host
        if busy:
            raise UnreachableError(
                busy,
                f"{host}: {self.options.attempts}번 물었습니다",
                f"잠시 뒤에 다시 하세요.\n{self.fix}",
            )
        raise UnreachableError(
            f"{self.exchange}에 닿지 못했습니다",
            f"{host}: {_reason(last)}",
            f"인터넷 연결을 확인하세요.\n{self.fix}",
        )

    def _once(self, url: str, params: dict[str, Any] | None) -> tuple[int, bytes, httpx.Headers]:
        with self._asking(), self._client.stream("GET", url, params=params) as response:
            chunks, size = [], 0
            deadline = time.monotonic() + self.options.longest_response_s
            for chunk in response.iter_bytes():
                if self.cancel.is_set():
                    raise Cancelled
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("조금씩 흘리는 응답", request=response.request)
                size += len(chunk)
                if size > self.options.largest_bytes:
                    raise self._too_large(url)
                chunks.append(chunk)
            return response.status_code, b"".join(chunks), response.headers

    def _too_large(self, url: str) -> DataError:
        return DataError(
            f"{self.exchange}가 너무 큰 응답을 보냈습니다",
            f"{url}: {self.options.largest_bytes / 2**20:,.0f} MB가 넘습니다",
            "회사나 학교의 프록시가 응답을 바꾸는지 확인하세요",
        )

    def rest_for(self, seconds: float) -> None:
        """모든 thread가 이만큼 쉰다."""
        self._rest_until = max(self._rest_until, time.monotonic() + seconds)

    def _rest(self) -> None:
        while (left := self._rest_until - time.monotonic()) > 0:
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        if self.cancel.wait(seconds):
            raise Cancelled

    def _slow_down(self, status: int, headers: httpx.Headers) -> None:
        seconds = _retry_after(headers)
        if seconds > self.options.longest_rest_s:
            raise DataError(
                f"{self.exchange}가 {seconds:.0f}초 동안 요청을 막았습니다 (HTTP {status})",
                "짧은 때에 너무 많이 물었습니다",
                f"{seconds / 60:.0f}분 뒤에 같은 명령을 다시 실행하세요. 받은 달은 캐시에 남아 있습니다",
            )
        self.rest_for(seconds)

    def _refused(self, status: int, url: str, body: bytes) -> Exception:
        code, message = _exchange_error(body)
        host = httpx.URL(url).host
        if status == httpx.codes.NOT_FOUND and not isinstance(code, int):
            return NotThere(url)
        if code is not None:
            return self._coded(code, message)
        if status == httpx.codes.UNAVAILABLE_FOR_LEGAL_REASONS:
            return UnreachableError(
                f"{self.exchange}가 이 지역의 접속을 막았습니다 (HTTP 451)",
                f"{host}: {message or '지역 제한'}",
                self.fix,
            )
        if status == httpx.codes.FORBIDDEN:
            return UnreachableError(
                f"{self.exchange}가 접속을 거절했습니다 (HTTP 403)",
                f"{host}: 방화벽이나 프록시, 거래소의 차단일 수 있습니다",
                self.fix,
            )
        return DataError(
            f"{self.exchange}가 요청을 받지 않았습니다 (HTTP {status})",
            f"{host}: {message}",
            self.fix,
        )

    def _coded(self, code: int | str, message: str) -> DataError:
        known = {
            -1121: ("모르는 심볼입니다", "심볼의 철자를 확인하세요. 선물은 BINANCE:BTCUSDT.P처럼 .P를 붙입니다"),
            -1120: ("모르는 시간 단위입니다", "시간 격자를 확인하세요"),
            -1003: ("요청이 너무 많습니다", "몇 분 뒤에 같은 명령을 다시 실행하세요. 받은 달은 캐시에 남아 있습니다"),
        }  # fmt: skip
        if code in known:
            title, fix = known[code]
            return DataError(f"{self.exchange}: {title} (code {code})", message, fix)
        return DataError(f"{self.exchange}가 오류로 답했습니다 (code {code})", message, self.fix)


def _refuse_downgrade(response: httpx.Response) -> None:
    """TLS로 물은 것을 TLS가 없는 주소로 넘기려 하면 따라가지 않는다."""
    following = response.next_request
    if following and response.url.scheme == "https" and following.url.scheme != "https":
        raise UnreachableError(
            "거래소가 암호화하지 않은 주소로 넘기려 합니다",
            f"{response.url.host} → {following.url.host}",
            "회사나 학교의 프록시가 응답을 바꾸는지 확인하세요",
        )


def _exchange_error(body: bytes) -> tuple[int | str | None, str]:
    """거래소의 오류 JSON에서 code와 글. 아니면 (None, 앞머리)."""
    try:
        parsed = httpx.Response(200, content=body).json()
    except ValueError:
        return None, body[:120].decode(errors="replace").strip()
    if isinstance(parsed, dict):
        if isinstance(parsed.get("code"), int) and parsed["code"] != 0:
            return parsed["code"], str(parsed.get("msg", ""))
        error = parsed.get("error")
        if isinstance(error, dict):  # Upbit
            return str(error.get("name", "")), str(error.get("message", ""))
    return None, ""


def _retry_after(headers: httpx.Headers) -> float:
    """Retry-After의 초(날짜 꼴도 읽는다). 없으면 10초."""
    text = headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 10.0


def _reason(error: Exception | None) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "응답을 기다리다 시간이 다 되었습니다"
    if isinstance(error, httpx.RemoteProtocolError):
        return "응답이 도중에 끊겼습니다"
    if isinstance(error, httpx.DecodingError):
        return "응답의 압축을 풀 수 없습니다"
    if isinstance(error, (httpx.TooManyRedirects, httpx.InvalidURL)):
        return "다른 주소로 끝없이 넘기거나 틀린 주소로 넘깁니다"
    return connection_reason(error) if error else ""


def server_time_ms(headers: httpx.Headers) -> int:
    """서버가 밝힌 지금(UTC ms, 초 단위). 없으면 이 컴퓨터의 시계."""
    try:
        return int(parsedate_to_datetime(headers["Date"]).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return int(time.time() * 1000)
