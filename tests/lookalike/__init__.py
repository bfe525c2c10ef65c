"""A look-alike of the Cention admin API for tests and demonstrations. See server.py."""
from .certs import Authority
from .server import LookAlike, Order, Request

__all__ = ["Authority", "LookAlike", "Order", "Request"]
