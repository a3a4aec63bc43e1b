"""The strict scan of one JSON text.  For C callers only (jsontext.pxd); Python calls it as ``jws.scan``."""
