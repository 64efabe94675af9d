"""What a FITS file holds: its extensions, which of them is meant, and whether it is complete."""

import os

import numpy as np

from tinygrad_astro.extras import optional

Extension = int | str | tuple[str, int] | None


def open_hdus(fits, plain: str, path: str):
    """Open the unpacked file `plain` without scaling; errors speak of `path`."""
    try:
        opened = fits.open(plain, mode="readonly", memmap=True, do_not_scale_image_data=True)
        opened.readall()
        return opened
    except OSError as error:
        with open(plain, "rb") as stream:
            start = stream.read(16)
        found = "an empty file" if not start else f"a file that starts with {start!r}"
        raise ValueError(
            f"{path} is not a FITS file or its header is cut short: found {found}; "
            "accepted are FITS images: plain, .gz, .bz2 or tile-compressed"
        ) from error


def _is_image(hdu) -> bool:
    return hdu.is_image and hdu.header["NAXIS"] > 0 and _effective_axes(hdu) in (2, 3)


def _effective_axes(hdu) -> int:
    axes = [hdu.header[f"NAXIS{i + 1}"] for i in range(hdu.header["NAXIS"])]
    while len(axes) > 2 and axes[-1] == 1:
        axes.pop()
    return len(axes)


def is_compressed(hdu) -> bool:
    """Tell whether an extension is tile-compressed."""
    return isinstance(hdu, optional("astropy.io.fits").CompImageHDU)


def image_shape(hdu) -> tuple[int, ...]:
    """Give (H, W) or (H, W, C); leading axes of length one are dropped."""
    width, height, *planes = (hdu.header[f"NAXIS{i + 1}"] for i in range(_effective_axes(hdu)))
    return (height, width, *planes)


def _contents(opened) -> str:
    parts = []
    for index, hdu in enumerate(opened):
        axes = [str(hdu.header[f"NAXIS{i + 1}"]) for i in range(hdu.header["NAXIS"])]
        kind = "image" if hdu.is_image else "table"
        what = f"{kind} {' x '.join(axes)}" if axes else "no data"
        parts.append(f"{index} {hdu.name or 'unnamed'} ({what})")
    return "; ".join(parts)


def pick(opened, ext: Extension, path: str) -> int:
    """Find the index of the image that `ext` names, or of the first image for None.

    Raises
    ------
    ValueError
        If there is none or the name is ambiguous; the text lists what the file holds.
    """
    images = [i for i, hdu in enumerate(opened) if _is_image(hdu)]
    if ext is None:
        found = images[:1]
        wanted = "an image with two or three axes"
    elif isinstance(ext, int | np.integer):
        found = [int(ext)] if int(ext) in images else []
        wanted = f"an image in extension {ext}"
    else:
        name, version = (ext, None) if isinstance(ext, str) else ext
        named = [i for i in images if opened[i].name.upper() == name.strip().upper()]
        found = [i for i in named if version in (None, opened[i].ver)]
        wanted = f"an image named {ext!r}"
        if len(found) > 1:
            raise ValueError(
                f"{path}: the name {ext!r} is ambiguous, extensions {found} bear it; give the "
                f"index or ({name!r}, version). The file holds: {_contents(opened)}"
            )
    if not found:
        raise ValueError(f"{path}: expected {wanted}; the file holds: {_contents(opened)}")
    return found[0]


def check_complete(opened, index: int, plain: str, path: str) -> None:
    """Raise ValueError where the file ends before the pixels of extension `index` do."""
    hdu, place = opened[index], opened[index].fileinfo()
    # The last block may lack its padding without loss; a compressed size counts unpacked pixels.
    unpadded = place["datSpan"] - 2879 if is_compressed(hdu) else hdu.size
    needed, size = place["datLoc"] + unpadded, os.path.getsize(plain)
    if size < needed:
        raise ValueError(
            f"{path} is truncated: extension {index} needs {needed} bytes, the file has {size}"
        )


def result_dtype(hdu) -> np.dtype:
    """Give float32 where it holds the stored values exactly, float64 otherwise."""
    return np.dtype(np.float32 if hdu.header["BITPIX"] in (8, 16, -32) else np.float64)


def clean_header(header):
    """Copy with non-standard cards made readable, so that no later use of it warns."""
    header = header.copy()
    for card in header.cards:
        card.verify("silentfix")
    return header
