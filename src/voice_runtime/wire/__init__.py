"""Every format that crosses a socket: pure, bytes in and typed events out, and the other way round."""
