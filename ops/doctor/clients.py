"""What the clients file brought in: streams that there are, settings that hold, secrets that can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import Patient, code_of
from sluice.core.errors import SluiceError
from sluice.dynamo.registry import RegistryEntry
from sluice.observability.redaction import hide
from sluice.sources.registry import check_settings, streams_of

AT_ONCE = 8
REFUSED = ("AccessDenied", "AccessDeniedException")
APPLY = "mend it in the clients file and run `sluice clients apply`"


def registry_known(patient: Patient) -> Iterator[Diagnosis]:
    """Every enabled stream is one that this code has, with settings that it takes."""
    says = Says("registry")
    entries = _enabled(patient)
    faults = [(entry, fault) for entry in entries for fault in _faults(entry, patient.embedded)]
    for entry, fault in faults:
        yield says.wrong(str(entry.key), fault, APPLY)
    if not entries:
        yield says.warn("registry", "no stream is enabled", "run `sluice clients apply`")
    elif not faults:
        yield says.ok("registry", f"{len(entries):,} streams, all known, all settings hold")


def vendor_secrets(patient: Patient) -> Iterator[Diagnosis]:
    """Every vendor account's secret is there, readable, and holds something."""
    users = _users(_enabled(patient), lambda entry: entry.secret)
    create = "aws secretsmanager create-secret --name {name} --secret-string file://secret.txt"
    prefix = patient.parameters.get("VendorSecretPrefix", "")
    yield from _secrets(Says("vendor-secrets"), patient, users, prefix, create)


def webhook_secrets(patient: Patient) -> Iterator[Diagnosis]:
    """Every secret that a client's webhooks are verified with is there; without it all are refused."""
    users = _users(_enabled(patient), lambda entry: entry.webhook_secret)
    prefix = patient.parameters.get("WebhookSecretPrefix", "")
    ensure = "run `sluice webhooks ensure`"
    yield from _secrets(Says("webhook-secrets"), patient, users, prefix, ensure)


def _enabled(patient: Patient) -> Sequence[RegistryEntry]:
    return [entry for entry in patient.target.registry.show() if entry.enabled]


def _faults(entry: RegistryEntry, embedded: bool) -> Iterator[str]:
    try:
        known = streams_of(entry.key.source)
    except SluiceError as error:
        yield str(error)
        return
    if entry.key.stream not in known:
        yield f"{entry.key.source} has no stream {entry.key.stream!r}; it has: {', '.join(known)}"
    try:
        check_settings(entry.key.source, entry.settings, allow_loopback=embedded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        yield f"setting {where}: {first['msg']}"
    except SluiceError as error:
        yield str(error)


def _users(
    entries: Sequence[RegistryEntry], name_of: Callable[[RegistryEntry], str | None]
) -> Mapping[str, Sequence[str]]:
    """The clients of each secret, by its name."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        name = name_of(entry)
        if name:
            found.setdefault(name, set()).add(entry.key.client_id)
    return {name: sorted(clients) for name, clients in sorted(found.items())}


def _secrets(
    says: Says, patient: Patient, users: Mapping[str, Sequence[str]], prefix: str, create: str
) -> Iterator[Diagnosis]:
    """One line for each that is at fault, and one for all others."""
    client = patient.aws("secretsmanager")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        faults = dict(zip(users, threads.map(lambda n: _fault(client, n), users), strict=True))
    well = 0
    for name, clients in users.items():
        fault = faults[name] or _beyond(name, prefix)
        if fault is None:
            well += 1
            continue
        told = f"{fault}; {', '.join(clients[:5])} need(s) it"
        if fault.startswith(UNSEEN):
            yield says.warn(name, told)
        else:
            yield says.wrong(name, told, _remedy(fault, name, create))
    if well or not users:
        yield says.ok("secrets", f"{well:,} secret(s) are there and hold something")


UNSEEN = "it is there, and you may not read it"
MISSING = "it is not there"
DELETED = "it is marked for deletion"
EMPTY = "it is empty or not text"
UNREADABLE = "it cannot be decrypted"


def _fault(client: Any, name: str) -> str | None:
    """What is wrong with one secret. Its value is looked at and shown nowhere."""
    try:
        value = str(client.get_secret_value(SecretId=name).get("SecretString") or "")
    except ClientError as error:
        return _fault_of(client, name, error)
    hide(value)
    return None if value.strip() else EMPTY


def _fault_of(client: Any, name: str, error: ClientError) -> str:
    code = code_of(error)
    if code in REFUSED:
        try:
            client.describe_secret(SecretId=name)
        except ClientError as second:
            return MISSING if code_of(second) == "ResourceNotFoundException" else UNSEEN
        return UNSEEN
    return {
        "ResourceNotFoundException": MISSING,
        "InvalidRequestException": DELETED,
        "DecryptionFailure": UNREADABLE,
    }.get(code, f"it cannot be read ({code})")


def _beyond(name: str, prefix: str) -> str | None:
    plain = name.split(":secret:")[-1]
    if plain.startswith(prefix):
        return None
    return f"its name does not begin with {prefix!r}, so the functions may not read it"


def _remedy(fault: str, name: str, create: str) -> str:
    if fault == MISSING:
        return create.format(name=name)
    if fault == DELETED:
        return f"aws secretsmanager restore-secret --secret-id {name}"
    if fault == EMPTY:
        put = "aws secretsmanager put-secret-value --secret-id {name} --secret-string file://secret.txt"
        return put.format(name=name) if "create-secret" in create else create
    if fault == UNREADABLE:
        return "grant kms:Decrypt on the secret's key to the functions' roles"
    return "name another secret in the clients file, or deploy with another prefix"
