from pathlib import Path

from sceneset.class_list import read_class_list
from scraper.gallery.scenes import SCENES, Band, Layer, glyphs, made_up_scene, read_scenes

CLASSES = Path(__file__).resolve().parents[3] / "classes.txt"


def test_every_class_of_the_class_list_has_a_scene() -> None:
    assert [one.name for one in read_class_list(CLASSES)] == list(SCENES)


def test_every_glyph_a_scene_names_exists_and_every_glyph_is_used() -> None:
    layers = [one for scene in SCENES.values() for one in scene if isinstance(one, Layer)]
    assert {glyph for layer in layers for glyph in layer.glyphs} == set(glyphs())


def test_every_colour_slot_of_a_glyph_is_filled() -> None:
    for scene in SCENES.values():
        for layer in (one for one in scene if isinstance(one, Layer)):
            used = {part.colour for glyph in layer.glyphs for part in glyphs()[glyph]}
            slots = {colour for colour in used if not colour.startswith("#")}
            assert slots <= {"s", "h", *layer.colours}, layer.glyphs


def test_lines_read_as_bands_and_layers() -> None:
    text = "[Pond]\nband .2-.4 #112233,#445566 wave=.1\nboat 1-3 x=0-1 y=.5 size=.1-.2 lay=across\n"
    band, layer = read_scenes(text)["Pond"]
    assert band == Band((0.2, 0.4), ("#112233", "#445566"), wave=0.1)
    assert isinstance(layer, Layer)
    assert (layer.count, layer.x, layer.y, layer.lay) == ((1, 3), (0, 1), (0.5, 0.5), "across")


def test_a_made_up_scene_belongs_to_its_name() -> None:
    assert made_up_scene("Robot") == made_up_scene("Robot")
    assert made_up_scene("Robot") != made_up_scene("Teapot")
