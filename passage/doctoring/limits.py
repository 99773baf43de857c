"""From when a figure is worth a look, and from when somebody must act. The one place to change that."""

from dataclasses import dataclass

from passage.telling import Level


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure at or above `look` or `act` has that level. `because` is the reason for both numbers."""

    look: float
    act: float
    because: str

    def level(self, figure: float) -> Level:
        if figure >= self.act:
            return Level.ACT
        return Level.LOOK if figure >= self.look else Level.FINE


OUTBOX_SECONDS = Limit(5, 30, "a relay publishes within milliseconds and polls each second; after 30 s it is unready")
LAG_SECONDS = Limit(5, 60, "gates stay closed when news is older than 5 s; staff notice a board that is a minute old")
LAG_RECORDS = Limit(10_000, 100_000, "a consumer applies thousands of records a second: seconds, or it is stuck")
LETTER_SECONDS = Limit(0, 3_600, "each stops the news of one patient; within an hour somebody should have decided")
PARKED_SECONDS = Limit(60, 3_600, "what is missing is asked for after 10 s and comes within seconds")
TIMER_SECONDS = Limit(30, 300, "timers fire within a second; a reminder that is minutes late misses its moment")
WRITING_SECONDS = Limit(15, 60, "a service's transaction is ended after 60 s: older ones are somebody else's")
SNAPSHOT_SECONDS = Limit(600, 3_600, "an old snapshot keeps dead rows of the whole database from being cleaned away")
DISK_USED_SHARE = Limit(0.80, 0.92, "PostgreSQL stops when the disk is full; there must be time to make room")
WAL_BYTES = Limit(4 * 2**30, 16 * 2**30, "checkpoints keep it near 1 GiB: more is held back by a slot or an archiver")
CONNECTION_SHARE = Limit(0.80, 0.95, "services that get no connection answer 503")
SKEW_SECONDS = Limit(0.5, 5, "ages of news are counted against 5 s, tokens allow 30 s")
BACKUP_SECONDS = Limit(
    93_600, 259_200, "one a day, and two hours in which it is made; after three days it is forgotten"
)
UNSEALED_SECONDS = Limit(600, 43_200, "the sealer runs every 30 s; what lies for a day stays outside the chain")
