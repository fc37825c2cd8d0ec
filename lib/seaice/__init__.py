"""IceNet compendium: sea-ice forecasts with deep learning, from catalogue to maps and scores."""
