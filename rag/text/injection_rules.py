"""What texts that speak to a model say, in Korean and English, as patterns over folded lower-case text; see `injection.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache

from rag.text.sieve import sieve_of


class Sign(StrEnum):
    """What was found."""

    OVERRIDE = "override"
    ROLE = "role"
    TURNS = "turns"
    ANSWER = "answer"
    REVEAL = "reveal"
    SEND = "send"
    SECRECY = "secrecy"
    TOOL = "tool"
    CODE = "code"
    ENCODED = "encoded"
    HIDDEN_TEXT = "hidden_text"
    HIDDEN_CHARACTERS = "hidden_characters"


WEIGHTS: Mapping[Sign, float] = {
    Sign.OVERRIDE: 0.7,
    Sign.ROLE: 0.4,
    Sign.TURNS: 0.5,
    Sign.ANSWER: 0.62,
    Sign.REVEAL: 0.65,
    Sign.SEND: 0.45,
    Sign.SECRECY: 0.4,
    Sign.TOOL: 0.4,
    Sign.CODE: 0.62,
    Sign.ENCODED: 0.65,
    Sign.HIDDEN_TEXT: 0.3,
    Sign.HIDDEN_CHARACTERS: 0.7,
}
"""Share of a whole alarm. Hidden text alone is common (0.3: revisions, notes of slides), smuggled characters are not."""

_INSIDE = r"(?:[^.!?\n]|[.!?](?=\S))"
"""A character inside a sentence; the dot of an address ends none."""
_RULES_EN = (
    r"(?:instructions?|prompts?|rules?|directions?|guidelines?|guardrails?|constraints?|system message|programming)"
)
_ANSWER_EN = r"(?:answers?|responses?|reply|replies|output|message|completion|summary)"
_DO_EN = (
    r"(?:add|adjust|alter|anagram|append|augment|begin|change|combine|convert|craft|embed|encode|encrypt|end|enhance|exclude|"
    r"express|finish|format|generate|give|group|include|incorporate|insert|integrate|introduce|jumble|make|mention|misspell|"
    r"modify|omit|phrase|place|prefix|produce|promote|provide|put|rearrange|recommend|remove|render|repeat|replace|respond|"
    r"reply|scramble|sign|start|substitute|suggest|tease|translate|use|write)"
)
_RULES_KO = r"(?:지시|지침|명령|규칙|프롬프트|제약|설정)"
_ANSWER_KO = r"(?:답변|응답|대답|답장|출력|회신|답)"
_IN_ANSWER_KO = r"(?:에|에는|에서|을|를|은|는|의|할 때|하면서|하기 전에|끝에|마지막에|속에|안에|중에|으로)"
_DO_KO = (
    r"(?:포함|추가|삽입|첨부|삭제|제거|변환|치환|대체|수정|강조|언급|출력|작성|생략|사용|표시|제시|번역|암호화|재배열|반복|"
    r"덧붙이|덧붙여|덧붙일|넣|붙이|붙여|바꾸|바꿔|바꿀|섞|적으|적어|쓰시|쓰세|써라|써 |틀리|묶|끝내|끝맺|시작)"
)
_ORDER_KO = r"(?:하라|하세요|하십시오|하시오|해라|해 주|해주|할 것|하도록|시오|세요|십시오|어라|아라|여라|거라|줘|주라)"
_PRECIOUS = (
    r"(?:passwords?|credentials?|api[ _-]?keys?|secrets?|tokens?|cookies?|personal (?:data|information)|confidential|"
    r"conversation|chat history|system prompt|비밀번호|암호|인증키|api 키|토큰|쿠키|개인정보|기밀|대화|시스템 ?프롬프트|"
    r"내부 ?(?:자료|정보|문서))"
)
_WHERE = r"(?:https?://|ftp://|www\.|\S{1,64}@\S{1,64}\.\w)"

_PATTERNS: Mapping[Sign, tuple[str, ...]] = {
    Sign.OVERRIDE: (
        r"\b(?:ignore|disregard|forget|override|bypass|drop|do not follow|don't follow|stop following|pay no attention to)\b"
        r"[^.!?\n]{0,40}\b(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|these|those|other|system|original|"
        rf"initial|existing|the)\b[^.!?\n]{{0,30}}\b{_RULES_EN}\b",
        r"\bignore (?:everything|all|anything) (?:above|before|previous|that came before|said so far)\b",
        r"\b(?:new|updated|real|true|actual) (?:system )?instructions?\s?(?:follow|begin|are)?\s?:",
        r"(?:이전|앞선|앞의|앞서|위의|위에|지금까지|기존|모든|다른|원래|시스템)[^.!?\n]{0,20}"
        rf"{_RULES_KO}[^.!?\n]{{0,15}}(?:무시|잊|따르지 ?(?:마|말)|버리|버려|취소|무효|우회)",
        r"(?:앞|위|이전)(?:의|에 나온)? ?(?:내용|말|글)[은는을를]? ?(?:모두|전부|다)? ?(?:무시하|무시해|잊)",
    ),
    Sign.ROLE: (
        r"\b(?:you are now|from now on,? you|act as (?:if|an?|the|my)|pretend (?:to be|that you|you are)|roleplay as|"
        r"(?:developer|dan|god|debug|admin|jailbreak) mode)\b",
        r"\b(?:as|you are) an? (?:ai|language model|llm|chatbot|ai assistant)\b",
        r"\b(?:dear|attention|note to|instructions? (?:for|to)|message (?:for|to)) (?:the )?"
        r"(?:ai|assistant|language model|llm|chatbot|model)\b",
        r"(?:지금부터|이제부터|이제) ?(?:너|넌|당신|귀하|assistant|ai)[는은]?|(?:개발자|관리자|디버그|탈옥) ?모드",
        r"(?:인|한) ?척(?:하라|하세요|하십시오|해라|해 ?줘)|역할을 ?(?:맡|수행|연기)[^.\n]{0,8}(?:라|세요|십시오|줘)",
        r"(?:인공지능|ai|언어 ?모델|챗봇|어시스턴트|모델|에이전트)(?:에게|은|는)[^.\n]{0,30}(?:라|세요|십시오|시오|줘)\b",
    ),
    Sign.TURNS: (
        r"(?m:^\s{0,3}(?:#{1,4} ?)?(?:\[|<)?(?:system|assistant|human|developer)(?:\]|>)?(?: message| prompt)? ?:(?!\s*$))",
        r"(?m:^\s{0,3}#{1,4} ?(?:instructions?|response|system|assistant|human|user)\b ?:?\s*$)",
        r"\[/?(?:system|inst|assistant)\]|<\/?(?:system|instructions?|assistant|im_start)>|"
        r"\b(?:begin|end) (?:of )?system (?:prompt|message)\b",
        r"(?m:^\s{0,3}\[?(?:시스템|어시스턴트|도우미|관리자)\]?(?: ?(?:메시지|지시|프롬프트))? ?:(?!\s*$))|"
        r"시스템 (?:메시지|지시)\s?:",
    ),
    Sign.ANSWER: (
        rf"\b{_DO_EN}\b{_INSIDE}{{0,120}}\byour\s(?:\w+\s)?{_ANSWER_EN}(?:'s)?\b(?! to (?:this|the|our|your|an?|these)\b)",
        rf"\b(?:in|to|of|with|for) (?:all )?your (?:\w+ )?{_ANSWER_EN}\b[^.!?\n]{{0,20}},? ?{_DO_EN}\b",
        rf"\b{_DO_EN}\b[^.!?\n]{{0,80}}\bin your own (?:answer|response|reply)\b",
        r"\b(?:answer|respond|reply) (?:only |always )?(?:with|in|using|by) "
        r"(?:the (?:word|phrase|text)|only|nothing|base64|code|numbers)",
        rf"{_ANSWER_KO} ?(?:의 )?{_IN_ANSWER_KO}[^.!?\n]{{0,60}}{_DO_KO}[^.!?\n]{{0,12}}{_ORDER_KO}",
        rf"{_DO_KO}[^.!?\n]{{0,10}}(?:하여|해서|해|아|어|고)? ?{_ANSWER_KO}(?:하라|하세요|하십시오|하시오|해라|해 ?줘|해 ?주)",
    ),
    Sign.REVEAL: (
        r"\b(?:reveal|print|repeat|show|output|display|disclose|leak|tell me|write out|recite|share|dump)\b[^.!?\n]{0,50}"
        r"\b(?:(?:your|the) (?:system|hidden|initial|original|secret|internal|full) (?:prompt|instructions?|rules|message)|"
        r"system prompt|your (?:instructions|prompt|rules))\b",
        rf"(?:시스템 ?(?:프롬프트|지시|메시지)|(?:내부|숨겨진|숨은|초기|비밀|너의|당신의) ?{_RULES_KO})[^.!?\n]{{0,30}}"
        r"(?:출력|공개|보여|알려|말해|적어|반복|복사|드러|유출)",
    ),
    Sign.SEND: (
        r"\b(?:send|post|forward|upload|transmit|exfiltrate|e-?mail|leak|append|attach)\b[^.!?\n]{0,80}"
        rf"{_PRECIOUS}[^\n]{{0,60}}(?:{_WHERE}|\bto\b)",
        r"!\[[^\]\n]{0,100}\]\(\s?https?://[^)\s]{0,200}[?&=]",
        r"<img\b[^>\n]{0,200}\bsrc\s?=\s?[\"']?https?://[^>\s]{0,200}[?&]",
        r"\b(?:linking|directing|pointing|go|navigate|redirect(?:ing)?|link) (?:users? )?to "
        rf"(?:{_WHERE}|\w{{1,60}}\.(?:com|net|org|xyz|kr)\b)",
        rf"{_PRECIOUS}{_INSIDE}{{0,100}}(?:보내라|보내세요|보내십시오|보내시오|전송하|전송해|업로드하|업로드해|유출하|"
        r"유출해|전달하라|전달해라)",
    ),
    Sign.SECRECY: (
        r"\b(?:do not|don't|never|without) "
        r"(?:tell(?:ing)?|mention(?:ing)?|reveal(?:ing)?|inform(?:ing)?|show(?:ing)?|let(?:ting)?)\b"
        r"[^.!?\n]{0,40}\b(?:the )?(?:user|reader|human|this instruction|these instructions)\b",
        r"(?:사용자|이용자|독자|질문자)(?:에게|가|한테)[^.!?\n]{0,20}(?:알리지|말하지|언급하지|눈치채지|모르게|드러내지)",
        r"이 ?(?:지시|지침|명령|문장)[은는을를]? ?(?:언급|공개|노출|말)하지 ?(?:마|말|않)",
    ),
    Sign.TOOL: (
        r"\b(?:call|invoke|use|execute|run|trigger) (?:the |a |an )?[\w`'\".-]{1,60} ?(?:tool|function|plugin|action)s?\b",
        r"\"(?:tool_calls?|function_call|tool_name)\"\s?:|<(?:tool_call|function_call|invoke)\b",
        r"(?:도구|함수|플러그인|툴)[을를]? ?(?:호출|실행|사용)(?:하라|하세요|하십시오|하시오|해라|해 ?줘)",
    ),
}
_COMPILED = {sign: re.compile("|".join(f"(?:{one})" for one in found)) for sign, found in _PATTERNS.items()}
_NEEDS: Mapping[Sign, str] = {
    Sign.OVERRIDE: (
        "ignore disregard forget override bypass drop follow attention instruction "
        "무시 잊 따르지 버리 버려 취소 무효 우회"
    ),
    Sign.ROLE: (
        "you pretend roleplay mode language llm chatbot dear attention note instruction message "
        "지금부터 이제 모드 척 역할 인공지능 ai 모델 챗봇 어시스턴트 에이전트"
    ),
    Sign.TURNS: "system assistant human developer instruct response user inst 시스템 어시스턴트 도우미 관리자",
    Sign.ANSWER: "answer respon repl output message completion summary 답 응답 출력 회신",
    Sign.REVEAL: "prompt instruction rule message 시스템 내부 숨 초기 비밀 너의 당신의",
    Sign.SEND: "send post forward upload transmit exfil mail leak append attach http to 보내 전송 업로드 유출 전달",
    Sign.SECRECY: "user reader human instruction 사용자 이용자 독자 질문자 지시 지침 명령 문장",
    Sign.TOOL: "tool function plugin action invoke 도구 함수 플러그인 툴",
}
"""Something of which every finding holds a part: most paragraphs hold nothing of it, and looking for it is quick."""
_NEEDED = {sign: tuple(words.split()) for sign, words in _NEEDS.items()}
_CODE_ASKED = re.compile(
    r"\b(?:following|subsequent|below|this|next)\s(?:code|script|program)?\s?"
    r"(?:code|snippet|block|excerpt|section|script)\b[^\n]{0,120}\n|"
    r"\byour (?:code|codebase|solution|implementation|algorithm|response|answer)\b|"
    r"(?:다음|아래|이하의?) ?(?:의 )?(?:코드|스크립트|소스)[^\n]{0,80}(?:포함|추가|삽입|사용|활용|넣|실행|적용|결합|통합)"
)
_CODE_HARMS = re.compile(
    r"os\.environ|requests\.(?:post|put|get)\(|urllib\.request|urlretrieve|http\.client|httpx\.|aiohttp|urllib3|smtplib|"
    r"ftplib|paramiko|socket\.socket|subprocess\.|os\.system\(|exec\(|eval\(|cookie(?:jar|s)?\b|psutil|rm -rf|dd if=|curl |"
    r"wget|publish\.single|yagmail|smtp|bluetooth"
)


def is_said(sign: Sign, plain: str) -> bool:
    """Whether a folded lower-case text says what `sign` stands for."""
    if sign is Sign.CODE:  # an order to take code, and code that does harm
        return _CODE_HARMS.search(plain) is not None and _CODE_ASKED.search(plain) is not None
    return any(word in plain for word in _NEEDED[sign]) and _COMPILED[sign].search(plain) is not None


SAID = (*_COMPILED, Sign.CODE)
"""What a text can say by its words."""


@cache
def _sieve() -> Callable[[str], bool]:
    return sieve_of((*(one for found in _PATTERNS.values() for one in found), _CODE_ASKED.pattern))


def may_be_said(plain: str) -> bool:
    """False where `is_said` is for every sign: most texts, told in one pass."""
    return _sieve()(plain)
