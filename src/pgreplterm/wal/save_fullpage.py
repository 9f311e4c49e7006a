"""A folder of restored pages, one file each, as pg_waldump --save-fullpage leaves it.

Owns: the folder's rules and the files' names, both pg_waldump's of 16 and later (XLogRecordSaveFPWs,
create_fullpage_directory). Must not: restore images.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.image import PageImage
from pgreplterm.wal.rmgr import FORK_NAMES


def fullpage_name(image: PageImage) -> str:
    """``TLI-LSNh-LSNl.TABLESPACE.DATABASE.RELATION.BLOCK_FORK``: hex digits to the first dot, decimal behind it."""
    block, lsn = image.block, image.record.lsn
    return (
        f"{image.timeline:08X}-{lsn >> 32:08X}-{lsn & 0xFFFFFFFF:08X}."
        f"{block.tablespace}.{block.database}.{block.relation}.{block.block}_{FORK_NAMES[block.fork]}"
    )


def create_fullpage_folder(folder: Path) -> None:
    """Make the folder, readable by its owner only, unless it is there and empty. Raises WalError."""
    try:
        if folder.exists():
            is_empty = not any(folder.iterdir())
        else:
            folder.mkdir(mode=0o700, parents=True)
            is_empty = True
    except OSError as error:
        raise WalError(f"{folder}: expected a folder to save page images in; {error.strerror}.") from error
    if not is_empty:
        raise WalError(f"{folder}: expected an empty folder, or none, to save page images in; it holds files.")


def save_fullpage(folder: Path, images: Iterable[PageImage]) -> int:
    """Write each image to its file and return how many there were.

    Raises WalError when a file cannot be written, and what the images themselves raise.
    """
    count = 0
    for image in images:
        path = folder / fullpage_name(image)
        try:
            path.write_bytes(image.page)
        except OSError as error:
            raise WalError(f"{path}: expected to write {len(image.page)} bytes; {error.strerror}.") from error
        count += 1
    return count
