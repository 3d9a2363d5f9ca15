"""The stack itself: is it whole, and is its code this command's?"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import LAYER, Patient

PACKAGE = Path(__file__).resolve().parents[2] / "shared" / "sluice"
STABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
IN_LAYER = "python/sluice/"
MOST_NAMED = 3


def stack_state(patient: Patient) -> Iterator[Diagnosis]:
    """A deploy that failed halfway leaves some functions new and others old."""
    says, name = Says("stack-state"), patient.target.stack
    status = str(patient.stack["StackStatus"])
    if status in STABLE:
        yield says.ok(name, status)
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield says.warn(
            name,
            f"{status}: the last deploy failed, and the one before is in force",
            "see its events: aws cloudformation describe-stack-events; mend the cause and deploy again",
        )
    elif status.endswith("_IN_PROGRESS"):
        yield says.warn(name, f"{status}: it is being deployed now", "look again when that is over")
    else:
        why = patient.stack.get("StackStatusReason") or "CloudFormation gives no reason"
        yield says.wrong(
            name,
            f"{status}: {why}",
            "continue or roll back the deploy in CloudFormation, then `make deploy`",
        )


def code_version(patient: Patient) -> Iterator[Diagnosis]:
    """All functions have one code layer, and it holds the code of this command.

    Else a command may ask for what the functions do not know, and the other way round.
    """
    says = Says("code-version")
    layers = _code_layers(patient)
    if len(set(layers.values())) > 1:
        told = ", ".join(f"{name} has {arn.rsplit(':', 1)[-1]}" for name, arn in layers.items())
        yield says.wrong("functions", f"not all have the same code: {told}", "deploy again")
        return
    if not layers:
        yield says.wrong("functions", "none has the layer with Sluice's code", "deploy again")
        return
    theirs, ours = _deployed(patient, next(iter(layers.values()))), _here()
    differ = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
    if differ:
        more = f" and {len(differ) - MOST_NAMED} more" if len(differ) > MOST_NAMED else ""
        yield says.warn(
            "functions",
            f"their code is not this command's: {', '.join(differ[:MOST_NAMED])}{more}",
            "use the command of the commit that is deployed, or deploy this one",
        )
    else:
        yield says.ok("functions", f"{len(layers)} functions have this command's code")


def _code_layers(patient: Patient) -> Mapping[str, str]:
    """The ARN of each function's code layer, by the function's name."""
    ours = {arn for name, arn in patient.resources(LAYER).items() if name.startswith("CodeLayer")}
    stems = {arn.rsplit(":", 1)[0] for arn in ours}
    return {
        name: layer["Arn"]
        for name, found in patient.functions.items()
        for layer in (found or {}).get("Layers", [])
        if layer["Arn"].rsplit(":", 1)[0] in stems
    }


def _deployed(patient: Patient, arn: str) -> Mapping[str, str]:
    """A digest of each source file in the layer, by its path in the package. One megabyte is read for it."""
    location = patient.aws("lambda").get_layer_version_by_arn(Arn=arn)["Content"]["Location"]
    answer = httpx.get(location, timeout=20, follow_redirects=True).raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        return {
            name.removeprefix(IN_LAYER): _digest(packed.read(name))
            for name in packed.namelist()
            if name.startswith(IN_LAYER) and name.endswith(".py")
        }


def _here() -> Mapping[str, str]:
    return {
        path.relative_to(PACKAGE).as_posix(): _digest(path.read_bytes())
        for path in PACKAGE.rglob("*.py")
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
