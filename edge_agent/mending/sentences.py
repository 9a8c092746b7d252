"""An order with talk around it: "卧倒！子弹不长眼，动作慢的加练！", "Floor's yours. Roll over!".

Read as one, the talk hides the order. Only whole sentences are taken apart, never clauses: "when the music starts, dance"
is no order.
"""

import re

MOST = 4
"""Sentences beyond which an utterance is a story."""

_END = re.compile(r"(?<=[。！？!?…])(?![。！？!?…])\s*|(?<=\.)\s+|\n+")
_TAKEN_BACK = re.compile(
    r"\b(?:no|nope|not|don'?t|wait|never ?mind|actually|scratch|kidding|jk|psych|hold on|instead|sorry|oops|forget|"
    r"impossible|hardly|out of the question|over my dead body|in your dreams|dream on|as if|yeah,? right|you (?:never|always))\b"
    r"|^(?:\w+ )?(?:never|later|tomorrow|tonight|next (?:time|week)|another (?:time|day)|some other (?:time|day))\b"
    r"|^(?:不|别|別|等|算|错|錯|慢|我是说|先|改天|下次|下回|回头)|才(?:不|没|沒|懒得)|算了|免了|没门|沒門|门都没有|休想|做梦|开玩笑|開玩笑|骗你|逗你|说错|口误",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|t(?:old|ells?)|yell\w*|shout\w*|scream\w*|ask(?:ed|s)|call(?:ed|s)|wr(?:ote|ites?)|quote\w*|"
    r"joke|lyrics?|song|movie|film|line|title|words?|sign|(?<!my )commands?|hobby|hobbies)\b"
    r"|[:：]|[说說喊吼问問唱写寫读讀]|台词|歌词|电影|作文|爱好|愛好|一件事|个字|個字|牌子|暗号|(?<!听)(?<!我)口令",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?:\w+,? )?(?:what|who|whose|whom|how|why|which|where|when)\b.*\?|^(?:is|isn't|are|was|does|did) (?:it|that|this)\b.*\?"
    r"|(?:什么|什麼|谁|誰|怎么|怎麼|为何|哪|几|幾|多少).*[?？]",
    re.IGNORECASE | re.DOTALL,
)
"""A question to somebody who is to answer it."""
_CHIDED = re.compile(
    r"\b(?:are|aren't|were|have|is|'s|'re) you\b|\bhow (?:many times|often|long|about)\b|\btaking (?:you )?so long\b|\bwrong with you\b|\bgood (?:boy|girl|dog)\b"
    r"|你|还|還|等什么|愣|干嘛|发什么呆|怎么样",
    re.IGNORECASE,
)
"""One that is none: "What are you waiting for?", 还不快点？"""
_REQUESTED = re.compile(
    r"\b(?:can|can't|could|couldn't|will|won't|would|wouldn't) (?:you|ya|u|we|i)\b|\b(?:would|do) you mind\b|\bplease\b|\bplz\b"
    r"|[能会會肯]|可以|可不可以|好[吗嗎嘛]|好不好|行[吗嗎不]|要不要|请|請|麻烦|帮",
    re.IGNORECASE,
)
"""What makes an order of a question: "Could you sit?" is one, "Sit?" is not."""
_EXPLAINED = re.compile(
    r"^(?:that|this|those|these)\b(?!(?:'?s| is| was)? (?:it|all|right|better|enough|fun|good|great|an order|my (?:good )?(?:boy|girl|dog)|a (?:good|clever)|the (?:way|spirit)))"
    r"|^(?:it|he|she)(?:'?s| is| was| means?)\b (?:a|an|the|what|how|one|called|spelt|spelled|\w+ \w+'s)\b"
    r"|^(?:这|這|那|它)(?!是命令|才|就|样|樣|么|麼|边|邊|里|裡|儿|我|你|下|次|时|時)",
    re.IGNORECASE,
)
"""What follows a word that is spoken about: "Bark. That is how dogs talk." """


def sentences_of(text: str) -> list[str]:
    """Return the sentences of `text` that hold a letter or character."""
    parts = (part.strip() for part in _END.split(text))
    return [part for part in parts if any(character.isalnum() for character in part)]


def stands_alone(sentences: list[str], order: int, is_request: bool = False) -> bool:
    """Return whether the sentence at `order`, the first or last, may count without those around it.

    Not where what comes after may take it back or speak about it, nor where what comes before may say that somebody
    else said it or asks for an answer, nor where it is a question itself and no request. `is_request`: it is known as one.
    """
    before, after = sentences[:order], sentences[order + 1 :]
    at_an_end = not before or not after
    said = sentences[order]
    wanted = is_request or _REQUESTED.search(said) or not _is_asked(said)
    if not at_an_end or not wanted or (after and _EXPLAINED.search(after[0])):
        return False
    if any(map(_TAKEN_BACK.search, after)) or any(map(_REPORTED.search, before)):
        return False
    return not any(_ASKED.search(each) and not _CHIDED.search(each) for each in (*before, *after))


def _is_asked(sentence: str) -> bool:
    return sentence.rstrip("!！ ").endswith(("?", "？"))
