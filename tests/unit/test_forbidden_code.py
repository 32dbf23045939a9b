"""What no line of the product may do: run text as code, read objects from bytes, go through a shell, build SQL from strings, …

Ruff's rules `S` see most of it where they are on; this reads every file of the product and of the benchmarks, alone, and cannot
be switched off by a comment. What is allowed stands here, with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("rag", "ingest", "api", "alembic", "benchmarks")

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "telnetlib", "ftplib"}
CALLS = {
    "eval", "exec", "__import__", "execfile",
    "builtins.eval", "builtins.exec", "builtins.__import__", "code.interact", "code.InteractiveConsole",
    "code.InteractiveInterpreter", "code.compile_command", "codeop.compile_command", "codeop.CommandCompiler",
    "runpy.run_module", "runpy.run_path", "imp.load_source", "types.FunctionType",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput",
    "asyncio.create_subprocess_shell", "asyncio.subprocess.create_subprocess_shell", "pty.spawn",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all",
    "tempfile.mktemp", "os.tempnam", "os.tmpnam",
    "ssl._create_unverified_context", "ssl.wrap_socket",
    "pandas.read_pickle", "pd.read_pickle",
}  # fmt: skip
KEYWORDS = {
    ("shell", True): "a shell",
    ("verify", False): "certificates that nobody checks",
    ("check_hostname", False): "certificates of anybody",
    ("allow_pickle", True): "objects from bytes",
    ("weights_only", False): "objects from bytes",
    ("trust_remote_code", True): "code of a model folder",
}
WEAK = {"md5", "sha1", "md4"}
SQL_CALLS = {"text", "execute", "exec_driver_sql", "executemany", "executescript", "scalar", "scalars"}
VERBATIM = {"exec_driver_sql", "executescript"}
"""Calls that take SQL as it is, beside SQLAlchemy's `text`: nothing but what is written out where it is called."""

ALLOWED = {
    (
        "rag/generation/catalogue.py",
        "yaml.load",
        "_read",
    ): "either of two loaders that make plain values only; the one in C takes an eighth of the time",
    (
        "rag/store/session.py",
        "SQL from strings",
        "_configure_sqlite",
    ): "PRAGMA takes no parameters; its words are constants",
    (
        "rag/store/session.py",
        "SQL that is not written out",
        "_begin_sqlite",
    ): "one of two constants of the file",
    (
        "rag/store/bulk_insert.py",
        "SQL that is not written out",
        "insert_all",
    ): "what SQLAlchemy compiled of a table, without values",
    (
        "alembic/versions/0013_audit.py",
        "SQL from strings",
        "upgrade",
    ): "the body of a trigger, of constants of the file",
    (
        "alembic/versions/0013_audit.py",
        "SQL from strings",
        "_covered_by_a_cut",
    ): "the body of a trigger, of constants of the file",
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def is_built(node: ast.expr) -> bool:
    """Whether a string is put together when the program runs."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        constants = [side for side in (node.left, node.right) if isinstance(side, ast.Constant)]
        strings = any(isinstance(side.value, str) for side in constants) or is_built(node.left) or is_built(node.right)
        return strings and len(constants) < 2
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "join", "replace")
    ):
        return isinstance(node.func.value, ast.Constant | ast.JoinedStr)
    return False


def is_written_out(node: ast.expr) -> bool:
    """Whether a string stands in the source as it is, or one of two does."""
    if isinstance(node, ast.IfExp):
        return is_written_out(node.body) and is_written_out(node.orelse)
    return isinstance(node, ast.Constant)


def built_names(function: ast.AST) -> set[str]:
    """Variables that hold a string which was put together, or was added to."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and is_built(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None and is_built(node.value):
            found |= {node.target.id} if isinstance(node.target, ast.Name) else set()
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
            added_to = is_built(node.value) or isinstance(getattr(node.value, "value", None), str)
            found |= {node.target.id} if added_to else set()
    return found


def of_call(node: ast.Call, names: dict[str, str], built: set[str]) -> Iterator[str]:
    called = dotted(node.func)
    head, _, rest = called.partition(".")
    full = names.get(head, head) + (f".{rest}" if rest else "")
    if {called, full} & CALLS:
        yield full
    for keyword in node.keywords:
        if isinstance(keyword.value, ast.Constant) and (
            reason := KEYWORDS.get((keyword.arg or "", keyword.value.value))
        ):
            yield f"{keyword.arg}={keyword.value.value}: {reason}"
    safe = any(
        k.arg == "usedforsecurity" and isinstance(k.value, ast.Constant) and k.value.value is False
        for k in node.keywords
    )
    name = full.rsplit(".", 1)[-1]
    if full.startswith("hashlib.") and not safe:
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
        if name in WEAK or (name == "new" and str(first).lower().replace("-", "") in WEAK):
            yield f"hashlib.{name} without usedforsecurity=False"
    if full in ("torch.load",) and not any(k.arg == "weights_only" for k in node.keywords):
        yield "torch.load without weights_only"
    of_another = called == "text" and full != "text" and not full.startswith("sqlalchemy.")
    last = called.rsplit(".", 1)[-1]
    first_given = (
        node.args[0] if node.args else next((k.value for k in node.keywords if k.arg in ("text", "statement")), None)
    )
    if last not in SQL_CALLS or of_another or first_given is None:
        return
    if is_built(first_given) or (isinstance(first_given, ast.Name) and first_given.id in built):
        yield "SQL from strings"
    elif (full in ("sqlalchemy.text", "sqlalchemy.sql.text") or last in VERBATIM) and not is_written_out(first_given):
        yield "SQL that is not written out"


def found_in(source: str) -> list[tuple[str, str]]:
    """What is forbidden in a source text, each with the function that it stands in."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return [
        (what, where)
        for node, where, built in placed(tree, "", built_names(tree))
        for what in of_node(node, names, built)
    ]


def placed(node: ast.AST, where: str, built: set[str]) -> Iterator[tuple[ast.AST, str, set[str]]]:
    """Every node with the function that it stands in, and the built strings of that (outside of any, those of the module)."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        inner, held = (child.name, built_names(child)) if is_function else (where, built)
        yield child, inner, held
        yield from placed(child, inner, held)


def of_node(node: ast.AST, names: dict[str, str], built: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
        yield f"import {node.module}"
    elif isinstance(node, ast.Call):
        yield from of_call(node, names, built)
    elif isinstance(node, ast.Attribute) and dotted(node) == "ssl.CERT_NONE":
        yield "ssl.CERT_NONE"
    elif isinstance(node, ast.Assign):
        names_set = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        if "check_hostname" in names_set and isinstance(node.value, ast.Constant) and node.value.value is False:
            yield "check_hostname=False"


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "samples" not in path.parts)


def test_no_source_holds_forbidden_code() -> None:
    problems, used = [], set()
    for path in sources():
        relative = path.relative_to(ROOT).as_posix()
        for what, where in found_in(path.read_text(encoding="utf-8")):
            if (relative, what, where) in ALLOWED:
                used.add((relative, what, where))
            else:
                problems.append(f"{relative} ({where or 'module'}): {what}")
    assert not problems, "\n".join(problems)
    assert used == set(ALLOWED), "what is allowed is no longer there"
    assert len(sources()) > 300


@pytest.mark.parametrize(
    "sample",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "import shelve",
        "import joblib.numpy_pickle",
        "def f(): import pickle",
        "eval('1')",
        "exec(code)",
        "__import__('x')",
        "import os\nos.system('ls')",
        "from os import system\nsystem('ls')",
        "import os as o\no.popen('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.getoutput('ls')",
        "import yaml\nyaml.load(text)",
        "import yaml as y\ny.load(text, Loader=y.SafeLoader)",
        "from yaml import unsafe_load as read\nread(text)",
        "import tempfile\ntempfile.mktemp()",
        "httpx.get(url, verify=False)",
        "import ssl\ncontext.verify_mode = ssl.CERT_NONE",
        "context.check_hostname = False",
        "import ssl\nssl._create_unverified_context()",
        "import hashlib\nhashlib.md5(data)",
        "from hashlib import sha1\nsha1(data)",
        "import hashlib\nhashlib.new('SHA-1', data)",
        "import hashlib\nhashlib.md5(data, usedforsecurity=True)",
        "numpy.load(file, allow_pickle=True)",
        "import torch\ntorch.load(file)",
        "import torch\ntorch.load(file, weights_only=False)",
        "AutoModel.from_pretrained(folder, trust_remote_code=True)",
        "session.execute(f'SELECT * FROM t WHERE name = {name}')",
        "session.execute(text('SELECT ' + column))",
        "text('SELECT %s' % column)",
        "text('SELECT {}'.format(column))",
        "connection.exec_driver_sql(f'DROP TABLE {name}')",
        "cursor.execute('SELECT ' + a + ' FROM t')",
        "cursor.executescript(f'{script}')",
        "session.scalars(text(f'SELECT {x}'))",
        "from sqlalchemy import text as sql\nfrom sqlalchemy import text\ntext(f'SELECT {x}')",
        "import asyncio\nasyncio.create_subprocess_shell('ls')",
        "from asyncio import create_subprocess_shell as sh\nsh('ls')",
        "import runpy\nrunpy.run_path('x.py')",
        "from runpy import run_module\nrun_module('x')",
        "import code\ncode.InteractiveInterpreter().runsource(given)",
        "import code\ncode.interact()",
        "import builtins\nbuiltins.eval('1')",
        "def f(session, name):\n    query = f'SELECT {name}'\n    session.execute(query)",
        "def f(session, name):\n    query = 'SELECT * FROM t'\n    query += ' WHERE ' + name\n    session.execute(query)",
        "def f(cursor, name):\n    query: str = 'SELECT {}'.format(name)\n    cursor.executescript(query)",
        "from sqlalchemy import text\ndef f(name):\n    words = 'SELECT ' + name\n    return text(words)",
        "from sqlalchemy import text\ntext(words)",
        "import sqlalchemy as sa\nsa.text(words)",
        "from sqlalchemy import text\ntext(text=words)",
        "connection.exec_driver_sql(words)",
    ],
)
def test_each_form_is_seen(sample: str) -> None:
    assert found_in(sample)


@pytest.mark.parametrize(
    "sample",
    [
        "import yaml\nyaml.safe_load(text)",
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
        "import hashlib\nhashlib.sha256(data)\nhashlib.md5(data, usedforsecurity=False)",
        "session.execute(select(Row).where(Row.name == name))",
        "session.execute(text('SELECT 1'), {'name': name})",
        "text('SELECT ' 'a')",
        "model.eval()",
        "re.compile(pattern)",
        "import torch\ntorch.load(file, weights_only=True)",
        "log.info(f'text {x}')",
        "from api.cli.texts import text\ntext(f'state_{x}')",
        "from api.cli.texts import text\ntext(name)",
        "def f(session):\n    query = select(Row)\n    session.execute(query)",
        "def f(session, name):\n    told = f'no {name}'\n    session.execute(select(Row))\n    log.info(told)",
        "connection.exec_driver_sql('BEGIN IMMEDIATE' if writing else 'BEGIN')",
    ],
)
def test_what_is_fine_is_not(sample: str) -> None:
    assert not found_in(sample)
