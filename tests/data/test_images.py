"""Mirrors auditkit/data/images.py."""

from __future__ import annotations

import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditkit.data.images import ImageFiles, load_folder, read_image
from auditkit.errors import DataError
from tests.data.models import image_model

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)  # 4 high, 5 wide


def save(file: Path, pixels: np.ndarray = PIXELS, **options: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)  # type: ignore[arg-type]
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pets"
    for i in range(3):
        save(root / "cat" / f"{i}.png", PIXELS // (i + 1))
        save(root / "dog" / "young" / f"{i}.bmp", 255 - PIXELS // (i + 1))
    return root


def test_a_folder_per_class(folder: Path) -> None:
    data = load_folder(folder, image_model(), split="test")
    assert data.ids == (
        "cat/0.png", "cat/1.png", "cat/2.png", "dog/young/0.bmp", "dog/young/1.bmp",
        "dog/young/2.bmp",
    )  # fmt: skip
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (data.name, data.input_shape, data.classes) == ("pets", (3, 4, 5), ("cat", "dog"))
    images = np.asarray(data.read(np.array([4, 0])))
    assert images.dtype == np.float32
    assert np.array_equal(images[1], (PIXELS.transpose(2, 0, 1) / 255).astype(np.float32))
    assert np.array_equal(images[0] * 255, (255 - PIXELS // 2).transpose(2, 0, 1))
    assert data.relevance(slice(None)) is None
    assert data.derived == tuple(data.attributes)
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again.read(slice(None)), data.read(slice(None)))


def test_every_byte_value_is_scaled_to_the_bounds_exactly(tmp_path: Path) -> None:
    file = save(tmp_path / "ramp.png", np.arange(256, dtype=np.uint8).reshape(16, 16))
    ramp = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    for bounds, expected in (
        ((0.0, 1.0), ramp / np.float32(255)),
        ((0.0, 255.0), ramp),
        ((-1.0, 1.0), (ramp.astype(np.float64) / 127.5 - 1).astype(np.float32)),
    ):
        found = ImageFiles((file,), (1, 16, 16), bounds).read(np.array([0]))
        assert found == pytest.approx(expected, abs=1e-7)
        assert (found.min(), found.max()) == bounds
    assert np.array_equal(
        ImageFiles((file,), (1, 16, 16), (0.0, 1.0)).read(np.array([0])), ramp / np.float32(255)
    )


def test_channels_become_those_of_the_model(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", PIXELS[:, :, 0])
    assert np.array_equal(read_image(grey, (3, 4, 5))[2] * 255, PIXELS[:, :, 0])
    colour = save(tmp_path / "colour.png")
    luma = PIXELS @ [0.299, 0.587, 0.114] / 255
    assert read_image(colour, (1, 4, 5))[0] == pytest.approx(luma, abs=1 / 255)
    alpha = save(tmp_path / "alpha.png", np.dstack([PIXELS, PIXELS[:, :, 0]]))
    assert np.array_equal(read_image(alpha, (3, 4, 5)), read_image(colour, (3, 4, 5)))
    palette = tmp_path / "palette.gif"
    Image.fromarray(PIXELS).quantize(20).save(palette, transparency=1)
    assert read_image(palette, (3, 4, 5)) == pytest.approx(read_image(colour, (3, 4, 5)), abs=0.2)


def test_sixteen_bit_files_keep_their_range(tmp_path: Path) -> None:
    deep = (np.arange(20, dtype=np.uint16) * 3449).reshape(4, 5)
    file = save(tmp_path / "deep.png", deep)
    for channels in (1, 3):
        found = read_image(file, (channels, 4, 5))
        assert np.array_equal(found, np.broadcast_to(deep / 65535, (channels, 4, 5)))


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "webp"])
def test_lossy_formats(tmp_path: Path, suffix: str) -> None:
    smooth = np.full((4, 5, 3), 90, dtype=np.uint8)
    file = save(tmp_path / f"one.{suffix}", smooth)
    assert read_image(file, (3, 4, 5)) == pytest.approx(90 / 255, abs=0.02)


def test_class_folders_may_be_numbers(tmp_path: Path) -> None:
    for name in ("1", "0"):
        save(tmp_path / name / "a.png")
    data = load_folder(tmp_path, image_model(), split="test")
    assert data.labels.tolist() == [0, 1]
    assert "0 is cat, 1 is dog" in data.notes[0]


def test_other_files_are_left_out_and_hidden_ones_not_even_mentioned(folder: Path) -> None:
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "README").write_text("x")
    (folder / ".git").mkdir()
    save(folder / ".git" / "cat" / "0.png")
    (folder / "cat" / ".DS_Store").write_text("x")
    data = load_folder(folder, image_model(), split="test")
    assert len(data) == 6
    assert data.notes == ("2 files that are no images were left out, such as README.",)


def test_the_hash_is_that_of_the_bytes(folder: Path) -> None:
    before = load_folder(folder, image_model(), split="test").sha256
    flipped = image_model(("dog", "cat"), bounds=(0.0, 255.0))
    assert load_folder(folder, flipped, split="test").sha256 == before
    changed = PIXELS.copy()
    changed[0, 0, 0] ^= 1
    save(folder / "cat" / "0.png", changed)
    after = load_folder(folder, image_model(), split="test").sha256
    (folder / "cat" / "1.png").rename(folder / "dog" / "1.png")
    assert len({before, after, load_folder(folder, image_model(), split="test").sha256}) == 3


def expect(folder: Path, message: str, *, hint: str = "", **options: object) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_folder(folder, image_model(), split="test", **options)  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_a_wrong_size_names_the_file_and_is_never_decoded(folder: Path) -> None:
    save(folder / "cat" / "large.png", np.zeros((5, 4, 3), dtype=np.uint8))
    expect(folder, r"large.png is 4 pixels wide and 5 high, .* reads 5 by 4", hint="Resize")


def test_a_bomb_is_refused_by_its_size(folder: Path) -> None:
    bomb = folder / "cat" / "bomb.png"
    Image.new("1", (4_000, 4_000)).save(bomb)
    content = bytearray(bomb.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height of the header
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    bomb.write_bytes(content)
    expect(folder, "bomb.png cannot be read as an image: .*decompression bomb", hint="remove it")


def test_a_damaged_image_is_named(folder: Path) -> None:
    file = folder / "dog" / "damaged.png"
    file.write_bytes((folder / "cat" / "0.png").read_bytes()[:60])
    expect(folder, "damaged.png cannot be read as an image", hint="Replace the file")
    file.write_bytes(b"not an image at all")
    expect(folder, "damaged.png cannot be read as an image", hint="Replace the file")


def test_only_the_formats_that_were_asked_for_are_decoded(folder: Path) -> None:
    file = folder / "cat" / "really_a_tiff.png"
    Image.fromarray(PIXELS).save(file, format="TIFF")
    expect(folder, "really_a_tiff.png cannot be read as an image")


def test_an_animation_is_refused(folder: Path) -> None:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(folder / "cat" / "film.gif", save_all=True, append_images=frames[1:])
    expect(folder, "film.gif holds several pictures", hint="single frame")


def test_an_unknown_class_names_the_folder_and_the_near_miss(folder: Path) -> None:
    (folder / "cat").rename(folder / "cats")
    expect(folder, r"'cats/0.png' has the label 'cats'.*'cat', 'dog'.* mean 'cat'\?", hint="Rename")


def test_folders_without_images(tmp_path: Path, folder: Path) -> None:
    expect(tmp_path / "pets" / "cat" / "nothing", "holds no images")
    save(folder / "stray.png")
    expect(folder, "stray.png lies beside the class folders. Expected a folder per class")


def test_a_folder_has_no_columns(folder: Path) -> None:
    expect(folder, "has no column 'age' to slice by; it has none", sensitive=["age"])


def test_two_channels_cannot_come_from_files(folder: Path) -> None:
    with pytest.raises(DataError, match="images of 2 channels"):
        load_folder(folder, image_model(shape=(2, 4, 5)), split="test")


def test_images_without_class_folders_have_no_labels_where_they_may_be_absent(
    folder: Path, tmp_path: Path
) -> None:
    loose = tmp_path / "loose"
    for i in range(3):
        save(loose / f"{i}.png")
    data = load_folder(loose, image_model(), split="test", unlabelled=True)
    assert data.labels.tolist() == [-1, -1, -1]
    assert not data.labelled
    assert any("no labels" in note for note in data.notes)
    with pytest.raises(DataError, match="beside the class folders"):
        load_folder(loose, image_model(), split="test")
    assert load_folder(folder, image_model(), split="test", unlabelled=True).labelled
    save(folder / "beside.png")  # some with a class and some without: nobody can mean that
    with pytest.raises(DataError, match="beside the class folders"):
        load_folder(folder, image_model(), split="test", unlabelled=True)
