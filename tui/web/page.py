"""브라우저가 받는 글: 단말기를 그리는 한 쪽과, 머리글(headers). 밖의 글꼴이나 스크립트를 부르지 않는다."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html import escape

from tui.text import common
from tui.text import web as ko

FONT_SIZE = 16
# 화면이 뜨자마자 글쇠가 듣게 하고, 닫히면 Enter로 다시 열게 한다. 첫 바이트가 오기 전에 초점을 주면
# textual.js가 아직 잇지 않은 WebSocket에 보내려 한다.
_FOCUS = """addEventListener("load", () => {
  const ready = () => document.body.classList.contains("-first-byte");
  const focus = () => document.querySelector(".xterm-helper-textarea").focus();
  const closed = () => document.body.classList.contains("-closed");
  const look = () => closed() ? document.querySelector(".closed a").focus() : ready() && focus();
  new MutationObserver(look).observe(document.body, {attributeFilter: ["class"]});
  look();
})"""
_FOCUS_HASH = b64encode(hashlib.sha256(_FOCUS.encode()).digest()).decode()
_TEMPLATE = """<!DOCTYPE html>
<html lang="ko">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/css/xterm.css">
<script src="/static/js/textual.js"></script>
<script>{focus}</script>
<style>
@font-face {{
  font-family: "Roboto Mono";
  src: local("D2Coding"), local("NanumGothicCoding"), local("Noto Sans Mono CJK KR"),
    url("/static/fonts/RobotoMono-VariableFont_wght.ttf");
}}
html, body {{ margin: 0; height: 100%; background: #12161d; color: #e4e9f1; overflow: hidden; }}
#terminal {{ position: absolute; inset: 0; }}
.message {{
  position: absolute; inset: 0; z-index: 100; display: grid; place-content: center; gap: 1rem;
  text-align: center; font-family: sans-serif; background: #12161d;
}}
.message a {{ color: #7ab8ff; justify-self: center; padding: 0.25rem 1rem; }}
.closed, body.-first-byte .opening {{ display: none; }}
body.-closed .closed {{ display: grid; }}
</style>
</head>
<body>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{websocket}"
  data-font-size="{font_size}"></div>
<div class="message opening">{opening}</div>
<div class="message closed"><div>{closed}</div><a href="">{reopen}</a></div>
</body>
</html>
"""


def page(host: str, websocket_path: str) -> str:
    """단말기를 그리는 쪽. host: 브라우저가 연 `주소:포트`. websocket_path: `/`로 시작하는 길."""
    return _TEMPLATE.format(
        title=escape(common.APP_NAME),
        websocket=escape(f"ws://{host}{websocket_path}"),
        font_size=FONT_SIZE,
        focus=_FOCUS,
        opening=escape(ko.OPENING),
        closed=escape(ko.CLOSED),
        reopen=escape(ko.REOPEN),
    )


def headers(host: str) -> dict[str, str]:
    """모든 답에 붙는 머리글: 다른 사이트가 감싸거나, 밖으로 나가거나, 주소가 새지 않게 한다."""
    policy = (
        f"default-src 'none'; script-src 'self' 'sha256-{_FOCUS_HASH}'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        f"img-src 'self' data:; connect-src ws://{host}; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
