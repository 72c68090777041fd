"""Load of a server by the Python client, for Locust. `docs/load.md` says how to run it.

locust -f benchmarks/locust/locustfile.py --host grpc://127.0.0.1:8001
"""

import logging

import locust
from grpc.experimental import gevent as grpc_gevent  # type: ignore[import-untyped]

from benchmarks.locust.hooks import listen
from benchmarks.locust.users import GrpcCaller, HttpCaller

__all__ = ["GrpcCaller", "HttpCaller"]

# Else gRPC waits in its own threads, and every greenlet with it. No channel may be open before.
grpc_gevent.init_gevent()
listen(locust.events)
# It tells every request, and Locust's log would hold nothing else.
logging.getLogger("httpx").setLevel(logging.WARNING)
