"""`python -m services.dashboard`."""

from services.dashboard.app import create
from services.dashboard.settings import DashboardSettings
from shared.http.server import run

if __name__ == "__main__":
    run(create, DashboardSettings())
