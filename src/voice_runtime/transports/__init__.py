"""The carriers: their media sockets, their REST API, and a mock of both."""
