#!/bin/sh
# The whole flow in a network namespace that has nothing but loopback: start, ingest, search, ask. No telemetry switch is set.
# With a port for a model: then every surface, and a file of every kind.
# Arguments: the python program, the data folder, the samples folder, a free port; another free port.
set -eu
PYTHON=$1 DATA=$2 SAMPLES=$3 PORT=$4 ENGINE_PORT=${5:-}
ip link set lo up 2>/dev/null || "$PYTHON" -c "
import fcntl, socket, struct
with socket.socket() as s:
    flags = struct.unpack('16sh', fcntl.ioctl(s, 0x8913, struct.pack('16sh', b'lo', 0)))[1]
    fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', flags | 1))
"
SEOGO="$PYTHON -m api.cli.main --data-dir $DATA"
REMOTE="$PYTHON -m api.cli.main --server http://127.0.0.1:$PORT"
export SEOGO_API_KEY
SEOGO_API_KEY=$($SEOGO keys create airgap --scope admin 2>/dev/null)
SERVER= ENGINE=
trap 'kill $SERVER $ENGINE 2>/dev/null || true; wait $SERVER $ENGINE 2>/dev/null || true' EXIT
start() {
  $SEOGO serve --port "$PORT" &
  SERVER=$!
  for _ in $(seq 120); do
    "$PYTHON" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$PORT/api/v1/health/ready', timeout=2)" 2>/dev/null && break
    kill -0 $SERVER
    sleep 0.5
  done
}
start
$REMOTE ingest "$SAMPLES" -c samples --json >"$DATA/ingest.json"
$REMOTE search "연차휴가" --json >"$DATA/search.json"
$REMOTE ask "How long after it is issued does a gateway signing key expire?" --json >"$DATA/ask.json"
$REMOTE ask "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?" --json >"$DATA/ask-ko.json"
[ -n "$ENGINE_PORT" ] || exit 0
kill $SERVER && wait $SERVER || true
# The same data, now with a model.
"$PYTHON" -m tests.airgap.engine "$ENGINE_PORT" &
ENGINE=$!
export SEOGO_RAG__REPOSITORIES__ROOTS="[\"$DATA/git\"]"
mkdir "$DATA/git"
export SEOGO_RAG__GENERATION__MODELS="[{\"name\": \"stub\", \"context_tokens\": 8192, \"urls\": [\"http://127.0.0.1:$ENGINE_PORT/v1\"]}]"
start
"$PYTHON" -m tests.airgap.flow "http://127.0.0.1:$PORT" "$SEOGO_API_KEY" "$DATA/flow.json" "$DATA/git"
$REMOTE collections list --json >"$DATA/collections.json"
$REMOTE documents list samples --json >"$DATA/documents.json"
kill $SERVER && wait $SERVER || true
SERVER=
# Commands that work on the store itself.
$SEOGO index verify --json >"$DATA/verify.json"
$SEOGO doctor --json >"$DATA/doctor.json" || true
unset SEOGO_RAG__GENERATION__MODELS  # quotations, which this question has an answer in
$SEOGO ask "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?" -c samples --json >"$DATA/ask-local.json"
