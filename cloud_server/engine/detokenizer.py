"""Token ids become text piece by piece, never splitting a character."""

from cloud_server.engine.served_base import TokenDecoder

_UNFINISHED = "\ufffd"
"""What a tokenizer prints for bytes that are not yet a whole UTF-8 character."""


class Detokenizer:
    """Decodes a growing answer; what was given out is never taken back.

    A short window of earlier tokens is decoded again with each new one, because a token's text can
    depend on the token before it (byte fallback, leading spaces).
    """

    def __init__(self, tokenizer: TokenDecoder) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._given = 0
        """How many tokens of the window are given out already."""

    def feed(self, token_id: int) -> str:
        """Return the text that this token completes, "" while a character is unfinished."""
        self._window.append(token_id)
        before = self._decode(self._window[: self._given])
        now = self._decode(self._window)
        if now.endswith(_UNFINISHED):
            return ""
        # Broken bytes can change what the window said before; then only the new tokens count.
        fits = now.startswith(before)
        text = now[len(before) :] if fits else self._decode(self._window[self._given :])
        self._window = self._window[self._given :]
        self._given = len(self._window)
        return text

    def _decode(self, token_ids: list[int]) -> str:
        return self._tokenizer.decode(token_ids, skip_special_tokens=True)
