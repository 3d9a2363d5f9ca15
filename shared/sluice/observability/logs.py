"""The logger: one JSON object per line, in Powertools' form, with nothing secret in it."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from sluice.observability.redaction import redact


class RedactingFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON line, redacted as its very last step."""

    def serialize(self, log: Any) -> str:
        return redact(super().serialize(log))


logger = Logger(logger_formatter=RedactingFormatter(utc=True))
