"""`python -m deploy.sandbox`."""

import uvicorn

from deploy.sandbox.app import create
from deploy.sandbox.settings import SandboxSettings
from shared.telemetry import logs


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = SandboxSettings()
    logs.configure_format("sandbox", settings.log_format, level="info", messages=True)
    uvicorn.run(create(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
