"""Choosing the tokens that English and Chinese need, from lists of words and from our own texts.

No command does it, since it is done once a base. The list of Gemma 3 270M (docs/decisions/0008) comes out again, number
for number, from wordfreq 3.1.1's `top_n_list("en", 50_000)`, one a line in words.txt, and from `train_normal`,
`train_remote_base`, `train_remote_answers` and `train_remote_extra` as they were in 68d5c12:

    kept = choose_tokens(tokenizer, read_words(Path("words.txt")), read_texts(files))
    write_kept(vocabulary_path("gemma-3-270m"), kept, 262_144)
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer

from cloud_server.training.vocabulary import close_under_merges

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_CHINESE = re.compile(r"[▁\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef·…“”‘’—]+")
_PUNCTUATION = re.compile(r"[▁\n\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e“”‘’—…，。？！]{1,4}")
_CONTROL_IDS = 256
"""Special tokens among the first ids are kept: pad, end, begin, unknown and the turns' marks."""


def choose_tokens(tokenizer: Tokenizer, words: Iterable[str], texts: Iterable[str]) -> set[int]:
    """Return the ids to keep, closed under merges.

    Kept are bytes, single characters, Chinese and punctuation whole; of English what `words` need,
    each in the middle of a sentence and at its beginning, in lower case, capitalised and in
    capitals; and what `texts` need.
    """
    specials = json.loads(tokenizer.to_str())["added_tokens"]
    kept = {each["id"] for each in specials if each["special"] and each["id"] < _CONTROL_IDS}
    for token, token_id in tokenizer.get_vocab(with_added_tokens=False).items():
        if len(token) == 1 or any(
            pattern.fullmatch(token) for pattern in (_BYTE, _CHINESE, _PUNCTUATION)
        ):
            kept.add(token_id)
    for word in words:
        for form in (word, word.capitalize(), word.upper()):
            kept.update(tokenizer.encode(form, add_special_tokens=False).ids)
            kept.update(tokenizer.encode(f" {form}", add_special_tokens=False).ids)
    for text in texts:
        kept.update(tokenizer.encode(text, add_special_tokens=False).ids)
    return close_under_merges(tokenizer, kept)


def read_words(path: Path) -> list[str]:
    """Return a list of words, one a line."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_texts(paths: Iterable[Path]) -> list[str]:
    """Return the `text` of every row of JSON Lines files, and the `answer` of those that have one."""
    found: list[str] = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.extend(row[key] for key in ("text", "answer") if key in row)
    return found
