"""The short line after the tag, said by the shadow itself while the dog already moves."""

from collections.abc import Iterator

import numpy as np

from edge_agent.detached_shadow import DetachedShadow, Pass
from shared.prompt import prompt_segments
from shared.text import MAX_UTTERANCE_CHARACTERS, Language, guess_language

MAX_LINE_TOKENS = 24
_UNFINISHED = "\ufffd"


class LineWriter:
    """Continues an utterance and its tag by the bundle's line head, greedily.

    It shares the recogniser's shadow, so it belongs on the same thread.
    """

    def __init__(self, shadow: DetachedShadow) -> None:
        self._shadow = shadow
        self._end = shadow.encoder.end_token_id
        texts = [str(shadow.tokenizer.decode([token])) for token in shadow.manifest.line_token_ids]
        bracket = np.array(["[" in text for text in texts])
        self._not_english = bracket | [guess_language(text) == "zh" for text in texts]
        self._not_chinese = bracket | [guess_language(text) == "en" for text in texts]

    @property
    def able(self) -> bool:
        """Whether the bundle carries what is needed."""
        return self._shadow.line_head is not None

    def pieces(self, text: str, tag: str, language: Language) -> Iterator[str]:
        """Yield the line to an utterance decided as `tag`, piece by piece as it is generated.

        Letters of the other language, and a second tag, are never chosen. Ends early, in the middle of a line, where it does not end within MAX_LINE_TOKENS; yields
        nothing for an utterance too long for the window.
        """
        chain = self._chain(text, tag)
        window = self._shadow.manifest.graph.window_tokens
        if self._shadow.prefix_length + len(chain) + MAX_LINE_TOKENS > window:
            return
        result, past = self._shadow.follow(chain, self._shadow.prefix)
        tokens: list[int] = []
        given = ""
        while (
            len(tokens) < MAX_LINE_TOKENS and (token := self._next(result, language)) != self._end
        ):
            tokens.append(token)
            line = self._decode(tokens)
            if not line.endswith(_UNFINISHED):
                yield line[len(given) :]
                given = line
            result, past = self._shadow.follow([token], past)

    def line(self, text: str, tag: str, language: Language) -> str:
        """Return the whole line, "" where none can be said."""
        return "".join(self.pieces(text, tag, language))

    def _chain(self, text: str, tag: str) -> list[int]:
        encoder = self._shadow.encoder
        words = encoder.encode_segment(
            prompt_segments(encoder.chat, text[:MAX_UTTERANCE_CHARACTERS])[1]
        )
        return [*words, *self._shadow.suffix, *encoder.encode_plain(tag)]

    def _next(self, result: Pass, language: Language) -> int:
        logits = self._shadow.line_logits(result.states[-1])
        foreign = self._not_chinese if language == "zh" else self._not_english
        best = int(np.argmax(np.where(foreign, -np.inf, logits)))
        return self._shadow.manifest.line_token_ids[best]

    def _decode(self, tokens: list[int]) -> str:
        return str(self._shadow.tokenizer.decode(tokens)).lstrip()
