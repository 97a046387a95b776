"""A Neuroglancer viewer for one person: shows the state it is given below /v/<token>/.

It holds no data and needs no network: the browser fetches what the state names.
"""

import json
import logging
import os
import sys
from typing import Any

import neuroglancer
import neuroglancer.server
import tornado.web
from keys import bind
from lifetime import Activity, Order, live, read_order, say_ready
from ontology import parse_tree

log = logging.getLogger("viewer")


def count_requests(activity: Activity) -> None:
    """Note each request until it is answered; an open page holds one, its stream of events."""
    handler = neuroglancer.server.BaseRequestHandler

    def prepare(self: tornado.web.RequestHandler) -> None:
        self.is_counted = True
        activity.begin()

    def on_finish(self: tornado.web.RequestHandler) -> None:
        # A method that is not known is refused before it is prepared.
        if getattr(self, "is_counted", False):
            activity.end()

    handler.prepare, handler.on_finish = prepare, on_finish


def viewer_of(order: Order) -> Any:
    """Return the viewer of the order, with its state and, if there is a tree, its keys."""
    # With a token of our own the client cannot ask for credentials.
    viewer = neuroglancer.Viewer(token=order.values["token"], allow_credentials=False)
    viewer.set_state(json.loads(order.values["state"]))
    if "ontology" in order.values:
        bind(viewer, parse_tree(json.loads(order.values["ontology"])))
    return viewer


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("tornado").setLevel(logging.ERROR)  # its lines have the token in them
    order, activity = read_order(), Activity()
    count_requests(activity)
    address, _, port = os.environ.get("LISTEN", "0.0.0.0:8080").partition(":")
    neuroglancer.set_server_bind_address(address, int(port))
    viewer = viewer_of(order)
    say_ready(neuroglancer.server.global_server.port)
    log.info("ended: %s", live(order, activity))
    del viewer  # the library holds it weakly, so it has to live until here
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
