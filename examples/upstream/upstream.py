#!/usr/bin/env python3
"""A sample upstream: answers every request with what it received, as JSON.  ``upstream.py [HOST:PORT]``

It trusts whoever reaches it, as many real ones do, so what it prints is what a forged header would have achieved.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    """Says method, target, header fields (in order, as received) and the length of the body."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        target = self.requestline.split(" ")[1]  # as it came: http.server has made one slash of several in self.path
        seen = {"method": self.command, "target": target, "headers": self.headers.items(), "body_bytes": len(body)}
        answer = json.dumps(seen, indent=1).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the answer says it all."""


def main() -> None:
    """Serve until interrupted."""
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9000").rpartition(":")
    ThreadingHTTPServer((host, int(port)), Echo).serve_forever()


if __name__ == "__main__":
    main()
