"""Apache Kafka as this project uses it: its jars, its settings for one machine, its topics."""
