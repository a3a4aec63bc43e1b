"""Envoy's gRPC ext_authz: ``envoy.service.auth.v3.Authorization/Check``.  Imported only where ``server.grpc`` is set.

What it needs comes with ``bearerd[grpc]``: grpcio, Envoy's messages (xds-protos) and those of the health service.
"""
