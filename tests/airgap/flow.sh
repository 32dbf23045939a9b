#!/bin/sh
# The whole flow in a network namespace that has nothing but loopback: start, ingest, search, ask. No telemetry switch is set.
# Arguments: the python program, the data folder, the samples folder, the port.
set -eu
PYTHON=$1 DATA=$2 SAMPLES=$3 PORT=$4
ip link set lo up 2>/dev/null || "$PYTHON" -c "
import fcntl, socket, struct
with socket.socket() as s:
    flags = struct.unpack('16sh', fcntl.ioctl(s, 0x8913, struct.pack('16sh', b'lo', 0)))[1]
    fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', flags | 1))
"
SEOGO="$PYTHON -m api.cli.main --data-dir $DATA"
KEY=$($SEOGO keys create airgap --scope admin 2>/dev/null)
$SEOGO serve --port "$PORT" &
SERVER=$!
trap 'kill $SERVER 2>/dev/null || true; wait $SERVER 2>/dev/null || true' EXIT
for _ in $(seq 120); do
  "$PYTHON" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$PORT/api/v1/health/ready', timeout=2)" 2>/dev/null && break
  kill -0 $SERVER
  sleep 0.5
done
REMOTE="$PYTHON -m api.cli.main --server http://127.0.0.1:$PORT --key $KEY"
$REMOTE ingest "$SAMPLES" -c samples --json >"$DATA/ingest.json"
$REMOTE search "연차휴가" --json >"$DATA/search.json"
$REMOTE ask "How long after it is issued does a gateway signing key expire?" --json >"$DATA/ask.json"
$REMOTE ask "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?" --json >"$DATA/ask-ko.json"
