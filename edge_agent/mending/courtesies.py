"""What people say around a request and mean nothing by: "I was wondering if you could ...", 要是方便的话，....

A request is asked for more plainly without it. Only what is known as a courtesy, a hurry, a tag, a threat or a
promise is taken away, from both ends, never a clause because it is one: "if my aunt comes" and "he shouted" stay.
"""

import re

_TROUBLE = r"(?:too much |any |much |a )?(?:trouble|bother|hassle|problem|inconvenience|burden)"
_WHILE = r"(?:a |the |some |one )?(?:second|sec|minute|min|moment|chance|time)(?: to spare)?"
_PERHAPS = r"(?: possibly| maybe| perhaps| just| kindly| please)?"
_COULD = rf"(?:(?: could| might| would| can)|'?d)(?: be able to)?{_PERHAPS}"
_SAKE = r"(?:for (?:\w+'?s?'? sake|crying out loud|the love of \w+))"
_KIND = r"(?:great|lovely|nice|wonderful|amazing|awesome|fantastic|brilliant|kind|good|helpful|perfect|cool|sweet|fun)"
_VERY = r"(?:so |very |ever |really |most |much |eternally )*"
_OK = r"(?:ok|okay|alright|all right|fine|cool|convenient|possible)"

_WILLING = (
    rf"if (?:it|that|this)(?:'?s| is| isn't| wouldn't be| would not be)?(?: not)? {_TROUBLE}(?: (?:for|to) you)?",
    rf"if (?:it|that)(?:'?s| is) (?:all the same|{_OK}|not asking too much)(?: (?:to|with|for|by) you)?",
    r"if (?:at all )?possible",
    r"if i (?:may|might|could)(?: ask| be so bold| trouble you)?",
    r"if you (?:please|can|could|would|will|like|want|wish|fancy it|can manage(?: it)?|love me)",
    r"if you (?:don't|dont|do not|wouldn't|wouldnt|would not) mind",
    r"if you(?:'d| would)(?: just)? be so (?:kind|good)",
    r"if you(?:'re| are|re)(?: not)?(?: too)? (?:busy|tired|able|free|ready|up for it|up to it|game|willing|in the mood)",
    rf"if you(?:'ve got|'ve| have got| have|ve got| got) {_WHILE}(?: for me)?",
    r"when(?:ever)? you(?:'re| are|re) ready",
    rf"when(?:ever)? you(?:'ve got|'ve| have got| have| get|ve got) {_WHILE}(?: for me)?",
)
"""A condition that is none: it stands before or behind a request."""

_ASKED = (
    rf"(?:i was|i am|i'm|im)(?: just)? (?:wondering|hoping|thinking)(?: if| whether| that)? you{_COULD}",
    rf"i (?:just )?(?:wonder|wondered|hoped)(?: if| whether)? you{_COULD}",
    rf"i (?:just |only )?(?:wanted|want|meant) to ask (?:if|whether) you{_COULD}",
    rf"(?:do you|d'you|you) (?:think|reckon|suppose) you{_COULD}",
    rf"i (?:don't|dont) suppose you{_COULD}",
    rf"(?:is there )?any (?:chance|way)(?: that)? you{_COULD}",
    r"(?:would|could|might|may|can) i (?:possibly |just |please )?(?:trouble|ask|get|bother|persuade|beg|invite|have) you to",
    r"would you (?:mind|mind terribly|mind awfully) if i asked you to",
    rf"would it be {_OK} (?:for you to|if i asked you to|to ask you to)",
    r"(?:is|would) it(?: be)? too much to ask(?: for| of)?(?: you)? to",
    r"i(?:'d| would)(?: really| so| just| very much)? (?:like|love)(?: for)? you to",
    rf"i(?:'d| would)(?: really| so)? (?:appreciate it|love it|be {_VERY}(?:grateful|thankful|happy|glad|delighted|obliged)) if you{_COULD}",
    rf"it(?:'d| would) (?:be (?:so |really |very )?{_KIND}|mean (?:a lot|the world|so much)(?: to me)?|make my (?:day|week|year)) if you{_COULD}",
    r"be so (?:kind|good) as to",
    r"i(?:'m| am) (?:asking you(?: nicely)?|begging you|going to need you) to",
)
"""Asked in a roundabout way; the request follows as it is."""

_OPENINGS = (
    r"(?:i'm |i am |im )?(?:so |very |terribly )?sorry to (?:bother|trouble|disturb|interrupt|be a pain)(?: you)?,? but",
    r"i (?:hate|don't want|dont want|don't mean) to (?:ask|bother you|trouble you|be a pain|nag),? but",
    r"i know you(?:'re| are|re) busy,? but",
    r"(?:now|right|okay|ok|alright|all right|well|go on|come on|so) then",
    r"alrighty|righto|listen up|with all due respect|to be honest|long story short|here's the thing|no more excuses",
    r"for the (?:last|hundredth|millionth) time",
    _SAKE,
    r"i (?:haven't|havent|don't|dont) (?:got|have) all day",
    r"(?:don't|dont|do not) (?:make me (?:ask|say it|beg|wait|repeat (?:it|myself))(?: twice| again)?|be (?:shy|lazy|silly|scared))",
    r"i(?:'m| am|m) (?:losing (?:my )?patience(?: here)?|begging you|not asking again)",
    r"(?:i've|i|ive) (?:just )?had (?:such )?a (?:very )?(?:long|hard|rough|tough|bad|terrible|stressful) (?:day|week|night)",
    r"i could (?:really )?(?:use|do with) a (?:laugh|smile|cuddle|break)",
    r"(?:lovely|nice|beautiful|awful|terrible) (?:weather|day)(?: we're having| today| outside)?",
)
"""What is only said to begin; a mark or a space follows."""

_GOVERNING = (
    r"right|listen(?: here| to me)?|look(?: here)?|you know what|(?:i'll )?tell you what|guess what|you heard (?:me|him|her|them)",
    r"(?:the |my |our )?(?:\w+ )?\w+(?:'s| is| are|'re) (?:filming|recording|watching|waiting|rolling|looking)(?: this| us| you)?",
    r"(?:the |my |our )\w+(?: \w+)? (?:doesn't|doesnt|don't|dont|won't|wont) believe (?:me|us|it)",
    r"(?:the |my |our )?\w+(?: \w+)? (?:has|have) never (?:seen|met) (?:a|one|this)[\w ]{0,25}",
    r"(?:the |my |our )?\w+(?: \w+)? (?:is|are|'s) dying to see (?:this|it)",
)
"""Said to begin, too, but what follows without a mark belongs to it: "you heard me bark", "guess what dance this is"."""

_ENDINGS = (
    r"(?:many |a million )?(?:thanks|thank you|thankyou|thx|ty|cheers|ta)(?: (?:so|very|ever so) much| a million| a lot| in advance| mate| kindly)*",
    rf"much (?:appreciated|obliged)|bless you|(?:i'd|i would) (?:really )?(?:appreciate it|love (?:it|that)|be {_VERY}(?:grateful|happy|obliged))",
    r"(?:will|would|could|can|won't|can't|wouldn't|wont|cant) (?:you|ya)",
    r"okay|ok|alright|all right|yeah|yes|eh|huh|hm|got it|understood|you hear(?: me)?|deal|sound good|please|pretty please",
    r"(?:now|away|this (?:very )?(?:instant|second|minute|moment))",
    r"immediately|at once|already|pronto|asap|stat|chop chop|quick|quickly|hurry(?: up)?|come on|c'mon|let's go|lets go|jeez|sheesh|dammit|damn it",
    _SAKE,
    r"what(?:'s|s| is) taking (?:you )?so long|i(?:'m|m| am) not (?:asking|telling you|saying it) again|that's an order|i mean it|or else",
    r"or (?:no|i'm|im|i'll|ill|you're|youre|you'll|youll|we're|we'll) [^,.!?]{1,60}",
    r"before i (?:lose|count|get|change|call|fall|go|have to|pull|tell) [^,.!?]{1,40}",
    r"and (?:i'll|ill|you'll get|you get|there's|i promise) [^,.!?]{1,60}",
    r"(?:there's|i've got|i have) (?:a |some )?(?:treat|biscuit|snack|cookie|surprise)s?(?: [^,.!?]{1,40})?",
    r"(?:because|cause|'cause|cuz|coz) [^,.!?]{1,60}",
    r"so (?:that )?(?:i|we|he|she|they|everyone|everybody|the kids|my \w+|grandma|grandpa) (?:can|could) [^,.!?]{1,60}",
)
"""What is only said to end; a mark or a space stands before."""

_REASONS = (
    r"i (?:haven't|havent|don't|dont) (?:got|have) all day|(?:we're|were|we are|i'm|i am) (?:all )?(?:waiting|watching)|time's ticking",
    r"(?:my|the|our) \w+(?: \w+)? (?:wants to see|want to see|would love|will love|is watching|are watching|is filming|is waiting|are waiting)(?: [^,.!?]{1,30})?",
    r"(?:we've|we have|i've|i have) got (?:guests|visitors|company)(?: watching| here| over)?|everyone(?:'s| is) (?:watching|waiting|looking)",
    r"i want to show (?:my|the|our|him|her|them)(?: \w+)?|(?:i've|i|ive) had a (?:rough|long|bad|hard|tough) (?:day|week)",
)
"""Said to end, too, unless a word before makes it a condition: "sit down if my boss is watching"."""

_ZH_WILLING = (
    r"(?:要是|如果|若是|假如|倘若)?(?:您|你)?(?:要是|如果|若)?(?:不太|不会太|不会|不|没|有|得)?"
    r"(?:方便|可以|介意|嫌麻烦|嫌烦|嫌我[^，。 ]{1,3}|嫌弃|麻烦|太麻烦|忙|太忙|空|闲|时间|愿意|乐意|累|太累|费事|打扰你?|爱我|行|能)(?:的话|嘅话|嘅話|的話)",
    r"(?:要是|如果|若是)(?:您|你)?(?:要是)?(?:不太|不会太|不)(?:方便|介意|嫌麻烦|嫌烦|嫌我[^，。 ]{1,3}|麻烦|忙|累)|(?:您|你)要是不(?:介意|嫌麻烦|嫌烦|忙)",
    r"(?:等)?(?:您|你)(?:有空|有时间|方便|得空|得闲)(?:的时候|的話|的话)?",
)
_ZH_OPENINGS = (
    r"不好意思(?:啊|哈|哦)?(?:打扰(?:一下|你了|您了|了)?)?|打扰(?:一下|你了|您了|了)|(?:抱歉|对不起)(?:啊|哈)?|冒昧(?:了|问一句)?",
    r"帮(?:我)?(?:个|一个)忙(?:呗|吧|啊|好吗|好不好)?|帮帮忙(?:嘛|呗)?|行行好|做做好事|赏个脸|给个面子|卖个面子",
    r"求求?你(?:了|啦)?(?:祖宗|大哥)?|拜托(?:了|啦|你了|拜托)?|讲真|说真的|话说|好(?:了|吧|啦|嘞)?|行(?:吧|了|啦)|那(?:个|好)",
    r"(?:听着|听好了?|听我说|注意了?)|别(?:磨蹭|愣着|害羞|墨迹|磨叽|装|发呆)(?:了|啦)?|说了多少遍了?|我?都?等半天了?|最后说一[遍次]|烦死了|急死我?了|我的天(?:哪|啊|呐)?",
    r"今天(?:可)?真?(?:累|天气)[^，。！？ ]{0,6}|我?(?:刚)?下班[^，。！？ ]{0,4}|好久不见[^，。！？ ]{0,6}|吃完饭了?|闲着没事",
    r"(?!要是|如果|假如|若|等|当|万一|让|叫|请)[^，。！？ ]{1,8}(?:录像|看着|等着|在看|没见过|想看|想瞧|在等|拍照|拍视频|直播|打了赌|打赌)[^，。！？ ]{0,8}",
    r"(?:不知道?|不晓得|想问问?)(?:您|你)?(?=能不能|可不可以|方不方便)",
)
_ZH_ENDINGS = (
    r"(?:谢谢|多谢|感谢|感激不尽|辛苦|麻烦|有劳|拜托|劳驾|唔该|谢)(?:你|您|大家|狗哥)?(?:了|啦|哈|嘞|哦|多谢|拜托)*",
    r"(?:求求?你?|算我求你)(?:了|啦)?|爱你哟?|么么哒|乖(?:啊|哈)?|给(?:我)?个面子",
    r"(?:好|行|可以|成|中|得|要得|方便|没问题)(?:不好|不行|不可以|不成|不中|唔得|不|吗|嘛|么|啵|吧)(?:嘛|啊)?|可不可以|能不能(?:嘛)?",
    r"(?:听见|听到|明白|懂了?|知道了?|晓得)(?:没有?|了没|吗|不|不懂)?",
    r"快(?:点|些|快)*(?:儿|啊|嘛|呀)*|赶紧的?|马上|立刻马?上?|麻溜儿?的?|现在就要|就现在|别(?:磨蹭|愣着|墨迹|磨叽)(?:了|啦|啊)?|急死我?了|没时间了",
    r"(?!要是|如果|假如|若|等|当|万一|让|叫|请)[^，。！？ ]{1,8}(?:录像|看着|等着|在看|想看|发个?朋友圈|拍照|拍视频|直播)[^，。！？ ]{0,6}",
    r"(?:不然|否则|要不然?|小心)[^，。！？ ]{1,20}",
    r"(?:回头|待会儿?|一会儿|等下|等会儿?|晚上|今晚)?(?:我)?(?:就)?(?:给你|奖励你|请你|带你|有奖励|有好吃的)[^，。！？ ]{0,15}|我就最?(?:喜欢|爱)你",
    r"这是命令|我说真的|别让我说第[二三]遍|(?:我)?数到[一二三四五十]|因为[^，。！？ ]{1,20}|好让[^，。！？ ]{1,15}",
)

_GAP = r"[\s,.!?;:~…，。！？；：—-]"
_MARK = r"\s*[,.!?;:~…，。！？；：—-]"
_BUT = rf"(?:(?:so|and|but|then)\b{_GAP}*)?"
_FEWER = r"(?!.*\b(?:less|fewer|not|never)\b)"
"""What is asked for is less of something, or none."""
_CONDITION = (
    "if|when|whenever|once|like|while|whether|unless|until|till|where|as|that|because|case|after|before|since|though|how|"
    "the moment|the minute|the second|the instant|every time|each time|any time|next time"
)
_NO_CONDITION = "".join(rf"(?<!\b{word})" for word in _CONDITION.split("|"))
_EN_BEFORE = re.compile(
    rf"^{_GAP}*(?:(?:{'|'.join((*_WILLING, *_OPENINGS))}){_GAP}+{_BUT}|(?:{'|'.join(_GOVERNING)})(?:{_MARK}{_GAP}*{_BUT}| so\b{_GAP}*)"
    rf"|(?:{'|'.join(_ASKED)}) +{_FEWER})",
    re.IGNORECASE,
)
_EN_AFTER = re.compile(
    rf"(?<!{_GAP})(?:{_GAP}+(?:{'|'.join((*_WILLING, *_ENDINGS))})|{_NO_CONDITION}{_GAP}+(?:{'|'.join(_REASONS)})){_GAP}*$",
    re.IGNORECASE,
)
_ZH_BEFORE = re.compile(
    rf"^{_GAP}*(?:{'|'.join((*_ZH_WILLING, *_ZH_OPENINGS))}){_GAP}+|^{_GAP}*(?:{'|'.join(_ZH_WILLING)})"
)
_ZH_AFTER = re.compile(
    rf"(?<!{_GAP}){_GAP}+(?:{'|'.join((*_ZH_WILLING, *_ZH_ENDINGS))}){_GAP}*$|(?:{'|'.join(_ZH_WILLING)}|{_ZH_ENDINGS[2]}){_GAP}*$"
)


_ROUNDABOUT = re.compile(rf"\b(?:{'|'.join(_ASKED)}) ", re.IGNORECASE)


def asks_around(text: str) -> bool:
    """Return whether `text` asks for something in a roundabout way: a question mark behind it is only polite."""
    return bool(_ROUNDABOUT.search(text.replace("’", "'")))


def without_courtesies(text: str) -> str:
    """Return what is left of `text` without the courtesies at its ends; all of it where nothing would be."""
    before = None
    left = straight = text.replace("’", "'")
    while left != before:
        before = left
        for courtesy in (_EN_BEFORE, _ZH_BEFORE, _EN_AFTER, _ZH_AFTER):
            left = courtesy.sub("", left) or left
    return text if left == straight else left
