"""한글 자판과 초성: 자판이 한글이어도 글쇠가 듣고 로마자로 읽히며, 초성만으로 찾게 한다."""

from __future__ import annotations

# 두벌식 자판에서 같은 자리의 낱자. 쌍자음이 없는 글쇠는 Shift를 눌러도 같은 낱자다.
_LOWER = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",
        strict=True,
    )
)
_UPPER = {letter.upper(): jamo for letter, jamo in _LOWER.items()} | {
    "Q": "ㅃ", "W": "ㅉ", "E": "ㄸ", "R": "ㄲ", "T": "ㅆ", "O": "ㅒ", "P": "ㅖ",
}  # fmt: skip
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
# 글쇠 둘로 치는 낱자: 첫 글자가 그 낱자다.
_PAIRS = {
    triple[0]: triple[1:]
    for triple in (
        "ㅘㅗㅏ", "ㅙㅗㅐ", "ㅚㅗㅣ", "ㅝㅜㅓ", "ㅞㅜㅔ", "ㅟㅜㅣ", "ㅢㅡㅣ", "ㄳㄱㅅ", "ㄵㄴㅈ",
        "ㄶㄴㅎ", "ㄺㄹㄱ", "ㄻㄹㅁ", "ㄼㄹㅂ", "ㄽㄹㅅ", "ㄾㄹㅌ", "ㄿㄹㅍ", "ㅀㄹㅎ", "ㅄㅂㅅ",
    )
}  # fmt: skip
_LETTERS = {jamo: letter for letter, jamo in {**_UPPER, **_LOWER}.items()}
_FIRST, _LAST, _PER_INITIAL = 0xAC00, 0xD7A3, 588


def jamo_of(letter: str) -> str | None:
    """두벌식 자판에서 그 로마자와 같은 글쇠의 낱자. 로마자 하나가 아니면 None."""
    return _LOWER.get(letter) or _UPPER.get(letter)


def initials(text: str) -> str:
    """음절을 초성으로 바꾼 글. 한글 음절이 아닌 글자는 그대로다."""
    return "".join(
        _INITIALS[(ord(char) - _FIRST) // _PER_INITIAL] if _FIRST <= ord(char) <= _LAST else char
        for char in text
    )


def as_letters(text: str) -> str:
    """한글 자판이 켜진 채 친 글을 같은 글쇠의 로마자로(`ㅠㅅㅊ` → `btc`, `내ㅣ` → `sol`). 나머지는 그대로다."""
    jamo = "".join(_jamo(char) for char in text)
    return "".join(_LETTERS.get(key, key) for char in jamo for key in _PAIRS.get(char, char))


def _jamo(char: str) -> str:
    """음절을 이루는 낱자들. 음절이 아니면 그 글자."""
    if not _FIRST <= ord(char) <= _LAST:
        return char
    initial, rest = divmod(ord(char) - _FIRST, _PER_INITIAL)
    medial, final = divmod(rest, len(_FINALS))
    return (_INITIALS[initial] + _MEDIALS[medial] + _FINALS[final]).rstrip()


def matches(query: str, text: str) -> bool:
    """빈칸으로 나눈 낱말이 모두 글에 있는가. 대소문자는 무시하고, 낱자는 초성으로도 맞는다(`ㅂㅌ코`)."""
    folded = text.casefold()
    shortened = initials(folded)
    return all(_contains(word, folded, shortened) for word in query.casefold().split())


def _contains(word: str, text: str, shortened: str) -> bool:
    return any(
        all(c in (text[start + i], shortened[start + i]) for i, c in enumerate(word))
        for start in range(len(text) - len(word) + 1)
    )
