"""Secrets as text, kept for five minutes per environment and read anew when a vendor refuses them."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider
from botocore.config import Config

from sluice.core.errors import SecretMissing
from sluice.observability.redaction import hide

CACHE_S = 300
"""How long a rotated secret may still be used before it is read again."""


def _provider(config: Config | None) -> SecretsProvider:
    return SecretsProvider(boto_config=config)


@dataclass(slots=True)
class SecretsManagerSecrets:
    """Reads secrets by name or ARN. What was read is masked in every log line from then on."""

    config: Config | None = None
    _secrets: SecretsProvider | None = field(default=None, repr=False)

    def text(self, name: str) -> str:
        """The secret, at most five minutes old; SecretMissing says what to do."""
        return self._get(name, force=False)

    def refreshed(self, name: str) -> str:
        """The secret as it is now, for the one retry after a refusal."""
        return self._get(name, force=True)

    def _get(self, name: str, *, force: bool) -> str:
        if self._secrets is None:
            self._secrets = _provider(self.config)
        try:
            value = self._secrets.get(name, max_age=CACHE_S, force_fetch=force)
        except GetParameterError as error:
            raise SecretMissing(
                f"secret {name!r} cannot be read: create it in Secrets Manager "
                f"(aws secretsmanager create-secret --name ...), or let this function's role read it "
                f"({error.__cause__ or error})"
            ) from error
        if not isinstance(value, str) or not value.strip():
            raise SecretMissing(f"secret {name!r} is empty or not text; put the credentials in as plain text")
        hide(value)
        return value
