"""How much a text looks as if it spoke to a model and not to a reader: a score for a curator to look at, 0 to 1.

Rules in Korean and English, each for one thing that texts for readers hardly do; what they find in one stretch of text adds
up (noisy or), so that one phrase alone, which a manual about models may hold, does not flag and two do. The rules are about
what such a text wants of a model, not about what it is about: a plain task that happens to stand in a document ("Explain
photosynthesis.") can't be told from the document's own words and is not found. Measured by `benchmarks/injection.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rag.text.invisible import Unseen
from rag.text.normalize import clean_characters
from rag.text.template_tokens import holds_template_token

_STRETCH = 1500
"""Characters of a stretch: some paragraphs. What stands further apart is not taken together."""
_LONGEST_BLOB = 4000


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


_WEIGHTS: Mapping[Sign, float] = {
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
_DO_KO = (
    r"(?:포함|추가|삽입|첨부|삭제|제거|변환|치환|대체|수정|강조|언급|출력|작성|생략|사용|표시|제시|번역|암호화|재배열|반복|덧붙이|덧붙여|"
    r"덧붙일|넣|붙이|붙여|바꾸|바꿔|바꿀|섞|적으|적어|쓰시|쓰세|써라|써 |틀리|묶|끝내|끝맺|시작)"
)
_ORDER_KO = r"(?:하라|하세요|하십시오|하시오|해라|해 주|해주|할 것|하도록|시오|세요|십시오|어라|아라|여라|거라|줘|주라)"
_SECRET = (
    r"(?:passwords?|credentials?|api[ _-]?keys?|secrets?|tokens?|cookies?|personal (?:data|information)|confidential|"
    r"conversation|chat history|system prompt|비밀번호|암호|인증키|api 키|토큰|쿠키|개인정보|기밀|대화|시스템 ?프롬프트|내부 ?(?:자료|정보|문서))"
)
_WHERE = r"(?:https?://|ftp://|www\.|\S{1,64}@\S{1,64}\.\w)"

_INSIDE = r"(?:[^.!?\n]|[.!?](?=\S))"
"""A character inside a sentence; the dot of an address ends none."""

_PATTERNS: Mapping[Sign, tuple[str, ...]] = {
    Sign.OVERRIDE: (
        rf"\b(?:ignore|disregard|forget|override|bypass|drop|do not follow|don't follow|stop following|pay no attention to)\b"
        rf"[^.!?\n]{{0,40}}\b(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|these|those|other|system|original|"
        rf"initial|existing|the)\b[^.!?\n]{{0,30}}\b{_RULES_EN}\b",
        r"\bignore (?:everything|all|anything) (?:above|before|previous|that came before|said so far)\b",
        r"\b(?:new|updated|real|true|actual) (?:system )?instructions?\s?(?:follow|begin|are)?\s?:",
        rf"(?:이전|앞선|앞의|앞서|위의|위에|지금까지|기존|모든|다른|원래|시스템)[^.!?\n]{{0,20}}{_RULES_KO}[^.!?\n]{{0,15}}"
        r"(?:무시|잊|따르지 ?(?:마|말)|버리|버려|취소|무효|우회)",
        r"(?:앞|위|이전)(?:의|에 나온)? ?(?:내용|말|글)[은는을를]? ?(?:모두|전부|다)? ?(?:무시하|무시해|잊)",
    ),
    Sign.ROLE: (
        r"\b(?:you are now|from now on,? you|act as (?:if|an?|the|my)|pretend (?:to be|that you|you are)|roleplay as|"
        r"(?:developer|dan|god|debug|admin|jailbreak) mode)\b",
        r"\b(?:as|you are) an? (?:ai|language model|llm|chatbot|ai assistant)\b",
        r"\b(?:dear|attention|note to|instructions? (?:for|to)|message (?:for|to)) (?:the )?(?:ai|assistant|language model|llm|chatbot|model)\b",
        r"(?:지금부터|이제부터|이제) ?(?:너|넌|당신|귀하|assistant|ai)[는은]?|(?:개발자|관리자|디버그|탈옥) ?모드",
        r"(?:인|한) ?척(?:하라|하세요|하십시오|해라|해 ?줘)|역할을 ?(?:맡|수행|연기)[^.\n]{0,8}(?:라|세요|십시오|줘)",
        r"(?:인공지능|ai|언어 ?모델|챗봇|어시스턴트|모델|에이전트)(?:에게|은|는|이 이 (?:글|문서))[^.\n]{0,30}(?:라|세요|십시오|시오|줘)\b",
    ),
    Sign.TURNS: (
        r"(?m:^\s{0,3}(?:#{1,4} ?)?(?:\[|<)?(?:system|assistant|human|developer)(?:\]|>)?(?: message| prompt)? ?:(?!\s*$))",
        r"(?m:^\s{0,3}#{1,4} ?(?:instructions?|response|system|assistant|human|user)\b ?:?\s*$)",
        r"\[/?(?:system|inst|assistant)\]|<\/?(?:system|instructions?|assistant|im_start)>|\b(?:begin|end) (?:of )?system (?:prompt|message)\b",
        r"(?m:^\s{0,3}\[?(?:시스템|어시스턴트|도우미|관리자)\]?(?: ?(?:메시지|지시|프롬프트))? ?:(?!\s*$))|시스템 (?:메시지|지시)\s?:",
    ),
    Sign.ANSWER: (
        rf"\b{_DO_EN}\b{_INSIDE}{{0,120}}\b(?:your)\s(?:\w+\s)?{_ANSWER_EN}(?:'s)?\b(?! to (?:this|the|our|your|an?|these)\b)",
        rf"\b(?:in|to|of|with|for) (?:all )?your (?:\w+ )?{_ANSWER_EN}\b[^.!?\n]{{0,20}},? ?{_DO_EN}\b",
        rf"\b{_DO_EN}\b[^.!?\n]{{0,80}}\bin your own (?:answer|response|reply)\b",
        rf"\b(?:answer|respond|reply) (?:only |always )?(?:with|in|using|by) (?:the (?:word|phrase|text)|only|nothing|base64|code|numbers)",
        rf"{_ANSWER_KO} ?(?:의 )?(?:에|에는|에서|을|를|은|는|의|할 때|하면서|하기 전에|끝에|마지막에|속에|안에|중에|으로)[^.!?\n]{{0,60}}{_DO_KO}"
        rf"[^.!?\n]{{0,12}}{_ORDER_KO}",
        rf"{_DO_KO}[^.!?\n]{{0,10}}(?:하여|해서|해|아|어|고)? ?{_ANSWER_KO}(?:하라|하세요|하십시오|하시오|해라|해 ?줘|해 ?주)",
    ),
    Sign.REVEAL: (
        rf"\b(?:reveal|print|repeat|show|output|display|disclose|leak|tell me|write out|recite|share|dump)\b[^.!?\n]{{0,50}}"
        r"\b(?:(?:your|the) (?:system|hidden|initial|original|secret|internal|full) (?:prompt|instructions?|rules|message)|system prompt|"
        r"your (?:instructions|prompt|rules))\b",
        rf"(?:시스템 ?(?:프롬프트|지시|메시지)|(?:내부|숨겨진|숨은|초기|비밀) ?{_RULES_KO}|너의 {_RULES_KO}|당신의 {_RULES_KO})[^.!?\n]{{0,30}}"
        r"(?:출력|공개|보여|알려|말해|적어|반복|복사|드러|유출)",
    ),
    Sign.SEND: (
        rf"\b(?:send|post|forward|upload|transmit|exfiltrate|e-?mail|leak|append|attach)\b[^.!?\n]{{0,80}}{_SECRET}"
        rf"[^\n]{{0,60}}(?:{_WHERE}|\bto\b)",
        rf"!\[[^\]\n]{{0,100}}\]\(\s?https?://[^)\s]{{0,200}}[?&=]",
        r"(?:<img\b)[^>\n]{0,200}\bsrc\s?=\s?[\"']?https?://[^>\s]{0,200}[?&]",
        rf"\b(?:linking|directing|pointing|go|navigate|redirect(?:ing)?|link) (?:users? )?to (?:{_WHERE}|\w{{1,60}}\.(?:com|net|org|xyz|kr)\b)",
        rf"{_SECRET}[^.!?\n]{{0,40}}(?:{_WHERE})?[^.!?\n]{{0,60}}(?:보내라|보내세요|보내십시오|보내시오|전송하|전송해|업로드하|업로드해|유출하|유출해|"
        r"전달하라|전달해라)",
    ),
    Sign.SECRECY: (
        r"\b(?:do not|don't|never|without) (?:tell(?:ing)?|mention(?:ing)?|reveal(?:ing)?|inform(?:ing)?|show(?:ing)?|let(?:ting)?)\b"
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
_BLOB = 4000


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


_WEIGHTS: Mapping[Sign, float] = {
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
_DO_KO = (
    r"(?:포함|추가|삽입|첨부|삭제|제거|변환|치환|대체|수정|강조|언급|출력|작성|생략|사용|표시|제시|번역|암호화|재배열|반복|덧붙이|덧붙여|"
    r"덧붙일|넣|붙이|붙여|바꾸|바꿔|바꿀|섞|적으|적어|쓰시|쓰세|써라|써 |틀리|묶|끝내|끝맺|시작)"
)
_ORDER_KO = r"(?:하라|하세요|하십시오|하시오|해라|해 주|해주|할 것|하도록|시오|세요|십시오|어라|아라|여라|거라|줘|주라)"
_SECRET = (
    r"(?:passwords?|credentials?|api[ _-]?keys?|secrets?|tokens?|cookies?|personal (?:data|information)|confidential|"
    r"conversation|chat history|system prompt|비밀번호|암호|인증키|api 키|토큰|쿠키|개인정보|기밀|대화|시스템 ?프롬프트|내부 ?(?:자료|정보|문서))"
)
_WHERE = r"(?:https?://|ftp://|www\.|\S{1,64}@\S{1,64}\.\w)"

_INSIDE = r"(?:[^.!?\n]|[.!?](?=\S))"
"""A character inside a sentence; the dot of an address ends none."""

_PATTERNS: Mapping[Sign, tuple[str, ...]] = {
    Sign.OVERRIDE: (
        rf"\b(?:ignore|disregard|forget|override|bypass|drop|do not follow|don't follow|stop following|pay no attention to)\b"
        rf"[^.!?\n]{{0,40}}\b(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|these|those|other|system|original|"
        rf"initial|existing|the)\b[^.!?\n]{{0,30}}\b{_RULES_EN}\b",
        r"\bignore (?:everything|all|anything) (?:above|before|previous|that came before|said so far)\b",
        r"\b(?:new|updated|real|true|actual) (?:system )?instructions?\s?(?:follow|begin|are)?\s?:",
        rf"(?:이전|앞선|앞의|앞서|위의|위에|지금까지|기존|모든|다른|원래|시스템)[^.!?\n]{{0,20}}{_RULES_KO}[^.!?\n]{{0,15}}"
        r"(?:무시|잊|따르지 ?(?:마|말)|버리|버려|취소|무효|우회)",
        r"(?:앞|위|이전)(?:의|에 나온)? ?(?:내용|말|글)[은는을를]? ?(?:모두|전부|다)? ?(?:무시하|무시해|잊)",
    ),
    Sign.ROLE: (
        r"\b(?:you are now|from now on,? you|act as (?:if|an?|the|my)|pretend (?:to be|that you|you are)|roleplay as|"
        r"(?:developer|dan|god|debug|admin|jailbreak) mode)\b",
        r"\b(?:as|you are) an? (?:ai|language model|llm|chatbot|ai assistant)\b",
        r"\b(?:dear|attention|note to|instructions? (?:for|to)|message (?:for|to)) (?:the )?(?:ai|assistant|language model|llm|chatbot|model)\b",
        r"(?:지금부터|이제부터|이제) ?(?:너|넌|당신|귀하|assistant|ai)[는은]?|(?:개발자|관리자|디버그|탈옥) ?모드",
        r"(?:인|한) ?척(?:하라|하세요|하십시오|해라|해 ?줘)|역할을 ?(?:맡|수행|연기)[^.\n]{0,8}(?:라|세요|십시오|줘)",
        r"(?:인공지능|ai|언어 ?모델|챗봇|어시스턴트|모델|에이전트)(?:에게|은|는|이 이 (?:글|문서))[^.\n]{0,30}(?:라|세요|십시오|시오|줘)\b",
    ),
    Sign.TURNS: (
        r"(?m:^\s{0,3}(?:#{1,4} ?)?(?:\[|<)?(?:system|assistant|human|developer)(?:\]|>)?(?: message| prompt)? ?:(?!\s*$))",
        r"(?m:^\s{0,3}#{1,4} ?(?:instructions?|response|system|assistant|human|user)\b ?:?\s*$)",
        r"\[/?(?:system|inst|assistant)\]|<\/?(?:system|instructions?|assistant|im_start)>|\b(?:begin|end) (?:of )?system (?:prompt|message)\b",
        r"(?m:^\s{0,3}\[?(?:시스템|어시스턴트|도우미|관리자)\]?(?: ?(?:메시지|지시|프롬프트))? ?:(?!\s*$))|시스템 (?:메시지|지시)\s?:",
    ),
    Sign.ANSWER: (
        rf"\b{_DO_EN}\b{_INSIDE}{{0,120}}\b(?:your)\s(?:\w+\s)?{_ANSWER_EN}(?:'s)?\b(?! to (?:this|the|our|your|an?|these)\b)",
        rf"\b(?:in|to|of|with|for) (?:all )?your (?:\w+ )?{_ANSWER_EN}\b[^.!?\n]{{0,20}},? ?{_DO_EN}\b",
        rf"\b{_DO_EN}\b[^.!?\n]{{0,80}}\bin your own (?:answer|response|reply)\b",
        rf"\b(?:answer|respond|reply) (?:only |always )?(?:with|in|using|by) (?:the (?:word|phrase|text)|only|nothing|base64|code|numbers)",
        rf"{_ANSWER_KO} ?(?:의 )?(?:에|에는|에서|을|를|은|는|의|할 때|하면서|하기 전에|끝에|마지막에|속에|안에|중에|으로)[^.!?\n]{{0,60}}{_DO_KO}"
        rf"[^.!?\n]{{0,12}}{_ORDER_KO}",
        rf"{_DO_KO}[^.!?\n]{{0,10}}(?:하여|해서|해|아|어|고)? ?{_ANSWER_KO}(?:하라|하세요|하십시오|하시오|해라|해 ?줘|해 ?주)",
    ),
    Sign.REVEAL: (
        rf"\b(?:reveal|print|repeat|show|output|display|disclose|leak|tell me|write out|recite|share|dump)\b[^.!?\n]{{0,50}}"
        r"\b(?:(?:your|the) (?:system|hidden|initial|original|secret|internal|full) (?:prompt|instructions?|rules|message)|system prompt|"
        r"your (?:instructions|prompt|rules))\b",
        rf"(?:시스템 ?(?:프롬프트|지시|메시지)|(?:내부|숨겨진|숨은|초기|비밀) ?{_RULES_KO}|너의 {_RULES_KO}|당신의 {_RULES_KO})[^.!?\n]{{0,30}}"
        r"(?:출력|공개|보여|알려|말해|적어|반복|복사|드러|유출)",
    ),
    Sign.SEND: (
        rf"\b(?:send|post|forward|upload|transmit|exfiltrate|e-?mail|leak|append|attach)\b[^.!?\n]{{0,80}}{_SECRET}"
        rf"[^\n]{{0,60}}(?:{_WHERE}|\bto\b)",
        rf"!\[[^\]\n]{{0,100}}\]\(\s?https?://[^)\s]{{0,200}}[?&=]",
        r"(?:<img\b)[^>\n]{0,200}\bsrc\s?=\s?[\"']?https?://[^>\s]{0,200}[?&]",
        rf"\b(?:linking|directing|pointing|go|navigate|redirect(?:ing)?|link) (?:users? )?to (?:{_WHERE}|\w{{1,60}}\.(?:com|net|org|xyz|kr)\b)",
        rf"{_SECRET}[^.!?\n]{{0,40}}(?:{_WHERE})?[^.!?\n]{{0,60}}(?:보내라|보내세요|보내십시오|보내시오|전송하|전송해|업로드하|업로드해|유출하|유출해|"
        r"전달하라|전달해라)",
    ),
    Sign.SECRECY: (
        r"\b(?:do not|don't|never|without) (?:tell(?:ing)?|mention(?:ing)?|reveal(?:ing)?|inform(?:ing)?|show(?:ing)?|let(?:ting)?)\b"
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
_CODE_ASKED = re.compile(
    r"\b(?:following|subsequent|below|this|next)\s(?:code|script|program)?\s?(?:code|snippet|block|excerpt|section|script)\b"
    r"[^\n]{0,120}\n|\byour (?:code|codebase|solution|implementation|algorithm|response|answer)\b|"
    r"(?:다음|아래|이하의?) ?(?:의 )?(?:코드|스크립트|소스)[^\n]{0,80}(?:포함|추가|삽입|사용|활용|넣|실행|적용|결합|통합)",
    re.IGNORECASE,
)
_CODE_HARMS = re.compile(
    r"os\.environ|requests\.(?:post|put|get)\(|urllib\.request|urlretrieve|http\.client|httpx\.|aiohttp|urllib3|smtplib|ftplib|"
    r"paramiko|socket\.socket|subprocess\.|os\.system\(|exec\(|eval\(|cookie(?:jar|s)?\b|psutil|rm -rf|dd if=|curl |wget|"
    r"publish\.single|yagmail|smtp|bluetooth",
    re.IGNORECASE,
)
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{4}){6,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![A-Za-z0-9+/=])"
)
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){16,}(?![0-9a-fA-F])")
_NEEDS: Mapping[Sign, tuple[str, ...]] = {
    Sign.OVERRIDE: (
        "ignore disregard forget override bypass drop follow attention instruction 무시 잊 따르지 버리 버려 취소 무효 우회".split()
    ),
    Sign.ROLE: (
        "you pretend roleplay mode language llm chatbot dear attention note instruction message 지금부터 이제 모드 척 역할 인공지능 "
        "ai 모델 챗봇 어시스턴트 에이전트".split()
    ),
    Sign.TURNS: "system assistant human developer instruct response user inst 시스템 어시스턴트 도우미 관리자".split(),
    Sign.ANSWER: "answer respon repl output message completion summary 답 응답 출력 회신".split(),
    Sign.REVEAL: "prompt instruction rule message 시스템 내부 숨 초기 비밀 너의 당신의".split(),
    Sign.SEND: "send post forward upload transmit exfil mail leak append attach http ing to redirect link 보내 전송 업로드 유출 전달".split(),
    Sign.SECRECY: "user reader human instruction 사용자 이용자 독자 질문자 지시 지침 명령 문장".split(),
    Sign.TOOL: "tool function plugin action invoke 도구 함수 플러그인 툴".split(),
}
"""Something of which every finding holds a part: most paragraphs hold nothing of it, and looking for it is quick."""


@dataclass(frozen=True, slots=True)
class InjectionScore:
    """What a document looks like.

    Attributes:
        value: 0 to 1.
        signs: what was found in its worst stretch, and in the file as a whole.
    """

    value: float = 0.0
    signs: tuple[Sign, ...] = ()


def injection_score(
    texts: Iterable[str], *, hidden_text: bool = False, unseen: Mapping[Unseen, int] | None = None
) -> InjectionScore:
    """How much a document looks as if it spoke to a model.

    Args:
        texts: its texts in reading order, title and name included.
        hidden_text: whether its parser left out text that a reader does not see.
        unseen: characters that were taken out of it.
    """
    whole = set(_of_file(hidden_text, unseen or {}))
    worst: set[Sign] = set()
    for stretch in _stretches(texts):
        worst = max(worst, set(signs_of(stretch)), key=_value)
    signs = worst | whole
    return InjectionScore(round(_value(signs), 3), tuple(sign for sign in Sign if sign in signs))


def signs_of(text: str) -> Iterator[Sign]:
    """What one stretch of text holds."""
    plain = clean_characters(text).lower()
    for sign in _COMPILED:
        if _found(sign, plain) or (sign is Sign.TURNS and holds_template_token(text)):
            yield sign
    if _CODE_HARMS.search(plain) and _CODE_ASKED.search(plain):
        yield Sign.CODE
    if any(_holds_orders(decoded) for decoded in _decoded(text)):
        yield Sign.ENCODED


def _found(sign: Sign, plain: str) -> bool:
    return any(word in plain for word in _NEEDS[sign]) and _COMPILED[sign].search(plain) is not None


def _value(signs: Iterable[Sign]) -> float:
    left = 1.0
    for sign in signs:
        left *= 1.0 - _WEIGHTS[sign]
    return 1.0 - left


def _of_file(hidden_text: bool, unseen: Mapping[Unseen, int]) -> Iterator[Sign]:
    if hidden_text:
        yield Sign.HIDDEN_TEXT
    # One or two may come from a web page; words spelt with them take more.
    smuggled = unseen.get(Unseen.TAG, 0) >= 4 or unseen.get(Unseen.VARIATION, 0) >= 8
    if smuggled or unseen.get(Unseen.ZERO_WIDTH, 0) >= 32 or unseen.get(Unseen.BIDI, 0) >= 16:
        yield Sign.HIDDEN_CHARACTERS


def _stretches(texts: Iterable[str]) -> Iterator[str]:
    """Texts together up to `_STRETCH` characters, each stretch beginning with the last text of the one before; long ones cut."""
    group: list[str] = []
    size = 0
    for text in texts:
        for start in range(0, len(text), _STRETCH - 200):
            part = text[start : start + _STRETCH]
            if group and size + len(part) > _STRETCH:
                yield "\n".join(group)
                group, size = group[-1:], len(group[-1])
                if size + len(part) > _STRETCH:
                    group, size = [], 0
            group.append(part)
            size += len(part)
    if group:
        yield "\n".join(group)


def _holds_orders(text: str) -> bool:
    plain = clean_characters(text).lower()
    return any(_found(sign, plain) for sign in _COMPILED) or holds_template_token(text)


def _decoded(text: str) -> Iterator[str]:
    """What stands in base64 or hexadecimal, where that is text."""
    for found in _BLOB.finditer(text):
        blob = found[0][:_LONGEST_BLOB]
        try:
            yield base64.b64decode(blob[: len(blob) // 4 * 4]).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
    for found in _HEX.finditer(text):
        try:
            yield bytes.fromhex(found[0][:_LONGEST_BLOB]).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            continue
