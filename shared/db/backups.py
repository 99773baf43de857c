"""When the newest backup was made, as whoever made it told the database.

It is a setting of the database itself, so every role sees it and a dump doesn't hold it: after a restore into another
cluster none was made there yet.
"""

from datetime import datetime

import asyncpg

_TOLD = """
select max(substring(one from '=(.*)')::timestamptz)
  from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) one
 where d.datname = current_database() and s.setrole = 0 and one like 'passage.backed\\_up\\_at=%'
"""


async def backed_up_at(conn: asyncpg.Connection) -> datetime | None:
    """None while no backup was told of."""
    told: datetime | None = await conn.fetchval(_TOLD)
    return told
