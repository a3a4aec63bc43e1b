# `probes`, for C callers, who have the digest in lower-case hex.
cdef bytes probes_of(str issuer, str jti, str digest, str subject, str session, str client, str thumbprint)
