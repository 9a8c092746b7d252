"""Which utterances ask for the last thing again, and which only contain such words."""

import pytest

from shared.repeat_phrases import is_repeat


@pytest.mark.parametrize(
    "text",
    [
        "do it again",
        "Do it again, please!",
        "again please",
        "Hey dog, one more time",
        "okay, good dog, once more please",
        "can you do that again?",
        "Let's do it again",
        "repeat that, buddy",
        "do what you just did",
        "再来一次",
        "狗哥，再来一遍吧！",
        "请再做一遍",
        "再做一次好吗？谢谢",
        "麻烦你再来一个",
        "再來一次",
        "狗哥 one more time",
        "重复刚才的动作",
        "ＡＧＡＩＮ",
    ],
)
def test_the_whole_utterance_is_a_repeat_phrase(text):
    assert is_repeat(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please",
        "狗哥",
        "sit again",
        "don't do it again",
        "never do that again",
        "do it again tomorrow",
        "what does one more time mean?",
        "say that again",
        "why did you do that again?",
        "sing the song encore",
        "别再来一次",
        "不要再做一遍",
        "再坐一次",
        "再来一次是什么意思",
        "again " * 30,
        "请你" * 200 + "坐",
    ],
)
def test_other_words_are_no_repeat_phrase(text):
    assert not is_repeat(text)
