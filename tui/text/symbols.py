"""함께 오는 심볼 목록: (심볼, 한국어 이름). 목록에 없는 것도 그대로 입력할 수 있다."""

from __future__ import annotations

_COINS = (
    ("BTC", "비트코인"),
    ("ETH", "이더리움"),
    ("XRP", "리플"),
    ("SOL", "솔라나"),
    ("BNB", "비앤비"),
    ("DOGE", "도지코인"),
    ("ADA", "에이다"),
    ("TRX", "트론"),
    ("AVAX", "아발란체"),
    ("LINK", "체인링크"),
    ("SUI", "수이"),
    ("TON", "톤코인"),
    ("DOT", "폴카닷"),
    ("LTC", "라이트코인"),
    ("BCH", "비트코인 캐시"),
    ("NEAR", "니어"),
    ("APT", "앱토스"),
    ("UNI", "유니스왑"),
    ("AAVE", "에이브"),
    ("ETC", "이더리움 클래식"),
    ("ATOM", "코스모스"),
    ("FIL", "파일코인"),
    ("HBAR", "헤데라"),
    ("INJ", "인젝티브"),
    ("ARB", "아비트럼"),
    ("OP", "옵티미즘"),
    ("SEI", "세이"),
    ("ENA", "에테나"),
    ("WLD", "월드코인"),
    ("TIA", "셀레스티아"),
    ("XLM", "스텔라루멘"),
    ("ALGO", "알고랜드"),
    ("SAND", "샌드박스"),
    ("MANA", "디센트럴랜드"),
)
_UPBIT = ("BTC", "ETH", "XRP", "SOL", "DOGE", "ADA", "TRX", "AVAX", "LINK", "SUI", "DOT", "BCH",
          "NEAR", "APT", "ETC", "ATOM", "HBAR", "SEI", "XLM", "ALGO", "SAND", "MANA")  # fmt: skip
_NAMES = dict(_COINS)

CATALOG: tuple[tuple[str, str], ...] = (
    *((f"BINANCE:{coin}USDT", name) for coin, name in _COINS),
    *((f"BINANCE:{coin}USDT.P", name) for coin, name in _COINS),
    *((f"UPBIT:{coin}KRW", _NAMES[coin]) for coin in _UPBIT),
    ("DEMO:BTCUSDT", "합성 캔들"),
)

SPOT, PERPETUAL, SYNTHETIC = "현물", "무기한", "합성 데모"
EXCHANGE_NAMES = {"BINANCE": "Binance", "UPBIT": "Upbit", "DEMO": "합성"}
