"""What tests share: pictures drawn in code, fakes, small models."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
