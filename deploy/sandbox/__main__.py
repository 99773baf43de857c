"""`python -m deploy.sandbox`."""

import uvicorn

from deploy.sandbox.app import create
from deploy.sandbox.settings import SandboxSettings
from shared.telemetry import logs


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = SandboxSettings()
    logs.configure_format("sandbox", settings.log_format, level="info", messages=True)
    # Pages that listen for changes never end by themselves.
    server = uvicorn.Config(
        create(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(server).run()


if __name__ == "__main__":
    main()
