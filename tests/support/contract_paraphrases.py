"""Sentences about the bundled samples in other words than theirs, and spoiled ones, written by hand."""

from __future__ import annotations

from rag.domain.language import Language
from tests.support.sample_passages import GATEWAY, LIMITS, RULES, SECURITY

PARAPHRASES = (
    (RULES, "총 2년을 넘을 수 없다", "기간제 직원과의 계약은 통틀어 최대 2년까지만 가능합니다."),
    (RULES, "수습기간 중에는 기본급의 90퍼센트", "수습 중인 직원이 받는 돈은 기본급의 90%입니다."),
    (RULES, "수습기간 중에는 기본급의 90퍼센트", "경력 직원은 수습기간에도 기본급을 전액 받습니다."),
    (RULES, "평가 점수가 70점 이상이면", "수습평가에서 70점 이상을 받으면 정식 직원이 됩니다."),
    (
        RULES,
        "1회 3만원 이하의 다과",
        "거래처의 금품을 받으면 안 되지만, 1회 30,000원 이하의 다과와 기념품은 예외입니다.",
    ),
    (
        RULES,
        "겸직 개시 예정일 20일 전까지",
        "겸직하려면 시작하기로 한 날의 20일 전까지 소속장을 거쳐 인사부에 신청해야 합니다.",
    ),
    (RULES, "겸직 허가의 유효기간은 1년", "겸직 허가는 1년 동안 유효합니다."),
    (
        RULES,
        "늦어도 1시간 이내에 정보보호부에 신고",
        "고객정보가 유출된 것을 알았다면 한 시간 안에 정보보호부에 신고해야 합니다.",
    ),
    (RULES, "최고 5천만원의 포상금", "내부신고 포상금은 방지한 금액의 5% 범위에서 최대 50,000,000원입니다."),
    (RULES, "당일 오전 10시까지 연락", "미리 승인받기 어려우면 그날 10시까지 연락하고 나중에 승인을 받습니다."),
    (RULES, "1일 8시간, 1주 40시간", "소정근로시간은 휴게시간을 빼고 하루 8시간, 일주일 40시간입니다."),
    (RULES, "업무용 컴퓨터를 오후 6시 30분에", "업무용 PC는 18:30에 자동 종료됩니다."),
    (RULES, "1주에 2일까지 재택근무", "소속장은 일주일에 이틀까지 재택근무를 승인할 수 있습니다."),
    (RULES, "통신비로 월 3만원을", "재택근무하는 직원은 월 30,000원의 통신비를 지원받습니다."),
    (RULES, "수습기간 중인 직원\n", "수습기간 중인 직원은 재택근무를 할 수 없습니다."),
    (RULES, "1주에 12시간을 한도로", "연장근로는 당사자끼리 합의해도 1주 12시간까지입니다."),
    (RULES, "연장근로 1시간은 보상휴가 1시간 30분", "한 시간 연장근로하면 보상휴가 1시간 30분이 생깁니다."),
    (RULES, "발생한 날부터 6개월 이내에 사용", "보상휴가는 생긴 날부터 6개월 안에 써야 합니다."),
    (RULES, "토요일은 무급휴무일", "토요일은 급여가 없는 휴무일입니다."),
    (RULES, "창립기념일(3월 2일)", "3월 2일 창립기념일은 유급휴일입니다."),
    (
        RULES,
        "14일 전까지 전 직원에게 공지",
        "개정된 취업규칙은 시행되기 14일 전까지 인사부장이 모든 직원에게 알려야 합니다.",
    ),
    (RULES, "부터 7일 이내에 모든 지원자에게", "합격 여부는 채용이 확정되고 7일 안에 지원자 전원에게 통보됩니다."),
    (SECURITY, "9퍼센트 이상", "정보보호에는 정보기술 예산의 9% 이상을 편성합니다."),
    (SECURITY, "퇴직일 당일 오후 6시까지", "퇴직자 계정은 퇴직하는 날 18시까지 중지되고 90일 후 삭제됩니다."),
    (SECURITY, "60일 동안 사용하지 않은 계정", "60일간 쓰지 않은 계정은 자동으로 잠깁니다."),
    (SECURITY, "발급 후 24시간 동안만", "초기 비밀번호는 발급 후 24시간만 쓸 수 있고 처음 접속할 때 바꿔야 합니다."),
    (
        SECURITY,
        "소스코드나 설정 파일에 적지 않고",
        "API 비밀키를 소스코드에 적으면 안 되며 비밀정보 관리시스템에 보관합니다.",
    ),
    (SECURITY, "세션은 15분", "업무시스템은 15분, 특권 계정은 5분간 입력이 없으면 세션이 끊깁니다."),
    (SECURITY, "반복 횟수를 600,000회", "PBKDF2를 쓸 때 반복 횟수는 60만 회 이상이어야 합니다."),
    (SECURITY, "TLS 1.1 이하는 사용하지", "MD5와 SHA-1은 사용이 금지됩니다."),
    (SECURITY, "폐기확인서를 5년간", "저장매체를 폐기하면 확인서를 5년 동안 보존해야 합니다."),
    (
        GATEWAY,
        "for more than 72 hours",
        "Instructions that wait for approval for over 72 hours are rejected with HPG-3107.",
    ),
    (
        GATEWAY,
        "for more than 90 seconds",
        "After 90 seconds without a reply from the counterparty, an instruction goes to reconciliation.",
    ),
    (GATEWAY, "recovery time objective", "The gateway's recovery time objective is three hours."),
    (
        GATEWAY,
        "by more than 1 second",
        "If a node's local clock is off by more than one second, the edge will not start.",
    ),
    (
        GATEWAY,
        "The join token is valid",
        "A join token can be used for half an hour, that is 30 minutes, and for one node only.",
    ),
    (GATEWAY, "within 60 seconds", "On a healthy node, all components print READY in 60 seconds."),
    (GATEWAY, "upgrade to 4.0.6 first", "From a 3.x release you have to upgrade to 4.0.6 first."),
    (GATEWAY, "waits up to", "Draining stops new connections and gives running requests up to 120 seconds."),
    (GATEWAY, "but not by 4.0", "A database that 4.2 has migrated cannot be read by 4.0."),
    (GATEWAY, "Plain text passwords", "If the file has plain text passwords, startup fails with the error HPG-5008."),
    (
        GATEWAY,
        "Never run two minor versions",
        "Two minor versions must never run side by side for longer than 24 hours.",
    ),
    (GATEWAY, "certificate of destruction", "The certificate of destruction must be kept for five years."),
)
"""Sample, words of the passage, a sentence that it holds."""

OTHER_ROWS = (
    (
        SECURITY,
        "| 특권 계정 | 14자",
        "특권 계정 비밀번호의 최소 길이는 14자입니다.",
        "특권 계정 비밀번호의 최소 길이는 12자입니다.",
    ),
    (
        SECURITY,
        "| 특권 계정 | 14자",
        "외주 인력의 비밀번호 변경 주기는 60일입니다.",
        "외주 인력의 비밀번호 변경 주기는 90일입니다.",
    ),
    (
        SECURITY,
        "| 특권 계정 | 14자",
        "일반 직원은 5회 연속 실패하면 30분 잠깁니다.",
        "특권 계정은 5회 연속 실패하면 30분 잠깁니다.",
    ),
    (
        SECURITY,
        "| 저장 데이터 암호화",
        "마스터키의 키 교체 주기는 24개월입니다.",
        "저장 데이터 암호화의 키 교체 주기는 24개월입니다.",
    ),
    (
        GATEWAY,
        "edge.idle_timeout_s",
        "The edge closes idle connections after 75 seconds by default.",
        "The default edge.max_body_kib is 75 KiB.",
    ),
    (
        GATEWAY,
        "auth.key_lifetime_days",
        "The default of auth.key_lifetime_days is 180.",
        "The default of auth.key_lifetime_days is 300.",
    ),
    (
        GATEWAY,
        "| CPU per node",
        "At least 16 GiB of memory per node is the minimum.",
        "The recommended number of CPU cores per node is 16.",
    ),
    (
        GATEWAY,
        "core.max_batch_items",
        "core.max_batch_items is 500 by default.",
        "core.idempotency_hours is 72 by default.",
    ),
    (
        LIMITS,
        "| TRF-C-FB-CRT",
        "펌뱅킹 법인 고객의 1회 한도는 20억원입니다.",
        "한도제한계좌의 1회 한도는 20억원입니다.",
    ),
    (
        LIMITS,
        "| TRF-P-TB-SCD",
        "개인 텔레뱅킹에서 보안카드를 쓰면 1회 한도는 300만원입니다.",
        "개인 텔레뱅킹에서 보안카드를 쓰면 1회 한도는 200만원입니다.",
    ),
)
"""Sample, words of the table, what a row says, and the same with a value of another row."""

ADDITIONS = {
    Language.KOREAN: (
        ", 위반한 경우에는 담당 임원이 주주총회에 출석하여 소명합니다.",
        "고, 이 제도는 금융감독당국의 시정명령을 계기로 도입되었습니다.",
        ", 해외 지점의 현지 채용 인력에게는 별도의 협약이 우선합니다.",
        "며, 우수 사례로 선정되면 제주 연수원 이용권을 제공합니다.",
    ),
    Language.ENGLISH: (
        ", and customers are compensated by the insurance fund of the association.",
        ", because regulators demanded this change after a public outage.",
        ", and the mobile application shows a coloured banner to every visitor.",
        ", which reduces electricity consumption in overseas branches considerably.",
    ),
}

HELD_OUT = (
    (RULES, "총 휴가 일수는 25일을 한도로", "가산휴가까지 합한 연차는 최대 25일입니다.", True),
    (RULES, "총 휴가 일수는 25일을 한도로", "가산휴가까지 합한 연차는 최소 25일입니다.", False),
    (RULES, "반반일(2시간) 단위로", "연차는 하루, 반나절(4시간), 2시간 단위로 쓸 수 있습니다.", True),
    (RULES, "연속 5일 이상 사용하려는 때에는", "5일 이상 이어서 쉬려면 10영업일 전에 신청해야 합니다.", True),
    (RULES, "연속 5일 이상 사용하려는 때에는", "5일 이상 이어서 쉬려면 3영업일 전에 신청해야 합니다.", False),
    (RULES, "1년간 사용하지 않으면 소멸한다", "연차는 생긴 날부터 1년이 지나면 없어집니다.", True),
    (RULES, "1년간 사용하지 않으면 소멸한다", "회사 책임으로 못 쓴 연차는 소멸하지 않습니다.", True),
    (
        RULES,
        "연속 5영업일의 명령휴가",
        "위험직무 담당자는 해마다 최소 한 번, 5영업일 연속으로 명령휴가를 갑니다.",
        True,
    ),
    (RULES, "연속 5영업일의 명령휴가", "명령휴가 중에도 전산시스템 접속권한은 유지됩니다.", False),
    (RULES, "연속 5영업일의 명령휴가", "명령휴가를 가도 연차 일수는 줄지 않습니다.", True),
    (RULES, "연속 5영업일의 명령휴가", "명령휴가는 연차 일수에서 차감합니다.", False),
    (RULES, "경조휴가의 일수에는 휴일을", "경조휴가 일수를 셀 때 휴일은 빠집니다.", True),
    (RULES, "경조휴가의 일수에는 휴일을", "본인 결혼 휴가는 결혼일 앞뒤 90일 안에 쓸 수 있습니다.", True),
    (RULES, "경조휴가의 일수에는 휴일을", "본인 결혼 휴가는 결혼일 전후 30일 안에 쓸 수 있습니다.", False),
    (RULES, "연간 누계 14일까지 유급", "병가는 1년에 14일까지는 유급이고 그 뒤로는 기본급의 70%를 받습니다.", True),
    (RULES, "연간 누계 14일까지 유급", "병가는 1년에 30일까지 유급입니다.", False),
    (RULES, "연간 누계 14일까지 유급", "나흘 이상 계속되는 병가에는 의사의 진단서가 필요합니다.", True),
    (RULES, "출산 후에 45일 이상", "출산전후휴가는 모두 90일이고 그중 45일 이상은 출산 후여야 합니다.", True),
    (RULES, "한 번에 둘 이상의 자녀", "쌍둥이를 임신하면 출산휴가가 120일입니다.", True),
    (RULES, "한 번에 둘 이상의 자녀", "미숙아를 낳으면 출산휴가가 120일입니다.", False),
    (RULES, "고지하면 20일의 유급휴가", "배우자가 출산하면 유급휴가 20일을 받습니다.", True),
    (RULES, "고지하면 20일의 유급휴가", "배우자 출산휴가는 세 번까지 나눠 쓸 수 있습니다.", True),
    (RULES, "고지하면 20일의 유급휴가", "배우자 출산휴가는 출산 120일 뒤에도 쓸 수 있습니다.", False),
    (RULES, "월 1일의 무급 생리휴가", "생리휴가는 한 달에 하루이며 급여가 없습니다.", True),
    (RULES, "월 1일의 무급 생리휴가", "생리휴가는 월 1일 유급으로 줍니다.", False),
    (RULES, "연간 10일의 가족돌봄휴가", "가족돌봄휴가는 한 해 10일까지이고 원칙적으로 무급입니다.", True),
    (
        GATEWAY,
        "do not match is refused",
        "Requests are refused with HPG-1005 if certificate and client identifier differ.",
        True,
    ),
    (
        GATEWAY,
        "do not match is refused",
        "Requests are accepted if the certificate and client identifier do not match.",
        False,
    ),
    (GATEWAY, "did not cover the query string", "Release 4.2.0 dropped signature version v1.", True),
    (
        GATEWAY,
        "did not cover the query string",
        "Release 4.2.0 introduced signature version v1, covering the query string.",
        False,
    ),
    (
        GATEWAY,
        "until an operator grants them",
        "New clients start without any scopes; an operator has to grant them.",
        True,
    ),
    (
        GATEWAY,
        "until an operator grants them",
        "Scope changes are kept in the permission history for three years.",
        True,
    ),
    (
        GATEWAY,
        "until an operator grants them",
        "Scope changes are kept in the permission history for five years.",
        False,
    ),
    (GATEWAY, "Amounts are strings", "Amounts are sent as strings and not as floating point numbers.", True),
    (GATEWAY, "Amounts are strings", "Amounts are floating point numbers.", False),
)
"""Written after the thresholds and the rules were fixed, and never used for them: sample, words, sentence, whether it holds."""
