"""The stand-ins refuse what the real servers refuse, and whatever nobody sends."""

import json

import pytest

from mysense.channels import _http


@pytest.fixture
def ask():
    """Gives the status of a request, and what was said as JSON."""
    connections = {}

    def of(server, method, path, said=None, token=None, **headers):
        far = connections.setdefault(server.port, _http.Connection("127.0.0.1", server.port))
        sent = {"Authorization": f"Token {server.options['token'] if token is None else token}"} | headers
        body = None if said is None else said if isinstance(said, bytes) else json.dumps(said).encode()
        answer = far.request(method, path, body, {"Content-Type": "application/json"} | sent)
        return answer.status, json.loads(answer.text) if answer.text.startswith(("{", "[")) else answer.text

    yield of
    for connection in connections.values():
        connection.close()


FLUX = {"query": 'from(bucket: "b") |> range(start: -1h)', "type": "flux", "dialect": {}}


@pytest.mark.parametrize(
    ("method", "path", "said", "status"),
    [
        ("GET", "/api/v2/nothing", None, 404),
        ("GET", "/api/v2/write", None, 405),
        ("GET", "/api/v2/buckets?colour=red", None, 400),
        ("GET", "/api/v2/buckets?limit=1000", None, 400),
        ("GET", "/api/v2/buckets?org=shop", None, 404),
        ("GET", "/api/v2/buckets?name=nothing", None, 404),
        ("POST", "/api/v2/buckets", {"orgID": "other", "name": "x"}, 404),
        ("POST", "/api/v2/buckets", {"orgID": "0a0a0a0a0a0a0a0a", "name": "_x"}, 422),
        ("POST", "/api/v2/buckets", {"orgID": "0a0a0a0a0a0a0a0a", "name": "x", "colour": "red"}, 400),
        ("POST", "/api/v2/buckets", b"no JSON", 400),
        ("POST", "/api/v2/write?org=shed&bucket=none", b"m x=1", 404),
        ("POST", "/api/v2/write?org=shed&bucket=b&precision=u", b"m x=1", 400),
        ("POST", "/api/v2/write?org=shed&bucket=b", b"", 400),
        ("POST", "/api/v2/write?org=shed&bucket=b", b"m x=", 400),
        ("POST", "/api/v2/write?org=shed&bucket=b", b"m x=1", 204),
        ("POST", "/api/v2/query?org=shed", FLUX, 400),
        ("POST", "/api/v2/query?org=shed", {"query": ""}, 400),
        ("POST", "/api/v2/authorizations", {"orgID": "0a0a0a0a0a0a0a0a", "permissions": []}, 400),
        ("POST", "/api/v2/tasks", {"orgID": "0a0a0a0a0a0a0a0a", "flux": "no option"}, 400),
    ],
)
def test_influxdb_2_refuses(influxdb2, ask, method, path, said, status):
    influxdb2.make("b")

    assert ask(influxdb2, method, path, said)[0] == status


def test_influxdb_2_refuses_strangers_bodies_that_are_too_large_and_other_compressions(influxdb2, ask):
    influxdb2.make("b")
    influxdb2.largest = 10
    write = "/api/v2/write?org=shed&bucket=b"

    assert ask(influxdb2, "GET", "/api/v2/buckets", token="")[0] == 401
    assert ask(influxdb2, "POST", write, b"m x=1 1700000000")[0] == 413
    assert ask(influxdb2, "POST", write, b"m x=1", **{"Content-Encoding": "br"})[0] == 400
    assert len(influxdb2.points["b"]) == 0


def test_a_token_of_influxdb_2_may_do_what_it_was_made_for_and_no_more(influxdb2, ask):
    one, other = influxdb2.make("one"), influxdb2.make("other")
    right = {"action": "write", "resource": {"type": "buckets", "orgID": influxdb2.org_id, "id": one["id"]}}
    said = {"orgID": influxdb2.org_id, "description": "kit", "permissions": [right]}
    status, made = ask(influxdb2, "POST", "/api/v2/authorizations", said)
    token = made["token"]
    write = "/api/v2/write?org=shed&bucket="

    assert status == 201
    assert ask(influxdb2, "POST", f"{write}one", b"m x=1", token)[0] == 204
    assert ask(influxdb2, "POST", f"{write}other", b"m x=1", token)[0] == 403
    assert ask(influxdb2, "GET", "/api/v2/buckets", None, token)[1] == {"buckets": []}
    assert ask(influxdb2, "POST", "/api/v2/buckets", {"orgID": influxdb2.org_id, "name": "x"}, token)[0] == 401
    assert ask(influxdb2, "POST", "/api/v2/authorizations", said, token)[0] == 401
    assert ask(influxdb2, "POST", "/api/v2/tasks", {"orgID": influxdb2.org_id, "flux": ""}, token)[0] == 401
    assert ask(influxdb2, "GET", "/api/v2/authorizations")[1]["authorizations"][0]["permissions"] == [right]
    assert ask(influxdb2, "GET", "/api/v2/buckets?name=other")[1]["buckets"] == [other]


def test_tasks_of_influxdb_2_are_listed_by_name(influxdb2, ask):
    flux = 'option task = {name: "hourly", every: 1h}\n\nfrom(bucket: "b")'
    status, made = ask(influxdb2, "POST", "/api/v2/tasks", {"orgID": influxdb2.org_id, "flux": flux})

    assert (status, made["name"], made["every"], made["status"]) == (201, "hourly", "1h", "active")
    assert ask(influxdb2, "GET", "/api/v2/tasks?name=hourly")[1] == {"tasks": [made]}
    assert ask(influxdb2, "GET", "/api/v2/tasks?name=daily")[1] == {"tasks": []}


@pytest.mark.parametrize(
    ("method", "path", "said", "status"),
    [
        ("GET", "/api/v3/nothing", None, 404),
        ("GET", "/api/v3/configure/database", None, 400),
        ("POST", "/api/v3/configure/database", {"db": "b"}, 409),
        ("POST", "/api/v3/configure/database", {"db": "x.y"}, 400),
        ("POST", "/api/v3/configure/database", {"db": "x", "retention_period": "30m"}, 400),
        ("POST", "/api/v3/configure/database", {"db": "x", "colour": "red"}, 400),
        ("POST", "/api/v3/configure/database", {"db": "x", "retention_period": "2d"}, 200),
        ("POST", "/api/v3/write_lp?db=b&precision=s", b"m x=1", 400),
        ("POST", "/api/v3/write_lp?db=b&bucket=b", b"m x=1", 400),
        ("POST", "/api/v3/write_lp?db=b", b"", 400),
        ("POST", "/api/v3/write_lp?db=b", b"m x=", 400),
        ("POST", "/api/v3/write_lp?db=new", b"m x=1", 204),
        ("POST", "/api/v3/query_sql", {"db": "b", "q": "SELECT 1", "format": "json"}, 400),
        ("POST", "/api/v3/query_sql", {"db": "none", "q": "SELECT 1", "format": "json"}, 404),
        ("POST", "/api/v3/query_sql", {"db": "b", "q": "SELECT 1", "format": "csv"}, 400),
    ],
)
def test_influxdb_3_refuses(influxdb3, ask, method, path, said, status):
    ask(influxdb3, "POST", "/api/v3/configure/database", {"db": "b"})

    assert ask(influxdb3, method, path, said)[0] == status


def test_influxdb_3_refuses_strangers_and_writes_to_databases_of_others(influxdb3, ask):
    influxdb3.tokens["kit"] = {"b": "write"}

    assert ask(influxdb3, "GET", "/ping", token="")[0] == 401
    assert ask(influxdb3, "POST", "/api/v3/write_lp?db=b", b"m x=1", "kit")[0] == 204
    assert ask(influxdb3, "POST", "/api/v3/write_lp?db=c", b"m x=1", "kit")[0] == 403
    query = {"db": "b", "q": "SELECT 1", "format": "json"}
    assert ask(influxdb3, "POST", "/api/v3/query_sql", query, "kit")[0] == 403
