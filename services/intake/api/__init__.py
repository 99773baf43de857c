"""HTTP in: parse, call one handler, map errors to problems or to words beside a field."""
