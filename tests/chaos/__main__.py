"""``python -m tests.chaos --minutes N``: break everything, again and again, and say what did not hold."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping

from local.processes import StackFailed
from tests.chaos.breakers import Breaker
from tests.chaos.controls import CONTROLS, is_of_the_control
from tests.chaos.kinds import kinds
from tests.chaos.poller import FencePoller, watching
from tests.chaos.report import Recovery, Run, now_run, record
from tests.chaos.rounds import Round, Rounds
from tests.chaos.stand import SLOTS, Size, Stand
from tests.chaos.timing import SLOWER

PROGRESS_EVERY_S = 5.0


class Watch:
    """Prints a line of progress now and then."""

    def __init__(self, minutes: float | None, rounds: int | None) -> None:
        self._began = time.monotonic()
        self._minutes, self._rounds = minutes, rounds
        self._said = 0.0

    def __call__(self, playing: Rounds) -> None:
        if time.monotonic() - self._said < PROGRESS_EVERY_S:
            return
        self._said = time.monotonic()
        counts = playing.stand.tally.counts
        violations = sum(len(each.violations) for each in playing.done)
        say(
            f"{self.elapsed():6.0f} s  {self._left(playing)}  {playing.present}: {counts['kills']} kills,"
            f" {counts['zombies']} zombies, {counts['slices']:,} slices, {counts['rows']:,} rows,"
            f" {violations} violations"
        )

    def is_over(self, playing: Rounds) -> bool:
        if self._rounds is not None:
            return len(playing.done) >= self._rounds
        return self.elapsed() >= (self._minutes or 0) * 60

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def _left(self, playing: Rounds) -> str:
        if self._minutes is not None and self._rounds is None:
            left = self._minutes * 60 - self.elapsed()
        elif playing.done and self._rounds is not None:
            left = self.elapsed() / len(playing.done) * (self._rounds - len(playing.done))
        else:
            return "ETA ?"
        return f"ETA {max(left, 0):.0f} s"


def main() -> int:
    options = _options()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(130))
    there = kinds(say, pushes=options.merchants + options.projects > 0)
    chosen = {name: make for name, make in there.items() if name in (options.only or [name])}
    if not chosen:
        say("none of these kinds is there")
        return 2
    if options.without:
        return _prove(options, chosen)
    watch = Watch(options.minutes, options.rounds)
    with Stand(options.seed, _size(options)) as stand:
        say(f"the stand is up after {watch.elapsed():.0f} s; seed {options.seed}")
        say(f"kinds: {', '.join(chosen)}")
        rounds = Rounds(stand, chosen, options.seed, watch)
        with watching(stand) as poller:
            violations = _play(rounds, poller, watch)
            if options.recovery:
                violations += stand.tally.holders.overlooked
                say(f"and {len(stand.tally.holders.overlooked)} recoveries too late")
        if options.record:
            say(f"recorded in {record(_run(rounds, options.seed, watch, violations))}")
    return 1 if violations else 0


def _prove(options: argparse.Namespace, chosen: Mapping[str, Callable[[], Breaker]]) -> int:
    """Take each guard away, and play rounds of what should expose that until it is found."""
    missed = 0
    for guard in options.without:
        names = tuple(name for name in CONTROLS[guard].breakers if name in chosen)
        if not names:
            say(f"without {guard}: none of {', '.join(CONTROLS[guard].breakers)} can be played")
            missed += 1
            continue
        watch = Watch(options.minutes, options.rounds)
        with Stand(options.seed, _size(options), [guard]) as stand:
            rounds = Rounds(stand, dict(chosen), options.seed, watch)
            with watching(stand) as poller:
                found = _until_found(rounds, poller, watch, names)
        missed += not found
        verdict = f"caught: {found}" if found else "NOT CAUGHT"
        say(
            f"without {guard}: {'+'.join(names)}, {len(rounds.done)} rounds,"
            f" {watch.elapsed():.0f} s, {verdict}"
        )
    return 1 if missed else 0


def _until_found(
    rounds: Rounds, poller: FencePoller, watch: Watch, names: tuple[str, ...]
) -> str | None:
    while not watch.is_over(rounds):
        played = rounds.play(len(rounds.done) + 1, poller, names=names)
        if any(is_of_the_control(each) for each in played.violations):
            say(f"the control itself is broken: {played.violations[0]}")
            return None
        if played.violations:
            telling = min(played.violations, key=lambda each: each.startswith("cannot"))
            first = telling.strip().splitlines()
            return f"{len(played.violations)} violations, the first: {first[0][:300]}"
    return None


def _run(rounds: Rounds, seed: int, watch: Watch, violations: list[str]) -> Run:
    stand = rounds.stand
    return now_run(
        command=" ".join([*_stretched(), "python -m tests.chaos", *sys.argv[1:]]),
        seed=seed,
        seconds=watch.elapsed(),
        rounds=len(rounds.done),
        counts=stand.tally.counts,
        recoveries=stand.tally.holders.recovered,
        flood=stand.flood,
        beside_poison=stand.beside_poison,
        violations=violations,
    )


def _stretched() -> list[str]:
    return [f"SLUICE_CHAOS_SLOWER={SLOWER:g}"] if SLOWER != 1 else []


def _play(rounds: Rounds, poller: FencePoller, watch: Watch) -> list[str]:
    """Rounds until it is over, or the stand itself fails; what did not hold."""
    broken = []
    try:
        while not watch.is_over(rounds):
            _tell(rounds.play(len(rounds.done) + 1, poller))
    except StackFailed as error:
        broken = [
            f"round {len(rounds.done) + 1}: the stand failed, nothing was played after it: {error}"
        ]
        say(f"VIOLATION {broken[0]}")
    counts = rounds.stand.tally.counts
    for name in sorted(counts):
        say(f"  {name}: {counts[name]:,}")
    violations = broken + [
        f"round {each.number} seed {each.seed} {'+'.join(each.kinds)}: {line}"
        for each in rounds.done
        for line in each.violations
    ]
    recovery = Recovery.of(rounds.stand.tally.holders.recovered)
    say(
        f"recovery of {recovery.deaths} deaths: p50 {recovery.p50} s, p95 {recovery.p95} s,"
        f" longest {recovery.longest} s; of {recovery.holders} who held the lease"
        f" {100 * recovery.holders_within_lease:.0f} % within one; of {recovery.sound} of these with all stores and"
        f" clocks well {100 * recovery.sound_within_lease:.1f} %, longest {recovery.sound_longest} s;"
        f" of {recovery.sound - recovery.again} of these with a message to come back and no other death on the stream"
        f" {100 * recovery.alone_within_lease:.1f} %, {recovery.overlooked} overlooked;"
        f" {rounds.stand.tally.holders.forgotten} were waited for at a round's end"
    )
    for line in rounds.stand.tally.holders.overlooked:
        say(f"OVERLOOKED {line}")
    stand = rounds.stand
    for name, found in (("a flood", stand.flood), ("poison", stand.beside_poison)):
        told = ", ".join(f"{each.before:.2f} and {each.during:.2f} s" for each in found)
        say(f"p95 of the others before {name} and during it: {told or 'not measured'}")
    say(f"{len(rounds.done)} rounds, {len(violations)} violations")
    return violations


def _tell(played: Round) -> None:
    for violation in played.violations:
        say(
            f"VIOLATION round {played.number} seed {played.seed} {'+'.join(played.kinds)}: {violation}"
        )
    say(
        f"round {played.number} ({'+'.join(played.kinds)}): {played.seconds:.0f} s,"
        f" calm after {played.calm_s:.0f} s, {len(played.violations)} violations"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, help="play rounds for so long")
    parser.add_argument("--rounds", type=int, help="play so many rounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="KIND", help="of these kinds only")
    parser.add_argument(
        "--without", nargs="+", default=[], choices=sorted(CONTROLS), help="must be noticed"
    )
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument(
        "--merchants", type=int, default=3, choices=range(5), help="of ShipBob's; 0: without it"
    )
    parser.add_argument(
        "--projects", type=int, default=2, choices=range(3), help="of Mixpanel's; 0: without it"
    )
    parser.add_argument(
        "--workers", type=int, default=SLOTS, help="at once; those that sleep or die use no core"
    )
    parser.add_argument(
        "--recovery",
        action="store_true",
        help="who waits for more than a lease although a worker is free breaks a promise, too",
    )
    parser.add_argument("--record", action="store_true", help="into docs/results/faults.md")
    options = parser.parse_args()
    if options.minutes is None and options.rounds is None:
        options.rounds = 3
    return options


def _size(options: argparse.Namespace) -> Size:
    return Size(
        clients=options.clients,
        slots=options.workers,
        merchants=options.merchants,
        projects=options.projects,
    )


say: Callable[[str], None] = lambda text: print(text, flush=True)  # noqa: E731, T201


if __name__ == "__main__":
    sys.exit(main())
