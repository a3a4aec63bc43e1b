"""Identity that a client brings along: the identity headers in every spelling that somebody takes for them."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

# A field's name may hold these beside letters, digits and hyphens (RFC 9110 section 5.6.2).
SEPARATORS = (
    ("underscore", "_"), ("dot", "."), ("tilde", "~"), ("exclamation", "!"), ("hash", "#"), ("dollar", "$"), ("percent", "%"),
    ("ampersand", "&"), ("apostrophe", "'"), ("asterisk", "*"), ("plus", "+"), ("caret", "^"), ("backtick", "`"), ("bar", "|"),
)  # fmt: skip
READS = {"_": "CGI and WSGI read it", ".": "PHP reads it"}

PLAIN = (
    ("plain", "The header as the upstream expects it.", "{id}: {forged}"),
    ("upper", "The same in upper case, for filters that know one.", "{ID}: {forged}"),
    ("lower", "The same in lower case.", "{idlower}: {forged}"),
    ("second", "The second identity header, which a list may lack.", "{id1}: {forged}"),
    ("third", "The third.", "{id2}: {forged}"),
    ("fourth", "The fourth.", "{id3}: {forged}"),
    ("fifth", "The fifth.", "{id4}: {forged}"),
    ("no-space", "Nothing between the colon and the value.", "{id}:{forged}"),
    ("tab", "A tab between the colon and the value.", "{id}:\t{forged}"),
    ("underscore-first", "One hyphen is an underscore.", "{idfirst:_}: {forged}"),
    ("underscore-last", "The other hyphen is an underscore.", "{idlast:_}: {forged}"),
    ("dot-first", "One hyphen is a dot.", "{idfirst:.}: {forged}"),
    ("dot-last", "The other hyphen is a dot.", "{idlast:.}: {forged}"),
    ("space-before-colon", "A space before the colon, which some servers drop.", "{id} : {forged}"),
    ("tab-before-colon", "A tab before the colon.", "{id}\t: {forged}"),
    ("space-within", "Spaces instead of the hyphens.", "{id: }: {forged}"),
    ("soft-hyphen", "Soft hyphens in Latin-1.", "{id:\xad}: {forged}"),
    ("soft-hyphen-utf-8", "Soft hyphens in UTF-8.", "{id:\xc2\xad}: {forged}"),
    ("nul-before-colon", "A NUL behind the name, where C ends a string.", "{id}\x00: {forged}"),
    ("nul-in-value", "A NUL in front of the value.", "{id}: \x00{forged}"),
    ("control-in-name", "A control instead of a hyphen.", "{id:\x01}: {forged}"),
    ("delete-in-name", "A delete instead of a hyphen.", "{id:\x7f}: {forged}"),
    ("comma", "A list whose first member is empty.", "{id}: , {forged}"),
    ("folded", "The value stands on a line of its own.", "{id}:\r\n {forged}"),
    ("folded-tab", "The same, folded by a tab.", "{id}:\r\n\t{forged}"),
    ("fold-of-another", "It looks like the end of another field.", "X-Other: a\r\n {id}: {forged}"),
    ("fold-of-another-tab", "The same, folded by a tab.", "X-Other: a\r\n\t{id}: {forged}"),
    ("behind-lf", "A line end without its carriage return.", "X-Other: a\n{id}: {forged}"),
    ("behind-cr", "A carriage return without its line feed.", "X-Other: a\r{id}: {forged}"),
    ("behind-crcrlf", "One carriage return too many.", "X-Other: a\r\r\n{id}: {forged}"),
    ("behind-nul", "A NUL that ends the field before it.", "X-Other: a\x00\r\n{id}: {forged}"),
    ("behind-next-line", "U+0085, which Unicode takes for a line end.", "X-Other: a\x85{id}: {forged}"),
    ("behind-colon", "A name that begins with a colon, like HTTP/2's own.", ":{id}: {forged}"),
    ("behind-no-name", "A field without a name before it.", ": a\r\n{id}: {forged}"),
    ("behind-no-colon", "A line without a colon before it.", "nonsense\r\n{id}: {forged}"),
    ("behind-many", "Behind more fields than somebody counts.", "{many:90}{id}: {forged}"),
    ("behind-very-many", "Behind many more of them.", "{many:300}{id}: {forged}"),
    ("behind-large", "Behind a field that fills somebody's buffer.", "X-Other: {fill:7000}\r\n{id}: {forged}"),
    ("behind-very-large", "The same with a larger buffer.", "X-Other: {fill:33000}\r\n{id}: {forged}"),
    ("large", "A value that does not fit.", "{id}: {forged}{fill:9000}"),
    ("behind-host", "As a second line of the host.", "X-Host: a\r\n\r {id}: {forged}"),
    ("in-lf-lines", "Only line feeds around it.", "X-Other: a\n{id}: {forged}\nX-More: b"),
    ("comma-joined-name", "Two names in one.", "X-Other, {id}: {forged}"),
    ("semicolon-name", "A name with a parameter.", "{id};a=b: {forged}"),
    ("quoted-name", "A name in quotation marks.", '"{id}": {forged}'),
    ("encoded-name", "A name with an encoded hyphen.", "{id:%2d}: {forged}"),
)  # fmt: skip
# Lines that nobody who reads headers takes for an identity header; they are for whoever cleans up what it reads.
INERT = {
    "comma-joined-name": "no server that we know reads a list of names",
    "semicolon-name": "no server that we know cuts a parameter off a name",
    "encoded-name": "no server that we know decodes a name; as lighttpd reads it, the escape's digits stay",
    "soft-hyphen-utf-8": "two bytes are two hyphens to whoever folds bytes",
    "behind-next-line": "no server that we know ends a line at U+0085",
}

IDENTITIES = (
    *(Trick(f"identity/{name}", tries, lines=(line,), inert=INERT.get(name, "")) for name, tries, line in PLAIN),
    *(
        Trick(
            f"identity/{name}",
            f"{READS.get(character, 'lighttpd hands it on')} as the name with hyphens.",
            lines=(f"{{id:{character}}}: {{forged}}",),
        )
        for name, character in SEPARATORS
    ),
    Trick("identity/twice", "One field is overwritten, the other stays.", lines=("{id}: {forged}", "{id}: {forged}")),
    Trick("identity/behind-empty", "An empty field comes first.", lines=("{id}:", "{id}: {forged}")),
    Trick("identity/before-empty", "An empty field comes last.", lines=("{id}: {forged}", "{id}:")),
    Trick("identity/two-spellings", "One spelling is overwritten, the other stays.", lines=("{id}: {forged}", "{id:_}: {forged}")),
    Trick("identity/every", "All of the identity headers at once.", lines=tuple(f"{{id{number}}}: {{forged}}" for number in range(5))),
    Trick("identity/before-host", "In front of the host.", host="{id}: {forged}\r\nHost: {host}"),
    Trick("identity/behind-request-line", "A folded line directly behind the request line.", host=" {id}: {forged}\r\nHost: {host}"),
    Trick("identity/fold-of-host", "It looks like the end of the host.", host="Host: {host}\r\n {id}: {forged}"),
    Trick("identity/http-1.0", "An older version, whose readers are others.", version=" HTTP/1.0", lines=("{id}: {forged}",)),
    Trick("identity/crlf-in-path", "Whoever decodes a path into a header line writes two.", target="{open}%0d%0a{id}:%20{forged}"),
    Trick("identity/crlf-in-query", "The same in the query.", target="{open}?a=%0d%0a{id}:%20{forged}%0d%0aX:"),
    Trick("identity/lf-in-query", "The same with a line feed alone.", target="{open}?a=%0a{id}:%20{forged}%0aX:"),
    Trick("identity/cr-in-target", "A raw carriage return in the target.", target="{open}?a=\r{id}: {forged}"),
    Trick("identity/line-in-target", "The request line ends early.", target="{open} HTTP/1.1\n{id}: {forged}\nX-Other:"),
    Trick("identity/wide-crlf", "U+010D and U+010A, which lose their upper bytes.", target="{open}?a=\xc4\x8d\xc4\x8a{id}: {forged}",
          inert="only programs that write UTF-16 as bytes made line ends of them; none is a gateway here"),
    Trick("identity/in-upper-layer", "As a parameter of the query.", target="{open}?{id}={forged}",
          inert="a query is the application's: whoever takes an identity from there needs no gateway to be fooled"),
    Trick("identity/in-cookie", "As a cookie.", lines=("Cookie: {id}={forged}",),
          inert="a cookie is the application's: whoever takes an identity from there needs no gateway to be fooled"),
)  # fmt: skip
