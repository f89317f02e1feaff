"""The contract: what people outside the project rely on, tested through the public names alone."""

import jax

jax.config.update("jax_enable_x64", True)
