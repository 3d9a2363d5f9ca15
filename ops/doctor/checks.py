"""All checks, in the order in which they are told: what everything else rests on comes first."""

from __future__ import annotations

from ops.doctor.alarms import alarms_heard, alarms_sounding
from ops.doctor.clients import registry_known, vendor_secrets, webhook_secrets
from ops.doctor.clocks import clock_skew
from ops.doctor.database import database_login, database_secret, pool_size, pooler, schema
from ops.doctor.diagnosis import Check
from ops.doctor.functions import event_sources, functions_ready, log_retention, schedules
from ops.doctor.queues import dead_letters, redrive_policies, visibility_timeouts
from ops.doctor.stack import code_version, stack_state
from ops.doctor.switched import pauses
from ops.doctor.tables import tables_kept

CHECKS = (
    Check("stack-state", stack_state),
    Check("code-version", code_version),
    Check("functions", functions_ready),
    Check("event-sources", event_sources),
    Check("schedules", schedules),
    Check("schema", schema),
    Check("database-secret", database_secret),
    Check("database-login", database_login),
    Check("pooler", pooler),
    Check("pool-size", pool_size),
    Check("registry", registry_known),
    Check("vendor-secrets", vendor_secrets),
    Check("webhook-secrets", webhook_secrets),
    Check("redrive-policies", redrive_policies),
    Check("visibility-timeouts", visibility_timeouts),
    Check("dead-letters", dead_letters),
    Check("tables", tables_kept),
    Check("alarms", alarms_heard),
    Check("alarms-now", alarms_sounding),
    Check("log-retention", log_retention),
    Check("clock", clock_skew),
    Check("pauses", pauses),
)
