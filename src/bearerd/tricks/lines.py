"""Where a line ends, where a head begins, and how large it may be."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

_HEAD = "\r\nHost: {host}\r\n{usual}\r\n"

LINES = tuple(
    Trick(f"lines/{name}", tries, raw=raw)
    for name, tries, raw in (
        ("lf-only", "No carriage returns at all.", "GET {secret} HTTP/1.1\nHost: {host}\nTrick-Tag: {tag}\nConnection: close\n\n"),
        ("lf-request-line", "The request line ends in a line feed alone.", "GET {secret} HTTP/1.1\nHost: {host}\r\n{usual}\r\n"),
        ("cr-request-line", "It ends in a carriage return alone.", "GET {secret} HTTP/1.1\rHost: {host}\r\n{usual}\r\n"),
        ("crcrlf", "One carriage return too many.", "GET {secret} HTTP/1.1\r\r\nHost: {host}\r\n{usual}\r\n"),
        ("leading-crlf", "An empty line in front.", "\r\nGET {secret} HTTP/1.1" + _HEAD),
        ("leading-lf", "An empty line of another kind in front.", "\nGET {secret} HTTP/1.1" + _HEAD),
        ("leading-crlfs", "Several of them.", "\r\n\r\n\r\nGET {secret} HTTP/1.1" + _HEAD),
        ("leading-nul", "A NUL in front.", "\x00GET {secret} HTTP/1.1" + _HEAD),
        ("leading-space", "A space in front.", " GET {secret} HTTP/1.1" + _HEAD),
        ("leading-bom", "A byte order mark in front.", "\xef\xbb\xbfGET {secret} HTTP/1.1" + _HEAD),
        ("two-spaces", "Two spaces in front of the target.", "GET  {secret} HTTP/1.1" + _HEAD),
        ("tabs", "Tabs instead of spaces.", "GET\t{secret}\tHTTP/1.1" + _HEAD),
        ("two-spaces-behind", "Two spaces behind the target.", "GET {secret}  HTTP/1.1" + _HEAD),
        ("two-targets", "Two targets: which one counts?", "GET {open} {secret} HTTP/1.1" + _HEAD),
        ("two-targets-secret-first", "The same the other way round.", "GET {secret} {open} HTTP/1.1" + _HEAD),
        ("two-versions", "A version in the target.", "GET {open} HTTP/1.1 {secret} HTTP/1.1" + _HEAD),
        ("two-versions-secret-first", "The same the other way round.", "GET {secret} HTTP/1.1 {open} HTTP/1.1" + _HEAD),
        ("vertical-tab", "A vertical tab behind the target.", "GET {secret}\x0b HTTP/1.1" + _HEAD),
        ("form-feed", "A form feed behind the target.", "GET {secret}\x0c HTTP/1.1" + _HEAD),
        ("no-break-space", "A no-break space between target and version.", "GET {secret}\xa0HTTP/1.1" + _HEAD),
        ("nul-in-target", "A NUL in the target.", "GET {secret}\x00 HTTP/1.1" + _HEAD),
        ("nul-hides-open", "A NUL between the secret and the open path.", "GET {secret}\x00{open} HTTP/1.1" + _HEAD),
        ("cr-in-target", "A carriage return in the target.", "GET {secret}\r{open} HTTP/1.1" + _HEAD),
        ("lf-in-target", "A line feed in the target, and a second request line behind it.", "GET {open}\nGET {secret} HTTP/1.1" + _HEAD),
        ("http-0.9", "The oldest version has no head.", "GET {secret}?trick-tag={tag}\r\n"),
        ("http-0.9-named", "The oldest version by name.", "GET {secret} HTTP/0.9" + _HEAD),
        ("http-1.0", "An older version.", "GET {secret} HTTP/1.0" + _HEAD),
        ("http-1.2", "A version that does not exist.", "GET {secret} HTTP/1.2" + _HEAD),
        ("http-2.0", "A version that is spoken in another way.", "GET {secret} HTTP/2.0" + _HEAD),
        ("http-1.10", "A version of two digits.", "GET {secret} HTTP/1.10" + _HEAD),
        ("http-01.1", "A version with a leading zero.", "GET {secret} HTTP/01.1" + _HEAD),
        ("http-lower", "The protocol in lower case.", "GET {secret} http/1.1" + _HEAD),
        ("http-no-digits", "A version without digits.", "GET {secret} HTTP/x.y" + _HEAD),
        ("http-space", "A space within the version.", "GET {secret} HTTP/ 1.1" + _HEAD),
        ("http-behind", "Something behind the version.", "GET {secret} HTTP/1.1 x" + _HEAD),
        ("http-tab-behind", "A tab behind the version.", "GET {secret} HTTP/1.1\t" + _HEAD),
        ("icy", "Another protocol's name.", "GET {secret} ICY/1.1" + _HEAD),
        ("no-name", "A field without a name.", "GET {secret} HTTP/1.1\r\nHost: {host}\r\n: {forged}\r\n{usual}\r\n"),
        ("no-colon", "A line without a colon.", "GET {secret} HTTP/1.1\r\nHost: {host}\r\nnonsense\r\n{usual}\r\n"),
        ("fold-first", "The first line is a fold of the request line.", "GET {open}\r\n {secret} HTTP/1.1" + _HEAD),
        ("fold-version", "The version stands on a folded line.", "GET {secret}?trick-tag={tag}\r\n HTTP/1.1" + _HEAD),
        ("space-line", "A line of one space, which some take for the empty one.",
         "GET {open} HTTP/1.1\r\nHost: {host}\r\n{tagged} \r\n{hidden}"),
        ("early-empty-lf", "The head ends early for whoever knows LF LF.", "GET {open} HTTP/1.1\r\nHost: {host}\r\n{kept}X-Other: a\n\n{hidden}"),
        ("early-empty-cr", "The head ends early for whoever knows CR CR.", "GET {open} HTTP/1.1\r\nHost: {host}\r\n{kept}X-Other: a\r\r{hidden}"),
        ("early-empty-lfcrlf", "The head ends early for whoever knows LF CR LF.",
         "GET {open} HTTP/1.1\r\nHost: {host}\r\n{kept}X-Other: a\n\r\n{hidden}"),
    )
)  # fmt: skip

SIZES = tuple(
    Trick(f"sizes/{name}", tries, target=target, lines=lines)
    for name, tries, target, lines in (
        ("query", "A query that fits into nothing.", "{secret}?{fill:40000}", ()),
        ("query-large", "A query that fits into some buffers.", "{secret}?{fill:9000}", ()),
        ("path", "An open path that does not fit: what is cut off?", "{open}/{fill:9000}/../../../{rest}", ()),
        ("slashes", "Thousands of slashes.", "{manyslashes}{secret}", ()),
        ("climbs", "Thousands of steps up.", "{open}/{manyclimbs}{rest}", ()),
        ("field", "A field that fits into nothing.", "{secret}", ("X-Other: {fill:70000}",)),
        ("field-large", "A field that fits into some buffers.", "{secret}", ("X-Other: {fill:20000}",)),
        ("fields", "More fields than some count.", "{secret}", ("{many:150}X-Last: a",)),
        ("fields-many", "More fields than any counts.", "{secret}", ("{many:2000}X-Last: a",)),
        ("field-name", "A field whose name does not fit.", "{secret}", ("X-{fill:9000}: a",)),
        ("cookies", "Cookies that the question would have to carry.", "{secret}", tuple("Cookie: {fill:6000}" for _ in range(4))),
        ("read-by-bearerd", "Fields that the question carries, larger than it may be.", "{secret}",
         ("Origin: {fill:30000}", "Traceparent: {fill:30000}")),
    )
)  # fmt: skip
