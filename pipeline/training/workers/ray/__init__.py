"""Hosts that are actors of a Ray cluster: on this machine's cores, or on those of all its nodes.

`engine` provides them, over the `cluster` that it connects to; `host` is the coordinator's side of one, `actor` the
side on the node, which is sent there by value and imports nothing of this package until it trains. Before a node trains
it is compared with the coordinator (`nodes`, `bits`), and gets the prepared data where it does not see them (`data`).
"""
