"""The use cases of assessment. Each gets an open transaction and the chart is locked before it is read."""
