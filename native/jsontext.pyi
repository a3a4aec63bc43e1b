"""The strict scan of one JSON text.  For C callers only (jsontext.pxd); Python calls it as ``jws.scan``."""

__pyx_capi__: dict[str, object]  # the C entry points of jsontext.pxd
