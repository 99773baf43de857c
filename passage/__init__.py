"""The command line: the one package besides the tests that may import everything."""
