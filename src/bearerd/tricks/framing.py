"""Where a request ends: lengths that contradict each other, and chunks that are none, around a second request."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

_TWO = "Two lengths: who counts bytes finds a body, who counts chunks a second request."
_ONE = "A length that two readers read as two: one finds a body, the other a second request."
NEVER = "every gateway here, however weakened, refuses it; it is here for those that we do not know"

# How "Transfer-Encoding: chunked" may be spelled so that one reader sees it and another does not.
CODINGS = (
    ("plain", "Transfer-Encoding: chunked"),
    ("upper", "Transfer-Encoding: CHUNKED"),
    ("upper-name", "TRANSFER-ENCODING: chunked"),
    ("no-space", "Transfer-Encoding:chunked"),
    ("tab", "Transfer-Encoding:\tchunked"),
    ("tab-behind", "Transfer-Encoding: chunked\t"),
    ("space-before-colon", "Transfer-Encoding : chunked"),
    ("tab-before-colon", "Transfer-Encoding\t: chunked"),
    ("vertical-tab", "Transfer-Encoding: \x0bchunked"),
    ("form-feed", "Transfer-Encoding: chunked\x0c"),
    ("nul", "Transfer-Encoding: chunked\x00"),
    ("high-byte", "Transfer-Encoding: chunked\xff"),
    ("quoted", 'Transfer-Encoding: "chunked"'),
    ("parameter", "Transfer-Encoding: chunked;q=1"),
    ("prefixed", "Transfer-Encoding: xchunked"),
    ("comma-behind", "Transfer-Encoding: chunked,"),
    ("comma-before", "Transfer-Encoding: ,chunked"),
    ("identity-last", "Transfer-Encoding: chunked, identity"),
    ("identity-first", "Transfer-Encoding: identity, chunked"),
    ("gzip-first", "Transfer-Encoding: gzip, chunked"),
    ("chunked-twice", "Transfer-Encoding: chunked, chunked"),
    ("two-fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    ("two-fields-last", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ("two-fields-other", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
    ("folded", "Transfer-Encoding:\r\n chunked"),
    ("fold-of-another", "X-Other: a\r\n Transfer-Encoding: chunked"),
    ("underscore", "Transfer_Encoding: chunked"),
    ("dot", "Transfer.Encoding: chunked"),
    ("behind-lf", "X-Other: a\nTransfer-Encoding: chunked"),
    ("behind-cr", "X-Other: a\rTransfer-Encoding: chunked"),
    ("behind-crcrlf", "X-Other: a\r\r\nTransfer-Encoding: chunked"),
    ("leading-space", " Transfer-Encoding: chunked"),
)
# How a length may be spelled; the body is a whole second request.
LENGTHS = (
    ("twice", "Content-Length: {length}\r\nContent-Length: 0"),
    ("twice-zero-first", "Content-Length: 0\r\nContent-Length: {length}"),
    ("twice-same", "Content-Length: {length}\r\nContent-Length: {length}"),
    ("list", "Content-Length: {length}, 0"),
    ("list-same", "Content-Length: {length}, {length}"),
    ("plus", "Content-Length: +{length}"),
    ("minus", "Content-Length: -{length}"),
    ("hexadecimal", "Content-Length: 0x{length}"),
    ("decimal", "Content-Length: {length}.0"),
    ("leading-zeros", "Content-Length: 000{length}"),
    ("space-within", "Content-Length: 0 {length}"),
    ("underscore", "Content_Length: {length}"),
    ("space-before-colon", "Content-Length : {length}"),
    ("overflow", "Content-Length: 18446744073709551616"),
    ("overflow-signed", "Content-Length: 9223372036854775808"),
    ("folded", "Content-Length:\r\n {length}"),
    ("empty", "Content-Length:"),
    ("letters", "Content-Length: abc"),
    ("quoted", 'Content-Length: "{length}"'),
    ("behind-lf", "X-Other: a\nContent-Length: {length}"),
    ("behind-cr", "X-Other: a\rContent-Length: {length}"),
    ("none", "X-Other: a"),
)
# Chunks that two readers end in two places.
CHUNKS = (
    ("extension", "0;a=b\r\n\r\n{hidden}"),
    ("extension-lf", "1;a\nb\r\nx\r\n0\r\n\r\n{hidden}"),
    ("extension-cr", "1;a\rb\r\nx\r\n0\r\n\r\n{hidden}"),
    ("extension-hides", "2;\nxx\r\n{hiddensize}\r\n0\r\n\r\n{hidden}0\r\n\r\n"),
    ("lf-only", "1\nx\n0\n\n{hidden}"),
    ("lf-size", "1\nx\r\n0\r\n\r\n{hidden}"),
    ("cr-size", "1\rx\r\n0\r\n\r\n{hidden}"),
    ("hexadecimal-prefix", "0x1\r\nx\r\n0\r\n\r\n{hidden}"),
    ("plus", "+1\r\nx\r\n0\r\n\r\n{hidden}"),
    ("minus", "-1\r\nx\r\n0\r\n\r\n{hidden}"),
    ("underscore", "1_0\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n{hidden}"),
    ("space-before", " 1\r\nx\r\n0\r\n\r\n{hidden}"),
    ("space-behind", "1 \r\nx\r\n0\r\n\r\n{hidden}"),
    ("tab-behind", "1\t\r\nx\r\n0\r\n\r\n{hidden}"),
    ("overflow", "10000000000000001\r\nx\r\n0\r\n\r\n{hidden}"),
    ("overflow-32", "100000001\r\nx\r\n0\r\n\r\n{hidden}"),
    ("empty-size", "\r\nx\r\n0\r\n\r\n{hidden}"),
    ("letters", "xyz\r\nx\r\n0\r\n\r\n{hidden}"),
    ("too-long", "1\r\nxyyy\r\n0\r\n\r\n{hidden}"),
    ("no-line-end", "1\r\nx0\r\n\r\n{hidden}"),
    ("wrong-line-end", "1\r\nxzz0\r\n\r\n{hidden}"),
    ("zeros", "00000000000000000000\r\n\r\n{hidden}"),
    ("nul", "1\x00\r\nx\r\n0\r\n\r\n{hidden}"),
    ("hidden-in-trailers", "0\r\nX-Other: a\r\n\n{hidden}"),
)

BODIES = (
    *(Trick(f"framing/coding-{name}", _TWO, method="POST", lines=("Content-Length: {length}", line), body="0\r\n\r\n{hidden}")
      for name, line in CODINGS),
    *(Trick(f"framing/coding-short-{name}", _TWO, method="POST", lines=("Content-Length: {hiddencut}", line),
            body="{hiddensize}\r\n{hidden}\r\n0\r\n\r\n")
      for name, line in CODINGS[:6]),
    *(Trick(f"framing/length-{name}", _ONE, method="POST", lines=(line,), body="{hidden}") for name, line in LENGTHS),
    *(Trick(f"framing/chunk-{name}", "Chunks that end earlier for one reader than for another.", method="POST",
            lines=("Transfer-Encoding: chunked",), body=body)
      for name, body in CHUNKS),
    Trick("framing/http-1.0-chunked", "Chunks in a version that has none.", method="POST", version=" HTTP/1.0",
          lines=("Content-Length: {length}", "Transfer-Encoding: chunked"), body="0\r\n\r\n{hidden}"),
    Trick("framing/http-1.0-chunked-alone", "The same without a length.", method="POST", version=" HTTP/1.0",
          lines=("Transfer-Encoding: chunked",), body="0\r\n\r\n{hidden}"),
    Trick("framing/get-body", "A GET with a body, which some servers do not read away.", lines=("Content-Length: {length}",), body="{hidden}"),
    Trick("framing/get-chunks", "A GET in chunks, which some servers do not read away.", lines=("Transfer-Encoding: chunked",),
          body="{hiddensize}\r\n{hidden}\r\n0\r\n\r\n"),
    Trick("framing/head-body", "A HEAD with a body.", method="HEAD", lines=("Content-Length: {length}",), body="{hidden}"),
    Trick("framing/expect", "A body that waits to be asked for.", method="POST", lines=("Expect: 100-continue", "Content-Length: {length}"),
          body="{hidden}"),
    Trick("framing/expect-twice", "An expectation that nobody has.", method="POST",
          lines=("Expect: 100-continue, x", "Content-Length: {length}"), body="{hidden}"),
    Trick("framing/expect-chunked", "The same with both lengths.", method="POST",
          lines=("Expect: 100-continue", "Content-Length: {length}", "Transfer-Encoding: chunked"), body="0\r\n\r\n{hidden}"),
)  # fmt: skip
