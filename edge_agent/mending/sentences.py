"""An order with talk around it: "卧倒！子弹不长眼，动作慢的加练！", "Floor's yours. Roll over!".

Read as one, the talk hides the order. Only whole sentences are taken apart, never clauses: "when the music starts, dance"
is no order.
"""

import re

MOST = 4
"""Sentences beyond which an utterance is a story."""

_END = re.compile(r"(?<=[。！？!?…])(?![。！？!?…])\s*|(?<=\.)\s+|\n+")
_TAKEN_BACK = re.compile(
    r"\b(?:no|nope|not|don'?t|wait|never ?mind|actually|scratch|kidding|jk|psych|hold on|instead|sorry|oops|forget)\b"
    r"|^(?:不|别|別|等|算|错|錯|慢|我是说|先)|算了|开玩笑|開玩笑|骗你|逗你|说错|口误",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|t(?:old|ells?)|yell\w*|shout\w*|scream\w*|ask(?:ed|s)|call(?:ed|s)|wr(?:ote|ites?)|quote\w*|"
    r"joke|lyrics?|song|movie|film|line|title)\b|[:：]|[说說喊吼问問唱写寫读讀]|台词|歌词|电影|作文",
    re.IGNORECASE,
)


def sentences_of(text: str) -> list[str]:
    """Return the sentences of `text` that hold a letter or character."""
    parts = (part.strip() for part in _END.split(text))
    return [part for part in parts if any(character.isalnum() for character in part)]


def stands_alone(sentences: list[str], order: int) -> bool:
    """Return whether the sentence at `order`, the first or last, may count without those around it.

    Not where what comes after may take it back, nor where what comes before may say that somebody else said it.
    """
    before, after = sentences[:order], sentences[order + 1 :]
    at_an_end = not before or not after
    taken_back = any(_TAKEN_BACK.search(each) for each in after)
    return at_an_end and not taken_back and not any(_REPORTED.search(each) for each in before)
