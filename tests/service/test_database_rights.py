"""What each role may do in the database, read from its catalogs: its own schema only, and no table changes there."""

import pytest

from shared.db.migrate import SERVICES, role_of
from shared.db.roles import CLOCK_ROLE
from tests.support.world import World

ROLES = (*(role_of(service) for service in SERVICES), CLOCK_ROLE)
CHANGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
APPENDED = frozenset({"SELECT", "INSERT"})
APPEND_ONLY = frozenset({"audit", "audit_seals", "audit_sealed", "event_log"})
COMMON_SCHEMAS = frozenset({"extensions", "clock"})

TABLES = """
select n.nspname as schema, c.relname as table, c.relispartition as part,
       array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER',
                                        'MAINTAIN']) p
              where has_table_privilege($1, c.oid, p)) as may,
       array(select a.attname || ' ' || p from pg_attribute a, unnest(array['SELECT', 'INSERT', 'UPDATE']) p
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                and has_column_privilege($1, c.oid, a.attnum, p) and not has_table_privilege($1, c.oid, p)) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""
SCHEMAS = """
select nspname, has_schema_privilege($1, oid, 'USAGE') as uses, has_schema_privilege($1, oid, 'CREATE') as creates
  from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
"""
FUNCTIONS = """
select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
   and has_function_privilege($1, p.oid, 'EXECUTE')
"""
POWERS = """
select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or
       exists (select from pg_auth_members m where m.member = r.oid) or
       exists (select from pg_class c where c.relowner = r.oid) or
       exists (select from pg_namespace n where n.nspowner = r.oid) or
       exists (select from pg_proc p where p.proowner = r.oid) or
       exists (select from pg_database d where d.datdba = r.oid) or
       has_database_privilege(r.oid, current_database(), 'CREATE')
  from pg_roles r where rolname = $1
"""


def expected(role: str, schema: str, table: str, *, part: bool) -> tuple[frozenset[str], frozenset[str]]:
    """What a role may do with a table, and with single columns of it."""
    nothing: frozenset[str] = frozenset()
    if (schema, table) == ("clock", "state"):
        return frozenset({"SELECT", "UPDATE"} if role == CLOCK_ROLE else {"SELECT"}), nothing
    if role == CLOCK_ROLE:
        return frozenset({"SELECT"}) if table == "timers" else nothing, nothing
    if role != role_of(schema) or (part and table.startswith("event_log_")):
        return nothing, nothing
    if table in ("migrations", "event_log_archive"):
        return frozenset({"SELECT"}), nothing
    if table in APPEND_ONLY:
        blanks = (schema, table) == ("intake", "event_log")
        return APPENDED, frozenset({"body UPDATE"}) if blanks else nothing
    return CHANGES, nothing


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_with_each_table_what_it_needs_and_no_more(world: World, role: str) -> None:
    async with world.connection() as conn:
        await conn.fetch("select intake.ensure_event_log_partitions(6)")
        found = await conn.fetch(TABLES, role)
    assert len({row["schema"] for row in found}) > len(SERVICES)
    wrong = [
        f"{row['schema']}.{row['table']}: {row['may']} {row['columns']}"
        for row in found
        if (frozenset(row["may"]), frozenset(row["columns"]))
        != expected(role, row["schema"], row["table"], part=row["part"])
    ]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_enters_its_own_schema_and_makes_nothing_anywhere(world: World, role: str) -> None:
    async with world.connection() as conn:
        found = await conn.fetch(SCHEMAS, role)
    enters = {row["nspname"] for row in found if row["uses"]}
    own = set(SERVICES) if role == CLOCK_ROLE else {role.removeprefix("passage_")}
    assert own <= enters <= own | COMMON_SCHEMAS
    assert [row["nspname"] for row in found if row["creates"]] == []


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_has_no_power_beyond_its_tables(world: World, role: str) -> None:
    async with world.connection() as conn:
        assert await conn.fetchval(POWERS, role) is False
        borrowed = {row[0] for row in await conn.fetch(FUNCTIONS, role)}
    own = {f"{role.removeprefix('passage_')}.ensure_event_log_partitions"}
    assert borrowed == (set() if role == CLOCK_ROLE else own)
