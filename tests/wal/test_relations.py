"""WAL by relation, against the same sums made slowly from the rows of real WAL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pgreplterm import wal
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.relations import RelationTotaliser

from .builder import Block, Record, Wal
from .corpus import Corpus

Relation = tuple[int, int, int]


def slowly(index: RecordIndex) -> dict[Relation, tuple[int, int, int, int]]:
    records, own, images, image_bytes = (Counter[Relation]() for _ in range(4))
    for row in index:
        blocks = index.blocks(row)
        relations = [(block.tablespace, block.database, block.relation) for block in blocks] or [(0, 0, 0)]
        records.update(set(relations))
        own[relations[0]] += row.total_length - row.image_length - sum(block.data_length for block in blocks)
        for block, relation in zip(blocks, relations, strict=False):
            own[relation] += block.data_length
            images[relation] += block.image_length > 0
            image_bytes[relation] += block.image_length
    return {key: (records[key], own[key], images[key], image_bytes[key]) for key in records}


def fast(index: RecordIndex) -> dict[Relation, tuple[int, int, int, int]]:
    totaliser = RelationTotaliser()
    totaliser.add(index.rows)
    return {
        (row.tablespace, row.database, row.relation): (row.records, row.record_bytes, row.images, row.image_bytes)
        for row in totaliser.totals()
    }


def test_more_relations_than_the_first_table_holds(tmp_path: Path) -> None:
    written = Wal(18)
    for number in range(3000):
        twice = (Block(1, (1663, number % 7, number)), Block(2, relation=None, data=b"abc"), Block(3, (1664, 0, 9)))
        written.append(Record(10, 0, blocks=twice, main=b"x" * (number % 50)))
    written.write(tmp_path)
    source = wal.open_source(tmp_path)
    index = wal.scan_run(source, source.runs[0]).index
    assert len(index) == 3000
    ours = fast(index)
    assert len(ours) == 3001
    assert ours == slowly(index)


def test_every_byte_is_counted_once(corpus: Corpus) -> None:
    source = wal.open_source(corpus.only(1))
    (run,) = source.runs
    index = wal.scan_run(source, run).index
    ours = fast(index)
    assert ours == slowly(index)
    assert sum(own + images for _, own, _, images in ours.values()) == sum(row.total_length for row in index)
    assert len(ours) > 50
