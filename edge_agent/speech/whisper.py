"""Whisper through CTranslate2: half its usual window, English or Chinese only, with scores."""

import importlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edge_agent.speech.interface import MAX_SPEECH_S, Samples, Wanted
from edge_agent.speech.log_mel import FRAMES_A_SECOND, log_mel
from edge_agent.speech.model_files import WHISPER_BASE, SpeechModel, find_model
from edge_agent.speech.recognizer import Reading, SpokenLanguage, Transcript, always
from shared.errors import SpeechAbandoned, SpeechUnavailable

Spoken = Literal["en", "zh"]

FRAMES = round(MAX_SPEECH_S) * FRAMES_A_SECOND
"""15 s: half the time of the encoder's own 30 s, at next to no errors; 6 s costs words."""
MAX_TOKENS = 128
"""What 15 s of quick Chinese may take: about a token and a half a character. A text that reaches it is
cut, and a stop may have stood behind it."""
POSITIONS = 448
"""Tokens that the decoder has room for, the prompt's among them."""
NO_REPEAT_TOKENS = 4
CLEAR_SHARE = 0.7
"""The share of English and Chinese among all languages from which the larger of them is believed.
Below it, as short words give, both are written and the likelier text is taken."""
FOREIGN_SHARE = 0.3
"""Below it another language is spoken, whatever is written: made to expect commands, Whisper turns
"Siéntate, por favor" into "Sit down, please" at a good score."""
LEAST_SHARE_OF_OTHER = 0.2
"""Of the other language's share: readings in a language less likely than that are no readings, or
every hesitant English word could have been 站住."""
LOWEST_SCORE, LOWEST_SCORE_UNCLEAR = -0.9, -0.6
"""Mean log-probability a token below which words are not believed; the second where the share is not
clear. Other languages and noise gave -0.72 and less outside FOREIGN_SHARE."""
HIGHEST_NO_SPEECH = 0.6
LOWEST_STOP_SCORE, LOWEST_STOP_SCORE_FOREIGN = -1.4, -0.8
"""Below it words are not even taken for a stop."""
BEAMS = 5

_WRONG_MARKS = re.compile("[\uff00\uff02-\uff0b\uff0d-\uff19\uff1c-\uff1e\uff20-\uff5e]+")
"""A full-width letter, digit or sign: a Chinese mark whose last byte was written wrongly, mostly a comma
("前面路口Ｇ是左转Ｇ" for "前面路口，是左转，"; in 13 % of 342 recordings)."""
_LOST_MARKS = re.compile(r"\ufffd+|[，、,]\s*$")
"""A mark that ended in the middle of its bytes, and marks that lead nowhere."""

PROMPTS: Mapping[Spoken, str] = {
    "en": (
        "Hey dog, sit down. Lie down. Stand up and stretch. Roll over. Do a front flip, then jump and "
        "pounce. Wiggle your hips. Turn left, turn right, spin around. Say hello, shake, bark, dance! "
        "Draw a heart. Kung fu, lion dance, waltz, cha-cha, tango and hip-hop. Don't move! Hold still! "
        "Halt! Freeze! Stop!"
    ),
    "zh": (
        "狗哥，坐下。趴下。站起来。恢复站立。伸个懒腰。打个滚。作个揖。前空翻！向前跳，向前扑。扭扭屁股。向左转，"
        "向右转，转一圈。打个招呼，跳支舞，比个心。打套功夫，拜个年，抖抖身体。舞狮，华尔兹，恰恰，探戈，街舞。"
        "叫两声。站住！不许动！别动！停下！停！"
    ),
}
"""What the recogniser is made to expect: the skills' words, 狗哥, and simplified characters."""


@dataclass(frozen=True)
class WhisperOptions:
    """`directory`: a folder in the place of `model`'s. An empty prompt biases nothing."""

    directory: Path | None = None
    threads: int = 2
    language: SpokenLanguage = "auto"
    prompts: Mapping[Spoken, str] = field(default_factory=lambda: PROMPTS)
    model: SpeechModel = WHISPER_BASE


@dataclass(frozen=True)
class Writing:
    """The likeliest words in one language, Whisper's doubt that anybody spoke, and its other readings.

    `score`: mean log-probability a token. `is_cut`: the text did not come to its end.
    """

    text: str
    lang: Spoken
    score: float
    no_speech: float
    readings: tuple[Reading, ...] = ()
    is_cut: bool = False


class WhisperRecognizer:
    """One Whisper model; use it from one thread."""

    name = "whisper"

    def __init__(self, options: WhisperOptions | None = None) -> None:
        self._options = options or WhisperOptions()
        self._model: Any = None
        self._tokenizer: Any = None
        self._prompts: dict[Spoken, list[int]] = {}

    def open(self) -> None:
        """Load the model; SpeechUnavailable tells what is missing."""
        try:
            self._ctranslate2 = importlib.import_module("ctranslate2")
            tokenizers = importlib.import_module("tokenizers")
        except ImportError as error:
            raise SpeechUnavailable(
                f"{error.name} is missing: `pip install 'shadowdog[speech]'`"
            ) from error
        folder = find_model(self._options.model, self._options.directory)
        try:
            self._model = self._ctranslate2.models.Whisper(
                str(folder),
                device="cpu",
                compute_type="int8",
                inter_threads=1,
                intra_threads=self._options.threads,
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (RuntimeError, ValueError) as error:
            raise SpeechUnavailable(f"{folder} is no Whisper for CTranslate2 ({error})") from error
        if not self._model.is_multilingual:
            raise SpeechUnavailable(f"{folder} is an English-only Whisper; Chinese is spoken too")
        self._prompts = {lang: self._encode_prompt(lang) for lang in ("en", "zh")}

    def transcribe(self, samples: Samples, wanted: Wanted = always) -> Transcript:
        """Return what is said, in whichever of the two languages is likelier.

        CTranslate2 cannot be interrupted: SpeechAbandoned comes after the encoder's pass or a text's
        search at the earliest.
        """
        if self._model is None:
            self.open()
        heard = self._encode(samples)
        _go_on(wanted)
        shares = {token[2:-2]: share for token, share in self._model.detect_language(heard)[0]}
        english, chinese = shares.get("en", 0.0), shares.get("zh", 0.0)
        languages: tuple[Spoken, ...] = ("en", "zh")
        if self._options.language != "auto":
            languages = (self._options.language,)
        elif english + chinese >= CLEAR_SHARE:
            languages = ("en",) if english >= chinese else ("zh",)
        written = []
        for lang in languages:
            _go_on(wanted)
            written.append(self._write(heard, lang))
        best = max(written, key=lambda each: each.score)
        likelier = max(english, chinese)
        readings = tuple(
            reading
            for each in written
            if (english if each.lang == "en" else chinese) >= LEAST_SHARE_OF_OTHER * likelier
            for reading in each.readings
        )
        return replace(judge(best, english + chinese), readings=readings)

    def _encode(self, samples: Samples) -> Any:
        mel = log_mel(samples, self._model.n_mels, FRAMES)
        return self._model.encode(self._ctranslate2.StorageView.from_array(mel[None]))

    def _write(self, heard: Any, lang: Spoken) -> Writing:
        prompt = self._prompts[lang]
        longest = min(len(prompt) + MAX_TOKENS, POSITIONS)
        result = self._model.generate(
            heard,
            [prompt],
            beam_size=BEAMS,
            num_hypotheses=BEAMS,  # all that the search has anyway
            max_length=longest,
            no_repeat_ngram_size=NO_REPEAT_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        readings = tuple(
            Reading(
                mend_marks(self._tokenizer.decode(tokens)),
                lang,
                float(score),
                float(score) * (len(tokens) + 1),  # the end of the text is a token, too
            )
            for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
        )
        best = readings[0]
        is_cut = len(prompt) + len(result.sequences_ids[0]) >= longest
        return Writing(best.text, lang, best.score, float(result.no_speech_prob), readings, is_cut)

    def _encode_prompt(self, lang: Spoken) -> list[int]:
        words = self._options.prompts.get(lang, "")
        start = [
            f"<|{name}|>" for name in ("startoftranscript", lang, "transcribe", "notimestamps")
        ]
        tokens = [self._tokenizer.token_to_id(token) for token in start]
        if not words:
            return tokens
        before = self._tokenizer.encode(f" {words.strip()}", add_special_tokens=False).ids
        return [self._tokenizer.token_to_id("<|startofprev|>"), *before, *tokens]


def _go_on(wanted: Wanted) -> None:
    if not wanted():
        raise SpeechAbandoned("nobody wants these words any more")


def mend_marks(written: str) -> str:
    """Return Whisper's words with Chinese marks as they should be, and none that leads nowhere."""
    return _LOST_MARKS.sub("", _WRONG_MARKS.sub("，", written)).strip()


def judge(writing: Writing, share: float) -> Transcript:
    """Return the transcript with what makes it doubtful; `share`: of English and Chinese, 0 to 1."""
    probability = round(math.exp(min(0.0, writing.score)), 4)
    doubt: Literal["other_language", "unsure"] | None = None
    lowest_score = LOWEST_SCORE if share >= CLEAR_SHARE else LOWEST_SCORE_UNCLEAR
    if share < FOREIGN_SHARE:
        doubt = "other_language"
    elif writing.score < lowest_score or writing.no_speech > HIGHEST_NO_SPEECH or writing.is_cut:
        doubt = "unsure"
    is_foreign = doubt == "other_language"
    least = LOWEST_STOP_SCORE_FOREIGN if is_foreign else LOWEST_STOP_SCORE
    text = "" if doubt is not None and writing.score < least else writing.text
    return Transcript(text, writing.lang, probability, doubt)
