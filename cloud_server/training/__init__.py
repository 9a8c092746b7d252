"""Making the shadow: data, loss, training, evaluation and export."""
