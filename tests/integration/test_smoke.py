from tests.support.running import Running


def test_ingest_search_ask(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    [document] = caller.ingest(name, {"rules.md": "# Leave\n\nEvery employee has 15 days of annual leave.\n"})
    assert document["version"]["state"] == "active"
    assert caller.search("How many days of annual leave?")[0]["source_key"] == "rules.md"
    answer = caller.post("/api/v1/answers", json={"question": "How many days of annual leave?"}).json()
    assert answer["status"] == "answered"
    assert answer["sentences"][0]["citations"][0]["quote"] == "Every employee has 15 days of annual leave."
