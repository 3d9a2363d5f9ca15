"""Secrets as text, kept for five minutes per environment and read anew when a vendor refuses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from sluice.core.errors import RetryLater, SecretMissing, SluiceError
from sluice.observability.redaction import hide

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_S = 300
"""Seconds for which a secret rotated since may still be used before it is read again."""

_REMEDIES = {
    "ResourceNotFoundException": (
        "is not there; create it:"
        " aws secretsmanager create-secret --name {name} --secret-string file://secret.txt"
    ),
    "AccessDeniedException": (
        "may not be read by this role; grant it secretsmanager:GetSecretValue on that secret"
    ),
    "DecryptionFailure": "cannot be decrypted; grant this role kms:Decrypt on the secret's key",
    "InvalidRequestException": (
        "cannot be used; if it is marked for deletion: aws secretsmanager restore-secret --secret-id {name}"
    ),
    "ValidationException": "has no valid name; write its name or ARN",
}


@dataclass(slots=True)
class SecretsManagerSecrets:
    """Reads secrets by name or ARN. What was read is masked in every log line from then on."""

    config: Config | None = None
    client: SecretsManagerClient | None = field(default=None, repr=False)
    _provider: SecretsProvider | None = field(default=None, init=False, repr=False)

    def text(self, name: str) -> str:
        """The secret, at most five minutes old.

        SecretMissing says what to do; RetryLater when Secrets Manager does not answer.
        """
        return self._read(name, anew=False)

    def refreshed(self, name: str) -> str:
        """The secret as it is now, for the one retry after a refusal."""
        return self._read(name, anew=True)

    def _read(self, name: str, *, anew: bool) -> str:
        try:
            value = self._reader().get(name, max_age=KEPT_S, force_fetch=anew)
        except GetParameterError as error:
            # Powertools wraps every failure in this one type; what it wrapped is its context.
            raise _translation(name, error.__context__ or error) from error
        if not isinstance(value, str) or not value.strip():
            raise SecretMissing(
                f"secret {name!r} is empty or not text; put the credentials in as text"
            )
        hide(value)
        return value

    def _reader(self) -> SecretsProvider:
        """Made when first needed: a command that reads no secret needs no AWS client."""
        if self._provider is None:
            self._provider = SecretsProvider(boto_config=self.config, boto3_client=self.client)
        return self._provider


def _translation(name: str, error: BaseException) -> SluiceError:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _REMEDIES:
        return SecretMissing(f"secret {name!r} {_REMEDIES[code].format(name=name)} ({code})")
    return RetryLater(f"secret {name!r}: Secrets Manager does not answer: {error}")
