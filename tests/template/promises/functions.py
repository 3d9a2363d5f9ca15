"""Functions: where they run, where their lines go, and in which order a deploy replaces them."""

from __future__ import annotations

from local.places import PROJECT
from tests.template.promises.concurrency import DATABASE_SECRET, FOR_PEOPLE, FUNCTION, ONE_AT_A_TIME
from tests.template.reading import Template, as_list, logical_id

LONGEST_SERVICE_TIMEOUT_S = 3600


def lines_are_kept_for_a_chosen_time(template: Template) -> list[str]:
    """Left to itself, Lambda makes a log group that keeps lines, and costs, for ever."""
    violations, taken = [], set()
    groups = template.resources("AWS::Logs::LogGroup")
    for name, function in template.properties(FUNCTION):
        group = logical_id(function.get("LoggingConfig", {}).get("LogGroup"))
        if group not in groups:
            violations.append(f"{name} writes to a log group that is not in the template")
        elif group in taken:
            violations.append(f"{name} shares {group} with another function")
        taken.add(group)
    violations += [
        f"{name} keeps lines for ever"
        for name, group in template.properties("AWS::Logs::LogGroup")
        if "RetentionInDays" not in group
    ]
    return violations


def functions_run_on_python_3_13(template: Template) -> list[str]:
    """What the layers are built for."""
    functions = [
        f"{name} runs on {function.get('Runtime')}"
        for name, function in template.properties(FUNCTION)
        if function.get("Runtime") != "python3.13"
    ]
    layers = [
        f"{name} is for {layer.get('CompatibleRuntimes')}"
        for name, layer in template.properties("AWS::Lambda::LayerVersion")
        if layer.get("CompatibleRuntimes") != ["python3.13"]
    ]
    return functions + layers


def aws_runs_them_on_arm(template: Template) -> list[str]:
    """What the layers' native modules are built for; on anything else they fail at the first import."""
    return [
        f"{name} runs on {found} in prod"
        for name, function in template.properties(FUNCTION)
        if (found := [template.value(a, Stage="prod") for a in function.get("Architectures", [])])
        != ["arm64"]
    ]


def our_own_makefiles_build_them(template: Template) -> list[str]:
    """SAM's own pip builder wants the exact Python on the PATH, and cannot install by hash."""
    violations = []
    for name, resource in template.raw["Resources"].items():
        properties = resource.get("Properties", {})
        folder = properties.get("CodeUri") or properties.get("ContentUri")
        if folder is None:
            continue
        makefile = PROJECT / folder / "Makefile"
        if resource.get("Metadata", {}).get("BuildMethod") != "makefile":
            violations.append(f"{name} is not built by a Makefile")
        elif f"build-{name}:" not in makefile.read_text(encoding="utf-8"):
            violations.append(f"{folder}Makefile has no target build-{name}")
    return violations


def a_silent_custom_resource_is_given_up(template: Template) -> list[str]:
    """A handler that died without an answer would hold the deploy for an hour; one that still works
    must not be given up."""
    violations = []
    for name, resource in template.translated["Resources"].items():
        if not resource["Type"].startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
            continue
        patience = resource["Properties"].get("ServiceTimeout")
        function = template.get(logical_id(resource["Properties"]["ServiceToken"]))
        if patience is None or patience >= LONGEST_SERVICE_TIMEOUT_S:
            violations.append(f"{name} waits for an hour")
        elif patience < template.value(function["Timeout"]):
            violations.append(f"{name} gives its function up after {patience} s")
    return violations


def migrations_go_around_the_code(template: Template) -> list[str]:
    """New code finds the schema that it needs; what old code needs goes when no old code is left."""
    users = [
        name
        for name, function in template.properties(FUNCTION)
        if "SLUICE_MIGRATION_DATABASE_SECRET" not in function["Environment"]["Variables"]
    ]
    phases = {
        template.get(name).get("Phase"): as_list(resource.get("DependsOn"))
        for name, resource in template.resources("Custom::Migrations").items()
    }
    violations = [f"no migrations of phase {p}" for p in ("pre", "post") if p not in phases]
    before = [
        name
        for name in users
        if not {"PreMigrations"} & set(as_list(template.resources(FUNCTION)[name].get("DependsOn")))
    ]
    violations += [f"{name} may be replaced before the pre migrations" for name in before]
    after = [name for name in users if name not in phases.get("post", [])]
    violations += [f"{name} may be replaced after the post migrations" for name in after]
    return violations


def changed_migrations_are_noticed(template: Template) -> list[str]:
    """CloudFormation calls a custom resource again only if one of its properties changed."""
    return [
        f"{name} does not change with migrations/"
        for name, resource in template.properties("Custom::Migrations")
        if logical_id(resource.get("Digest")) != "MigrationsDigest"
    ]


def database_users_are_known(template: Template) -> list[str]:
    """Whoever merges, cleans up or works for people has the database's secret; whoever only plans or receives has
    not."""
    holders = {
        name
        for name, function in template.properties(FUNCTION)
        if DATABASE_SECRET in function["Environment"]["Variables"]
    }
    wanted = {"WorkerFunction", "CleanupFunction", "ApplierFunction", *FOR_PEOPLE, *ONE_AT_A_TIME}
    return [f"{name} holds the database's secret, or lacks it" for name in sorted(holders ^ wanted)]


PROMISES = (
    lines_are_kept_for_a_chosen_time,
    functions_run_on_python_3_13,
    aws_runs_them_on_arm,
    our_own_makefiles_build_them,
    a_silent_custom_resource_is_given_up,
    migrations_go_around_the_code,
    changed_migrations_are_noticed,
    database_users_are_known,
)
