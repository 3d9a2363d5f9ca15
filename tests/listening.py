"""An HTTP server for tests that hears whoever calls at once."""

from __future__ import annotations

from http.server import ThreadingHTTPServer


class Listening(ThreadingHTTPServer):
    """By itself it lets five wait to be heard; whoever else calls is not heard, and tries again seconds later."""

    request_queue_size = 256
