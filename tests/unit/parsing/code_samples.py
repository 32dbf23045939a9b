"""The same small payment service in every language that is read by syntax, with what its outline should hold.

Each sample has a documented class with a field and a method that calls a gateway, a base that it inherits from, a use of
another type, an import and a test, as far as the language knows such things.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """A source file and what is in it.

    Attributes:
        symbols: kind and path of some definitions.
        signatures: path and signature.
        docs: path and documentation.
        uses: role, qualifier, name and enclosing definition.
        imports: module and the names taken from it.
        tests: paths of the tests.
    """

    name: str
    source: str
    symbols: tuple[tuple[str, str], ...]
    signatures: tuple[tuple[str, str], ...] = ()
    docs: tuple[tuple[str, str], ...] = ()
    uses: tuple[tuple[str, str, str, str], ...] = ()
    imports: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tests: tuple[str, ...] = ()


SAMPLES = (
    Sample(
        "payment.py",
        '''"""결제."""
from bank.gateway import Gateway
import os.path as p

# 한도
LIMIT = 1000


@service(name="pay")
class Payment(Base, metaclass=Meta):
    """승인과 취소.

    한도를 지킨다.
    """

    kind: str = "card"

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    # 승인한다
    @property
    async def approve(self, amount: int) -> bool:
        return await self.gateway.charge(amount, LIMIT)


class TestPayment:
    def test_approve(self):
        def inner():
            pass
        assert Payment(None).approve(1)
''',
        (
            ("constant", "LIMIT"), ("class", "Payment"), ("field", "Payment.kind"), ("field", "Payment.gateway"),
            ("method", "Payment.approve"), ("function", "TestPayment.test_approve.inner"),
        ),
        (
            ("Payment", "class Payment(Base, metaclass=Meta)"),
            ("Payment.approve", "async def approve(self, amount: int) -> bool"),
            ("LIMIT", "LIMIT = 1000"),
        ),
        (("Payment", "승인과 취소.\n\n한도를 지킨다."), ("Payment.approve", "승인한다"), ("LIMIT", "한도")),
        (
            ("call", "self.gateway", "charge", "Payment.approve"), ("inherit", "", "Base", "Payment"),
            ("type", "", "Gateway", "Payment.__init__"), ("use", "", "LIMIT", "Payment.approve"),
            ("call", "", "service", ""), ("call", "", "Payment", "TestPayment.test_approve"),
        ),
        (("bank.gateway", ("Gateway",)), ("os.path", ())),
        ("TestPayment.test_approve",),
    ),
    Sample(
        "PaymentTest.java",
        """package bank;
import java.util.List;
import static org.junit.Assert.*;
/** 결제
 * 서비스 */
@Service
public class Payment<T> extends Base<T> implements Payable {
  private final int limit = 3, rate;
  static final int MAX = 10;
  // 승인
  public boolean approve(int amount) throws Refused { return gateway.charge(amount, Max.SIZE) && new Fee(1).ok(); }
  Payment(int a) { super(a); }
  enum Kind { CARD, CASH }
  interface Payable extends Other { int f(); }
  @Test
  void approves() { approve(1); }
}
""",
        (
            ("class", "Payment"), ("field", "Payment.rate"), ("constant", "Payment.MAX"), ("method", "Payment.Payment"),
            ("enum", "Payment.Kind"), ("constant", "Payment.Kind.CARD"), ("interface", "Payment.Payable"),
            ("method", "Payment.Payable.f"),
        ),
        (
            ("Payment", "public class Payment<T> extends Base<T> implements Payable"),
            ("Payment.approve", "public boolean approve(int amount) throws Refused"),
        ),
        (("Payment", "결제\n서비스"), ("Payment.approve", "승인")),
        (
            ("inherit", "", "Base", "Payment"), ("inherit", "", "Payable", "Payment"),
            ("call", "gateway", "charge", "Payment.approve"), ("call", "", "Fee", "Payment.approve"),
            ("type", "", "Refused", "Payment.approve"), ("use", "Max", "SIZE", "Payment.approve"),
        ),
        (("java.util.List", ()), ("org.junit.Assert", ())),
        ("Payment.approves",),
    ),
    Sample(
        "Payment.kt",
        """import bank.Gateway
/** 결제 */
class Payment(private val gateway: Gateway, rate: Int) : Base<Fee>(rate), Payable {
    val limit: Int = 3
    companion object {
        const val MAX = 10
    }
    @Test
    fun approve(amount: Int): Boolean {
        val local = Fee(1)
        return gateway.charge(amount, MAX)
    }
}
interface Payable {
    fun pay(): Int
}
enum class Kind { CARD }
object Registry
fun String.masked(): String = mask(this)
""",
        (
            ("class", "Payment"), ("field", "Payment.gateway"), ("field", "Payment.limit"), ("constant", "Payment.MAX"),
            ("method", "Payment.approve"), ("interface", "Payable"), ("enum", "Kind"), ("class", "Registry"),
            ("function", "masked"),
        ),
        (("Payment.approve", "fun approve(amount: Int): Boolean"),),
        (("Payment", "결제"),),
        (
            ("inherit", "", "Base", "Payment"), ("inherit", "", "Payable", "Payment"), ("type", "", "Fee", "Payment"),
            ("call", "gateway", "charge", "Payment.approve"), ("call", "", "mask", "masked"),
        ),
        (("bank.Gateway", ()),),
        ("Payment.approve",),
    ),
    Sample(
        "payment.ts",
        """import fs, { Gateway as G, Fee } from './gateway';
export * from './kinds';
const legacy = require('legacy');
/** 결제 */
@Injectable()
export class Payment<T> extends Base<T> implements Payable {
  private limit: number = 3;
  async approve(amount: number): Promise<boolean> { return this.gateway.charge(amount); }
  onClick = (event: Event) => { event.stop(); }
}
export interface Payable { pay(a: number): string; }
enum Kind { CARD, CASH = 2 }
export type Amount = number | Fee;
// 실행
export const run = async (fee: Fee) => { start(fee); };
describe('결제', () => { it('승인한다', () => { const local = 1; approve(local); }); });
""",
        (
            ("class", "Payment"), ("field", "Payment.limit"), ("method", "Payment.approve"), ("method", "Payment.onClick"),
            ("interface", "Payable"), ("enum", "Kind"), ("constant", "Kind.CARD"), ("constant", "Kind.CASH"),
            ("type", "Amount"), ("function", "run"), ("section", "결제"), ("function", "결제.승인한다"),
        ),
        (
            ("run", "export const run = async (fee: Fee)"),
            ("Payment", "export class Payment<T> extends Base<T> implements Payable"),
        ),
        (("Payment", "결제"), ("run", "실행")),
        (
            ("inherit", "", "Base", "Payment"), ("inherit", "", "Payable", "Payment"),
            ("call", "this.gateway", "charge", "Payment.approve"), ("type", "", "Fee", "run"), ("call", "", "start", "run"),
            ("call", "", "approve", "결제.승인한다"),
        ),
        (("./gateway", ("fs", "Gateway", "Fee")), ("./kinds", ()), ("legacy", ())),
        ("결제", "결제.승인한다"),
    ),
    Sample(
        "PayForm.tsx",
        """import React, { useState } from 'react';
import { charge } from './gateway';
/** 결제 양식 */
export function PayForm(props: PayProps): JSX.Element {
  const [amount, setAmount] = useState<number>(0);
  return (
    <Panel title="결제">
      <AmountField value={amount} onChange={setAmount} />
      <button onClick={() => charge(amount as number)}>결제 {props.limit}원까지</button>
    </Panel>
  );
}
interface PayProps { limit: number; }
export const List = <T,>(rows: T[]) => <ul>{rows.map((row) => <Row<T> key={0} row={row} />)}</ul>;
class Old extends React.Component<PayProps> { render() { return <PayForm limit={1} />; } }
describe('결제 양식', () => { it('그린다', () => { render(<PayForm limit={2} />); }); });
""",
        (
            ("function", "PayForm"), ("interface", "PayProps"), ("field", "PayProps.limit"), ("function", "List"),
            ("class", "Old"), ("method", "Old.render"), ("function", "결제 양식.그린다"),
        ),
        (
            ("PayForm", "export function PayForm(props: PayProps): JSX.Element"),
            ("List", "export const List = <T,>(rows: T[])"),
        ),
        (("PayForm", "결제 양식"),),
        (
            ("call", "", "useState", "PayForm"), ("call", "", "Panel", "PayForm"), ("call", "", "AmountField", "PayForm"),
            ("call", "", "charge", "PayForm"), ("type", "", "PayProps", "PayForm"), ("call", "", "Row", "List"),
            ("inherit", "React", "Component", "Old"), ("type", "", "PayProps", "Old"),
            ("call", "", "PayForm", "Old.render"), ("call", "", "PayForm", "결제 양식.그린다"),
        ),
        (("react", ("React", "useState")), ("./gateway", ("charge",))),
        ("결제 양식", "결제 양식.그린다"),
    ),
    Sample(
        "form.jsx",
        """import React from 'react';
/* 양식 */
function Form(props) { return <Button onClick={send}>보내기</Button>; }
Form.prototype.send = function (amount) { return post(amount); };
module.exports = { helper: function () { return new Fee(); } };
class Wide extends Form { #count = 1; render() { return null; } }
(function () { var hidden = 1; function inner() { return hidden; } })();
""",
        (
            ("function", "Form"), ("method", "Form.send"), ("function", "helper"), ("class", "Wide"),
            ("method", "Wide.render"), ("function", "inner"),
        ),
        (("Form", "function Form(props)"), ("Form.send", "Form.prototype.send = function (amount)")),
        (("Form", "양식"),),
        (
            ("call", "", "Button", "Form"), ("call", "", "post", "Form.send"), ("call", "", "Fee", "helper"),
            ("inherit", "", "Form", "Wide"),
        ),
        (("react", ("React",)),),
    ),
    Sample(
        "payment.cpp",
        """#include <stdio.h>
#include "gateway.h"
#define LIMIT 10
namespace bank::pay {
/// 결제
template <typename T>
class Payment : public Base<T> {
 public:
  Payment(int a) : limit(a) {}
  bool approve(int amount) const { return gw->charge(amount) + ns::fee(LIMIT); }
  int limit = 3;
};
}
bool Payment<int>::cancel(int amount) { auto p = new Fee(2); return true; }
enum class Kind { CARD };
typedef struct { int x; } Point;
using Amount = std::vector<int>;
int run(char **argv);
TEST(PaymentTest, Approves) { EXPECT_TRUE(run(0)); }
""",
        (
            ("macro", "LIMIT"), ("module", "bank.pay"), ("class", "bank.pay.Payment"),
            ("method", "bank.pay.Payment.approve"), ("field", "bank.pay.Payment.limit"), ("method", "Payment.cancel"),
            ("enum", "Kind"), ("constant", "Kind.CARD"), ("struct", "Point"), ("field", "Point.x"), ("type", "Amount"),
            ("function", "run"), ("function", "Approves"),
        ),
        (
            ("bank.pay.Payment", "template <typename T> class Payment : public Base<T>"),
            ("Payment.cancel", "bool Payment<int>::cancel(int amount)"),
        ),
        (("bank.pay.Payment", "결제"),),
        (
            ("inherit", "", "Base", "bank.pay.Payment"), ("call", "gw", "charge", "bank.pay.Payment.approve"),
            ("call", "ns", "fee", "bank.pay.Payment.approve"), ("call", "", "Fee", "Payment.cancel"),
            ("use", "", "LIMIT", "bank.pay.Payment.approve"),
        ),
        (("stdio.h", ()), ("gateway.h", ())),
        ("Approves",),
    ),
    Sample(
        "payment.c",
        """#include "gateway.h"
/* 결제 */
struct payment { int limit; struct fee *fee; };
static int *approve(struct payment *p, int amount) { return charge(p->fee, amount); }
typedef int (*handler)(int);
int total, count = 1;
""",
        (
            ("struct", "payment"), ("field", "payment.limit"), ("field", "payment.fee"), ("function", "approve"),
            ("type", "handler"), ("variable", "total"), ("variable", "count"),
        ),
        (("approve", "static int *approve(struct payment *p, int amount)"),),
        (("payment", "결제"),),
        (("call", "", "charge", "approve"), ("type", "", "payment", "approve"), ("type", "", "fee", "payment")),
        (("gateway.h", ()),),
    ),
    Sample(
        "Payment.cs",
        """using System.Text;
namespace Bank {
  /// <summary>결제</summary>
  [Service]
  public class Payment<T> : Base<T>, IPayable {
    private readonly int _limit = 3;
    public int Limit { get; set; }
    public Payment(Gateway gw) : base(gw) { }
    [Fact]
    public async Task<bool> Approve(Fee fee) { return _gw.Charge(new Amount<int>(1)); }
    enum Kind { Card }
  }
  interface IPayable { void Pay(); }
}
""",
        (
            ("module", "Bank"), ("class", "Bank.Payment"), ("field", "Bank.Payment._limit"), ("field", "Bank.Payment.Limit"),
            ("method", "Bank.Payment.Payment"), ("method", "Bank.Payment.Approve"), ("enum", "Bank.Payment.Kind"),
            ("constant", "Bank.Payment.Kind.Card"), ("interface", "Bank.IPayable"),
        ),
        (
            ("Bank.Payment", "public class Payment<T> : Base<T>, IPayable"),
            ("Bank.Payment.Approve", "public async Task<bool> Approve(Fee fee)"),
        ),
        (("Bank.Payment", "결제"),),
        (
            ("inherit", "", "Base", "Bank.Payment"), ("inherit", "", "IPayable", "Bank.Payment"),
            ("call", "_gw", "Charge", "Bank.Payment.Approve"), ("call", "", "Amount", "Bank.Payment.Approve"),
            ("type", "", "Fee", "Bank.Payment.Approve"),
        ),
        (("System.Text", ()),),
        ("Bank.Payment.Approve",),
    ),
    Sample(
        "payment_test.go",
        """package pay
import (
  "fmt"
  gw "bank/gateway"
)
const MAX, MIN = 10, 1
// Payment 는 결제다.
type Payment struct {
  Base
  limit int
}
type Payable interface { Pay(a int) bool }
func (p *Payment) Approve(fee Fee) (bool, error) { return p.gw.Charge(MAX), nil }
func TestPayment(t *testing.T) { fmt.Println(NewPayment()) }
""",
        (
            ("constant", "MAX"), ("constant", "MIN"), ("struct", "Payment"), ("field", "Payment.limit"),
            ("interface", "Payable"), ("method", "Payable.Pay"), ("method", "Payment.Approve"), ("function", "TestPayment"),
        ),
        (("Payment", "type Payment struct"), ("Payment.Approve", "func (p *Payment) Approve(fee Fee) (bool, error)")),
        (("Payment", "Payment 는 결제다."),),
        (
            ("call", "p.gw", "Charge", "Payment.Approve"), ("type", "", "Fee", "Payment.Approve"),
            ("call", "", "NewPayment", "TestPayment"), ("use", "", "MAX", "Payment.Approve"),
        ),
        (("fmt", ()), ("bank/gateway", ())),
        ("TestPayment",),
    ),
    Sample(
        "payment.rs",
        """use std::collections::{HashMap, hash_map::Entry as E};
use crate::gateway::*;
/// 결제
#[derive(Debug)]
pub struct Payment<T> { limit: u32, gateway: Gateway<T> }
pub trait Payable: Base { fn pay(&self) -> bool; }
impl<T> Payable for Payment<T> {
    const MAX: u32 = 1;
    fn pay(&self) -> bool { self.gateway.charge(Fee::new()); true }
}
pub enum Kind { Card, Cash(u32) }
macro_rules! total { () => {} }
#[cfg(test)]
mod tests {
    #[test]
    fn pays() { assert_eq!(settle(1), 2); }
}
""",
        (
            ("struct", "Payment"), ("field", "Payment.limit"), ("trait", "Payable"), ("method", "Payable.pay"),
            ("method", "Payment.pay"), ("constant", "Payment.MAX"), ("enum", "Kind"), ("constant", "Kind.Cash"),
            ("macro", "total"), ("module", "tests"), ("function", "tests.pays"),
        ),
        (("Payment", "pub struct Payment<T>"), ("Payable.pay", "fn pay(&self) -> bool")),
        (("Payment", "결제"),),
        (
            ("inherit", "", "Base", "Payable"), ("inherit", "", "Payable", "Payment"),
            ("call", "self.gateway", "charge", "Payment.pay"), ("call", "Fee", "new", "Payment.pay"),
            ("type", "", "Gateway", "Payment"), ("call", "", "settle", "tests.pays"),
        ),
        (
            ("std::collections", ("HashMap",)), ("std::collections::hash_map", ("Entry",)), ("crate::gateway", ()),
        ),
        ("tests.pays",),
    ),
    Sample(
        "PaymentTest.php",
        """<?php
namespace Bank;
use Bank\\Gateway;
use Bank\\{Fee, Amount as A};
require_once 'legacy.php';
/** 결제 */
class PaymentTest extends Base implements Payable {
  use Logged;
  private int $limit = 3;
  const MAX = 2;
  public function testApprove(Fee $fee): bool { $this->gw->charge(1); Rate::of(1); return new Total(self::MAX); }
}
interface Payable { function pay(); }
trait Logged { }
function run(): int { return start(); }
""",
        (
            ("class", "PaymentTest"), ("field", "PaymentTest.limit"), ("constant", "PaymentTest.MAX"),
            ("method", "PaymentTest.testApprove"), ("interface", "Payable"), ("trait", "Logged"), ("function", "run"),
        ),
        (("PaymentTest.testApprove", "public function testApprove(Fee $fee): bool"),),
        (("PaymentTest", "결제"),),
        (
            ("inherit", "", "Base", "PaymentTest"), ("inherit", "", "Payable", "PaymentTest"),
            ("inherit", "", "Logged", "PaymentTest"), ("call", "$this->gw", "charge", "PaymentTest.testApprove"),
            ("call", "Rate", "of", "PaymentTest.testApprove"), ("call", "", "Total", "PaymentTest.testApprove"),
            ("type", "", "Fee", "PaymentTest.testApprove"), ("call", "", "start", "run"),
        ),
        (("Bank\\Gateway", ()), ("Bank", ("Fee", "Amount")), ("legacy.php", ())),
        ("PaymentTest.testApprove",),
    ),
    Sample(
        "payment.rb",
        """require 'json'
require_relative 'bank/gateway'
module Bank
  # 결제
  class Payment < Base
    MAX = 1
    def approve(amount)
      @gateway.charge(amount)
      Fee.new(MAX)
    end
    def self.make; end
  end
end
describe 'Payment' do
  it 'approves' do
    settle(1)
  end
end
""",
        (
            ("module", "Bank"), ("class", "Bank.Payment"), ("constant", "Bank.Payment.MAX"),
            ("method", "Bank.Payment.approve"), ("method", "Bank.Payment.make"), ("section", "Payment"),
        ),
        (("Bank.Payment", "class Payment < Base"), ("Bank.Payment.approve", "def approve(amount)")),
        (("Bank.Payment", "결제"),),
        (
            ("inherit", "", "Base", "Bank.Payment"), ("call", "@gateway", "charge", "Bank.Payment.approve"),
            ("call", "Fee", "new", "Bank.Payment.approve"), ("call", "", "settle", "Payment.approves"),
        ),
        (("json", ()), ("bank/gateway", ())),
        ("Payment", "Payment.approves"),
    ),
    Sample(
        "payment.sh",
        """#!/bin/bash
source ./lib.sh
LIMIT=3
# 승인
approve() {
  local amount=1
  charge "$amount"
}
function cancel { approve; }
""",
        (("constant", "LIMIT"), ("function", "approve"), ("function", "cancel")),
        (("approve", "approve()"),),
        (("approve", "승인"),),
        (("call", "", "charge", "approve"), ("call", "", "approve", "cancel")),
        (("./lib.sh", ()),),
    ),
    Sample(
        "schema.sql",
        """-- 고객
CREATE TABLE bank.customer (id INT PRIMARY KEY, name VARCHAR(10));
CREATE OR REPLACE VIEW active AS SELECT c.id FROM customer c JOIN orders o ON c.id = o.id;
CREATE FUNCTION total(a INT) RETURNS INT AS $$ SELECT rate(1) $$ LANGUAGE sql;
CREATE PROCEDURE pay(IN a INT) BEGIN UPDATE account SET sum = 1; END;
""",
        (
            ("table", "bank.customer"), ("field", "bank.customer.name"), ("view", "active"), ("function", "total"),
            ("procedure", "pay"),
        ),
        (("bank.customer", "CREATE TABLE bank.customer"), ("total", "CREATE FUNCTION total(a INT) RETURNS INT")),
        (("bank.customer", "고객"),),
        (
            ("type", "", "customer", "active"), ("type", "", "orders", "active"), ("call", "", "rate", "total"),
            ("type", "", "account", "pay"),
        ),
    ),
    Sample(
        "payment.cbl",
        """000100 IDENTIFICATION DIVISION.
000200 PROGRAM-ID. PAYMENT.
000400 DATA DIVISION.
000500 WORKING-STORAGE SECTION.
000600 01  WS-AMOUNT   PIC 9(9).
000750     COPY CUSTREC.
000800 PROCEDURE DIVISION.
000900 MAIN-PART SECTION.
001000* 시작
001100 0000-MAIN.
001200     PERFORM 1000-APPROVE THRU 1000-EXIT.
001300     CALL 'GATEWAY' USING WS-AMOUNT.
001400     PERFORM UNTIL WS-AMOUNT > 3
001500       ADD 1 TO WS-AMOUNT
001550     END-PERFORM.
001700 1000-APPROVE.
001800     IF WS-AMOUNT > 100
001900        GO TO 1000-EXIT.
002000 1000-EXIT.
002100     EXIT.
""",
        (
            ("module", "PAYMENT"), ("section", "PAYMENT.DATA DIVISION"), ("section", "PAYMENT.WORKING-STORAGE"),
            ("field", "PAYMENT.WS-AMOUNT"), ("section", "PAYMENT.MAIN-PART"), ("procedure", "PAYMENT.MAIN-PART.0000-MAIN"),
            ("procedure", "PAYMENT.MAIN-PART.1000-EXIT"),
        ),
        (("PAYMENT.MAIN-PART.0000-MAIN", "0000-MAIN"),),
        (("PAYMENT.MAIN-PART.0000-MAIN", "시작"),),
        (
            ("call", "", "1000-APPROVE", "PAYMENT.MAIN-PART.0000-MAIN"),
            ("call", "", "GATEWAY", "PAYMENT.MAIN-PART.0000-MAIN"),
            ("call", "", "1000-EXIT", "PAYMENT.MAIN-PART.1000-APPROVE"),
        ),
        (("CUSTREC", ()),),
    ),
    Sample(
        "free.cob",
        """>>SOURCE FORMAT FREE
identification division.
program-id. settle.
procedure division.
*> 정산
main-para.
    perform step-one 3 times
    call "rates"
    stop run.
step-one.
    display "a. b".
""",
        (("module", "settle"), ("procedure", "settle.main-para"), ("procedure", "settle.step-one")),
        (),
        (("settle.main-para", "정산"),),
        (("call", "", "step-one", "settle.main-para"), ("call", "", "rates", "settle.main-para")),
    ),
    Sample(
        "zpayment.abap",
        """REPORT zpayment.
INCLUDE zpayment_top.
* 결제
CLASS lcl_payment DEFINITION INHERITING FROM lcl_base.
  PUBLIC SECTION.
    INTERFACES if_payable.
    METHODS approve IMPORTING iv_amount TYPE i.
    METHODS check FOR TESTING.
ENDCLASS.
CLASS lcl_payment IMPLEMENTATION.
  " 승인
  METHOD approve.
    CALL METHOD lo_gateway->charge EXPORTING a = iv_amount.
    CALL FUNCTION 'Z_SETTLE' EXPORTING x = 1.
    lo_log->write( 'a "b' ). " PERFORM nothing
    PERFORM notify USING 1.
  ENDMETHOD.
  METHOD check.
  ENDMETHOD.
ENDCLASS.
FORM notify USING p.
ENDFORM.
""",
        (
            ("module", "zpayment"), ("class", "lcl_payment"), ("method", "lcl_payment.approve"), ("procedure", "notify"),
        ),
        (("notify", "FORM notify USING p"),),
        (("lcl_payment", "결제"), ("lcl_payment.approve", "승인")),
        (
            ("inherit", "", "lcl_base", "lcl_payment"), ("inherit", "", "if_payable", "lcl_payment"),
            ("call", "lo_gateway", "charge", "lcl_payment.approve"), ("call", "", "Z_SETTLE", "lcl_payment.approve"),
            ("call", "lo_log", "write", "lcl_payment.approve"), ("call", "", "notify", "lcl_payment.approve"),
        ),
        (("zpayment_top", ()),),
        ("lcl_payment.check",),
    ),
    Sample(
        "config.yaml",
        "# 서버\nserver:\n  port: 8080\n  tls:\n    deep: 1\nusers:\n  - name: a\n",
        (("key", "server"), ("key", "server.port"), ("key", "server.tls"), ("key", "users")),
        (("server", "server:"), ("server.port", "port: 8080")),
        (("server", "서버"),),
    ),
    Sample(
        "pyproject.toml",
        'top = 1\n# 도구\n[tool.ruff]\nline-length = 120\n[[bin]]\nname = "a"\n',
        (("key", "top"), ("key", "tool.ruff"), ("key", "tool.ruff.line-length"), ("key", "bin")),
        (("tool.ruff", "[tool.ruff]"),),
        (("tool.ruff", "도구"),),
    ),
    Sample(
        "package.json",
        '{"name": "pay", "scripts": {"build": "x", "deep": {"a": 1}}, "list": [{"b": 1}]}\n',
        (("key", "name"), ("key", "scripts.build"), ("key", "list")),
    ),
    Sample(
        "style.css",
        '@import "base.css";\n/* 결제 */\n.pay, #x > a:hover { color: red; }\n@media print { .pay { color: red; } }\n',
        (("key", ".pay, #x > a:hover"), ("key", ".pay")),
        (),
        ((".pay, #x > a:hover", "결제"),),
        (),
        (("base.css", ()),),
    ),
    Sample(
        "page.html",
        '<html><head><script src="a.js"></script></head><body><form id="pay"><input id="amount"/></form></body></html>\n',
        (("key", "pay"), ("key", "amount")),
        (("pay", '<form id="pay">'),),
        (),
        (),
        (("a.js", ()),),
    ),
)  # fmt: skip
