"""`make chaos`: a run of some minutes, kept with its seed and its report in `.passage/chaos/`."""

import argparse
import asyncio
import logging
import random
import shutil
import sys
from pathlib import Path

from tests.chaos.campaign import Campaign

HOME = Path(".passage") / "chaos"


def main() -> int:
    """Exit code 1 when an invariant is broken, or a fault did not do what its name says."""
    given = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    given.add_argument("--minutes", type=float, default=3.0)
    given.add_argument("--seed", type=int, default=None)
    given.add_argument("--only", default="", help="faults whose name holds these words")
    asked = given.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is away is what is meant
    seed = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    folder = HOME / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (HOME / "last-seed").write_text(f"{seed}\n")
    print(f"seed {seed}: again by `make chaos SEED={seed} MINUTES={asked.minutes:g}`", flush=True)
    run = asyncio.run(Campaign(folder.absolute(), seed=seed, minutes=asked.minutes, only=asked.only).run())
    for name, finding in run.findings.items():
        print(f"{'BROKEN' if finding.violations else 'holds '}  {name:34} {finding.figure}")
        for one in finding.violations[:3]:
            print(f"        {one.id}: {one.what}")
    for told in run.failed:
        print(f"did not come off: {told}")
    print(f"report: {folder / 'report.md'}")
    return 1 if run.broken or run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
