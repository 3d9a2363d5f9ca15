"""Runs the embedded AWS with three of its habits corrected. Started with its own Python; nothing here imports it.

Its own evaluation of alarms is off: it mixes all metrics of a name whatever their dimensions, and knows no missing
data, so it would page for what is well. The bridge evaluates them instead, and sets their states.

And every execution of a function is counted in AWS/Lambda. By itself it counts those asked for by Invoke only, and
misses queues and schedules; a throttled call it counts as an invocation.

And what functions consist of is unpacked once for all processes, as it is read-only for all on AWS. By itself it
unpacks code and layer anew for each, some 3,000 files, and all are to be removed when the stack ends.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
import types
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from ministack import app  # type: ignore[import-not-found]
from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.services import cloudwatch, lambda_svc  # type: ignore[import-not-found]

REPLACED = (
    (cloudwatch, "_evaluate_alarm"),
    (lambda_runtime.zipfile, "ZipFile"),
    (lambda_svc, "_emit_lambda_metrics"),
    (lambda_svc, "_execute_function_dispatch"),
)


def _count(function: str, **values: float) -> None:
    for name, value in values.items():
        unit = "Milliseconds" if name == "Duration" else "Count"
        cloudwatch.record_metric("AWS/Lambda", name, value, unit, {"FunctionName": function})


def _only_refusals(function: str, duration_ms: float, error: bool, throttle: bool) -> None:  # noqa: ARG001, FBT001  # as it is called
    """It says so of each call: before one that was refused outright, and after others, which are counted below."""
    if throttle and duration_ms == 0.0:
        _count(function, Throttles=1)


def _counted(dispatch: Any) -> Any:
    def counted(func: Any, config: Any, event: Any, request_id: str, started: float) -> Any:
        result = dispatch(func, config, event, request_id, started)
        told = result if isinstance(result, dict) else {}
        name = config.get("FunctionName", "unknown")
        if told.get("throttle"):
            _count(name, Throttles=1)
        else:
            duration_ms = (time.time() - started) * 1000
            errors = 1 if told.get("error") else 0
            _count(name, Invocations=1, Errors=errors, Throttles=0, Duration=duration_ms)
        return result

    return counted


class _UnpackedOnce(zipfile.ZipFile):
    """An archive whose content is the same folder for everybody who unpacks the same bytes."""

    unpacking = threading.Lock()

    def extractall(self, path: Any = None, *_: Any) -> None:
        """Called with an empty folder, which becomes a link to what was unpacked."""
        archive = Path(str(self.filename)).read_bytes()
        shared = Path(tempfile.gettempdir(), "unpacked", sha256(archive).hexdigest())
        with self.unpacking:
            if not shared.exists():
                unfinished = shared.with_suffix(".part")
                shutil.rmtree(unfinished, ignore_errors=True)
                super().extractall(unfinished)
                unfinished.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared, target_is_directory=True)


def main() -> None:
    """Correct it, then run it. Ends at once where another version lacks what is corrected."""
    for module, name in REPLACED:
        if not callable(getattr(module, name, None)):
            sys.exit(
                f"this version of the embedded AWS has no {module.__name__}.{name}; see {__file__}"
            )
    cloudwatch._evaluate_alarm = lambda _: None
    lambda_svc._emit_lambda_metrics = _only_refusals
    lambda_svc._execute_function_dispatch = _counted(lambda_svc._execute_function_dispatch)
    lambda_runtime.zipfile = types.SimpleNamespace(
        ZipFile=_UnpackedOnce,
        BadZipFile=zipfile.BadZipFile,
        LargeFileError=zipfile.LargeZipFile,
    )
    app.main()


if __name__ == "__main__":
    main()
