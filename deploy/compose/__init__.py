"""The whole of Passage on a server with Docker: see docker-compose.yml and deploy/RUNBOOK.md."""
