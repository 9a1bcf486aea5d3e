"""The heat-map study: faithfulness, agreement and sanity checks of a model's heat maps over many test faces."""
