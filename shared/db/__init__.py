"""PostgreSQL: pools, migrations, one role per service."""
