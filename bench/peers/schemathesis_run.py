"""Let schemathesis try every operation of a running server's OpenAPI document.

Reads {"url", "parameters", "examples", "key", "busy"} on stdin and prints counts and failures.
`busy` are 5xx that are right answers of a server that is meant to be short of room and time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HOOKS = "schemathesis_hooks"
# What must hold for any answer. `positive_data_acceptance` is left out: no schema can say which
# bytes are a whole picture, or that a path names the version in service.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


def config(request: dict[str, Any]) -> str:
    """Return schemathesis.toml: path parameters that exist, most of the time."""
    named = "".join(f'"{name}" = "{value}"\n' for name, value in request["parameters"].items())
    return f"[parameters]\n{named}"


def run(request: dict[str, Any], folder: Path) -> int:
    """Run it; its report and the counts of the hooks lie in the folder then."""
    (folder / "schemathesis.toml").write_text(config(request))
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(folder / "schemathesis.toml"), "run", request["url"]]
    command += ["--checks", ",".join(CHECKS), "--max-examples", str(request["examples"])]
    command += ["--mode", "all", "--continue-on-failure", "--seed", "1", "--no-color"]
    command += ["--generation-database", "none", "--request-timeout", "60"]
    command += ["--report", "json", "--report-json-path", str(folder / "report.json")]
    command += ["--suppress-health-check", "all"]
    if request["key"]:
        command += ["--header", f"X-API-Key: {request['key']}"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": HOOKS,
        "PYTHONPATH": str(HERE),
        "HOOKS_COUNTS": str(folder / "counts.json"),
        "HOOKS_BUSY": json.dumps(request.get("busy", [])),
    }
    return subprocess.run(
        command, check=False, cwd=folder, env=environment, stdout=sys.stderr
    ).returncode


def main() -> None:
    """Answer the one request on stdin."""
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        exit_code = run(request, folder)
        report = json.loads((folder / "report.json").read_text())
        counts = json.loads((folder / "counts.json").read_text())
    statuses = Counter(counts["statuses"])
    answer = {
        "exit_code": exit_code,
        "seconds": round(report["running_time"], 1),
        "operations": report["operations"]["tested"],
        "operations_in_all": report["operations"]["total"],
        "requests": statuses.total(),
        "bodies": counts["bodies"],
        "statuses": dict(sorted(statuses.items())),
        "failures": report["failures"] + report["errors"],
        "examples_of_failures": counts["failures"],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
