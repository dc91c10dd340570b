"""K slots that train as one program: their state, gradients, and what is measured on the way."""
