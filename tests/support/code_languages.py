"""A payment service in two or three files of each language: who uses what the others define, as its own grammar or rules read it.

In each, `Approver` (or the like) uses what another file defines, once in each way that the language has; a test touches it; and
somewhere stands a namesake that is another thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SURE, LIKELY, POSSIBLE = "sure", "likely", "possible"


@dataclass(frozen=True, slots=True)
class Sample:
    """The files of a repository, and what is joined in it.

    Attributes:
        uses: by name, the places of its uses and how sure each is; all of them.
        callers: by name, the definitions that call it.
        tests: by name, the tests that touch it.
        callees: by name, what it calls, and the place of the definition that is meant.
        importers: by file, the lines that import it.
    """

    language: str
    files: Mapping[str, str]
    uses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    callers: Mapping[str, set[str]] = field(default_factory=dict)
    tests: Mapping[str, set[str]] = field(default_factory=dict)
    callees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    importers: Mapping[str, set[str]] = field(default_factory=dict)


LANGUAGES = (
    Sample(
        "java",
        {
            "src/main/java/kr/bank/pay/Gateway.java": """package kr.bank.pay;

public class Gateway {
    public static int limit(int day) { return day; }
    public boolean charge(int amount) { return amount < limit(1); }
}
""",
            "src/main/java/kr/bank/pay/Approver.java": """package kr.bank.pay;

public class Approver {
    private Gateway gateway = new Gateway();
    public boolean approve(int amount) {
        return amount < Gateway.limit(2) && gateway.charge(amount);
    }
}
""",
            "src/main/java/kr/bank/web/Page.java": """package kr.bank.web;

import static kr.bank.pay.Gateway.limit;
import kr.bank.pay.Gateway;

public class Page {
    int shown(Gateway any) { return limit(3); }
}
""",
            "src/main/java/kr/other/Gateway.java": """package kr.other;

public class Gateway {
    public boolean charge(String card) { return true; }
}
""",
            "src/test/java/kr/bank/pay/ApproverTest.java": """package kr.bank.pay;

class ApproverTest {
    @Test
    void approves() { new Approver().approve(1); }
}
""",
        },
        uses={
            "limit": {
                "src/main/java/kr/bank/pay/Gateway.java:5": SURE,
                "src/main/java/kr/bank/pay/Approver.java:6": SURE,
                "src/main/java/kr/bank/web/Page.java:3": SURE,
                "src/main/java/kr/bank/web/Page.java:7": SURE,
            },
            "Gateway": {
                "src/main/java/kr/bank/pay/Approver.java:4": SURE,
                "src/main/java/kr/bank/pay/Approver.java:6": SURE,
                "src/main/java/kr/bank/web/Page.java:4": SURE,
                "src/main/java/kr/bank/web/Page.java:7": SURE,
            },
        },
        callers={"Gateway.limit": {"Gateway.charge", "Approver.approve", "Page.shown"}},
        tests={"Approver": {"ApproverTest.approves"}, "approve": {"ApproverTest.approves"}},
        callees={"Approver.approve": {"limit": "src/main/java/kr/bank/pay/Gateway.java:4"}},
        importers={
            "src/main/java/kr/bank/pay/Gateway.java": {
                "src/main/java/kr/bank/web/Page.java:3",
                "src/main/java/kr/bank/web/Page.java:4",
            }
        },
    ),
    Sample(
        "kotlin",
        {
            "app/src/main/kotlin/pay/Gateway.kt": """package kr.bank.pay

class Gateway {
    fun charge(amount: Int): Boolean = amount < 10
}

fun dailyLimit(day: Int): Int = day
""",
            "app/src/main/kotlin/pay/Approver.kt": """package kr.bank.pay

class Approver(private val gateway: Gateway) {
    fun approve(amount: Int): Boolean = amount < dailyLimit(1) && gateway.charge(amount)
}
""",
            "app/src/main/kotlin/web/Page.kt": """package kr.bank.web

import kr.bank.pay.Gateway
import kr.bank.pay.dailyLimit

class Page {
    fun shown(gateway: Gateway): Int = dailyLimit(3)
}
""",
            "app/src/test/kotlin/pay/ApproverTest.kt": """package kr.bank.pay

class ApproverTest {
    @Test
    fun approves() { Approver(Gateway()).approve(1) }
}
""",
        },
        uses={
            "dailyLimit": {
                "app/src/main/kotlin/pay/Approver.kt:4": SURE,
                "app/src/main/kotlin/web/Page.kt:4": SURE,
                "app/src/main/kotlin/web/Page.kt:7": SURE,
            },
        },
        callers={"dailyLimit": {"Approver.approve", "Page.shown"}, "Gateway.charge": {"Approver.approve"}},
        tests={"Approver": {"ApproverTest.approves"}},
        callees={"Approver.approve": {"dailyLimit": "app/src/main/kotlin/pay/Gateway.kt:7"}},
        importers={
            "app/src/main/kotlin/pay/Gateway.kt": {
                "app/src/main/kotlin/web/Page.kt:3",
                "app/src/main/kotlin/web/Page.kt:4",
            }
        },
    ),
    Sample(
        "c#",
        {
            "src/Pay/Gateway.cs": """namespace Bank.Pay
{
    public class Gateway
    {
        public static int Limit(int day) { return day; }
        public bool Charge(int amount) { return true; }
    }
}
""",
            "src/Pay/Rules/Approver.cs": """namespace Bank.Pay
{
    public class Approver
    {
        private Gateway _gateway = new Gateway();
        public bool Approve(int amount) { return amount < Gateway.Limit(2) && _gateway.Charge(amount); }
    }
}
""",
            "src/Web/Page.cs": """using Bank.Pay;
namespace Bank.Web
{
    public class Page
    {
        public object Shown() { return new Gateway(); }
    }
}
""",
            "tests/ApproverTests.cs": """using Bank.Pay;
namespace Bank.Checks
{
    public class ApproverTests
    {
        [Fact]
        public void Approves() { new Approver().Approve(1); }
    }
}
""",
        },
        uses={
            "Gateway": {
                "src/Pay/Rules/Approver.cs:5": SURE,
                "src/Pay/Rules/Approver.cs:6": SURE,
                "src/Web/Page.cs:6": LIKELY,
            },
        },
        callers={"Gateway.Limit": {"Bank.Pay.Approver.Approve"}, "Gateway.Charge": {"Bank.Pay.Approver.Approve"}},
        tests={"Approver": {"Bank.Checks.ApproverTests.Approves"}},
        callees={"Approver.Approve": {"Limit": "src/Pay/Gateway.cs:5"}},
    ),
    Sample(
        "go",
        {
            "internal/pay/gateway.go": """package pay

const DailyLimit = 10

type Gateway struct{ open bool }

func (g *Gateway) Charge(amount int) bool { return amount < DailyLimit }

func NewGateway() *Gateway { return &Gateway{} }
""",
            "internal/pay/approve.go": """package pay

func Approve(amount int) bool {
	gateway := NewGateway()
	return amount < DailyLimit && gateway.Charge(amount)
}
""",
            "cmd/page/main.go": """package main

import "git.bank.kr/core/internal/pay"

func main() { pay.Approve(1) }
""",
            "internal/other/gateway.go": """package other

func NewGateway() int { return 1 }
""",
            "internal/pay/approve_test.go": """package pay

import "testing"

func TestApprove(t *testing.T) { Approve(1) }
""",
        },
        uses={
            "NewGateway": {"internal/pay/approve.go:4": SURE},
            "DailyLimit": {"internal/pay/gateway.go:7": SURE, "internal/pay/approve.go:5": SURE},
            "Approve": {"cmd/page/main.go:5": SURE, "internal/pay/approve_test.go:5": SURE},
        },
        callers={"Gateway.Charge": {"Approve"}, "Approve": {"main", "TestApprove"}},
        tests={"Approve": {"TestApprove"}},
        callees={"Approve": {"NewGateway": "internal/pay/gateway.go:9", "Charge": "internal/pay/gateway.go:7"}},
    ),
    Sample(
        "c++",
        {
            "include/gateway.h": """#pragma once
namespace bank::pay {
class Gateway {
 public:
  bool charge(int amount);
  int twice(int amount) { return amount * 2; }
};
int fee(int amount);
}
""",
            "src/gateway.cpp": """#include "gateway.h"
namespace bank::pay {
bool Gateway::charge(int amount) { return twice(amount) < fee(amount); }
int fee(int amount) { return amount; }
}
""",
            "src/approver.cpp": """#include "gateway.h"
namespace bank::pay {
bool approve(int amount) {
  Gateway gateway;
  return gateway.charge(amount) && fee(amount) > 1;
}
}
""",
            "src/page.cpp": """#include "gateway.h"
int shown() { return bank::pay::fee(3); }
bank::pay::Gateway *made();
""",
            "tests/approver_test.cc": """#include "gateway.h"
TEST(Approver, Approves) { EXPECT_TRUE(bank::pay::approve(1)); }
""",
        },
        uses={
            "fee": {
                "src/gateway.cpp:3": SURE,
                "src/approver.cpp:5": SURE,
                "src/page.cpp:2": SURE,
            },
            "Gateway": {
                "src/approver.cpp:4": SURE,
                "src/page.cpp:3": SURE,
            },
            "twice": {"src/gateway.cpp:3": LIKELY},
        },
        callers={
            "bank::pay::Gateway::charge": {"bank.pay.approve"},
            "fee": {"bank.pay.Gateway.charge", "bank.pay.approve", "shown"},
        },
        tests={"approve": {"Approves"}},
        callees={"approve": {"fee": "include/gateway.h:8"}},
        importers={
            "include/gateway.h": {"src/gateway.cpp:1", "src/approver.cpp:1", "src/page.cpp:1", "tests/approver_test.cc:1"},
        },
    ),
    Sample(
        "c",
        {
            "lib.h": "int charge(int amount);\n",
            "lib.c": '#include "lib.h"\nint charge(int amount) { return amount; }\n',
            "main.c": '#include "lib.h"\n#include "charge.h"\nint main(void) { return charge(1); }\n',
            "other/tool.c": "static int charge(int card) { return 0; }\nint run(void) { return charge(2); }\n",
        },
        uses={"charge": {"main.c:3": LIKELY, "other/tool.c:2": SURE}},
        callers={"charge": {"main", "run"}},
        importers={"lib.h": {"lib.c:1", "main.c:1"}},
    ),
    Sample(
        "rust",
        {
            "crates/bank/src/lib.rs": """pub mod gateway;
pub struct Fee { pub rate: u32 }
impl Fee { pub fn new() -> Fee { Fee { rate: 1 } } }
""",
            "crates/bank/src/gateway.rs": """use crate::Fee;
pub fn charge(amount: u32) -> bool { amount > Fee::new().rate }
""",
            "crates/bank/src/approve.rs": """use crate::gateway::*;
pub fn approve(amount: u32) -> bool { charge(amount) }
""",
            "crates/bank/tests/pays.rs": """use bank::gateway::charge;
use bank::Fee;
#[test]
fn pays() { let fee: Fee = Fee::new(); charge(fee.rate); }
""",
        },
        uses={
            "charge": {
                "crates/bank/src/approve.rs:2": LIKELY,
                "crates/bank/tests/pays.rs:1": SURE,
                "crates/bank/tests/pays.rs:4": SURE,
            },
        },
        callers={"charge": {"approve", "pays"}, "Fee::new": {"charge", "pays"}},
        tests={"charge": {"", "pays"}, "Fee": {"", "pays"}},
        callees={"approve": {"charge": "crates/bank/src/gateway.rs:2"}},
        importers={"crates/bank/src/gateway.rs": {"crates/bank/src/approve.rs:1", "crates/bank/tests/pays.rs:1"}},
    ),
    Sample(
        "typescript",
        {
            "src/pay/gateway.ts": """export function charge(amount: number): boolean { return amount < 10; }
export class Gateway { send(amount: number) { return charge(amount); } }
""",
            "src/pay/index.ts": "export * from './gateway';\nexport function approve(amount: number) { return amount; }\n",
            "src/web/page.tsx": """import { charge } from '@/pay/gateway';
import { approve } from '../pay/index.js';
import * as gw from '../pay/gateway.js';
export function Page() { approve(1); charge(2); gw.charge(3); return <Form />; }
""",
            "src/other/gateway.ts": "export function charge(card: string) { return card; }\n",
            "src/pay/gateway.test.ts": """import { charge } from './gateway';
describe('결제', () => { it('청구한다', () => { charge(1); }); });
""",
        },
        uses={
            "approve": {"src/web/page.tsx:2": SURE, "src/web/page.tsx:4": SURE},
        },
        callers={"charge": {"Gateway.send", "Page", "결제.청구한다"}, "approve": {"Page"}},
        tests={"charge": {"", "결제.청구한다"}},
        callees={"Page": {"approve": "src/pay/index.ts:2", "charge": "src/pay/gateway.ts:1"}},
    ),
    Sample(
        "php",
        {
            "src/Pay/Gateway.php": """<?php
namespace Bank\\Pay;
class Gateway {
  public function charge(int $amount): bool { return true; }
  public static function make(): Gateway { return new Gateway(); }
}
""",
            "src/Web/Page.php": """<?php
namespace Bank\\Web;
use Bank\\Pay\\Gateway;
class Page {
  public function shown(): bool { return Gateway::make()->charge(1); }
}
""",
            "src/Other/Gateway.php": """<?php
namespace Bank\\Other;
class Gateway { public static function make() { return 1; } }
""",
            "tests/PageTest.php": """<?php
use Bank\\Web\\Page;
class PageTest extends TestCase {
  public function testShown() { (new Page())->shown(); }
}
""",
        },
        callers={"Bank\\Pay\\Gateway::make": {"Page.shown"}, "Page": {"PageTest.testShown"}},
        tests={"Page": {"", "PageTest.testShown"}},
        callees={"Page.shown": {"make": "src/Pay/Gateway.php:5"}},
        importers={"src/Pay/Gateway.php": {"src/Web/Page.php:3"}},
    ),
    Sample(
        "ruby",
        {
            "lib/bank/gateway.rb": """module Bank
  class Gateway
    def charge(amount)
      Bank.fee(amount)
    end
  end

  def self.fee(amount)
    amount
  end
end
""",
            "lib/bank/approver.rb": """require_relative 'gateway'
module Bank
  class Approver
    def approve(amount)
      gateway = Gateway.new
      gateway.charge(amount)
    end
  end
end
""",
            "app/page.rb": """require 'bank/gateway'
class Page
  def shown
    Bank::Gateway.new
  end
end
""",
            "spec/approver_spec.rb": """describe 'Approver' do
  it 'approves' do
    Bank::Approver.new.approve(1)
  end
end
""",
        },
        uses={"Gateway": {"lib/bank/approver.rb:5": SURE, "app/page.rb:4": SURE}},
        callers={"fee": {"Bank.Gateway.charge"}, "charge": {"Bank.Approver.approve"}},
        tests={"Approver": {"Approver.approves"}},
        callees={"Approver.approve": {"charge": "lib/bank/gateway.rb:3"}},
        importers={"lib/bank/gateway.rb": {"lib/bank/approver.rb:1", "app/page.rb:1"}},
    ),
    Sample(
        "shell",
        {
            "lib.sh": "charge() {\n  curl \"$1\"\n}\n",
            "run.sh": "#!/bin/bash\n. ./lib.sh\nmain() {\n  charge \"$1\"\n}\n",
        },
        uses={"charge": {"run.sh:4": LIKELY}},
        callers={"charge": {"main"}},
        importers={"lib.sh": {"run.sh:2"}},
    ),
    Sample(
        "sql",
        {
            "schema.sql": "CREATE TABLE bank.Customer (id INT PRIMARY KEY);\n",
            "views.sql": """CREATE VIEW active AS SELECT c.id FROM customer c;
CREATE VIEW all_of AS SELECT id FROM bank.customer;
""",
        },
        uses={"customer": {"views.sql:1": LIKELY, "views.sql:2": SURE}},
    ),
    Sample(
        "cobol",
        {
            "payment.cbl": """       IDENTIFICATION DIVISION.
       PROGRAM-ID. PAYMENT.
       PROCEDURE DIVISION.
       MAIN-PART SECTION.
       0000-MAIN.
           PERFORM 1000-Approve.
           CALL 'GATEWAY'.
       OTHER-PART SECTION.
       1000-APPROVE.
           DISPLAY 'OK'.
""",
            "gateway.cbl": """       IDENTIFICATION DIVISION.
       PROGRAM-ID. Gateway.
       PROCEDURE DIVISION.
       1000-APPROVE.
           DISPLAY 'OK'.
       9000-END.
           PERFORM 1000-APPROVE.
""",
        },
        uses={
            "GATEWAY": {"payment.cbl:7": LIKELY},
            "PAYMENT.OTHER-PART.1000-APPROVE": {"payment.cbl:6": SURE},
        },
        callers={"PAYMENT.OTHER-PART.1000-APPROVE": {"PAYMENT.MAIN-PART.0000-MAIN"}},
        callees={"0000-MAIN": {"1000-Approve": "payment.cbl:9", "GATEWAY": "gateway.cbl:2"}},
    ),
    Sample(
        "abap",
        {
            "zcl_gateway.clas.abap": """CLASS ZCL_GATEWAY DEFINITION.
  PUBLIC SECTION.
    CLASS-METHODS of RETURNING VALUE(ro_gateway) TYPE REF TO ZCL_GATEWAY.
    METHODS charge IMPORTING iv_amount TYPE i.
ENDCLASS.
CLASS ZCL_GATEWAY IMPLEMENTATION.
  METHOD of.
  ENDMETHOD.
  METHOD charge.
    IF CHECK( iv_amount ) = abap_true AND VALUE of( a = 1 ) IS INITIAL.
    ENDIF.
  ENDMETHOD.
  METHOD check.
  ENDMETHOD.
ENDCLASS.
""",
            "zpayment.prog.abap": """REPORT zpayment.
INCLUDE zpayment_forms.
START-OF-SELECTION.
  PERFORM approve.
FORM settle.
  zcl_gateway=>of( ).
  CALL FUNCTION 'Z_SETTLE' EXPORTING x = 1.
ENDFORM.
""",
            "zpayment_forms.prog.abap": "FORM approve.\n  PERFORM settle.\nENDFORM.\n",
            "z_settle.func.abap": "FUNCTION z_settle.\nENDFUNCTION.\n",
        },
        uses={
            "z_settle": {"zpayment.prog.abap:7": LIKELY},
            "approve": {"zpayment.prog.abap:4": LIKELY},
        },
        callers={"ZCL_GATEWAY.of": {"settle"}, "check": {"ZCL_GATEWAY.charge"}, "settle": {"approve"}, "approve": {""}},
        callees={"settle": {"Z_SETTLE": "z_settle.func.abap:1"}},
    ),
)  # fmt: skip
