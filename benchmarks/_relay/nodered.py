"""Node-RED: its installation by npm into build/, and the flows that a user would draw.

One database: mqtt in → function → join (1,000 messages or a second) → influxdb batch. A batch
node writes to one database; so, for a database for each node, a function behind the join sends
what belongs to each database to one of a hundred batch nodes. Of what was tried that is the
fastest: a join for each node reached 0.8 of its rate, http requests with lines made by a function
0.75. The newest Node-RED that node 20 runs is of version 4.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._relay.loader import TOPIC

VERSIONS = {"node-red": "4.1.15", "node-red-contrib-influxdb": "0.7.0"}
PLACE = Path(__file__).parent.parent.parent / "build" / "node-red"

SETTINGS = """\
module.exports = {
    uiHost: "127.0.0.1", uiPort: %d, flowFile: "flows.json", credentialSecret: false,
    telemetry: { enabled: false }, logging: { console: { level: "warn" } }
}
"""
POINT = """\
const telegram = msg.payload, { time, ...fields } = telegram.data;
const tags = { project: telegram.metadata.project, serial: telegram.metadata.serial };
msg.payload = { measurement: "data", fields, tags, timestamp: time };
return msg;
"""
SORT = """\
const databases = %s, groups = databases.map(() => []);
for (const point of msg.payload) groups[databases.indexOf(point.tags.project + "_" + point.tags.serial)].push(point);
return groups.map(points => points.length ? { payload: points } : null);
"""


def missing() -> str:
    """Why Node-RED cannot be run now; empty if it can."""
    if not shutil.which("node"):
        return "there is no node on this machine"
    for name, version in VERSIONS.items():
        told = PLACE / "node_modules" / name / "package.json"
        if not told.exists() or json.loads(told.read_text())["version"] != version:
            return f"{name} {version} is not installed in {PLACE}; --install does it by npm"
    return ""


def installable() -> bool:
    """Whether there are the programs that it takes."""
    return bool(shutil.which("node") and shutil.which("npm"))


def install() -> str:
    """Install it; why that cannot be, or empty."""
    if not installable():
        return "there is no node and npm on this machine"
    PLACE.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}@{version}" for name, version in VERSIONS.items()]
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--prefix", PLACE, *wanted])
    return "npm could not install Node-RED" if done.returncode else missing()


def command(folder: Path, editor: int, broker: int, server: int, databases: Sequence[str]) -> list[str]:
    """The command that runs it, its folder filled: one database, or the nodes' own."""
    (folder / "settings.js").write_text(SETTINGS % editor)
    (folder / "flows.json").write_text(json.dumps(flow(broker, server, databases)))
    program = PLACE / "node_modules" / "node-red" / "red.js"
    return ["node", str(program), "--userDir", str(folder), "--settings", str(folder / "settings.js")]


def flow(broker: int, server: int, databases: Sequence[str]) -> list[dict[str, Any]]:
    """What the editor would have saved."""
    one = len(databases) == 1
    nodes: list[dict[str, Any]] = [
        {"id": "tab", "type": "tab", "label": "relay"},
        {
            "id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(broker), "clientid": "bench",
            "autoConnect": True, "usetls": False, "protocolVersion": "4", "keepalive": "60", "cleansession": False,
            "autoUnsubscribe": False,
        },
        {
            "id": "in", "type": "mqtt in", "topic": f"{TOPIC}/#", "qos": "1", "datatype": "json", "broker": "broker",
            "inputs": 0, "wires": [["point"]],
        },
        {"id": "point", "type": "function", "func": POINT, "outputs": 1, "wires": [["join"]]},
        {
            "id": "join", "type": "join", "mode": "custom", "build": "array", "property": "payload",
            "propertyType": "msg", "accumulate": False, "timeout": "1", "count": "1000",
            "wires": [["batch0" if one else "sort"]],
        },
    ]  # fmt: skip
    if not one:
        outputs = [[f"batch{n}"] for n in range(len(databases))]
        code = SORT % json.dumps(list(databases))
        nodes.append({"id": "sort", "type": "function", "func": code, "outputs": len(outputs), "wires": outputs})
    for n, database in enumerate(databases):
        nodes += [
            {"id": f"batch{n}", "type": "influxdb batch", "influxdb": f"influxdb{n}", "precision": "s", "wires": []},
            {
                "id": f"influxdb{n}", "type": "influxdb", "hostname": "127.0.0.1", "port": str(server),
                "database": database, "influxdbVersion": "1.x", "usetls": False,
            },
        ]  # fmt: skip
    for node in nodes[2:]:
        if node["type"] != "influxdb":  # that is a setting, and lies on no tab
            node |= {"z": "tab", "name": "", "x": 100, "y": 100}
    return nodes
