-- One row of json per node and tick. The parts are evaluated in the order written, and that order matters:
-- the walsenders' positions are read before this node's own, so a gap between them is never negative.
SELECT pg_catalog.json_build_object(
    'senders', ($senders),
    'receiver', ($receiver),
    'slots', ($slots),
    'settings', ($settings),
    'node', ($node),
    'history', ($history)
)
FROM (SELECT ($timeline) AS tli) AS t
